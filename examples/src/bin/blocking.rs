//! The main job of `quickstart` without a word of async: one thread publishes, another listens.
//!
//! In memory by default; on Redis with `REDIS_URL=redis://127.0.0.1`.

use std::env;
use std::thread;
use std::time::Duration;

use event_bus_core::{BlockingRuntime, BlockingSubscription, Error, ErrorKind, MemoryTransport};
use event_bus_examples::{ExecutionEvent, ExecutionEventBlockingBus, GraphChannel, run_events};
use event_bus_redis::RedisTransport;

fn main() -> Result<(), Error> {
    let bus = match env::var("REDIS_URL") {
        Ok(url) => ExecutionEventBlockingBus::connect(RedisTransport::connect(url))?,
        Err(_) => ExecutionEventBlockingBus::new(&BlockingRuntime::new()?, MemoryTransport::new()),
    };

    // A user of our own, so that two programs on one Redis don't hear each other.
    let user = format!("user-{}", fastrand::u32(..));
    let graph = bus.graph(GraphChannel { user_id: &user, graph_id: "newsletter" });
    let events = graph.listen()?; // from here on nothing is missed
    let monitor = thread::spawn(move || watch(events));

    let runs = run_events(&user, "newsletter", "run-1", &["fetch", "summarize", "send"], None);
    for event in &runs {
        bus.publish(event)?;
    }

    let heard = monitor.join().unwrap_or(Ok(0))?;
    println!("blocking: {} published, {heard} heard", runs.len());
    Ok(())
}

/// Prints what it hears until the run has ended, and returns how many events that were.
fn watch(mut events: BlockingSubscription<ExecutionEvent>) -> Result<usize, Error> {
    let mut heard = 0;
    for item in events.with_timeout(Duration::from_secs(10)) {
        match item {
            Ok(Ok(event)) => {
                heard += 1;
                if let ExecutionEvent::GraphExecutionUpdate(run) = &*event {
                    println!("monitor: {} is {:?}", run.id, run.status);
                    if run.status.is_final() {
                        break;
                    }
                }
            }
            Ok(Err(notice)) => println!("monitor: {notice}"), // what was missed, and where
            Err(error) if error.kind() == ErrorKind::TimedOut => break,
            Err(error) => return Err(error),
        }
    }
    Ok(heard)
}
