//! Map from the name of a list to its actor: the `Todo.Cache` of *Elixir in Action*.
//!
//! A name has one actor. Two concurrent first requests start one. A request that meets a stopped actor gets its
//! successor. An idle actor is passivated: everything it knew is in the store.

mod filter;
mod reading;
mod undo;
pub mod wake_scheduler;

pub use filter::EntryFilter;
pub use reading::MAX_STARTS;
pub use undo::UndoRight;

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use dashmap::DashMap;
use futures_util::future::select;
use tokio::sync::{Notify, Semaphore, broadcast};

use crate::actor::{Actor, CallError, Effect, Environment, ListWatch, LiveRevision, Reply, Request, Stopped};
use crate::clock::SeededHasher;
use crate::list::List;
use crate::list::command::Page;
use crate::list::id::{EntryId, LogicId};
use crate::list::name::ListName;
use crate::list::receipt::RetainedEffect;
use crate::simulation::{Defect, has, interleave};
use crate::store::{HistoryPage, PageLimit, Summary, UnreadableList};

/// How many actors a request tries. Each attempt meets an actor that was passivated or crashed in that moment, so
/// more than one failed attempt is unlikely.
const MAX_TRIES: usize = 8;

/// The most bytes of a revision that is read to repeat a reply. A larger one is repeated by the ids of its entries.
const MAX_REPEATED_BYTES: usize = 2 << 20;

/// The most bytes of revisions that undos have in memory at a time, of all lists. Only large revisions count.
const MAX_UNDO_BYTES: usize = 128 << 20;

/// The number of parts of the map, each with a lock. Not derived from the number of processors, on which the order of a
/// sweep would depend then.
const SHARDS: usize = 64;

/// How many actors a sweep above the high watermark leaves, in per cent of the bound on resident lists.
const LOW_WATERMARK_PER_CENT: usize = 90;

/// The actors of a server, by the names of their lists.
pub struct Cache {
    actors: DashMap<ListName, Arc<Actor>, SeededHasher>,
    /// The number of actors. Counting the map itself would lock all of it.
    resident: AtomicUsize,
    environment: Arc<Environment>,
    bounds: Bounds,
    /// The room for the revisions that undos have in memory.
    undo_room: Arc<Semaphore>,
    /// Notified when the number of actors reaches the high watermark.
    crowded: Notify,
    /// Whether the task that wakes lists panicked.
    wake_ups_failed: AtomicBool,
}

/// When actors are passivated.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How long an actor is unused until it is passivated, in milliseconds.
    pub idle: u64,
    /// The most actors at a time. Near this number the longest idle actors are passivated early. When none is idle,
    /// requests for further lists are refused.
    pub resident: usize,
}

/// A page of a list, with the snapshot and the version that it was made from.
#[derive(Clone, Debug)]
pub struct View {
    /// The snapshot that the page is of.
    pub list: Arc<List>,
    /// The entries in their order.
    pub page: Page,
    /// The version that made the page. `None` if the host made it.
    pub logic: Option<Arc<LogicId>>,
    /// The number of entries on all pages, if the host made the page.
    pub total: Option<usize>,
}

/// What a page of a list depends on beside the query that a logic gets.
#[derive(Clone, Debug, Default)]
pub struct ViewOptions {
    /// Entries after which the page goes on if the one in the query is not in the view any more, the nearest first. If none of them
    /// is, the page begins at the start. `None` leaves it to the logic, which may reject the query.
    pub or_after: Option<Vec<EntryId>>,
    /// The entries that the page has. Only the host filters, so a page that a logic made has all entries.
    pub filter: EntryFilter,
}

impl Cache {
    /// An empty cache.
    pub fn new(environment: Arc<Environment>, bounds: Bounds) -> Self {
        Self {
            actors: DashMap::with_hasher_and_shard_amount(SeededHasher::new(&*environment.clock), SHARDS),
            resident: AtomicUsize::new(0),
            environment,
            bounds,
            undo_room: Arc::new(Semaphore::new(MAX_UNDO_BYTES)),
            crowded: Notify::new(),
            wake_ups_failed: AtomicBool::new(false),
        }
    }

    /// The services and limits that all actors share.
    pub fn environment(&self) -> &Arc<Environment> {
        &self.environment
    }

    /// Sends a command to the actor of a list, and waits until the command is durable or refused.
    pub async fn call(&self, name: &ListName, request: Request) -> Result<Reply, CallError> {
        let reply = self.call_actor(name, Box::new(request)).await?;
        Ok(self.with_entries(name, reply).await)
    }

    /// Adds the entries to a repeated reply whose receipt holds only their ids, as long as the history holds them.
    async fn with_entries(&self, name: &ListName, mut reply: Reply) -> Reply {
        if let Effect::Repeated(RetainedEffect::Ids { .. }) = reply.effect {
            // Where the history cannot be read, the ids are still true.
            let limit = PageLimit { items: 1, bytes: MAX_REPEATED_BYTES };
            let found = self.history_page(name, reply.revision.saturating_sub(1), limit).await.ok();
            let revision = found.as_ref().and_then(|page| page.revisions.first()?.whole());
            if let Some(revision) = revision.filter(|revision| revision.number == reply.revision) {
                reply.effect = Effect::Revised(revision.clone());
            }
        }
        reply
    }

    async fn call_actor(&self, name: &ListName, mut request: Box<Request>) -> Result<Reply, CallError> {
        for _ in 0..MAX_TRIES {
            let actor = self.actor(name)?;
            interleave().await;
            match actor.call(request).await {
                Ok(reply) => return reply,
                Err(Stopped(unread)) => request = unread,
            }
            interleave().await;
            self.forget(name, &actor);
        }
        Err(CallError::Crashed)
    }

    /// The last durable state of a list. An absent list is a list that does not exist.
    pub async fn read(&self, name: &ListName) -> Result<Arc<List>, CallError> {
        for _ in 0..MAX_TRIES {
            let actor = self.actor(name)?;
            interleave().await;
            match actor.read().await {
                Ok(reply) => return reply,
                Err(Stopped(())) => interleave().await,
            }
            self.forget(name, &actor);
        }
        Err(CallError::Crashed)
    }

    /// The live revisions of a list, from now on.
    pub fn subscribe(&self, name: &ListName) -> Result<broadcast::Receiver<LiveRevision>, CallError> {
        for _ in 0..MAX_TRIES {
            let actor = self.actor(name)?;
            match actor.subscribe() {
                Ok(receiver) => return Ok(receiver),
                Err(Stopped(())) => self.forget(name, &actor),
            }
        }
        Err(CallError::Crashed)
    }

    /// The changes of all lists, from now on.
    pub fn watch_lists(&self) -> ListWatch {
        self.environment.list_changes.watch()
    }

    /// A page of the revisions of a list after a number, the oldest first. The history may begin later.
    pub async fn history_page(&self, name: &ListName, after: u64, limit: PageLimit) -> Result<HistoryPage, CallError> {
        Ok(self.environment.store.history_page(name, after, limit).await?)
    }

    /// The lists that exist, by name, with those that cannot be read.
    pub async fn page(
        &self,
        after: Option<&ListName>,
        limit: usize,
    ) -> Result<Vec<Result<Summary, UnreadableList>>, CallError> {
        let store = &self.environment.store;
        let readable = store.page(after, limit).await?;
        let mut lists: BTreeMap<_, _> = readable.into_iter().map(|list| (list.name.clone(), Ok(list))).collect();
        lists.extend(store.unreadable(after, limit).into_iter().map(|list| (list.name.clone(), Err(list))));
        Ok(lists.into_values().take(limit).collect())
    }

    /// Deletes a list that cannot be read, so that its name is free.
    pub async fn discard(&self, name: &ListName) -> Result<(), CallError> {
        self.environment.store.discard(name).await?;
        self.environment.list_changes.note_deleted(name);
        Ok(())
    }

    /// How many actors there are.
    pub fn resident(&self) -> usize {
        self.resident.load(Ordering::Relaxed)
    }

    /// The number of lists in memory by the version that they are bound to, in the order of logics and digests. Takes time
    /// with each list in memory, so it keeps a thread busy that serves no request.
    pub fn lists_by_version(&self) -> Vec<(Arc<LogicId>, usize)> {
        let count = || {
            let mut counts = BTreeMap::new();
            for version in self.actors.iter().filter_map(|actor| actor.version()) {
                let key = (version.name.clone(), version.digest);
                counts.entry(key).or_insert((version, 0)).1 += 1;
            }
            counts.into_values().collect()
        };
        self.environment.block(count)
    }

    /// Whether the task that wakes lists crashed, so that no list is woken any more.
    pub fn wake_ups_have_failed(&self) -> bool {
        self.wake_ups_failed.load(Ordering::Relaxed)
    }

    /// Notes that the task that wakes lists crashed.
    fn note_failed_wake_ups(&self) {
        self.wake_ups_failed.store(true, Ordering::Relaxed);
    }

    /// The actor of a list, started if there is none.
    fn actor(&self, name: &ListName) -> Result<Arc<Actor>, CallError> {
        let now = self.environment.clock.uptime();
        if let Some(actor) = self.actors.get(name) {
            actor.touch(now);
            return Ok(actor.clone());
        }
        if self.resident() >= self.bounds.resident {
            self.crowded.notify_one();
            return Err(CallError::TooManyLists { limit: self.bounds.resident });
        }
        self.environment.list_memory.check()?;
        let actor = self.actors.entry(name.clone()).or_insert_with(|| {
            if self.resident.fetch_add(1, Ordering::Relaxed) + 1 >= self.high_watermark() {
                self.crowded.notify_one();
            }
            Actor::new(name.clone(), self.environment.clone())
        });
        actor.touch(now);
        Ok(actor.clone())
    }

    /// Drops a stopped actor, unless the name has another one already.
    fn forget(&self, name: &ListName, stopped: &Arc<Actor>) {
        let is_same = |actor: &Arc<Actor>| Arc::ptr_eq(actor, stopped) || has(Defect::ForgetAnyActor);
        if self.actors.remove_if(name, |_, actor| is_same(actor)).is_some() {
            self.resident.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Waits until the number of actors or the memory of their lists reaches the high watermark, so that a sweep is due
    /// before its time.
    pub async fn above_high_watermark(&self) {
        let (lists, memory) = (self.crowded.notified(), self.environment.list_memory.crowded());
        select(pin!(lists), pin!(memory)).await;
    }

    /// The number of actors from which on a sweep makes room.
    fn high_watermark(&self) -> usize {
        self.bounds.resident - self.bounds.resident * (100 - LOW_WATERMARK_PER_CENT) / 200
    }

    /// Passivates the actors that are unused for long, and above a high watermark the longest idle ones as well: that of the
    /// number of actors, and that of the memory of their lists. Returns how many. Locks one shard of the map at a time, so that requests go on meanwhile.
    pub fn sweep(&self) -> usize {
        let cutoff = self.environment.clock.uptime().checked_sub(self.bounds.idle);
        let is_idle = |actor: &Actor| cutoff.is_some_and(|cutoff| actor.last_used() <= cutoff);
        let mut swept = self.passivate(|actor| actor.is_stopped() || is_idle(actor));
        let resident = self.resident();
        if resident >= self.high_watermark() {
            let surplus = resident.saturating_sub(self.bounds.resident * LOW_WATERMARK_PER_CENT / 100);
            let mut ages: Vec<u64> =
                self.actors.iter().filter(|actor| actor.is_passivatable()).map(|actor| actor.last_used()).collect();
            let at = surplus.min(ages.len()).saturating_sub(1);
            if !ages.is_empty() {
                let (_, oldest, _) = ages.select_nth_unstable(at);
                let oldest = *oldest;
                let mut left = surplus;
                swept += self.passivate(|actor| {
                    let chosen = left > 0 && actor.last_used() <= oldest && actor.is_passivatable();
                    left -= usize::from(chosen);
                    chosen
                });
            }
        }
        swept + self.free_memory()
    }

    /// Passivates the longest idle actors as long as the lists take nearly as much memory as they may. An actor with
    /// subscribers comes last, because its event streams have to load the list again.
    fn free_memory(&self) -> usize {
        let memory = &self.environment.list_memory;
        let surplus = memory.surplus();
        if surplus == 0 {
            return 0;
        }
        let rank = |actor: &Actor| (actor.has_subscribers(), actor.last_used());
        let mut idle: Vec<_> =
            self.actors.iter().filter(|actor| actor.is_idle()).map(|actor| (rank(&actor), actor.memory())).collect();
        idle.sort_unstable();
        let mut freed = 0;
        let last = idle.iter().find(|(_, bytes)| {
            freed += bytes;
            freed >= surplus
        });
        let Some((last, _)) = last.or(idle.last()).copied() else { return 0 };
        let mut left = surplus;
        let removed = self.remove(|actor| {
            let bytes = actor.memory();
            let is_stopped = left > 0 && rank(actor) <= last && actor.free();
            left = left.saturating_sub(if is_stopped { bytes } else { 0 });
            is_stopped
        });
        // Lists that were loaded meanwhile may have taken more than was freed.
        if removed > 0 && memory.surplus() > 0 {
            memory.note_surplus();
        }
        removed
    }

    /// Unloads versions that are loaded for single lists only and were not used for `idle` milliseconds. Returns how many.
    pub fn unload_unused(&self, idle: u64) -> usize {
        let Environment { registry, clock, .. } = &*self.environment;
        registry.unload_unused(clock.uptime().saturating_sub(idle))
    }

    fn passivate(&self, mut chosen: impl FnMut(&Actor) -> bool) -> usize {
        self.remove(|actor| chosen(actor) && actor.passivate())
    }

    /// Removes the actors that are stopped. Returns how many.
    fn remove(&self, mut is_stopped: impl FnMut(&Actor) -> bool) -> usize {
        let before = self.resident();
        self.actors.retain(|_, actor| {
            let stopped = is_stopped(actor);
            self.resident.fetch_sub(usize::from(stopped), Ordering::Relaxed);
            !stopped
        });
        before.saturating_sub(self.resident())
    }
}

#[cfg(test)]
mod tests;
