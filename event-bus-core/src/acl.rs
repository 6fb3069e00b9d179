//! What rights a user of Redis needs for a bus, and no more, as rules for `ACL SETUSER`.

use std::fmt;

use crate::bus::EventBus;
use crate::channel::{BusName, KeyPattern};
use crate::event::Event;

/// The channels of a transport's end-to-end probe.
const PROBE: &str = "event-bus-probe/*";

/// The rights that the users of one bus need at the server: say how the bus is used, then ask for the rules of a role.
///
/// ```
/// # use event_bus_core::{Acl, BusName};
/// let acl = Acl::new(BusName::new("execution_event")?);
/// assert_eq!(
///     format!("ACL SETUSER worker on >… {}", acl.publisher()),
///     "ACL SETUSER worker on >… resetkeys resetchannels -@all +ping +unwatch +publish &execution_event/*"
/// );
/// # Ok::<(), event_bus_core::KeyError>(())
/// ```
///
/// For rules that a bus of yours needs, whatever it is called: [`EventBus::acl`].
#[derive(Clone, Debug)]
pub struct Acl {
    bus: BusName,
    kinds: Kinds,
    patterns: Vec<KeyPattern>,
    cluster: bool,
    database: bool,
    probe: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kinds {
    Classic,
    Sharded,
    Both,
}

/// The rules of a role. Displayed, they are arguments of `ACL SETUSER`, and replace whatever rights the user had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclRules(Vec<String>);

impl<E: Event> EventBus<E> {
    /// The rights that users of this bus need at the server, under the name that it has.
    ///
    /// ```
    /// # use event_bus_core::{ChannelKey, Event, EventBus, KeyError, MemoryTransport};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)] struct Order { id: u64 }
    /// # impl Event for Order {
    /// #     const BUS_NAME: &'static str = "orders";
    /// #     fn channel_keys(&self) -> Result<Vec<ChannelKey>, KeyError> { Ok(vec![ChannelKey::new("all")?]) }
    /// # }
    /// let bus: EventBus<Order> = EventBus::new(MemoryTransport::new()); // rules need no server
    /// println!("ACL SETUSER listener on >… {}", bus.acl().sharded().listener());
    /// ```
    #[must_use]
    pub fn acl(&self) -> Acl {
        Acl::new(self.name().clone())
    }
}

impl Acl {
    /// For the bus of that name, published and listened to with classic pub/sub, without patterns, on one server.
    #[must_use]
    pub fn new(bus: BusName) -> Self {
        Self {
            bus,
            kinds: Kinds::Classic,
            patterns: Vec::new(),
            cluster: false,
            database: false,
            probe: false,
        }
    }

    /// With sharded pub/sub, and not with the classic one.
    #[must_use]
    pub fn sharded(mut self) -> Self {
        self.kinds = Kinds::Sharded;
        self
    }

    /// With both kinds of pub/sub, for a move from one to the other.
    #[must_use]
    pub fn both_kinds(mut self) -> Self {
        self.kinds = Kinds::Both;
        self
    }

    /// Who listens may listen to this pattern. The server wants it among the rules letter by letter, so each one that is
    /// listened to has to be told; but the whole bus, for which a transport asks in place of very many, may be listened to
    /// anyway.
    #[must_use]
    pub fn pattern(mut self, pattern: KeyPattern) -> Self {
        self.patterns.push(pattern);
        self
    }

    /// The servers are a cluster, whose nodes are asked about each other.
    #[must_use]
    pub fn cluster(mut self) -> Self {
        self.cluster = true;
        self
    }

    /// A database other than 0 is selected.
    #[must_use]
    pub fn database(mut self) -> Self {
        self.database = true;
        self
    }

    /// The listening connection is tested by an end-to-end probe, so who listens must be able to publish to it. The rule
    /// takes Redis 7, whose users can have rights for certain channels only.
    #[must_use]
    pub fn probe(mut self) -> Self {
        self.probe = true;
        self
    }

    /// For who publishes, and does not listen.
    #[must_use]
    pub fn publisher(&self) -> AclRules {
        let mut rules = self.start();
        rules.push("+unwatch"); // the pool tests a connection that it is not sure of
        self.publish(&mut rules);
        rules.push(format!("&{}/*", self.bus.as_str()));
        rules
    }

    /// For who listens, and does not publish.
    #[must_use]
    pub fn listener(&self) -> AclRules {
        let mut rules = self.start();
        self.listen(&mut rules);
        if self.probe {
            rules.push("+unwatch");
            for command in self.kinds("publish", "spublish") {
                rules.push(format!("(+{command} &{PROBE})"));
            }
        }
        rules
    }

    /// For who does both.
    #[must_use]
    pub fn publisher_and_listener(&self) -> AclRules {
        let mut rules = self.start();
        rules.push("+unwatch");
        self.publish(&mut rules);
        self.listen(&mut rules);
        rules
    }

    /// For the users of the sentinels themselves, if they have users.
    #[must_use]
    pub fn sentinels() -> AclRules {
        let rules = ["resetkeys", "resetchannels", "-@all", "+sentinel|get-master-addr-by-name"];
        let more = ["+sentinel|master", "+subscribe", "&+switch-master"];
        AclRules(rules.iter().chain(&more).map(ToString::to_string).collect())
    }

    fn start(&self) -> AclRules {
        let mut rules = AclRules(Vec::new());
        ["resetkeys", "resetchannels", "-@all", "+ping"].into_iter().for_each(|rule| rules.push(rule));
        if self.cluster {
            rules.push("+cluster|nodes");
        }
        if self.database {
            rules.push("+select");
        }
        rules
    }

    fn publish(&self, rules: &mut AclRules) {
        self.kinds("publish", "spublish").for_each(|command| rules.push(format!("+{command}")));
    }

    fn listen(&self, rules: &mut AclRules) {
        for command in self.kinds("subscribe", "ssubscribe").chain(self.kinds("unsubscribe", "sunsubscribe"))
        {
            rules.push(format!("+{command}"));
        }
        rules.push(format!("&{}/*", self.bus.as_str()));
        if !self.patterns.is_empty() {
            rules.push("+psubscribe");
            rules.push("+punsubscribe");
        }
        for pattern in &self.patterns {
            rules.push(format!("&{}/{}", self.bus.as_str(), pattern.as_str()));
        }
        if self.probe {
            rules.push(format!("&{PROBE}"));
        }
    }

    fn kinds(&self, classic: &'static str, sharded: &'static str) -> impl Iterator<Item = &'static str> {
        let classic = (self.kinds != Kinds::Sharded).then_some(classic);
        classic.into_iter().chain((self.kinds != Kinds::Classic).then_some(sharded))
    }
}

impl AclRules {
    fn push(&mut self, rule: impl Into<String>) {
        let rule = rule.into();
        if !self.0.contains(&rule) {
            self.0.push(rule);
        }
    }

    /// Each rule, as one argument of `ACL SETUSER`.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for AclRules {
    /// For `redis-cli` and ACL files: what holds a blank or a quote stands in quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, rule) in self.iter().enumerate() {
            if place > 0 {
                f.write_str(" ")?;
            }
            let is_plain = rule.starts_with('(') || !rule.contains([' ', '"', '\'']);
            if is_plain {
                f.write_str(rule)?;
            } else {
                write!(f, "\"{}\"", rule.replace('\\', "\\\\").replace('"', "\\\""))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl() -> Acl {
        Acl::new(BusName::new("b").unwrap_or_else(|error| panic!("{error}")))
    }

    #[test]
    fn each_role_and_option_has_the_rules_that_it_needs() {
        let start = "resetkeys resetchannels -@all +ping";
        assert_eq!(acl().sharded().publisher().to_string(), format!("{start} +unwatch +spublish &b/*"));
        assert_eq!(acl().listener().to_string(), format!("{start} +subscribe +unsubscribe &b/*"));
        let pattern = |text| KeyPattern::new(text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            acl().pattern(pattern("*")).pattern(pattern("a b*")).listener().to_string(),
            format!("{start} +subscribe +unsubscribe &b/* +psubscribe +punsubscribe \"&b/a b*\"")
        );
        assert_eq!(
            acl().both_kinds().cluster().database().publisher().to_string(),
            format!("{start} +cluster|nodes +select +unwatch +publish +spublish &b/*")
        );
        assert_eq!(
            acl().sharded().probe().listener().to_string(),
            format!(
                "{start} +ssubscribe +sunsubscribe &b/* &event-bus-probe/* +unwatch (+spublish &event-bus-probe/*)"
            )
        );
    }
}
