//! The main job: a worker publishes the events of a few agent runs, and a monitor elsewhere hears them, each type of
//! event in its own handler.
//!
//! In memory by default; on Redis with `REDIS_URL=redis://127.0.0.1`.

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use event_bus_core::transport::Transport;
use event_bus_core::{Any, Error, MemoryTransport, Notice};
use event_bus_examples::{
    ExecutionEvent, ExecutionEventBus, ExecutionStatus, GraphChannel, RunChannel, run_events,
};
use event_bus_redis::RedisTransport;
use tokio::sync::mpsc;
use tokio::time::timeout;

const GRAPH: &str = "newsletter";
const PATIENCE: Duration = Duration::from_secs(10);

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

async fn choose_transport_and_run() -> Result<(u64, u64), Error> {
    if let Ok(url) = env::var("REDIS_URL") {
        println!("on the redis of REDIS_URL");
        run(RedisTransport::connect(url).await?).await
    } else {
        println!("in memory (set REDIS_URL=redis://127.0.0.1 to run on Redis)");
        run(MemoryTransport::new()).await
    }
}

async fn run(transport: impl Transport + Clone) -> Result<(u64, u64), Error> {
    // A user of our own, so that two quickstarts on one Redis don't hear each other.
    let user = format!("user-{}", fastrand::u32(..));

    // The monitor handles everything that happens to one graph. From here on nothing is missed unseen.
    let bus = ExecutionEventBus::new(transport.clone());
    let graph = bus.graph(GraphChannel { user_id: &user, graph_id: GRAPH });
    println!("monitor: listening to {}/{}", bus.name(), graph.key()?);
    let (ended, mut ends) = mpsc::channel(3);
    let monitor = bus
        .subscriber()
        .on_graph_execution_update(move |run| {
            println!("monitor: {} is {:?}", run.id, run.status);
            let ended = ended.clone();
            async move {
                if run.status.is_final() {
                    let _ = ended.send(()).await; // nobody waits for more than three
                }
            }
        })
        .on_node_execution_update(async |node| {
            println!("monitor: {}   node {} is {:?}", node.graph_exec_id, node.node_id, node.status);
        })
        .on_notice(async |notice: Notice| println!("monitor: {notice}")) // what was missed, and where
        .start([graph])
        .await?;

    // Somebody waits for a run to fail: on the channels of all runs of the graph, for one type of event alone.
    let runs = bus.run(RunChannel { user_id: &user, graph_id: GRAPH, id: Any });
    let mut runs = runs.listen().await?.only(ExecutionEvent::GRAPH_EXECUTION_UPDATE);

    // The worker has a bus of its own on the same connections, and never meets the others.
    let published = work(&ExecutionEventBus::new(transport), &user).await?;

    while let Some(run) = runs.wait(PATIENCE).await? {
        if run.status == ExecutionStatus::Failed {
            println!("watcher: {} failed", run.id);
            break;
        }
    }
    for _ in 0..3 {
        let _ = timeout(PATIENCE, ends.recv()).await;
    }
    Ok((published, monitor.shutdown(PATIENCE).await.handled))
}

/// Publishes three runs, of which one fails.
async fn work(bus: &ExecutionEventBus, user: &str) -> Result<u64, Error> {
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
