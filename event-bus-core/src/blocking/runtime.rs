//! The runtime that works for blocking buses between their calls, and the one way to wait for something on it.
//! What is waited for is not known here.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};
use tokio::task::coop;

use crate::error::{Error, ErrorKind, Result};

/// What blocking buses work on: one thread of its own, on which their connections live and their subscriptions are
/// filled, also while nobody calls. Clones are the same runtime; it lives as long as one of them, or a bus or
/// subscription on it.
///
/// A single bus has one already after [`connect`](crate::BlockingEventBus::connect). Several buses share a
/// transport by sharing the runtime on which it works:
///
/// ```
/// use event_bus_core::{BlockingRuntime, EventBus, MemoryTransport};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize, EventBus)]
/// # #[bus(name = "orders", channel(all = "all"))]
/// # struct OrderChanged { order_id: u64 }
/// # #[derive(Serialize, Deserialize, EventBus)]
/// # #[bus(name = "users", channel(every = "all"))]
/// # struct UserChanged { user_id: u64 }
///
/// let runtime = BlockingRuntime::new()?;
/// # async fn connect() -> event_bus_core::Result<MemoryTransport> { Ok(MemoryTransport::new()) }
/// let transport = runtime.run(connect())?; // with Redis: `runtime.run(RedisTransport::connect(url))`
/// let orders = OrderChangedBlockingBus::new(&runtime, transport.clone());
/// let users = UserChangedBlockingBus::new(&runtime, transport);
/// # Ok::<(), event_bus_core::Error>(())
/// ```
///
/// Dropping it is safe anywhere, also in async code, and waits for nothing.
#[derive(Clone)]
pub struct BlockingRuntime(Arc<Inner>);

struct Inner {
    handle: Handle,
    /// There until it is dropped.
    runtime: Option<Runtime>,
}

impl BlockingRuntime {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`ErrorKind::CannotBlock`] if the system has no resources for it.
    pub fn new() -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1) // it moves bytes; events are encoded and decoded by who publishes and reads them
            .thread_name("event-bus")
            .enable_all()
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::CannotBlock, "no runtime for blocking calls can be started")
                    .with_source(error)
            })?;
        Ok(Self(Arc::new(Inner { handle: runtime.handle().clone(), runtime: Some(runtime) })))
    }

    /// Waits for `future`, such as one that connects a transport. It is polled on the calling thread; the tasks
    /// and connections that it starts live on this runtime.
    ///
    /// # Errors
    /// Its own; [`ErrorKind::CannotBlock`] in async code, see [`BlockingEventBus`](crate::BlockingEventBus). It has not been polled
    /// then.
    pub fn run<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T> {
        self.wait_for(future)?
    }

    /// What is called until the guard is dropped finds this runtime for its tasks.
    pub(super) fn enter(&self) -> EnterGuard<'_> {
        self.0.handle.enter()
    }

    /// Waits for `future`, where that is possible.
    pub(super) fn wait_for<T>(&self, future: impl Future<Output = T>) -> Result<T> {
        check_can_block()?;
        // Not `Runtime::block_on`: it panics where a task can't be seen by the check.
        let _context = self.enter();
        Ok(pollster::block_on(future))
    }

    /// Waits for `future`, for `timeout` at most.
    pub(super) fn wait_at_most<T>(&self, timeout: Duration, future: impl Future<Output = T>) -> Result<T> {
        // In a block of its own, so that the timer is made on the runtime.
        let waited = self.wait_for(async { tokio::time::timeout(timeout, future).await })?;
        waited.map_err(|_| Error::new(ErrorKind::TimedOut, format!("nothing came within {timeout:?}")))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background(); // its own drop would wait, and panics in async code
        }
    }
}

impl fmt::Debug for BlockingRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingRuntime").field("users", &Arc::strong_count(&self.0)).finish()
    }
}

fn check_can_block() -> Result<()> {
    match Handle::try_current() {
        Ok(_) if is_in_a_task() => Err(Error::new(
            ErrorKind::CannotBlock,
            "a blocking call in async code would stall other tasks: use the async `EventBus` there, or \
             `tokio::task::spawn_blocking`",
        )),
        Err(error) if error.is_thread_local_destroyed() => Err(Error::new(
            ErrorKind::CannotBlock,
            "a blocking call in the destructor of a thread-local can't be made: the thread is ending",
        )),
        _ => Ok(()),
    }
}

/// Whether this thread is polling a task of tokio's. Then, and not in `spawn_blocking` or `block_in_place`, there is a
/// budget that can be used up; it is given back.
fn is_in_a_task() -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    // Dropped last, it restores the budget to what it was before all of this.
    let Poll::Ready(_restore) = coop::poll_proceed(&mut cx) else { return true };
    // As many as tokio can count, so that another budget in a later version changes nothing.
    (0..=u8::MAX).any(|_| match coop::poll_proceed(&mut cx) {
        Poll::Ready(step) => {
            step.made_progress();
            false
        }
        Poll::Pending => true,
    })
}
