//! What every actor of a server shares.

use std::sync::Arc;

use super::error::CallError;
use super::list_changes::ListChanges;
use super::list_memory::ListMemory;
use super::live::LiveRoom;
use crate::clock::Clock;
use crate::executor::Executor;
use crate::executor::turns::{NoTurn, Turn, Turns};
use crate::list::Limits;
use crate::list::name::LogicName;
use crate::rollout::Registry;
use crate::store::Store;

/// The services and limits that every actor of a server shares.
pub struct Environment {
    /// The store of the lists.
    pub store: Arc<dyn Store>,
    /// The versions that decide.
    pub registry: Arc<Registry>,
    /// The source of time and of random seeds.
    pub clock: Arc<dyn Clock>,
    /// Runs the tasks that drain mailboxes. The server waits for them when it stops.
    pub executor: Arc<dyn Executor>,
    /// The room for revisions that wait for subscribers.
    pub live_room: Arc<LiveRoom>,
    /// The memory that the lists of all actors take.
    pub list_memory: ListMemory,
    /// The recent changes of all lists.
    pub list_changes: Arc<ListChanges>,
    /// Turns of decisions and reads by slow logic. Each keeps a thread busy.
    pub turns: Arc<Turns>,
    /// The size limits of a list.
    pub limits: Limits,
    /// The most messages a mailbox holds.
    pub mailbox: usize,
    /// The logic of a list that has not been given another one.
    pub default_logic: LogicName,
}

impl Environment {
    /// Waits for a turn of a client to have slow logic decide or read.
    ///
    /// # Errors
    ///
    /// Too many commands and reads wait, or the server stops.
    pub async fn turn(&self, client: &Arc<str>) -> Result<Turn, CallError> {
        self.turns.wait(client).await.map_err(|why| match why {
            NoTurn::TooManyWait { limit } => CallError::TooManyDecisions { limit },
            NoTurn::Closed => CallError::Crashed,
        })
    }

    /// The error of a call about a logic of which no version decides.
    pub fn no_logic(&self, logic: LogicName) -> CallError {
        if self.registry.is_awaited(&logic) { CallError::Awaited(logic) } else { CallError::NoLogic(logic) }
    }

    /// Does work of slow logic. No other task of the runtime waits for it.
    pub fn block<T>(&self, work: impl FnOnce() -> T) -> T {
        let (mut work, mut done) = (Some(work), None);
        self.executor.block(&mut || done = work.take().map(|work| work()));
        done.expect("an executor does the work that it is given")
    }
}
