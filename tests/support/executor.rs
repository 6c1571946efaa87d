//! The runtime of tokio, with a place right behind the end of a task.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hotlist::executor::Executor;
use tokio_util::task::TaskTracker;

type Hook = Box<dyn FnOnce() + Send>;

/// Runs tasks on the runtime.
#[derive(Default)]
pub struct TestExecutor {
    tasks: TaskTracker,
    after_next: Arc<Mutex<Option<Hook>>>,
}

impl TestExecutor {
    /// Runs a function once, at the end of the task that ends next. No other task of the same thread runs in between.
    pub fn after_next_task(&self, run: impl FnOnce() + Send + 'static) {
        *self.after_next.lock().expect("no test panics here") = Some(Box::new(run));
    }
}

impl Executor for TestExecutor {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        let after = self.after_next.clone();
        let task = task.map(move |()| {
            let hook = after.lock().expect("no test panics here").take();
            if let Some(run) = hook {
                run();
            }
        });
        drop(self.tasks.spawn(task));
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.tasks.sleep(duration)
    }
}
