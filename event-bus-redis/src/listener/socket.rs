//! The connected socket below the listening connection: TCP, TLS or a Unix socket.

use std::io;
use std::net::SocketAddr;

use futures_util::future::select_ok;
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::SockRef;
use redis::{ConnectionAddr, ConnectionInfo, RedisError, RedisResult};
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::net::{TcpStream, UnixStream, lookup_host};

use crate::config::RedisConfig;

/// A system call for each kibibyte would be a good part of what a message costs.
const READ_AHEAD: usize = 64 * 1024;

pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// Connects, without a time-out.
pub(super) async fn connect(
    config: &RedisConfig,
    info: &ConnectionInfo,
) -> RedisResult<BufReader<Box<dyn Socket>>> {
    let socket: Box<dyn Socket> = match info.addr() {
        ConnectionAddr::Tcp(host, port) => Box::new(connect_to_host(host, *port, info.tcp_settings()).await?),
        ConnectionAddr::TcpTls { host, port, .. } => {
            let socket = connect_to_host(host, *port, info.tcp_settings()).await?;
            secure(socket, host, config).await?
        }
        ConnectionAddr::Unix(path) => Box::new(UnixStream::connect(path).await?),
        _ => return Err(unsupported()),
    };
    Ok(BufReader::with_capacity(READ_AHEAD, socket))
}

async fn connect_to_host(host: &str, port: u16, settings: &TcpSettings) -> io::Result<TcpStream> {
    let socket = connect_to_any(lookup_host((host, port)).await?).await?;
    set(&socket, settings)?;
    Ok(socket)
}

#[cfg(feature = "tls")]
async fn secure(socket: TcpStream, host: &str, config: &RedisConfig) -> RedisResult<Box<dyn Socket>> {
    let client = config.tls_client().await?.ok_or_else(unsupported)?;
    let name = rustls::pki_types::ServerName::try_from(host.to_owned())?;
    Ok(Box::new(tokio_rustls::TlsConnector::from(client).connect(name, socket).await?))
}

#[cfg(not(feature = "tls"))]
#[expect(clippy::unused_async, reason = "as with TLS")]
async fn secure(_: TcpStream, _: &str, _: &RedisConfig) -> RedisResult<Box<dyn Socket>> {
    Err(unsupported())
}

fn unsupported() -> RedisError {
    io::Error::new(io::ErrorKind::Unsupported, "no such connection is made here").into()
}

/// To all at once, as redis-rs does: one that swallows everything must not use up the time for those behind it.
async fn connect_to_any(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let attempts: Vec<_> = addresses.map(|address| Box::pin(TcpStream::connect(address))).collect();
    if attempts.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
    }
    select_ok(attempts).await.map(|(socket, _others)| socket)
}

fn set(socket: &TcpStream, settings: &TcpSettings) -> io::Result<()> {
    socket.set_nodelay(settings.nodelay())?;
    match settings.keepalive() {
        Some(keepalive) => SockRef::from(socket).set_tcp_keepalive(keepalive),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use redis::io::tcp::socket2::{Domain, Socket as Socket2, Type};
    use tokio::time::timeout;

    /// Takes no connection and refuses none.
    fn mute() -> (Vec<Socket2>, SocketAddr) {
        let address = |socket: &Socket2| socket.local_addr().unwrap().as_socket().unwrap();
        let listener = Socket2::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let mut sockets = vec![listener];
        for _ in 0..4 {
            let filling = Socket2::new(Domain::IPV4, Type::STREAM, None).unwrap();
            filling.set_nonblocking(true).unwrap();
            let _in_progress = filling.connect(&address(&sockets[0]).into());
            sockets.push(filling);
        }
        let address = address(&sockets[0]);
        (sockets, address)
    }

    #[tokio::test]
    async fn an_address_that_swallows_everything_does_not_keep_us_from_the_next() {
        let (_mute, mute) = mute();
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let good = listener.local_addr().unwrap();
        let patience = Duration::from_millis(300);
        let alone = timeout(patience, connect_to_any([mute].into_iter())).await;
        assert!(alone.is_err(), "it swallows: {alone:?}");
        let both = timeout(Duration::from_secs(20), connect_to_any([mute, good].into_iter())).await;
        assert_eq!(both.unwrap().unwrap().peer_addr().unwrap(), good);
        let none = connect_to_any(std::iter::empty()).await;
        assert_eq!(none.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
