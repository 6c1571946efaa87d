//! What every actor of a server shares.

use std::sync::Arc;

use super::live::LiveRoom;
use crate::clock::Clock;
use crate::executor::Executor;
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
    /// The size limits of a list.
    pub limits: Limits,
    /// The most messages a mailbox holds.
    pub mailbox: usize,
    /// The logic of a list that has not been given another one.
    pub default_logic: LogicName,
}
