//! Wakes the lists whose time has come, once each, in memory or not.
//!
//! The store holds the wake-up times, so nothing is lost while the server is down. The scheduler asks the store
//! twice a second which lists are due. That is one look into one index, however many timers exist. To sleep until
//! the earliest timer would save that look, but every commit that brings an earlier time and every clock that is
//! set would have to be reported.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::oneshot;

use super::Cache;
use crate::actor::{CallError, Environment, Reply, Request, WAKE_UP_RETRY};
use crate::list::command::Command;
use crate::list::name::ListName;
use crate::store::{MAX_PAGE, StoreError, WakeUp};

/// How often the store is asked for due lists. Together with the duration of a wake-up, a list is woken within a
/// second.
const TICK: Duration = Duration::from_millis(500);

/// The most lists that are woken at the same time. That many share a durable write, and the commands of callers
/// wait behind no more of them.
pub const MAX_WAKING: usize = 64;

/// How long a wake-up without a reply counts towards [`MAX_WAKING`]. The list is woken all the same.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);

/// The most wake-ups that are remembered as in flight. When there are more, all of them are sent again, which is
/// harmless but costs.
const MAX_IN_FLIGHT: usize = 100_000;

/// Wakes the lists of a server.
pub struct WakeScheduler {
    cache: Arc<Cache>,
    /// The wake-ups that are being made, each in a task of its own.
    waking: FuturesUnordered<BoxFuture<'static, Finished>>,
    /// The wake-ups that were sent and are still due in the store: those without a reply, and those whose failure could
    /// not be made durable.
    in_flight: BTreeMap<WakeUp, Sent>,
    failures: Option<Failures>,
    /// Whether the due lists could not be read the last time, which is logged once.
    is_blind: bool,
}

/// A wake-up and its result.
type Finished = (WakeUp, Result<(), WakeError>);

/// A wake-up that was sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    /// When the wake-up is sent again if it is still due, in milliseconds on the monotonic clock.
    again_at: u64,
    /// How many attempts in a row ended with the actor.
    crashes: u32,
}

/// The lists that could not be woken since that was last logged.
struct Failures {
    first: WakeUp,
    error: WakeError,
    lists: usize,
}

/// Why a list was not woken.
#[derive(Debug, thiserror::Error)]
enum WakeError {
    /// The server had no room for the wake-up. The next tick tries again.
    #[error(transparent)]
    Busy(CallError),
    /// The actor ended. The next tick tries again, because another command of the list may be the cause. If the wake-up
    /// itself is the cause, [`crash_pause`] bounds the attempts.
    #[error(transparent)]
    Crashed(CallError),
    /// The wake-up failed, and an immediate attempt would fail again.
    #[error(transparent)]
    Failed(CallError),
    /// The list has not replied yet.
    #[error("the list did not reply for {REPLY_TIMEOUT:?}")]
    Slow,
}

impl WakeScheduler {
    /// A scheduler for the lists of this cache. It does nothing until it runs.
    pub fn new(cache: Arc<Cache>) -> Self {
        Self { cache, waking: FuturesUnordered::new(), in_flight: BTreeMap::new(), failures: None, is_blind: false }
    }

    /// Wakes lists for as long as it is polled. A panic shows in [`Cache::wake_ups_have_failed`].
    pub async fn run(mut self) {
        let _guard = PanicGuard(self.cache.clone());
        loop {
            let begun = self.cache.environment().clock.monotonic();
            self.poll_due().await;
            let Environment { clock, executor, .. } = &**self.cache.environment();
            let took = clock.monotonic().saturating_sub(begun);
            executor.sleep(TICK.saturating_sub(took)).await;
        }
    }

    /// Wakes every list that is due by now, the earliest first. The last ones may still be in flight when this
    /// returns, so that one slow list does not delay those that are due a moment later.
    ///
    /// While the store takes no writes, no list is woken. The wake-ups stay due.
    pub async fn poll_due(&mut self) {
        if !self.cache.environment().store.health().is_healthy() {
            return;
        }
        let clock = &self.cache.environment().clock;
        let (now, uptime) = (clock.now(), clock.uptime());
        while let Some(Some(finished)) = self.waking.next().now_or_never() {
            self.finish(finished);
        }
        // A wake-up that is sent again is found by then. A later one begins without crashes.
        self.in_flight.retain(|_, sent| sent.again_at.saturating_add(WAKE_UP_RETRY) > uptime);
        let mut after = None;
        loop {
            let page = match self.cache.environment().store.due(now, after.as_ref(), MAX_PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    if !std::mem::replace(&mut self.is_blind, true) {
                        tracing::error!(%error, "cannot read which lists are due; no list is woken until that is possible");
                    }
                    break;
                }
            };
            if std::mem::replace(&mut self.is_blind, false) {
                tracing::info!("due lists can be read again");
            }
            let is_last = page.len() < MAX_PAGE;
            // A list that could not be woken stays due. The lists behind it have their turn all the same.
            after = page.last().cloned();
            for wake_up in page {
                if self.waking.len() == MAX_WAKING
                    && let Some(finished) = self.waking.next().await
                {
                    self.finish(finished);
                }
                self.wake(wake_up, uptime);
            }
            if is_last {
                break;
            }
        }
        self.log_failures();
    }

    /// Waits until no wake-up is in flight.
    pub async fn rest(&mut self) {
        while let Some(finished) = self.waking.next().await {
            self.finish(finished);
        }
        self.log_failures();
    }

    /// Sends one wake-up, unless it is in flight already.
    fn wake(&mut self, wake_up: WakeUp, uptime: u64) {
        let sent = self.in_flight.get(&wake_up);
        if sent.is_some_and(|sent| sent.again_at > uptime) {
            return;
        }
        let crashes = sent.map_or(0, |sent| sent.crashes);
        if self.in_flight.len() >= MAX_IN_FLIGHT {
            self.in_flight.clear();
        }
        self.in_flight.insert(wake_up.clone(), Sent { again_at: uptime.saturating_add(WAKE_UP_RETRY), crashes });
        let (finished, result) = oneshot::channel();
        let waking = wake(self.cache.clone(), wake_up.name.clone());
        self.cache.environment().executor.spawn(Box::pin(async move { drop(finished.send(waking.await)) }));
        // The task ends without a result when it panics.
        let crashed = Err(WakeError::Crashed(CallError::Crashed));
        self.waking.push(result.map(move |woken| (wake_up, woken.unwrap_or(crashed))).boxed());
    }

    /// Notes the result of one wake-up. A list that asked for another time is another wake-up.
    fn finish(&mut self, (wake_up, woken): Finished) {
        match &woken {
            Ok(()) | Err(WakeError::Busy(_)) => drop(self.in_flight.remove(&wake_up)),
            Err(WakeError::Crashed(_)) => {
                let uptime = self.cache.environment().clock.uptime();
                if let Some(sent) = self.in_flight.get_mut(&wake_up) {
                    sent.again_at = uptime.saturating_add(crash_pause(sent.crashes));
                    sent.crashes += 1;
                }
            }
            // The wake-up stays in flight until it is sent again.
            Err(WakeError::Failed(_) | WakeError::Slow) => {}
        }
        let Err(error) = woken else { return };
        tracing::debug!(list = %wake_up.name, %error, "cannot wake list");
        match &mut self.failures {
            Some(failures) => failures.lists += 1,
            None => self.failures = Some(Failures { first: wake_up, error, lists: 1 }),
        }
    }

    /// Logs one line, however many lists could not be woken: they often share the cause.
    fn log_failures(&mut self) {
        if let Some(Failures { first, error, lists }) = self.failures.take() {
            tracing::warn!(lists, first = %first.name, %error, "cannot wake lists; they are tried again");
        }
    }
}

/// A second that is doubled this often is more than [`WAKE_UP_RETRY`].
const MAX_DOUBLINGS: u32 = 6;

/// How long a wake-up that ended its actor waits, in milliseconds: not at all at first, then a second, and after each
/// further crash twice as long as before.
fn crash_pause(crashes: u32) -> u64 {
    match crashes {
        0 => 0,
        _ => (1_000 << (crashes - 1).min(MAX_DOUBLINGS)).min(WAKE_UP_RETRY),
    }
}

/// Notes in the cache that the scheduler panicked. The end of the server drops the scheduler without a panic.
struct PanicGuard(Arc<Cache>);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("the wake-up task crashed; no list is woken until the server is restarted");
            self.0.note_failed_wake_ups();
        }
    }
}

async fn wake(cache: Arc<Cache>, name: ListName) -> Result<(), WakeError> {
    // Each list waits for a turn of its own, so that one with slow logic delays no other.
    let request =
        Request { client: format!("hotlist/{}", name.as_str()).into(), ..Request::new(Command::Wake, "hotlist") };
    let replied = {
        let call = pin!(cache.call(&name, request));
        match select(call, cache.environment().executor.sleep(REPLY_TIMEOUT)).await {
            Either::Left((reply, _)) => Some(reply),
            Either::Right(((), _)) => None,
        }
    };
    replied.map_or(Err(WakeError::Slow), check_woken)
}

/// What the reply to a wake-up says about it.
fn check_woken(reply: Result<Reply, CallError>) -> Result<(), WakeError> {
    match reply {
        // A stale wake-up was put off, or its list deleted, since the store was asked.
        Ok(_) | Err(CallError::Stale { .. }) => Ok(()),
        Err(
            busy @ (CallError::Overloaded { .. }
            | CallError::TooManyLists { .. }
            | CallError::ListMemoryFull { .. }
            | CallError::TooManyDecisions { .. }
            | CallError::Store(
                StoreError::Overloaded { .. } | StoreError::QueueFull { .. } | StoreError::Unavailable { .. },
            )),
        ) => Err(WakeError::Busy(busy)),
        // A wake-up that was made after all is no longer due.
        Err(crashed @ (CallError::Crashed | CallError::Unknown { .. })) => Err(WakeError::Crashed(crashed)),
        Err(failed) => Err(WakeError::Failed(failed)),
    }
}
