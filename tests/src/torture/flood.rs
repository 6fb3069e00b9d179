//! Publishers that are silent until they are told to publish much at once.

use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::options::Options;
use super::publishers::Voice;
use super::record::{Clock, Published};
use super::site::Carrier;

/// So many publish at the same time, each awaiting its own.
const VOICES: u32 = 16;

#[derive(Debug)]
pub(super) struct Flooder {
    voices: Vec<Voice>,
    runtime: Handle,
}

impl Flooder {
    /// Its publishers are numbered behind the others, and share `carrier`.
    pub(super) fn new(
        options: &Options,
        carrier: &Carrier,
        clock: Clock,
        random: &mut fastrand::Rng,
    ) -> Self {
        let voice = |number| {
            let bus = carrier.bus(options.is_sequenced);
            let lines = (0..options.channels).collect();
            Voice::new(options.publishers + number, bus, lines, clock, random.fork())
        };
        Self { voices: (0..VOICES).map(voice).collect(), runtime: Handle::current() }
    }

    /// Publishes so many `events`, and returns when the outcome of each is known. Blocks its thread.
    pub(super) fn flood(&mut self, events: u32) {
        let mut publishing = JoinSet::new();
        for (place, mut voice) in (0..VOICES).zip(std::mem::take(&mut self.voices)) {
            let share = (events + VOICES - 1 - place) / VOICES;
            let publish = async move {
                for _ in 0..share {
                    voice.publish_next().await;
                }
                voice
            };
            publishing.spawn_on(publish, &self.runtime);
        }
        self.voices = self.runtime.block_on(publishing.join_all());
    }

    pub(super) async fn published(self) -> Vec<Published> {
        let mut published = Vec::new();
        for voice in self.voices {
            published.extend(voice.published().await);
        }
        published
    }
}
