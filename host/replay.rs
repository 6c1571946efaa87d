//! What another version of a logic would have decided: the recorded commands of lists, decided again.
//!
//! A revision holds its command and the circumstances it was decided in, and a list can be had as it
//! was before any revision that is kept. So each command is put to two versions once more, on the list
//! as it was, and what they answer is compared. Nothing is written anywhere, and what the one decides
//! has no effect on what is asked next: every command is compared on what really was.
//!
//! What no version of the logic decided is passed over: the end of a list, taking a revision back,
//! handing over to another version, and the time in which another logic kept the list.
//!
//! Pure but for the sessions it asks and the clock it is handed; where the lists come from is the
//! caller's business.

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
pub use report::{Difference, MAX_LISTED, Report, Unreadable, VersionCosts};
use runner::Runner;

/// How many lists wait for each thread. One would do to keep it busy, if all were of one size.
const LISTS_AHEAD: usize = 4;

/// Two versions of a logic, and what it takes to compare them.
pub struct Replay<'a> {
    /// The version to compare with.
    pub old: &'a dyn Logic,
    /// The version that is to take its place.
    pub new: &'a dyn Logic,
    /// How many threads decide.
    pub threads: NonZeroUsize,
    /// Tells how much time passed since any moment.
    pub clock: &'a (dyn Fn() -> Duration + Sync),
    /// Told of every list that is done with.
    pub done: &'a (dyn Fn() + Sync),
}

/// What a source of lists gives.
#[derive(Debug)]
pub enum ReplayItem {
    /// A list.
    List(Box<ListHistory>),
    /// A list that is there and cannot be read.
    Unreadable(Unreadable),
}

impl Replay<'_> {
    /// Compares the two on all lists that a source gives. The source is asked by the calling thread,
    /// only as fast as lists are done with.
    ///
    /// # Errors
    ///
    /// The source's: it ends the comparison.
    pub fn run<E>(&self, lists: impl IntoIterator<Item = Result<ReplayItem, E>>) -> Result<Report, E> {
        let (give, take) = sync_channel(self.threads.get() * LISTS_AHEAD);
        // Theirs alone: when the last of them ends, the channel does, and nobody waits for room in it.
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

    /// Hands out what the source gives, and reports what it could not read.
    fn feed<E>(
        &self,
        lists: impl IntoIterator<Item = Result<ReplayItem, E>>,
        give: SyncSender<Box<ListHistory>>,
    ) -> Result<Report, E> {
        let mut report = Report::default();
        for item in lists {
            match item? {
                // Nobody takes it where every thread panicked, which is found out when they are joined.
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

    /// Decides all of a list's commands again.
    fn list(&self, list: &ListHistory, report: &mut Report) {
        report.lists += 1;
        let mut on_list = OnList { replay: self, recorded: list, differs: false };
        if let Err(contradiction) = on_list.walk(report) {
            let name = list.name.as_str().to_owned();
            report.unreadable(Unreadable { name, why: contradiction.to_string() });
        }
        report.differing_lists += u64::from(on_list.differs);
    }
}

/// The comparison on one list.
struct OnList<'a> {
    replay: &'a Replay<'a>,
    recorded: &'a ListHistory,
    /// Whether there was a difference already: the first one is shown, the others are counted.
    differs: bool,
}

impl OnList<'_> {
    fn walk(&mut self, report: &mut Report) -> Result<(), HistoryError> {
        // A session lasts for one list, as it does where commands are decided for the first time.
        let mut old = Runner::new(self.replay.old, self.replay.clock);
        let mut new = Runner::new(self.replay.new, self.replay.clock);
        let mut moves = true;
        for step in self.recorded.steps()? {
            let (before, revision) = step?;
            if !moves || !is_decided_by(revision, &self.replay.new.id().name) {
                report.passed_over += 1;
                continue;
            }
            report.commands += 1;
            let was = old.answer(&before, revision, &mut report.old);
            let would_be = new.answer(&before, revision, &mut report.new);
            if let Some(kind) = compare(&was, &would_be) {
                self.differ(report, (&before, revision), kind, (&was, &would_be));
                // Once it is clear that the list cannot be had, there is nothing to compare with.
                moves = kind != DifferenceKind::Migration;
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
        // A thread's lists come in the order of the source, so what there is no room for comes later.
        if first && report.differences.len() < MAX_LISTED {
            report.differences.push(Difference {
                list: self.recorded.name.clone(),
                revision: revision.number,
                kind,
                asked: cut(render::command(&revision.command)),
                about: cut(render::list(before)),
                old: cut(old.shown()),
                new: cut(new.shown()),
            });
        }
    }
}

/// Whether a version of that logic decided a revision, and would decide it again. That includes the one
/// in which the logic took the list over from another.
fn is_decided_by(revision: &Revision, logic: &LogicName) -> bool {
    let by_the_host = matches!(revision.command, Command::DeleteList | Command::Undo { .. } | Command::Migrate);
    !by_the_host && revision.logic.name == *logic
}
