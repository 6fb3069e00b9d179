//! The socket below the listening connection. Redis-rs reads all there is before it writes, and under a flood there always is
//! more: pings and subscriptions would wait until it ends, and so would listeners on the same thread, until their queues are
//! full. So reading pauses for breath here; and who takes what is read is told of each pause.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures_util::future::select_ok;
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::SockRef;
use redis::{ConnectionAddr, ConnectionInfo, RedisError, RedisResult};
use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::{TcpStream, UnixStream, lookup_host};

use crate::config::RedisConfig;

/// Of 8 KiB, as redis-rs reads. Far fewer than the socket operations that tokio grants a task at a time, so that one is left to
/// write with; and what listeners then read is still in the processor's nearest cache.
const READS_IN_ONE_BREATH: u8 = 4;

/// About as many as tokio lets a listener read at a time: more would come in than can be read, although there is time.
const MESSAGES_IN_ONE_BREATH: usize = 64;

/// Redis-rs reads 8 KiB at a time: under a flood a system call for each would be a tenth of what a message costs.
const READ_AHEAD: usize = 64 * 1024;

/// A connected socket, or whatever stands in for one.
pub(super) struct Breathing<S> {
    socket: S,
    reads: u8,
    messages: Messages,
    /// Called before whoever reads has to wait: all that was read has been taken by then.
    on_pause: OnPause,
}

type OnPause = Box<dyn Fn() + Send>;

/// How many messages have been read in this breath: told by whoever takes them, on the task that reads.
#[derive(Clone, Debug, Default)]
pub(super) struct Messages(Arc<AtomicUsize>);

impl Messages {
    pub(super) fn add_one(&self) {
        self.0.store(self.0.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    fn are_enough(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= MESSAGES_IN_ONE_BREATH
    }

    fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// Connects, without a time-out.
pub(super) async fn connect(
    config: &RedisConfig,
    info: &ConnectionInfo,
    messages: Messages,
    on_pause: impl Fn() + Send + 'static,
) -> RedisResult<Breathing<BufReader<Box<dyn Socket>>>> {
    let socket: Box<dyn Socket> = match info.addr() {
        ConnectionAddr::Tcp(host, port) => Box::new(connect_to_host(host, *port, info.tcp_settings()).await?),
        ConnectionAddr::TcpTls { host, port, .. } => {
            let socket = connect_to_host(host, *port, info.tcp_settings()).await?;
            secure(socket, host, config).await?
        }
        ConnectionAddr::Unix(path) => Box::new(UnixStream::connect(path).await?),
        _ => return Err(unsupported()),
    };
    let socket = BufReader::with_capacity(READ_AHEAD, socket);
    Ok(Breathing { socket, reads: 0, messages, on_pause: Box::new(on_pause) })
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

impl<S: AsyncRead + Unpin> AsyncRead for Breathing<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.reads == READS_IN_ONE_BREATH || self.messages.are_enough() {
            self.begin_breath();
            cx.waker().wake_by_ref();
            (self.on_pause)();
            return Poll::Pending;
        }
        self.reads += 1;
        let read = Pin::new(&mut self.socket).poll_read(cx, buffer);
        if read.is_pending() {
            self.begin_breath();
        }
        self.told(read)
    }
}

impl<S> Breathing<S> {
    fn begin_breath(&mut self) {
        self.reads = 0;
        self.messages.reset();
    }

    fn told<T>(&self, outcome: Poll<T>) -> Poll<T> {
        if outcome.is_pending() {
            (self.on_pause)();
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Breathing<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.told(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        self.told(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.socket).poll_shutdown(cx);
        self.told(shut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use redis::io::tcp::socket2::{Domain, Socket as Socket2, Type};
    use tokio::task::coop::poll_proceed;
    use tokio::time::timeout;

    /// Has always more to read, and takes a share of the task's budget for everything, as tokio's sockets do.
    struct Endless;

    impl AsyncRead for Endless {
        fn poll_read(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            std::task::ready!(poll_proceed(cx)).made_progress();
            buffer.put_slice(b"more");
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Endless {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            std::task::ready!(poll_proceed(cx)).made_progress();
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Whether one turn of a task that reads all there is, as redis-rs does, can write afterwards.
    async fn writes(mut socket: impl Socket + 'static) -> bool {
        let turn = poll_fn(move |cx| {
            let mut buffer = [0; 8];
            while Pin::new(&mut socket).poll_read(cx, &mut ReadBuf::new(&mut buffer)).is_ready() {}
            Poll::Ready(Pin::new(&mut socket).poll_write(cx, b"PING").is_ready())
        });
        #[expect(clippy::disallowed_methods, reason = "awaited here")]
        tokio::spawn(turn).await.unwrap()
    }

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

    #[tokio::test]
    async fn a_breath_ends_with_enough_messages_and_the_next_begins_at_once() {
        let messages = Messages::default();
        let mut socket =
            Breathing { socket: Endless, reads: 0, messages: messages.clone(), on_pause: Box::new(|| {}) };
        let mut breaths = Vec::new();
        for _ in 0..3 {
            let mut reads = 0;
            poll_fn(|cx| {
                let mut buffer = [0; 8];
                let read = Pin::new(&mut socket).poll_read(cx, &mut ReadBuf::new(&mut buffer));
                if read.is_ready() {
                    reads += 1;
                    (0..MESSAGES_IN_ONE_BREATH / 2).for_each(|_| messages.add_one());
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(())
            })
            .await;
            breaths.push(reads);
        }
        assert_eq!(breaths, [2, 2, 2]);
    }

    #[tokio::test]
    async fn what_always_has_more_to_read_leaves_room_to_write() {
        assert!(!writes(Endless).await, "what this is for");
        let socket = BufReader::with_capacity(READ_AHEAD, Endless);
        let pauses = Arc::new(AtomicUsize::new(0));
        let on_pause = {
            let pauses = Arc::clone(&pauses);
            Box::new(move || {
                pauses.fetch_add(1, Ordering::Relaxed);
            })
        };
        assert!(writes(Breathing { socket, reads: 0, messages: Messages::default(), on_pause }).await);
        assert_eq!(pauses.load(Ordering::Relaxed), 1, "who takes what is read is told that it pauses");
    }
}
