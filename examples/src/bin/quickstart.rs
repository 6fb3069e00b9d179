//! The main job: a worker publishes the events of a few agent runs, and a monitor elsewhere hears them.
//!
//! In memory by default; on Redis with `REDIS_URL=redis://127.0.0.1`.

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use event_bus_core::transport::Transport;
use event_bus_core::{Error, MemoryTransport, Subscription};
use event_bus_examples::{ExecutionEvent, ExecutionEventBus, GraphChannel, run_events};
use event_bus_redis::RedisTransport;

const GRAPH: &str = "newsletter";

#[tokio::main]
async fn main() -> ExitCode {
    match choose_transport_and_run().await {
        Ok((published, heard)) => {
            println!("quickstart: {published} published, {heard} heard");
            if published == heard { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn choose_transport_and_run() -> Result<(usize, usize), Error> {
    if let Ok(url) = env::var("REDIS_URL") {
        println!("on the redis of REDIS_URL");
        run(RedisTransport::connect(url).await?).await
    } else {
        println!("in memory (set REDIS_URL=redis://127.0.0.1 to run on Redis)");
        run(MemoryTransport::new()).await
    }
}

async fn run(transport: impl Transport + Clone) -> Result<(usize, usize), Error> {
    // A user of our own, so that two quickstarts on one Redis don't hear each other.
    let user = format!("user-{}", fastrand::u32(..));

    // The monitor listens to everything that happens to one graph. From here on nothing is missed.
    let bus = ExecutionEventBus::new(transport.clone());
    let graph = bus.graph(GraphChannel { user_id: &user, graph_id: GRAPH });
    let events = graph.listen().await?;
    println!("monitor: listening to {}/{}", bus.name(), graph.key()?);
    #[expect(clippy::disallowed_methods, reason = "awaited below; it ends with the third run")]
    let monitor = tokio::spawn(watch(events));

    // The worker has a bus of its own on the same connections, and never meets the monitor.
    let published = work(&ExecutionEventBus::new(transport), &user).await?;

    let heard = tokio::time::timeout(Duration::from_secs(10), monitor).await;
    Ok((published, heard.ok().and_then(Result::ok).unwrap_or(0)))
}

/// Publishes three runs, of which one fails.
async fn work(bus: &ExecutionEventBus, user: &str) -> Result<usize, Error> {
    let mut published = 0;
    for (run, failing) in [("run-1", None), ("run-2", Some("summarize")), ("run-3", None)] {
        for event in run_events(user, GRAPH, run, &["fetch", "summarize", "send"], failing) {
            // To the channel of the run and to that of the graph, in one round trip.
            bus.publish(&event).await?;
            published += 1;
        }
    }
    Ok(published)
}

/// Prints what it hears until three runs have ended, and returns how many events that were.
async fn watch(mut events: Subscription<ExecutionEvent>) -> usize {
    let (mut heard, mut ended) = (0, 0);
    while ended < 3 {
        match events.recv().await {
            Some(Ok(event)) => {
                heard += 1;
                match &*event {
                    ExecutionEvent::GraphExecutionUpdate(run) => {
                        println!("monitor: {} is {:?}", run.id, run.status);
                        ended += usize::from(run.status.is_final());
                    }
                    ExecutionEvent::NodeExecutionUpdate(node) => {
                        println!(
                            "monitor: {}   node {} is {:?}",
                            node.graph_exec_id, node.node_id, node.status
                        );
                    }
                }
            }
            Some(Err(notice)) => println!("monitor: {notice}"), // what was missed, and where
            None => break,
        }
    }
    heard
}
