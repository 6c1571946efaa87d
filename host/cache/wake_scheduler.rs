//! Wakes the lists whose time has come, once each, in memory or not.
//!
//! The store keeps who wants to be woken, so nothing is lost while the server is down. It is asked
//! twice a second who is due, which is one look into one index however many timers there are.
//! Sleeping until the earliest one would save that look, and would need to be told of every commit
//! that brings an earlier time and of every clock that is set.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Cache;
use crate::actor::{CallError, Expect, Request, WAKE_UP_RETRY};
use crate::list::command::Command;
use crate::store::{MAX_PAGE, StoreError, WakeUp};

/// How often the store is asked who is due: with the time a wake takes, a list is woken within a
/// second.
const TICK: Duration = Duration::from_millis(500);

/// The most lists that are woken at the same time. As many share a durable write, and what callers
/// ask for meanwhile waits behind no more of them.
pub const MAX_WAKING: usize = 64;

/// How long a list that does not answer keeps its place among those. It is woken all the same.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most wake-ups that are remembered because nothing came of them yet. When there are more, all
/// are tried again, which does no harm but costs.
const MAX_OPEN: usize = 100_000;

/// Who wakes the lists of a server.
pub struct WakeScheduler {
    cache: Arc<Cache>,
    waking: JoinSet<Done>,
    /// The wake-ups that the store still calls due though they were sent, and when they are to be
    /// sent again: those under way, and those that failed in a way that could not be made durable.
    open: HashMap<WakeUp, u64>,
    /// The first that could not be woken since that was last said on the log, and how many did.
    missed: Option<(WakeUp, WakeError, usize)>,
}

/// What came of a wake-up.
type Done = (WakeUp, Result<(), WakeError>);

/// Why a list was not woken.
#[derive(Debug, thiserror::Error)]
enum WakeError {
    /// Nobody had room for it in that moment.
    #[error(transparent)]
    Busy(CallError),
    /// It would go wrong again at once.
    #[error(transparent)]
    Failed(CallError),
    /// It may yet be.
    #[error("the list did not answer for {PATIENCE:?}")]
    Slow,
}

impl WakeScheduler {
    /// Who wakes the lists of this cache. Nothing happens until it is run.
    pub fn new(cache: Arc<Cache>) -> Self {
        Self { cache, waking: JoinSet::new(), open: HashMap::new(), missed: None }
    }

    /// Wakes lists for as long as it is polled.
    pub async fn run(mut self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.ring().await;
        }
    }

    /// Has every list woken that is due by now, the earliest first. The last ones may still be at it
    /// when this returns: one slow list is not to make those wait that are due a moment later.
    pub async fn ring(&mut self) {
        let now = self.cache.environment().clock.now();
        while let Some(done) = self.waking.try_join_next() {
            self.close(done);
        }
        self.open.retain(|_, again| *again > now);
        let mut after = None;
        loop {
            let page = match self.cache.environment().store.due(now, after.as_ref(), MAX_PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%error, "cannot read who wants to be woken");
                    break;
                }
            };
            let last = page.len() < MAX_PAGE;
            // Whoever could not be woken stays due, and is not to keep those behind from their turn.
            after = page.last().cloned();
            for wake_up in page {
                if self.waking.len() == MAX_WAKING
                    && let Some(done) = self.waking.join_next().await
                {
                    self.close(done);
                }
                self.wake(wake_up, now);
            }
            if last {
                break;
            }
        }
        self.report();
    }

    /// Waits until all that were sent for are awake, or could not be woken.
    pub async fn rest(&mut self) {
        while let Some(done) = self.waking.join_next().await {
            self.close(done);
        }
        self.report();
    }

    /// Sends for one list, unless that was done and nothing came of it yet.
    fn wake(&mut self, wake_up: WakeUp, now: u64) {
        if self.open.contains_key(&wake_up) {
            return;
        }
        if self.open.len() >= MAX_OPEN {
            self.open.clear();
        }
        self.open.insert(wake_up.clone(), now.saturating_add(WAKE_UP_RETRY));
        self.waking.spawn(wake(self.cache.clone(), wake_up));
    }

    /// Takes note of what came of one. A list that asked for another time is another wake-up.
    fn close(&mut self, done: Result<Done, JoinError>) {
        // After a panic nothing is known: the wake-up stays open, and is sent again in its time.
        let Ok((wake_up, woken)) = done else { return };
        if matches!(woken, Ok(()) | Err(WakeError::Busy(_))) {
            self.open.remove(&wake_up);
        }
        let Err(why) = woken else { return };
        tracing::debug!(list = %wake_up.name, %why, "a list could not be woken");
        match &mut self.missed {
            Some((_, _, lists)) => *lists += 1,
            None => self.missed = Some((wake_up, why, 1)),
        }
    }

    /// Puts one line on the log, however many there are: what ails one list often ails them all.
    fn report(&mut self) {
        if let Some((wake_up, why, lists)) = self.missed.take() {
            tracing::warn!(lists, first = %wake_up.name, %why, "lists could not be woken; they are tried again");
        }
    }
}

async fn wake(cache: Arc<Cache>, wake_up: WakeUp) -> Done {
    let request = Request {
        command: Command::Wake.into(),
        caller: "hotlist".into(),
        expect: Expect::Anything,
        idempotency: None,
    };
    let woken = match timeout(PATIENCE, cache.call(&wake_up.name, request)).await {
        // Put off, or deleted, since the store was asked.
        Ok(Ok(_) | Err(CallError::Stale { .. })) => Ok(()),
        Ok(Err(
            busy @ (CallError::Overloaded { .. }
            | CallError::TooManyLists { .. }
            | CallError::Store(StoreError::Overloaded { .. })),
        )) => Err(WakeError::Busy(busy)),
        Ok(Err(failed)) => Err(WakeError::Failed(failed)),
        Err(_) => Err(WakeError::Slow),
    };
    (wake_up, woken)
}
