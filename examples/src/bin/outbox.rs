//! An outbox: a worker reports its progress without ever waiting for the server, and looks at the end whether everything
//! arrived.
//!
//! In memory by default; on Redis with `REDIS_URL=redis://127.0.0.1`.

use std::env;
use std::process::ExitCode;

use event_bus_core::transport::Transport;
use event_bus_core::{Error, MemoryTransport, OutboxConfig, OutboxOverflow, OutboxReport};
use event_bus_examples::{ExecutionEventBus, run_events};
use event_bus_redis::RedisTransport;

#[tokio::main]
async fn main() -> ExitCode {
    match choose_transport_and_run().await {
        Ok(report) => {
            println!("outbox: {} sent, {} lost", report.sent, report.lost());
            if report.lost() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("outbox: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn choose_transport_and_run() -> Result<OutboxReport, Error> {
    if let Ok(url) = env::var("REDIS_URL") {
        println!("on the redis of REDIS_URL");
        run(RedisTransport::lazy(url)?).await // Redis may still be down: the outbox holds the events until it is there
    } else {
        println!("in memory (set REDIS_URL=redis://127.0.0.1 to run on Redis)");
        run(MemoryTransport::new()).await
    }
}

async fn run(transport: impl Transport) -> Result<OutboxReport, Error> {
    let bus = ExecutionEventBus::new(transport);
    let settings = OutboxConfig::default()
        .queue_messages(50_000)
        .overflow(OutboxOverflow::DropOldest) // the run must go on, and the newest state counts
        .on_failure(|failure| println!("lost on {}: {}", failure.channel(), failure.error()));
    let outbox = bus.outbox(settings)?;
    for run in 0..1_000 {
        work(run);
        for event in run_events("user-1", "newsletter", &format!("run-{run}"), &["fetch", "send"], None) {
            outbox.send(&event)?; // encoded and queued; a mistake in the event is told here
        }
    }
    println!("still queued: {}", outbox.report().queued);
    Ok(outbox.close().await) // publishes the rest
}

/// Whatever the worker really does. It is not async, and need not be.
fn work(_run: u32) {}
