//! Comparison of two versions of a logic on the recorded commands of lists.
//!
//! A revision holds its command and its context, and the list before any retained revision can be restored. Replay has
//! two versions decide each command again on the list as it was, and compares their answers. Nothing is written.
//! A replayed decision has no effect on the next one: every command is compared on the recorded state.
//!
//! Revisions that no version of the logic decided are skipped: a deletion of the list, an undo, a migration, and
//! everything that another logic decided.
//!
//! Apart from the sessions and the given clock, replay is pure. The caller provides the lists.

mod answer;
mod report;
mod runner;
#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use parking_lot::Mutex;

use crate::list::List;
use crate::list::command::Command;
use crate::list::history::{HistoryError, ListHistory};
use crate::list::name::LogicName;
use crate::list::revision::Revision;
use crate::logic::Logic;
use crate::render;
pub use answer::DifferenceKind;
use answer::{ReplayAnswer, compare};
use report::cut;
pub use report::{Difference, MAX_LISTED, Measurements, Report, Unreadable, VersionCosts};
use runner::Runner;

/// The lists that are queued for each thread. One would keep a thread busy if all lists were of one size.
const LISTS_AHEAD: usize = 4;

/// A comparison of two versions of a logic.
pub struct Replay<'a> {
    /// The version to compare with.
    pub old: &'a dyn Logic,
    /// The version that is meant to replace it.
    pub new: &'a dyn Logic,
    /// The number of threads that decide.
    pub threads: NonZeroUsize,
    /// A clock that returns the time since an arbitrary start.
    pub clock: &'a (dyn Fn() -> Duration + Sync),
    /// A callback for each finished list.
    pub done: &'a (dyn Fn() + Sync),
}

/// An item of a source of lists.
#[derive(Debug)]
pub enum ReplayItem {
    /// A list with its history.
    List(Box<ListHistory>),
    /// A list that exists and cannot be read.
    Unreadable(Unreadable),
}

impl Replay<'_> {
    /// Compares the two versions on all lists of a source. The calling thread reads the source, no faster than the
    /// threads finish lists.
    ///
    /// # Errors
    ///
    /// The first error of the source. It ends the comparison.
    pub fn run<E>(&self, lists: impl IntoIterator<Item = Result<ReplayItem, E>>) -> Result<Report, E> {
        let (give, take) = sync_channel(self.threads.get() * LISTS_AHEAD);
        // Only the threads own the receiver: when the last one ends, the channel closes and a blocked sender returns.
        let take = Arc::new(Mutex::new(take));
        std::thread::scope(|scope| {
            let start = |_| {
                let take = take.clone();
                scope.spawn(move || self.work(&take))
            };
            let threads: Vec<_> = (0..self.threads.get()).map(start).collect();
            drop(take);
            let fed = self.feed(lists, give);
            let mut report = Report::default();
            for thread in threads {
                report.merge(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            report.merge(fed?);
            report.sort();
            Ok(report)
        })
    }

    /// Sends the lists of the source to the threads, and reports the unreadable ones.
    fn feed<E>(
        &self,
        lists: impl IntoIterator<Item = Result<ReplayItem, E>>,
        give: SyncSender<Box<ListHistory>>,
    ) -> Result<Report, E> {
        let mut report = Report::default();
        for item in lists {
            match item? {
                // The send fails only if every thread panicked. Joining the threads reports that.
                ReplayItem::List(list) => drop(give.send(list)),
                ReplayItem::Unreadable(unreadable) => {
                    report.unreadable(unreadable);
                    (self.done)();
                }
            }
        }
        Ok(report)
    }

    fn work(&self, lists: &Mutex<Receiver<Box<ListHistory>>>) -> Report {
        let mut report = Report::default();
        loop {
            let next = lists.lock().recv();
            let Ok(list) = next else { return report };
            self.list(&list, &mut report);
            (self.done)();
        }
    }

    /// Decides all commands of a list again.
    fn list(&self, list: &ListHistory, report: &mut Report) {
        report.lists += 1;
        let mut on_list = OnList { replay: self, recorded: list, differs: false };
        if let Err(error) = on_list.walk(report) {
            let name = list.name.as_str().to_owned();
            report.unreadable(Unreadable { name, why: error.to_string() });
        }
        report.differing_lists += u64::from(on_list.differs);
    }
}

/// The comparison on one list.
struct OnList<'a> {
    replay: &'a Replay<'a>,
    recorded: &'a ListHistory,
    /// Whether a difference was found already. The report shows the first one and counts the others.
    differs: bool,
}

impl OnList<'_> {
    fn walk(&mut self, report: &mut Report) -> Result<(), HistoryError> {
        // A session lasts for one list, like the sessions of an actor.
        let mut old = Runner::new(self.replay.old, self.replay.clock);
        let mut new = Runner::new(self.replay.new, self.replay.clock);
        let mut migrates = true;
        for step in self.recorded.steps()? {
            let (before, revision) = step?;
            if !migrates || !is_decided_by(revision, &self.replay.new.id().name) {
                report.skipped += 1;
                continue;
            }
            report.commands += 1;
            let was = old.answer(&before, revision, &mut report.old);
            let would_be = new.answer(&before, revision, &mut report.new);
            if let Some(kind) = compare(&was, &would_be) {
                self.differ(report, (&before, revision), kind, (&was, &would_be));
                // A version that cannot migrate the list cannot decide its later commands either.
                migrates = kind != DifferenceKind::Migration;
            }
        }
        Ok(())
    }

    fn differ(
        &mut self,
        report: &mut Report,
        (before, revision): (&List, &Revision),
        kind: DifferenceKind,
        (old, new): (&ReplayAnswer, &ReplayAnswer),
    ) {
        report.count(kind);
        let first = !std::mem::replace(&mut self.differs, true);
        // Each thread gets its lists in the order of the source, so that only later differences are left out.
        if first && report.differences.len() < MAX_LISTED {
            report.differences.push(Difference {
                list: self.recorded.name.clone(),
                revision: revision.number,
                kind,
                command: cut(render::command(&revision.command)),
                before: cut(render::list(before)),
                old: cut(old.shown()),
                new: cut(new.shown()),
            });
        }
    }
}

/// Returns whether a version of the logic decided a revision. That includes the command that bound the list to this
/// logic instead of another.
fn is_decided_by(revision: &Revision, logic: &LogicName) -> bool {
    let made_by_host = matches!(revision.command, Command::DeleteList | Command::Undo { .. } | Command::Migrate);
    !made_by_host && revision.logic.name == *logic
}
