//! A live monitor in the browser: runs of agents and their nodes, as the execution bus tells of them. The reference for bridging
//! a bus to browsers; docs/browsers.md says why it is built like this.
//!
//! In memory by default; on Redis with `REDIS_URL=redis://127.0.0.1`. `--help` lists the arguments.

mod board;
mod bridge;
mod frames;
mod options;
mod runs;
mod stream;
#[cfg(test)]
mod tests;
mod web;
mod worker;

use std::future::{IntoFuture, pending};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use event_bus_core::transport::Transport;
use event_bus_core::{Error, MemoryTransport, Subscription};
use event_bus_examples::{ExecutionEvent, ExecutionEventBus};
use event_bus_redis::RedisTransport;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal;
use tokio::sync::oneshot;
use tokio::time::timeout;

use board::Board;
use options::{Options, USAGE};
use worker::Ledger;

/// What the system may queue for one browser: the rest is for the board to bound.
const SEND_BUFFER_BYTES: u32 = 64 * 1024;
/// How long streams and answers may take to end.
const PATIENCE: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::from_env() {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(mistake) => {
            eprintln!("web_monitor: {mistake}");
            return ExitCode::from(2);
        }
    };
    match choose_transport_and_serve(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("web_monitor: {problem}");
            ExitCode::FAILURE
        }
    }
}

async fn choose_transport_and_serve(options: Options) -> Result<(), String> {
    let listener = bind(options.port).map_err(|error| no_port(options.port, &error))?;
    match &options.redis_url {
        Some(url) => match RedisTransport::connect(url.as_str()).await {
            Ok(redis) => serve(listener, redis, options.rate, "on the redis of REDIS_URL").await,
            Err(error) => Err(format!("no Redis at REDIS_URL: {error}")),
        },
        None => serve(listener, MemoryTransport::new(), options.rate, "in memory").await,
    }
}

fn bind(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?; // those that it accepts have the same
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.listen(1024)
}

fn no_port(port: u16, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("port {port} is in use: choose another with --port, or any free one with --port 0")
        }
        _ => format!("port {port} can't be used: {error}"),
    }
}

/// Serves until somebody asks it to end.
async fn serve(
    listener: TcpListener,
    transport: impl Transport + Clone,
    rate: Option<u32>,
    place: &str,
) -> Result<(), String> {
    let bus = ExecutionEventBus::new(transport.clone());
    let events =
        bridge::listen(&bus).await.map_err(|error| format!("the bus can't be listened to: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    println!("{place}; open http://{address} (ctrl-c ends it)");

    let board = Board::new();
    let ledger = rate.map(|_| Ledger::default());
    let (end, ended) = oneshot::channel::<()>();
    let server = axum::serve(listener, web::routes(board.clone()))
        .with_graceful_shutdown(async { drop(ended.await) })
        .into_future();
    tokio::pin!(server);
    let result = tokio::select! {
        result = &mut server => return result.map_err(|error| error.to_string()),
        () = follow(events, &board, ledger.clone()) => Ok(()),
        result = work(transport, ledger.as_ref(), rate) => result.map_err(|error| error.to_string()),
        () = bridge::beat(&board) => Ok(()),
        () = asked_to_end() => Ok(()),
    };
    board.close(); // ends the streams to browsers, for which the server waits
    drop(end);
    let _ = timeout(PATIENCE, async { tokio::join!(server, bus.close()) }).await;
    result
}

/// If the subscription ends by itself, pages say so, and go on showing what there was.
async fn follow(events: Subscription<ExecutionEvent>, board: &Board, ledger: Option<Ledger>) {
    bridge::follow(events, board, ledger).await;
    pending::<()>().await;
}

/// The worker has a bus of its own, and meets the monitor nowhere but on the server, and at the ledger.
async fn work(transport: impl Transport, ledger: Option<&Ledger>, rate: Option<u32>) -> Result<(), Error> {
    match (ledger, rate) {
        (Some(ledger), Some(rate)) => worker::work(&ExecutionEventBus::new(transport), ledger, rate).await,
        _ => pending().await, // others work
    }
}

/// By ctrl-c, or as service managers do.
async fn asked_to_end() {
    #[cfg(unix)]
    if let Ok(mut terminate) = signal::unix::signal(signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = terminate.recv() => return,
            _ = signal::ctrl_c() => return,
        }
    }
    let _ = signal::ctrl_c().await;
}
