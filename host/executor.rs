//! Start of tasks and waiting for time behind one trait, so that a simulation decides which task runs next and when.
//!
//! The channels of tokio run on any executor. The actors, the cache and the wake scheduler need nothing else of it.

pub mod turns;

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio_util::task::TaskTracker;

/// Runs the tasks of a server.
pub trait Executor: Send + Sync + 'static {
    /// Starts a task. A task that panics ends, and no other task does.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// Waits for a time.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Does work that may keep its thread busy for milliseconds or more. No other task waits for it.
    fn block(&self, work: &mut dyn FnMut()) {
        work();
    }
}

/// The runtime of tokio. A server that stops waits until the tracker is empty.
impl Executor for TaskTracker {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        drop(Self::spawn(self, task));
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(duration).boxed()
    }

    /// The runtime hands the other tasks of this thread to another thread first. A runtime with one thread has no other
    /// one.
    fn block(&self, work: &mut dyn FnMut()) {
        match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
            _ => work(),
        }
    }
}
