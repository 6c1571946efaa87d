//! One thread, a virtual clock, and a seed that chooses which task runs next.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hotlist::clock::{Clock, ManualClock};
use hotlist::executor::Executor;
use hotlist::list::date::Date;

/// The seed's random numbers, shared by everything that chooses.
#[derive(Clone)]
pub struct Chance(Arc<Mutex<fastrand::Rng>>);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))))
    }

    /// A number below a limit.
    pub fn below(&self, limit: u64) -> u64 {
        self.0.lock().unwrap().u64(..limit)
    }

    /// True in so many of a thousand cases.
    pub fn per_mille(&self, share: u64) -> bool {
        self.below(1_000) < share
    }
}

/// The time of a simulation. It passes when no task can run, and while a slow logic decides.
pub struct VirtualClock {
    time: ManualClock,
    chance: Chance,
}

impl VirtualClock {
    pub fn new(now: u64, chance: Chance) -> Self {
        Self { time: ManualClock::at(now), chance }
    }

    pub fn advance(&self, milliseconds: u64) {
        self.time.advance(milliseconds);
    }

    /// Sets the wall clock, as a time server does.
    pub fn set_wall(&self, now: u64) {
        self.time.set_wall(now);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> u64 {
        self.time.now()
    }

    fn monotonic(&self) -> Duration {
        self.time.monotonic()
    }

    fn local_at(&self, now: u64) -> (Date, i32) {
        self.time.local_at(now)
    }

    fn seed(&self) -> u64 {
        self.chance.below(u64::MAX)
    }
}

type Task = BoxFuture<'static, ()>;

/// The tasks of a simulation.
pub struct Simulator {
    clock: Arc<VirtualClock>,
    chance: Chance,
    tasks: Mutex<BTreeMap<u64, (Task, Waker)>>,
    ready: Arc<Mutex<Vec<u64>>>,
    timers: Arc<Mutex<BTreeMap<(Duration, u64), Waker>>>,
    next: AtomicU64,
}

struct TaskWaker {
    id: u64,
    is_ready: AtomicBool,
    ready: Arc<Mutex<Vec<u64>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if !self.is_ready.swap(true, Ordering::Relaxed) {
            self.ready.lock().unwrap().push(self.id);
        }
    }
}

/// A wait until a moment of the virtual clock.
struct Sleep {
    until: Duration,
    id: u64,
    clock: Arc<VirtualClock>,
    timers: Arc<Mutex<BTreeMap<(Duration, u64), Waker>>>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.clock.monotonic() >= self.until {
            return Poll::Ready(());
        }
        self.timers.lock().unwrap().insert((self.until, self.id), context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.timers.lock().unwrap().remove(&(self.until, self.id));
    }
}

impl Executor for Simulator {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let waker = Arc::new(TaskWaker { id, is_ready: AtomicBool::new(false), ready: self.ready.clone() });
        waker.clone().wake();
        let task = Id { id, waker: waker.clone(), task };
        self.tasks.lock().unwrap().insert(id, (task.boxed(), waker.into()));
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (clock, timers) = (self.clock.clone(), self.timers.clone());
        Sleep { until: clock.monotonic() + duration, id, clock, timers }.boxed()
    }
}

/// A task that notes that it runs before it runs, so that it can be woken while it does.
struct Id {
    id: u64,
    waker: Arc<TaskWaker>,
    task: Task,
}

impl Future for Id {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        debug_assert_eq!(self.id, self.waker.id);
        self.waker.is_ready.store(false, Ordering::Relaxed);
        self.task.as_mut().poll(context)
    }
}

impl Simulator {
    pub fn new(clock: Arc<VirtualClock>, chance: Chance) -> Arc<Self> {
        Arc::new(Self {
            clock,
            chance,
            tasks: Mutex::default(),
            ready: Arc::default(),
            timers: Arc::default(),
            next: AtomicU64::new(0),
        })
    }

    /// Runs one task until it waits, or lets time pass until one can run. False when nothing is left to wait for.
    pub fn step(&self) -> bool {
        let chosen = {
            let mut ready = self.ready.lock().unwrap();
            match ready.len() as u64 {
                0 => None,
                count => Some(ready.swap_remove(self.chance.below(count) as usize)),
            }
        };
        let Some(id) = chosen else { return self.pass_time() };
        let taken = self.tasks.lock().unwrap().remove(&id);
        let Some((mut task, waker)) = taken else { return true };
        // A task that panics ends alone, as on any runtime.
        let polled = catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(&mut Context::from_waker(&waker))));
        match polled {
            Ok(Poll::Pending) => drop(self.tasks.lock().unwrap().insert(id, (task, waker))),
            Ok(Poll::Ready(())) | Err(_) => drop(task),
        }
        self.wake_due();
        true
    }

    fn pass_time(&self) -> bool {
        let Some(until) = self.timers.lock().unwrap().keys().next().map(|(until, _)| *until) else { return false };
        let wait = until.saturating_sub(self.clock.monotonic());
        self.clock.advance(wait.as_millis() as u64);
        self.wake_due();
        true
    }

    fn wake_due(&self) {
        let now = self.clock.monotonic();
        let due = {
            let mut timers = self.timers.lock().unwrap();
            let later = timers.split_off(&(now + Duration::from_nanos(1), 0));
            std::mem::replace(&mut *timers, later)
        };
        due.into_values().for_each(Waker::wake);
    }

    /// Ends every task where it waits, as the end of the process does.
    pub fn crash(&self) {
        loop {
            let tasks = std::mem::take(&mut *self.tasks.lock().unwrap());
            if tasks.is_empty() {
                break;
            }
            drop(tasks);
        }
        self.ready.lock().unwrap().clear();
        self.timers.lock().unwrap().clear();
    }
}
