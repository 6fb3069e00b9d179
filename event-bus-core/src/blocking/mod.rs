//! The same bus for code without `async`: the names of the async one, each with `Blocking` before it. What a call
//! does is in the files of the async bus; how one waits for it is in `runtime.rs`.

mod batch;
mod bus;
mod handle;
mod outbox;
mod python;
mod runtime;
mod subscription;
mod watch;

pub use batch::BlockingPublishBatch;
pub use bus::BlockingEventBus;
pub use handle::BlockingChannelHandle;
pub use outbox::BlockingOutbox;
pub use runtime::BlockingRuntime;
pub use subscription::{BlockingSubscription, TimedItems};
pub use watch::BlockingStateWatch;
