//! How patient we are with a server: for how long it is waited, how often something is tried, and when silence is noticed.

use std::time::Duration;

use event_bus_core::{Error, ErrorKind, Result};

use super::RedisConfig;

impl RedisConfig {
    /// How long one attempt to connect may take, login included; 2 s by default: a healthy server needs
    /// milliseconds, and the next attempt may find another address.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long the server may take to answer; 2 s by default. A publish without an answer by then ends as
    /// [`ErrorKind::OutcomeUnknown`]; a listening connection without a sign of life is made anew.
    #[must_use]
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// For how long a publish that was surely not executed is tried again; 5 s by default, enough for a restart.
    /// A publish takes at most this and one [`response_timeout`](Self::response_timeout).
    #[must_use]
    pub fn publish_timeout(mut self, timeout: Duration) -> Self {
        self.publish_timeout = timeout;
        self
    }

    /// How many times at most a publish is attempted that was surely not executed, the first time included; by
    /// default as often as fits into the [`publish_timeout`](Self::publish_timeout), since attempts are cheap (they
    /// back off to some four a second) and only time tells a restart from an outage. An attempt that finds the server
    /// known to be down counts. With 1, nothing is tried again; what may have been executed never is.
    #[must_use]
    pub fn publish_attempts(mut self, attempts: u32) -> Self {
        self.publish_attempts = Some(attempts);
        self
    }

    /// How long `listen` waits for the server's confirmation; 5 s by default, enough for a restart.
    #[must_use]
    pub fn listen_timeout(mut self, timeout: Duration) -> Self {
        self.listen_timeout = timeout;
        self
    }

    /// How often the listening connection is tested by a ping; 1 s by default. A server that has fallen silent is
    /// noticed within this and one [`response_timeout`](Self::response_timeout).
    #[must_use]
    pub fn ping_interval(mut self, interval: Duration) -> Self {
        self.ping_interval = interval;
        self
    }

    /// Within which time a connection that no longer works is noticed, whatever is wrong with it; 5 s by default, or
    /// [`ping_interval`](Self::ping_interval) and [`response_timeout`](Self::response_timeout) together if these are
    /// longer. Less than both together is refused.
    ///
    /// Silence is noticed sooner. It takes this long if events still arrive, and pings are not answered: they may wait behind
    /// the events, or the way to the server may be cut.
    #[must_use]
    pub fn notice_within(mut self, time: Duration) -> Self {
        self.notice_within = Some(time);
        self
    }

    /// Turns on the end-to-end probe: so often an event is published to a channel of the transport's own and must come
    /// back over the listening connection. It is published with the kind that is [listened](Self::listening) to, whatever
    /// events are published with. Off by default.
    ///
    /// A ping shows that the server answers, not that it delivers: something between, or a server that has lost its
    /// subscriptions, may do the one without the other. Then the connection is made anew, and every subscription is told
    /// [`Interrupted`](event_bus_core::Notice::Interrupted), within this interval and [`notice_within`](Self::notice_within).
    ///
    /// It costs one publish and one delivery of some 40 bytes each time while somebody listens, and one more channel,
    /// which [`Health::wanted`](event_bus_core::transport::Health::wanted) counts. The user must be allowed to publish and
    /// listen on `event-bus-probe/*`; if he is not, a warning is logged.
    #[must_use]
    pub fn probe_interval(mut self, interval: Duration) -> Self {
        self.probe_interval = Some(interval);
        self
    }

    /// How long an answer may take while there are other signs of life.
    pub(crate) fn patience(&self) -> Duration {
        let within = self.notice_within.unwrap_or_else(|| self.least_notice().max(Duration::from_secs(5)));
        within.saturating_sub(self.ping_interval).max(self.response_timeout)
    }

    fn least_notice(&self) -> Duration {
        self.ping_interval.saturating_add(self.response_timeout)
    }

    pub(super) fn check_notice(&self) -> Result<()> {
        let least = self.least_notice();
        match self.notice_within {
            Some(within) if within < least => {
                let text = format!(
                    "`notice_within` is {within:?}, and `ping_interval` and `response_timeout` alone take {least:?}"
                );
                Err(Error::new(ErrorKind::InvalidConfig, text))
            }
            _ => Ok(()),
        }
    }

    /// With times that can be added to a clock without overflow: whoever says `Duration::MAX` means «very long».
    pub(crate) fn with_sane_times(mut self) -> Self {
        const VERY_LONG: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        for time in [
            &mut self.connect_timeout,
            &mut self.response_timeout,
            &mut self.publish_timeout,
            &mut self.listen_timeout,
            &mut self.ping_interval,
        ] {
            *time = VERY_LONG.min(*time);
        }
        self.notice_within = self.notice_within.map(|time| time.min(VERY_LONG * 2));
        self.probe_interval = self.probe_interval.map(|time| time.min(VERY_LONG));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_noticed_in_time_is_refused() {
        let second = Duration::from_secs(1);
        let config = RedisConfig::from_url("redis://host").unwrap();
        let config = config.ping_interval(second).response_timeout(2 * second);
        assert_eq!(config.patience(), 4 * second);
        assert_eq!(config.clone().notice_within(3 * second).patience(), 2 * second);
        assert!(config.clone().notice_within(3 * second).check().is_ok());
        assert_eq!(config.clone().response_timeout(9 * second).patience(), 9 * second);
        let error = config.notice_within(2 * second).check().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().contains("`notice_within` is 2s"), "{error}");
    }
}
