//! One server, or several that find out among themselves which of them serves what.

use std::fmt;

use super::{Address, RedisConfig};
use redis::RedisConnectionInfo;

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Servers {
    One(Address),
    /// The nodes from which the others are learnt.
    Cluster(Vec<Address>),
    /// The sentinels that know which server is the master of that name.
    Sentinel(String, Vec<Address>),
}

impl RedisConfig {
    /// A Redis Cluster, of which these nodes are known, each by name or address and port; the others are learnt from them.
    /// Name several: one may be down.
    ///
    /// Events are published to the node that owns the slot of their channel. With classic pub/sub one node is listened to,
    /// for all of them pass every event on; with [sharded](Self::sharded) pub/sub each node that owns a channel of ours.
    #[must_use]
    pub fn cluster<H: Into<String>>(nodes: impl IntoIterator<Item = (H, u16)>) -> Self {
        Self::with_defaults(Servers::Cluster(addresses(nodes)), RedisConnectionInfo::default())
    }

    /// The master called `name` by these sentinels, each by name or address and port, mostly 26379. It is found anew
    /// whenever it is lost, and left when the sentinels say that there is another.
    #[must_use]
    pub fn sentinel<H: Into<String>>(
        name: impl Into<String>,
        sentinels: impl IntoIterator<Item = (H, u16)>,
    ) -> Self {
        let servers = Servers::Sentinel(name.into(), addresses(sentinels));
        Self::with_defaults(servers, RedisConnectionInfo::default())
    }

    /// The same, for the server at `address` alone.
    pub(crate) fn at(&self, address: Address) -> Self {
        Self { servers: Servers::One(address), ..self.clone() }
    }

    /// The same, for a server that is useful only as a master.
    pub(crate) fn at_master(&self, address: Address, must_be_master: bool) -> Self {
        Self { must_be_master, ..self.at(address) }
    }

    pub(crate) fn must_be_master(&self) -> bool {
        self.must_be_master
    }

    pub(crate) fn is_several(&self) -> bool {
        !matches!(self.servers, Servers::One(_))
    }

    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.servers, Servers::Cluster(_))
    }

    /// The same, for the sentinel at `address`, where the login of the servers does not count.
    pub(crate) fn of_sentinel(&self, address: Address) -> Self {
        let login = self.sentinel_login.clone();
        Self { login, credentials: None, is_sentinel: true, ..self.at(address) }
    }

    pub(crate) fn is_sentinel(&self) -> bool {
        self.is_sentinel
    }

    /// By what a node of a cluster is reached: what it announces, by default; else the host of the first node that was
    /// named, with the port that it announces, for clusters behind a forwarded port or a tunnel.
    #[must_use]
    pub fn announced_addresses(mut self, are_used: bool) -> Self {
        self.announced_addresses = are_used;
        self
    }

    /// The host of every node, if announced addresses are not used.
    pub(crate) fn host_of_all_nodes(&self) -> Option<&str> {
        match &self.servers {
            Servers::Cluster(nodes) if !self.announced_addresses => nodes.iter().find_map(Address::host),
            _ => None,
        }
    }

    pub(crate) fn servers(&self) -> &Servers {
        &self.servers
    }
}

fn addresses<H: Into<String>>(servers: impl IntoIterator<Item = (H, u16)>) -> Vec<Address> {
    servers.into_iter().map(|(host, port)| Address::Tcp(host.into(), port)).collect()
}

impl Servers {
    /// Why they can't be used, if so.
    pub(super) fn fault(&self) -> Option<String> {
        match self {
            Self::One(address) => address.fault(),
            Self::Cluster(nodes) if nodes.is_empty() => {
                Some("the cluster has no nodes: name one at least".to_owned())
            }
            Self::Sentinel(name, _) if name.is_empty() => {
                Some("the name of the sentinels' master is empty".to_owned())
            }
            Self::Sentinel(_, sentinels) if sentinels.is_empty() => {
                Some("there are no sentinels: name one at least".to_owned())
            }
            Self::Cluster(addresses) | Self::Sentinel(_, addresses) => {
                addresses.iter().find_map(Address::fault)
            }
        }
    }
}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list =
            |addresses: &[Address]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::One(address) => address.fmt(f),
            Self::Cluster(nodes) => write!(f, "the cluster of {}", list(nodes)),
            Self::Sentinel(name, sentinels) => write!(f, "{name} of the sentinels {}", list(sentinels)),
        }
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
