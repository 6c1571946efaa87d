//! The end of the task that wakes lists.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::*;
use crate::cache::wake_scheduler::WakeScheduler;
use crate::list::date::Date;

/// A clock that panics when the wall-clock time is read, once it is broken.
struct BrittleClock {
    is_broken: AtomicBool,
    inner: ManualClock,
}

impl Clock for BrittleClock {
    fn now(&self) -> u64 {
        assert!(!self.is_broken.load(Ordering::Relaxed), "the clock is broken");
        self.inner.now()
    }

    fn monotonic(&self) -> Duration {
        self.inner.monotonic()
    }

    fn local_at(&self, now: u64) -> (Date, i32) {
        self.inner.local_at(now)
    }

    fn seed(&self) -> u64 {
        self.inner.seed()
    }
}

fn cache(is_broken: bool) -> Arc<Cache> {
    let clock = BrittleClock { is_broken: AtomicBool::new(is_broken), inner: ManualClock::at(MIDNIGHT) };
    let environment = Environment {
        store: Arc::new(MemoryStore::default()),
        registry: Arc::new(Registry::default()),
        clock: Arc::new(clock),
        tasks: TaskTracker::new(),
        limits: Limits::default(),
        mailbox: 16,
        default_logic: LogicName::new("todo").unwrap(),
    };
    Arc::new(Cache::new(Arc::new(environment), Bounds { idle: 60_000, resident: 10 }))
}

#[tokio::test]
async fn a_crash_of_the_task_that_wakes_lists_is_seen_from_outside() {
    let cache = cache(true);
    assert!(!cache.wake_ups_have_failed());
    let crashed = tokio::spawn(WakeScheduler::new(cache.clone()).run()).await.unwrap_err();
    assert!(crashed.is_panic());
    assert!(cache.wake_ups_have_failed());
}

#[tokio::test]
async fn the_end_of_the_server_is_no_crash_of_the_task_that_wakes_lists() {
    let cache = cache(false);
    let waking = tokio::spawn(WakeScheduler::new(cache.clone()).run());
    tokio::task::yield_now().await;
    waking.abort();
    assert!(waking.await.unwrap_err().is_cancelled());
    assert!(!cache.wake_ups_have_failed());
}
