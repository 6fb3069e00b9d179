//! What a run leaves behind: memory that grows, and subscriptions that nobody holds any more.

use std::time::Duration;

use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use super::site::{Carrier, Site};

/// How long a dropped subscription may stand at the server: the machine is busy.
const PATIENCE: Duration = Duration::from_secs(5);

/// How much a run may grow from its middle to its end besides what it writes down: queues and buffers that a flood filled.
const MOST_GROWTH_KIB: u64 = 32 * 1024;
/// What is written down, and the room that a growing list takes.
const BYTES_PER_RECORD: usize = 160;

/// How much of the process was in memory, in KiB.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    pub(super) half_way: u64,
    pub(super) at_end: u64,
}

impl Memory {
    pub(super) fn grown(self) -> u64 {
        self.at_end.saturating_sub(self.half_way)
    }

    pub(super) fn may_grow(records: usize) -> u64 {
        MOST_GROWTH_KIB + u64::try_from(records * BYTES_PER_RECORD / 1024).unwrap_or(u64::MAX)
    }
}

/// How many channels and patterns the transport and the server still know when everybody has gone: none, after a moment.
pub(super) async fn subscriptions(carrier: &Carrier, site: &Site) -> usize {
    subscriptions_after(PATIENCE, carrier, site).await
}

async fn subscriptions_after(patience: Duration, carrier: &Carrier, site: &Site) -> usize {
    let deadline = Instant::now() + patience;
    loop {
        let health = carrier.health();
        let left = health.wanted.max(health.confirmed).max(block_in_place(|| site.subscribed()));
        if left == 0 || Instant::now() > deadline {
            return left;
        }
        sleep(Duration::from_millis(5)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torture::listeners::{Filter, Way};
    use crate::torture::options::{Medium, PubSub};

    const PATTERNS: Way = Way { delivery: PubSub::Classic, channels: 4 };

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_subscription_is_left_over_as_long_as_somebody_holds_it() {
        for medium in [Medium::Redis, Medium::Memory] {
            let site = Site::start(medium, PubSub::Classic, 4, false);
            let carrier = site.listening().await.unwrap();
            let bus = carrier.builder().build().unwrap();
            assert_eq!(subscriptions_after(Duration::ZERO, &carrier, &site).await, 0);
            let line = Filter::Line(1).listen(&bus, PATTERNS).await.unwrap();
            let all = Filter::All.listen(&bus, PATTERNS).await.unwrap();
            assert_eq!(subscriptions_after(Duration::ZERO, &carrier, &site).await, 2, "{medium:?}");
            drop(line);
            assert!(subscriptions_after(Duration::from_millis(50), &carrier, &site).await > 0, "{medium:?}");
            drop(all);
            assert_eq!(subscriptions(&carrier, &site).await, 0, "{medium:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_server_is_asked_and_not_the_library_alone() {
        let site = Site::start(Medium::Redis, PubSub::Classic, 4, false);
        let [held, asked] = [site.listening().await.unwrap(), site.listening().await.unwrap()];
        let events = Filter::All.listen(&held.builder().build().unwrap(), PATTERNS).await.unwrap();
        assert_eq!(subscriptions_after(Duration::ZERO, &asked, &site).await, 1);
        drop(events);
        assert_eq!(subscriptions(&asked, &site).await, 0);
    }

    #[test]
    fn memory_grows_from_half_way_on_and_what_is_written_down_may_take_its_own() {
        assert_eq!(Memory { half_way: 10, at_end: 30 }.grown(), 20);
        assert_eq!(Memory { half_way: 30, at_end: 10 }.grown(), 0);
        assert_eq!(Memory::may_grow(1024) - Memory::may_grow(0), 160);
    }
}
