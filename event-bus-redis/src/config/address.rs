//! Where one server is reached.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

use redis::ConnectionAddr;

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Address {
    /// A name or an address, IPv6 without brackets, and a port.
    Tcp(String, u16),
    Unix(PathBuf),
}

impl Address {
    pub(super) fn host(&self) -> Option<&str> {
        match self {
            Self::Tcp(host, _) => Some(host),
            Self::Unix(_) => None,
        }
    }

    pub(super) fn of_redis(address: &ConnectionAddr) -> Option<Self> {
        match address {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                Some(Self::Tcp(host.clone(), *port))
            }
            ConnectionAddr::Unix(path) => Some(Self::Unix(path.clone())),
            _ => None,
        }
    }

    pub(super) fn to_redis(&self) -> ConnectionAddr {
        match self {
            Self::Tcp(host, port) => ConnectionAddr::Tcp(host.clone(), *port),
            Self::Unix(path) => ConnectionAddr::Unix(path.clone()),
        }
    }

    /// Why no server can be reached there, if so. What may hold a password is not shown.
    pub(super) fn fault(&self) -> Option<String> {
        match self {
            Self::Tcp(_, 0) => Some("the port is 0, where nothing can listen".to_owned()),
            Self::Tcp(host, _) => fault_of_host(host).map(|fault| format!("the host {fault}")),
            Self::Unix(path) if path.as_os_str().is_empty() => {
                Some("the path of the unix socket is empty".to_owned())
            }
            Self::Unix(_) => None,
        }
    }
}

/// What is wrong with a host, if anything. It is not shown: it may be a URL with a password in it.
pub(super) fn fault_of_host(host: &str) -> Option<&'static str> {
    let (address, _zone) = host.split_once('%').unwrap_or((host, ""));
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || "/@:?#[]".contains(c);
    if host.is_empty() {
        Some("is empty")
    } else if host.parse().is_ok_and(|address: IpAddr| address.is_unspecified()) {
        Some("is the address on which a server listens everywhere: give one at which it can be reached")
    } else if address.parse::<Ipv6Addr>().is_err() && host.contains(is_odd) {
        Some("is no name or address: give the host alone, without a port, a scheme or brackets")
    } else {
        None
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, _) if fault_of_host(host).is_some() => f.write_str("an impossible host"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
