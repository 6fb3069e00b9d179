//! What the nodes' bus connections go through: a relay in front of each node's bus port, which knows by the source address
//! who calls, and cuts nodes off from each other while clients reach them all.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};

use tokio::io::copy_bidirectional;
use tokio::net::{self, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

/// Relays for all nodes of one cluster, until they are dropped.
#[derive(Debug)]
pub(super) struct Relays {
    ports: Vec<u16>,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

#[derive(Debug)]
struct Shared {
    /// Where each node's bus really is; 0 until it is known.
    bus_ports: Vec<AtomicU16>,
    cuts: watch::Sender<Cuts>,
}

/// Who does not reach whom.
#[derive(Debug)]
struct Cuts {
    /// Which side of the partition each node is on. All on one side is no partition.
    sides: Vec<usize>,
    /// Two that don't reach each other, while others reach both.
    estranged: Vec<(usize, usize)>,
}

impl Cuts {
    /// Callers that are none of the nodes reach nobody.
    fn are_apart(&self, from: Option<usize>, to: usize) -> bool {
        from.is_none_or(|from| {
            self.sides.get(from).is_none_or(|side| *side != self.sides[to])
                || self.estranged.iter().any(|two| *two == (from, to) || *two == (to, from))
        })
    }
}

impl Relays {
    pub(super) fn start(nodes: usize) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let shared = Arc::new(Shared {
            bus_ports: (0..nodes).map(|_| AtomicU16::new(0)).collect(),
            cuts: watch::Sender::new(Cuts { sides: vec![0; nodes], estranged: Vec::new() }),
        });
        let ports = (0..nodes).map(|node| open(&runtime, node, &shared)).collect();
        Self { ports, shared, runtime: Some(runtime) }
    }

    /// Where the relay of `node` is.
    pub(super) fn port(&self, node: usize) -> u16 {
        self.ports[node]
    }

    /// The bus port that `node` really has.
    pub(super) fn behind(&self, node: usize) -> u16 {
        self.shared.bus_ports[node].load(SeqCst)
    }

    /// Has the relay of `node` lead there.
    pub(super) fn lead(&self, node: usize, bus_port: u16) {
        self.shared.bus_ports[node].store(bus_port, SeqCst);
    }

    /// Where `node` calls from. All addresses of 127.0.0.0/8 are this machine's.
    pub(super) fn source(node: usize) -> Ipv4Addr {
        Ipv4Addr::new(127, 0, 1, u8::try_from(node + 1).expect("fewer nodes than addresses"))
    }

    /// Puts `node` alone, or back among the others.
    pub(super) fn isolate(&self, node: usize, is_isolated: bool) {
        self.shared.cuts.send_modify(|cuts| cuts.sides[node] = if is_isolated { node + 1 } else { 0 });
    }

    /// The two don't reach each other any more.
    pub(super) fn estrange(&self, one: usize, other: usize) {
        self.shared.cuts.send_modify(|cuts| cuts.estranged.push((one, other)));
    }
}

impl Drop for Relays {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background(); // dropped in async code, too
        }
    }
}

fn open(runtime: &Runtime, node: usize, shared: &Arc<Shared>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("the port that was bound").port();
    listener.set_nonblocking(true).expect("a socket that need not block");
    let _entered = runtime.enter();
    let listener = net::TcpListener::from_std(listener).expect("a runtime that drives sockets");
    runtime.spawn(accept(listener, node, Arc::clone(shared)));
    port
}

async fn accept(listener: net::TcpListener, to: usize, shared: Arc<Shared>) {
    loop {
        if let Ok((caller, address)) = listener.accept().await {
            #[expect(clippy::disallowed_methods, reason = "it ends with the relays' runtime")]
            tokio::spawn(relay(caller, from(address), to, Arc::clone(&shared)));
        }
    }
}

/// Which node calls from `address`, if it is one of ours.
fn from(address: SocketAddr) -> Option<usize> {
    let IpAddr::V4(ip) = address.ip() else { return None };
    (0..usize::from(u8::MAX)).find(|node| Relays::source(*node) == ip)
}

/// Until one of the two hangs up, or a partition that was between them has ended. A partition leaves connections open, and
/// nothing passes; what was sent into it is lost.
async fn relay(mut caller: TcpStream, from: Option<usize>, to: usize, shared: Arc<Shared>) {
    let are_apart = |cuts: &Cuts| cuts.are_apart(from, to);
    let mut cuts = shared.cuts.subscribe();
    let mut _stays_open = None;
    if !are_apart(&cuts.borrow_and_update()) {
        let bus_port = shared.bus_ports[to].load(SeqCst);
        let Ok(mut node) = TcpStream::connect((Ipv4Addr::LOCALHOST, bus_port)).await else { return };
        let _ = (caller.set_nodelay(true), node.set_nodelay(true));
        tokio::select! {
            biased;
            _ = cuts.wait_for(are_apart) => _stays_open = Some(node),
            _ = copy_bidirectional(&mut caller, &mut node) => return,
        }
    }
    let _ = cuts.wait_for(|cuts| !are_apart(cuts)).await;
}
