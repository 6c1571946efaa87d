//! Measures the memory of an idle list in the resident set of this process, including allocators and
//! maps.
//!
//! `cargo run --release --example memory`
#![expect(clippy::print_stdout, reason = "a program may speak")]

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::ready;
use hotlist::actor::{Environment, ListMemory};
use hotlist::cache::{Bounds, Cache};
use hotlist::clock::SystemClock;
use hotlist::executor::turns::Turns;
use hotlist::list::change::Change;
use hotlist::list::entry::Entry;
use hotlist::list::name::{ListName, LogicName};
use hotlist::list::{Limits, List};
use hotlist::rollout::Registry;
use hotlist::store::receipt_room::{ReceiptLimits, ReceiptRoom};
use hotlist::store::{
    ChangesPage, Commit, Health, HistoryPage, PageLimit, Pending, Store, StoreError, Stored, Summary, WakeUp,
};
use tokio_util::task::TaskTracker;

/// The number of resident lists.
const LISTS: usize = 1_000_000;

/// A store in which every list has the given number of entries. It discards commits.
struct Same(u64, Arc<ReceiptRoom>);

impl Store for Same {
    fn load(&self, _: &ListName) -> Pending<Stored> {
        let entry = |id| Entry {
            id,
            title: format!("remember entry number {id}"),
            date: None,
            completed: false,
            order: None,
            fields: Vec::new(),
        };
        let changes: Vec<_> = (1..=self.0).map(|id| Change::put(entry(id))).collect();
        let list = if changes.is_empty() { List::default() } else { List::default().apply(&changes).expect("it fits") };
        ready(Ok(Stored { list, ..Stored::default() })).boxed()
    }

    fn commit(&self, _: Commit) -> Pending<()> {
        ready(Err(StoreError::Closed)).boxed()
    }

    fn page(&self, _: Option<&ListName>, _: usize) -> Pending<Vec<Summary>> {
        ready(Ok(Vec::new())).boxed()
    }

    fn history_page(&self, _: &ListName, _: u64, _: PageLimit) -> Pending<HistoryPage> {
        ready(Ok(HistoryPage::default())).boxed()
    }

    fn changes(&self, _: &ListName, _: u64, _: usize, _: PageLimit) -> Pending<Option<ChangesPage>> {
        ready(Ok(None)).boxed()
    }

    fn due(&self, _: u64, _: Option<&WakeUp>, _: usize) -> Pending<Vec<WakeUp>> {
        ready(Ok(Vec::new())).boxed()
    }

    fn next_due(&self) -> Pending<Option<u64>> {
        ready(Ok(None)).boxed()
    }

    fn receipt_room(&self) -> &Arc<ReceiptRoom> {
        &self.1
    }

    fn health(&self) -> Health {
        Health::Healthy
    }

    fn close(&self) -> Pending<()> {
        ready(Ok(())).boxed()
    }
}

/// The resident set of this process in bytes. Linux reports it in pages of 4 KiB.
fn resident_set() -> anyhow::Result<usize> {
    let status = std::fs::read_to_string("/proc/self/statm")?;
    let pages: usize = status.split(' ').nth(1).unwrap_or_default().parse()?;
    Ok(pages * 4_096)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    for entries in [0, 1, 10] {
        let environment = Environment {
            live_room: Arc::default(),
            list_changes: Arc::default(),
            list_memory: ListMemory::default(),
            store: Arc::new(Same(entries, ReceiptRoom::new(ReceiptLimits::default()))),
            registry: Arc::new(Registry::default()),
            clock: Arc::new(SystemClock::default()),
            executor: Arc::new(TaskTracker::new()),
            turns: Turns::new(2),
            limits: Limits::default(),
            mailbox: 1_024,
            default_logic: LogicName::new("todo")?,
        };
        let cache = Cache::new(Arc::new(environment), Bounds { idle: 60_000, resident: 2 * LISTS });
        let before = resident_set()?;
        for number in 0..LISTS {
            cache.read(&ListName::new(&format!("list-{number}"))?).await?;
        }
        let each = (resident_set()? - before) / LISTS;
        println!("{each} bytes a resident idle list of {entries} entries, its actor included");
        // Neither map nor allocator returns memory, so the next size runs in a process that has grown.
        std::mem::forget(cache);
    }
    Ok(())
}
