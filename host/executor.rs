//! Start of tasks and waiting for time behind one trait, so that a simulation decides which task runs next and when.
//!
//! The channels of tokio run on any executor. The actors, the cache and the wake scheduler need nothing else of it.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio_util::task::TaskTracker;

/// Runs the tasks of a server.
pub trait Executor: Send + Sync + 'static {
    /// Starts a task. A task that panics ends, and no other task does.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// Waits for a time.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// The runtime of tokio. A server that stops waits until the tracker is empty.
impl Executor for TaskTracker {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        drop(Self::spawn(self, task));
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(duration).boxed()
    }
}
