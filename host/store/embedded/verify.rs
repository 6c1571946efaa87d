//! Check of a whole data directory: every page, every row, and how the rows fit together.
//!
//! The check is one read transaction. A server may use the directory meanwhile.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::Connection;

use super::recording::Recording;
use super::{last_commit, observer, record_check, schema};
use crate::list::history::ListHistory;
use crate::list::name::ListName;
use crate::store::error::StoreError;

/// The most findings of SQLite's own check. One damaged page causes many.
const MAX_PAGE_FINDINGS: usize = 100;

/// The most findings that are returned. Further ones are counted.
const MAX_FINDINGS: usize = 10_000;

/// What a check of a data directory found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Verification {
    /// The lists that exist and are sound.
    pub sound_lists: u64,
    /// Their retained revisions.
    pub revisions: u64,
    /// The damage, at most 10,000 findings.
    pub findings: Vec<Finding>,
    /// The findings beyond the limit.
    pub more_findings: u64,
}

/// One kind of damage in one place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The list that is damaged, if the damage is a list's.
    pub list: Option<ListName>,
    /// What is damaged, and how.
    pub what: String,
}

impl Verification {
    /// Whether nothing is damaged.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    /// Adds a finding, unless it is there already.
    fn add_once(&mut self, (list, what): (Option<ListName>, String)) {
        if !self.findings.iter().any(|finding| finding.list == list && finding.what == what) {
            self.add(list.as_ref(), what);
        }
    }

    fn add(&mut self, list: Option<&ListName>, what: String) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding { list: list.cloned(), what });
        } else {
            self.more_findings += 1;
        }
    }
}

/// Checks a data directory. `progress` is called with the number of lists that are checked, and about how many there are.
///
/// # Errors
///
/// [`StoreError::Format`] when another version of the program wrote the data. [`StoreError::Failed`] when the database
/// cannot be opened.
pub fn verify(dir: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Verification, StoreError> {
    let mut found = Verification::default();
    observer::log_damage(dir)?.into_iter().for_each(|why| found.add(None, why));
    // Read first, because a server that uses the directory raises the number.
    let acknowledged = last_commit::read(dir);
    // The log and the lists can be read although other pages are damaged.
    let db = schema::open_observer(dir, super::recording::CACHE_BYTES)?;
    check_pages(&db, &mut found);
    match db.query_row(schema::LAST_COMMIT, [], |row| row.get(0)) {
        Ok(last) => last_commit::lacks(acknowledged, last).into_iter().for_each(|why| found.add(None, why)),
        Err(error) => found.add(None, format!("the last commit cannot be read: {error}")),
    }
    record_check::check(&db, &mut |what| found.add(None, what));
    let lists = Recording::begin(db).and_then(|recording| check_lists(&recording, &mut found, progress));
    if let Err(error) = lists {
        found.add(None, format!("not all lists could be checked: {error}"));
    }
    Ok(found)
}

/// Lets SQLite check its pages and indexes.
fn check_pages(db: &Connection, found: &mut Verification) {
    let check = || -> rusqlite::Result<Vec<String>> {
        let mut check = db.prepare(&format!("PRAGMA integrity_check({MAX_PAGE_FINDINGS})"))?;
        check.query_map([], |row| row.get(0))?.collect()
    };
    match check() {
        Ok(lines) => {
            for line in lines.into_iter().filter(|line| line != "ok") {
                found.add(None, format!("the database: {line}"));
            }
        }
        Err(error) => found.add(None, format!("the database cannot be checked: {error}")),
    }
}

fn check_lists(
    recording: &Recording,
    found: &mut Verification,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), StoreError> {
    let all = recording.count()? as u64;
    let mut timers = match recording.timers() {
        Ok(timers) => timers,
        Err(error) => {
            found.add(None, format!("the timers cannot be read: {error}"));
            BTreeSet::new()
        }
    };
    for (done, read) in recording.lists(|_| true).enumerate() {
        progress(done as u64, all);
        match read {
            Ok(list) => check_list(recording, &list, &mut timers, found)?,
            Err(StoreError::Unreadable { name, why }) => {
                timers.retain(|(_, list)| list != name.as_str());
                found.add(Some(&name), why);
            }
            Err(error) => return Err(error),
        }
    }
    for (at, list) in timers {
        found.add(None, format!("the timer of list {list:?} at {at} has no list that waits for it"));
    }
    recording.check_rows(&mut |finding| found.add_once(finding.into_text()))
}

/// The damage of a history that is missing, or does not lead to its list.
pub(super) fn history_damage(list: &ListHistory) -> Option<String> {
    let missing = || list.revisions.is_empty().then(|| "its history is missing".into());
    list.check().err().map(|error| error.to_string()).or_else(missing)
}

/// Checks what a list says of itself against what is stored about it.
fn check_list(
    recording: &Recording,
    list: &ListHistory,
    timers: &mut BTreeSet<(u64, String)>,
    found: &mut Verification,
) -> Result<(), StoreError> {
    let before = found.findings.len();
    if let Some(why) = history_damage(list)
        && !(list.revisions.is_empty() && recording.has_given_up(&list.name)?)
    {
        found.add(Some(&list.name), why);
    }
    let stored = match recording.load(&list.name) {
        Ok(stored) => stored,
        Err(StoreError::Unreadable { why, .. }) => {
            found.add(Some(&list.name), why);
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    if let Some(at) = stored.wake_up
        && !timers.remove(&(at, list.name.as_str().to_owned()))
    {
        found.add(Some(&list.name), format!("its timer at {at} is missing, so it is not woken"));
    }
    if found.findings.len() == before && found.more_findings == 0 {
        found.sound_lists += 1;
        found.revisions += list.revisions.len() as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::store::embedded::{EmbeddedStore, Options};
    use crate::store::fixtures::{self, Writer};

    #[tokio::test]
    async fn a_list_without_its_timer_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
        for list in ["ann", "bob"] {
            let commit = Writer::new(list).create().add("Milk").wake_at(Some(1_800_000_000_000)).commit();
            store.commit(commit).await.unwrap();
        }
        store.close().await.unwrap();
        assert!(verify(dir.path(), &mut |_, _| ()).unwrap().is_sound());

        let db = Connection::open(dir.path().join(schema::FILE)).unwrap();
        db.execute("DELETE FROM timers WHERE name = 'bob'", []).unwrap();
        let found = verify(dir.path(), &mut |_, _| ()).unwrap();
        let what = "its timer at 1800000000000 is missing, so it is not woken".to_owned();
        let of_table = "the table timers lacks rows that its digest counts: 1".to_owned();
        let of_list = Finding { list: Some(fixtures::name("bob")), what };
        assert_eq!(found.findings, [of_list, Finding { list: None, what: of_table }]);
        assert_eq!(found.sound_lists, 1);
    }

    #[test]
    fn findings_are_bounded_and_the_rest_is_counted() {
        let mut found = Verification::default();
        (0..MAX_FINDINGS + 3).for_each(|number| found.add(None, number.to_string()));
        assert_eq!((found.findings.len(), found.more_findings), (MAX_FINDINGS, 3));
    }
}
