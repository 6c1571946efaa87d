//! The check of one list: its history against all requests.
//!
//! The revisions are the order in which the list changed, so no search for an order is needed. The list is linearizable
//! if each write is exactly one revision, each reply names the revision of its request, and no request that began after
//! the reply of another is before it (Herlihy and Wing 1990).

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::net::SocketAddr;

use serde_json::Value;

use super::client::{Action, Operation};

/// What was checked.
#[derive(Default)]
pub struct Counts {
    pub kills: usize,
    pub writes: usize,
    pub reads: usize,
    /// The requests that had no reply when the server was killed.
    pub unanswered: usize,
    pub revisions: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, writes, reads, unanswered, revisions } = self;
        write!(
            f,
            "{kills} kills, {writes} acknowledged writes, {unanswered} of them repeated after a kill, {reads} reads, \
             {revisions} revisions: nothing lost, nothing doubled, every list linearizable"
        )
    }
}

/// The change of a revision: what it did to which entry.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Effect {
    Put(u64, String),
    Remove(u64),
}

/// The history of a list, from its first revision on, and its entries.
pub struct History {
    revisions: BTreeMap<u64, Effect>,
    entries: BTreeMap<u64, String>,
}

impl History {
    /// Reads all revisions and entries.
    pub async fn read(address: SocketAddr, list: &str) -> Self {
        let mut history = Self { revisions: BTreeMap::new(), entries: BTreeMap::new() };
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let page = async |path: &str, after: u64| -> Vec<Value> {
            let url = format!("http://{address}/lists/{list}/{path}?limit=500&after={after}");
            let response = http.get(url).send().await.expect("a response");
            assert_eq!(response.status(), 200);
            response.json().await.expect("an array")
        };
        let mut last = 0;
        while let Some(revision) = Some(page("history", last).await).filter(|page| !page.is_empty()) {
            for revision in revision {
                let number = revision["revision"].as_u64().expect("a number");
                assert_eq!(number, last + 1, "the revisions of {list} are contiguous");
                last = number;
                history.revisions.insert(number, effect(&revision));
            }
        }
        let mut after = 0;
        while let Some(entries) = Some(page("entries", after).await).filter(|page| !page.is_empty()) {
            for entry in entries {
                after = entry["id"].as_u64().expect("an id");
                history.entries.insert(after, entry["title"].as_str().expect("a title").to_owned());
            }
        }
        history
    }

    /// Checks the list against all requests to it.
    pub fn check(&self, operations: &[&Operation], counts: &mut Counts) -> Result<(), String> {
        let mut explained = HashSet::new();
        for operation in operations {
            let revision = operation.revision.ok_or("a request without a reply is left")?;
            if operation.action == Action::Read {
                counts.reads += 1;
                continue;
            }
            counts.writes += 1;
            let effect = self.revisions.get(&revision).ok_or_else(|| format!("{operation:?} is lost"))?;
            let is_its = match (&operation.action, effect) {
                (Action::Add(title), Effect::Put(_, put)) => title == put,
                (Action::Rename(id, title), Effect::Put(at, put)) => (id, title) == (at, put),
                (Action::Remove(id), Effect::Remove(removed)) => id == removed,
                _ => false,
            };
            if !is_its {
                return Err(format!("{operation:?} is not the change of its revision, which is {effect:?}"));
            }
            if !explained.insert(revision) {
                return Err(format!("revision {revision} is the change of two requests"));
            }
        }
        counts.revisions += self.revisions.len();
        // Each request has one revision. A revision that is left was made by a request that was carried out twice.
        if let Some((number, effect)) = self.revisions.iter().find(|(number, _)| !explained.contains(number)) {
            return Err(format!("revision {number} is doubled: no request is left for {effect:?}"));
        }
        self.check_entries()?;
        check_order(operations)
    }

    /// Replays the revisions, which must lead to the entries.
    fn check_entries(&self) -> Result<(), String> {
        let mut entries = BTreeMap::new();
        for effect in self.revisions.values() {
            match effect {
                Effect::Put(id, title) => entries.insert(*id, title.clone()),
                Effect::Remove(id) => entries.remove(id),
            };
        }
        if entries == self.entries { Ok(()) } else { Err("the entries are not what the revisions lead to".into()) }
    }
}

/// The change of an entry. The first revision of a list also binds it to its logic.
fn effect(revision: &Value) -> Effect {
    let changes = revision["changes"].as_array().expect("changes");
    let mut effects = changes.iter().filter(|change| change["type"] != "bind-logic");
    let (change, None) = (effects.next().expect("a change"), effects.next()) else {
        panic!("a revision has the change of one request: {revision}")
    };
    match change["type"].as_str() {
        Some("put") => {
            let entry = &change["entry"];
            Effect::Put(entry["id"].as_u64().expect("an id"), entry["title"].as_str().expect("a title").to_owned())
        }
        Some("remove") => Effect::Remove(change["id"].as_u64().expect("an id")),
        _ => panic!("an unexpected change: {revision}"),
    }
}

/// Checks that no request is before one whose reply was there when it was sent.
fn check_order(operations: &[&Operation]) -> Result<(), String> {
    let mut by_start = operations.to_vec();
    by_start.sort_by_key(|operation| operation.sent);
    let mut by_end = operations.to_vec();
    by_end.sort_by_key(|operation| operation.replied);
    let mut ended = by_end.into_iter().peekable();
    let mut newest: Option<&Operation> = None;
    for operation in by_start {
        while let Some(before) = ended.next_if(|before| before.replied < operation.sent) {
            if newest.is_none_or(|newest| newest.revision < before.revision) {
                newest = Some(before);
            }
        }
        let Some(before) = newest else { continue };
        let is_in_order = match operation.action {
            Action::Read => before.revision <= operation.revision,
            _ => before.revision < operation.revision,
        };
        if !is_in_order {
            return Err(format!("{operation:?} is before {before:?}, whose reply was there when it was sent"));
        }
    }
    Ok(())
}

#[test]
fn a_lost_a_doubled_and_a_stale_change_are_found() {
    use std::time::Duration;
    let operation = |action: Action, revision: u64, sent: u64| Operation {
        list: 0,
        action,
        key: String::new(),
        sent: Duration::from_millis(sent),
        replied: Duration::from_millis(sent + 5),
        revision: Some(revision),
    };
    let add = |title: &str, revision, sent| operation(Action::Add(title.into()), revision, sent);
    let history = |titles: &[&str]| {
        let put = |(at, title): (usize, &&str)| (at as u64 + 1, Effect::Put(at as u64 + 1, (*title).to_owned()));
        let revisions: BTreeMap<_, _> = titles.iter().enumerate().map(put).collect();
        let entries = (1..).zip(titles).map(|(id, title)| (id, (*title).to_owned())).collect();
        History { revisions, entries }
    };
    let check = |history: &History, operations: &[Operation]| {
        history.check(&operations.iter().collect::<Vec<_>>(), &mut Counts::default())
    };
    let (milk, tea) = (add("milk", 1, 0), add("tea", 2, 10));
    let read = |revision| operation(Action::Read, revision, 20);
    assert_eq!(check(&history(&["milk", "tea"]), &[milk.clone(), tea.clone(), read(2)]), Ok(()));
    let found = [
        (history(&["milk"]), vec![milk.clone(), tea.clone()], "is lost"),
        (history(&["milk", "milk"]), vec![milk.clone()], "is doubled"),
        (history(&["milk", "tea"]), vec![milk.clone(), tea.clone(), read(1)], "is before"),
        (history(&["tea", "milk"]), vec![add("milk", 2, 0), add("tea", 1, 10)], "is before"),
        (history(&["milk", "tea"]), vec![milk, add("coffee", 2, 10)], "is not the change"),
    ];
    for (history, operations, says) in found {
        let violation = check(&history, &operations).expect_err(says);
        assert!(violation.contains(says), "{violation}");
    }
}
