//! A TCP proxy in front of a server, which does what networks do: it cuts, crawls, swallows in one direction or both, and
//! loses single messages of a connection that looks healthy. Of Redis it knows where one answer ends and the next begins.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::time::sleep;

/// A slow network passes bytes on in this many pieces a second.
const PIECES_PER_SECOND: u32 = 50;

/// A way that bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From its clients to the server.
    ToServer,
    /// From the server to its clients.
    FromServer,
    /// Either.
    Both,
}

/// A proxy that runs until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    faults: Arc<Faults>,
    runtime: Option<Runtime>,
}

#[derive(Debug)]
struct Faults {
    to_server: AtomicBool,
    from_server: AtomicBool,
    /// How many messages are still to be lost.
    messages: AtomicU64,
    /// Bytes a second; 0 is as fast as it can.
    pace: AtomicU32,
    /// Changes when all connections are cut.
    cuts: watch::Sender<u64>,
    /// Cutting waits until no connection is being made.
    accepting: Mutex<()>,
}

impl Proxy {
    /// A proxy on a free loopback port, in front of `port`.
    ///
    /// # Panics
    /// If this machine has no loopback.
    #[must_use]
    pub fn start(port: u16) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("the port that was bound");
        listener.set_nonblocking(true).expect("a socket that need not block");
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener).expect("a runtime that drives sockets")
        };
        let faults = Arc::new(Faults {
            to_server: AtomicBool::new(false),
            from_server: AtomicBool::new(false),
            messages: AtomicU64::new(0),
            pace: AtomicU32::new(0),
            cuts: watch::Sender::new(0),
            accepting: Mutex::new(()),
        });
        runtime.spawn(accept(listener, port, Arc::clone(&faults)));
        Self { address, faults, runtime: Some(runtime) }
    }

    /// Where Redis seems to be.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Cuts all connections; new ones are let through.
    pub fn cut(&self) {
        let _no_one_enters = self.faults.accepting.lock().expect("nobody panics");
        self.faults.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Swallows all that goes this way, on old connections and new ones, until it is [healed](Self::heal).
    pub fn black_hole(&self, direction: Direction) {
        self.faults.to_server.store(direction != Direction::FromServer, SeqCst);
        self.faults.from_server.store(direction != Direction::ToServer, SeqCst);
    }

    /// Loses every message that Redis pushes to a listener, and nothing else, until it is [healed](Self::heal).
    pub fn lose_messages(&self) {
        self.lose_next_messages(u64::MAX);
    }

    /// Loses the next so many of them, whichever listeners they are for, and lets those behind through.
    pub fn lose_next_messages(&self, messages: u64) {
        self.faults.messages.store(messages, SeqCst);
    }

    /// How many of them have not come yet.
    #[must_use]
    pub fn still_to_lose(&self) -> u64 {
        self.faults.messages.load(SeqCst)
    }

    /// Lets no more than this pass in each direction of each connection, until it is [healed](Self::heal). Nothing is lost.
    pub fn slow(&self, bytes_per_second: NonZeroU32) {
        self.faults.pace.store(bytes_per_second.get(), SeqCst);
    }

    /// Ends a black hole, and cuts nobody: connections that fell into it stay as they are, as those to a machine that is gone.
    pub fn forget(&self) {
        self.faults.to_server.store(false, SeqCst);
        self.faults.from_server.store(false, SeqCst);
    }

    /// Ends what goes wrong. Connections from which bytes were swallowed are cut; those that lost whole messages go on.
    pub fn heal(&self) {
        self.faults.messages.store(0, SeqCst);
        self.faults.pace.store(0, SeqCst);
        let was_hole =
            self.faults.to_server.swap(false, SeqCst) | self.faults.from_server.swap(false, SeqCst);
        if was_hole {
            self.cut();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background(); // dropped in async code, too
        }
    }
}

impl Faults {
    /// Whether one more message is to be lost; it counts as lost then.
    fn lose_one(&self) -> bool {
        self.messages.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}

async fn accept(listener: TcpListener, port: u16, faults: Arc<Faults>) {
    while let Ok((client, _)) = listener.accept().await {
        let cuts = {
            let _not_while_cutting = faults.accepting.lock().expect("nobody panics");
            faults.cuts.subscribe()
        };
        #[expect(clippy::disallowed_methods, reason = "ends with the proxy's own runtime")]
        tokio::spawn(serve(client, port, cuts, Arc::clone(&faults)));
    }
}

/// One connection, until either side closes it or it is cut.
async fn serve(client: TcpStream, port: u16, mut cuts: watch::Receiver<u64>, faults: Arc<Faults>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_reads, client_writes) = client.into_split();
    let (server_reads, server_writes) = server.into_split();
    tokio::select! {
        _ = cuts.changed() => {}
        () = to_server(client_reads, server_writes, &faults) => {}
        () = from_server(server_reads, client_writes, &faults) => {}
    }
}

async fn to_server(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, faults: &Faults) {
    let mut bytes = vec![0; 64 * 1024];
    let mut is_dead = false;
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        is_dead |= faults.to_server.load(SeqCst);
        if !is_dead && write(&mut to, &bytes[..length], faults).await.is_err() {
            return;
        }
    }
}

async fn from_server(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, faults: &Faults) {
    let mut bytes = Vec::new();
    let mut is_dead = false; // what has lost bytes passes no more, or it would seem to have lost messages
    while let Ok(1..) = from.read_buf(&mut bytes).await {
        let mut passed = Vec::new();
        while let Some(length) = frame_length(&bytes) {
            let frame: Vec<u8> = bytes.drain(..length).collect();
            let is_lost = is_message(&frame) && faults.lose_one();
            is_dead |= faults.from_server.load(SeqCst);
            if !is_lost && !is_dead {
                passed.extend(frame);
            }
        }
        if write(&mut to, &passed, faults).await.is_err() {
            return;
        }
    }
}

/// Writes `bytes` as fast as the network is at each moment.
async fn write(to: &mut OwnedWriteHalf, mut bytes: &[u8], faults: &Faults) -> io::Result<()> {
    while let Some(pace) = NonZeroU32::new(faults.pace.load(SeqCst)).filter(|_| !bytes.is_empty()) {
        let most = usize::try_from((pace.get() / PIECES_PER_SECOND).max(1)).unwrap_or(usize::MAX);
        let (piece, rest) = bytes.split_at(most.min(bytes.len()));
        to.write_all(piece).await?;
        sleep(Duration::from_secs(piece.len() as u64) / pace.get()).await;
        bytes = rest;
    }
    to.write_all(bytes).await
}

/// Whether it is a push that carries an event.
fn is_message(frame: &[u8]) -> bool {
    let kinds = ["\r\n$7\r\nmessage\r\n", "\r\n$8\r\npmessage\r\n", "\r\n$8\r\nsmessage\r\n"];
    let behind_count = frame.iter().position(|byte| *byte == b'\r').map_or(&[][..], |at| &frame[at..]);
    frame.first() == Some(&b'>') && kinds.iter().any(|kind| behind_count.starts_with(kind.as_bytes()))
}

/// The length of the first answer or push in `bytes`, once it is there as a whole.
fn frame_length(bytes: &[u8]) -> Option<usize> {
    let line = bytes.windows(2).position(|two| two == b"\r\n")? + 2;
    let count = || std::str::from_utf8(&bytes[1..line - 2]).ok()?.parse::<i64>().ok();
    match bytes[0] {
        b'$' | b'!' | b'=' => match usize::try_from(count()?) {
            Ok(length) => (bytes.len() >= line + length + 2).then_some(line + length + 2),
            Err(_) => Some(line), // nil
        },
        kind @ (b'*' | b'>' | b'~' | b'%' | b'|') => {
            let elements =
                usize::try_from(count()?).unwrap_or(0) * if matches!(kind, b'%' | b'|') { 2 } else { 1 };
            let mut length = line;
            for _ in 0..elements {
                length += frame_length(&bytes[length..])?;
            }
            Some(length)
        }
        _ => Some(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net;
    use std::time::Instant;

    /// What comes through a proxy that is as slow as this, of `bytes` that a server sends at once.
    fn client_of(bytes: Vec<u8>, bytes_per_second: u32) -> (Proxy, net::TcpStream) {
        let server = net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let proxy = Proxy::start(server.local_addr().unwrap().port());
        proxy.slow(NonZeroU32::new(bytes_per_second).unwrap());
        let client = net::TcpStream::connect(proxy.address).unwrap();
        std::thread::spawn(move || server.accept().unwrap().0.write_all(&bytes).unwrap());
        (proxy, client)
    }

    fn answer() -> Vec<u8> {
        format!("$30000\r\n{}\r\n", "x".repeat(30_000)).into_bytes()
    }

    #[test]
    fn a_slow_network_loses_nothing_and_takes_its_time() {
        let begin = Instant::now();
        let (_proxy, mut client) = client_of(answer(), 60_000);
        let mut got = vec![0; answer().len()];
        client.read_exact(&mut got).unwrap();
        assert!(got == answer());
        assert!(begin.elapsed() > Duration::from_millis(400), "{:?}", begin.elapsed());
    }

    #[test]
    fn what_a_slow_network_holds_back_passes_at_once_when_it_is_healed() {
        let (proxy, mut client) = client_of(answer(), 1_000);
        let mut got = vec![0; answer().len()];
        client.read_exact(&mut got[..1]).unwrap();
        let begin = Instant::now();
        proxy.heal();
        client.read_exact(&mut got[1..]).unwrap();
        assert!(got == answer());
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "30 s if it were slow still: {:?}",
            begin.elapsed()
        );
    }

    #[test]
    fn answers_are_told_apart_wherever_they_are_cut() {
        let frames = [
            "+OK\r\n",
            "$5\r\na\r\nbc\r\n",
            "$-1\r\n",
            ">3\r\n$7\r\nmessage\r\n$1\r\nk\r\n$2\r\nhi\r\n",
            "%1\r\n+a\r\n*2\r\n:1\r\n:2\r\n",
        ];
        let all = frames.concat();
        let mut rest = all.as_bytes();
        for frame in frames {
            assert!((0..frame.len()).all(|cut| frame_length(&rest[..cut]).is_none()), "{frame:?}");
            assert_eq!(frame_length(rest), Some(frame.len()));
            assert_eq!(is_message(&rest[..frame.len()]), frame.contains("message"));
            rest = &rest[frame.len()..];
        }
    }
}
