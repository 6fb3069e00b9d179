//! Health as the answer to a probe: live, ready, and JSON. What is true of a transport is not decided here.

use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::{Health, LinkHealth, LinkState, Missed};

impl Health {
    /// Whether it is worth waiting for: `false` only once both directions are closed, by the bus or its transport, which stays.
    /// All else heals by itself, and restarting the process would not help: a liveness probe must not fail since the server is
    /// away.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !self.state().is_closed()
    }

    /// Whether it can be used right now: neither direction is closed, listening is not interrupted, and the server has confirmed
    /// all that somebody listens to. A direction that nobody uses yet is ready.
    ///
    /// Whether publishing is interrupted does not count: that is known as of the last publish, and heals with the next one. A
    /// probe that keeps requests away would keep that next publish away too.
    ///
    /// A subscription that has [ended](Self::ended) by itself is not wanted any more, and does not count: who reads it is told last,
    /// and has to listen anew, or to end the process.
    ///
    /// A new `listen` makes it unready until the server has confirmed it: let a probe fail twice or more before that counts.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let listens = !matches!(self.listener.state, LinkState::Interrupted | LinkState::Closed);
        self.publisher.state != LinkState::Closed && listens && self.confirmed >= self.wanted
    }

    /// The status of an HTTP answer about readiness: 200 if it [is ready](Self::is_ready), else 503.
    ///
    /// # Examples
    /// A route `/healthz`, with whichever server:
    /// ```
    /// # use event_bus_core::{EventBus, MemoryTransport};
    /// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
    /// # #[bus(name = "pings")]
    /// # struct Ping { n: u64 }
    /// fn healthz(bus: &PingBus) -> (u16, [(&'static str, &'static str); 1], String) {
    ///     let health = bus.health();
    ///     (health.http_status(), [("content-type", "application/json")], health.to_json())
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
    /// let memory = MemoryTransport::new();
    /// let bus = PingBus::new(memory.clone());
    /// assert_eq!(healthz(&bus).0, 200);
    /// memory.interrupt();
    /// let (status, _, body) = healthz(&bus);
    /// assert_eq!(status, 503);
    /// assert!(body.starts_with(r#"{"ready":false,"live":true,"publisher":{"state":"#));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn http_status(&self) -> u16 {
        if self.is_ready() { 200 } else { 503 }
    }

    /// All of it as JSON, as `Serialize` has it: times in seconds, and without secrets. Errors name the server that is
    /// concerned, so an answer for everybody should be the [status](Self::http_status) alone.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| unreachable!("texts and numbers have JSON"))
    }
}

impl Serialize for Health {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = serializer.serialize_struct("Health", 11)?;
        all.serialize_field("ready", &self.is_ready())?;
        all.serialize_field("live", &self.is_live())?;
        all.serialize_field("publisher", &self.publisher)?;
        all.serialize_field("listener", &self.listener)?;
        all.serialize_field("wanted", &self.wanted)?;
        all.serialize_field("confirmed", &self.confirmed)?;
        all.serialize_field("reconnects", &self.reconnects)?;
        all.serialize_field("delivered", &self.delivered)?;
        all.serialize_field("queued", &self.queued)?;
        all.serialize_field("ended", &self.ended)?;
        all.serialize_field("missed", &self.missed)?;
        all.end()
    }
}

impl Serialize for LinkHealth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut link = serializer.serialize_struct("LinkHealth", 4)?;
        link.serialize_field("state", &self.state)?;
        link.serialize_field("seconds_in_state", &seconds(self.in_state_for))?;
        link.serialize_field("seconds_since_heard", &self.last_heard.map(seconds))?;
        link.serialize_field("last_error", &self.last_error.as_deref())?;
        link.end()
    }
}

impl Serialize for LinkState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Missed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut missed = serializer.serialize_struct("Missed", 6)?;
        missed.serialize_field("lagged", &self.lagged)?;
        missed.serialize_field("interruptions", &self.interruptions)?;
        missed.serialize_field("gaps", &self.gaps)?;
        missed.serialize_field("oversized", &self.oversized)?;
        missed.serialize_field("undecodable", &self.undecodable)?;
        missed.serialize_field("unknown_types", &self.unknown_types)?;
        missed.end()
    }
}

/// To the millisecond.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(publisher: LinkState, listener: LinkState) -> Health {
        let mut health = Health::default();
        (health.publisher.state, health.listener.state) = (publisher, listener);
        health
    }

    #[test]
    fn ready_is_what_works_and_live_what_may_work_again() {
        use LinkState::{Closed, Connected, Connecting, Idle, Interrupted};
        for (publisher, listener, ready, live) in [
            (Idle, Idle, true, true),
            (Connected, Idle, true, true),
            (Connecting, Connected, true, true),
            (Interrupted, Connected, true, true),
            (Connected, Interrupted, false, true),
            (Interrupted, Idle, true, true),
            (Interrupted, Interrupted, false, true),
            (Closed, Connected, false, true),
            (Closed, Closed, false, false),
        ] {
            let health = health(publisher, listener);
            assert_eq!((health.is_ready(), health.is_live()), (ready, live), "{publisher}, {listener}");
            assert_eq!(health.http_status(), if ready { 200 } else { 503 });
        }
    }

    #[test]
    fn what_is_listened_to_and_not_confirmed_is_not_ready() {
        let mut health = health(LinkState::Connected, LinkState::Connected);
        (health.wanted, health.confirmed) = (2, 1);
        assert!(!health.is_ready());
        health.confirmed = 2;
        assert!(health.is_ready());
    }

    #[test]
    fn the_json_says_all_and_is_stable() {
        let mut health = health(LinkState::Connected, LinkState::Interrupted);
        health.listener.in_state_for = Duration::from_micros(1_234_567);
        health.listener.last_error = Some("no answer".into());
        health.publisher.last_heard = Some(Duration::from_secs(2));
        (health.delivered, health.missed.lagged) = (7, 3);
        assert_eq!(
            health.to_json(),
            r#"{"ready":false,"live":true,"publisher":{"state":"connected","seconds_in_state":0.0,"seconds_since_heard":2.0,"last_error":null},"listener":{"state":"interrupted","seconds_in_state":1.235,"seconds_since_heard":null,"last_error":"no answer"},"wanted":0,"confirmed":0,"reconnects":0,"delivered":7,"queued":0,"ended":0,"missed":{"lagged":3,"interruptions":0,"gaps":0,"oversized":0,"undecodable":0,"unknown_types":0}}"#
        );
    }
}
