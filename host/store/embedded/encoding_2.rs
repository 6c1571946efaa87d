//! Lists of encoding 2 in the encoding of this program.
//!
//! Encoding 2 names the logic of a list and not its version, and its revisions have no inverses. Both are derived and not
//! guessed:
//!
//! - A list is bound to the version that decided the revision which created it or handed it to its logic. The schema of that
//!   version is not known, so the next version that decides about the list migrates the list first.
//! - The inverses are made anew, by applying the revisions to the state that they began with. That state is known where the
//!   history begins with the creation or with a deletion. An older history that was cut gets no inverses: its rows become
//!   evidence, and the history begins with the next revision.
//!
//! An upgrade converts all lists at once, so nothing else knows this encoding.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::block;
use super::commit_record::{self, CommitHead};
use super::receipt_record::ReceiptWithChanges;
use super::record::{self, ListMeta, RowKind};
use crate::list::binding::LogicBinding;
use crate::list::change::Change;
use crate::list::command::{Command, Context};
use crate::list::entry::{Draft, Entry, Patch};
use crate::list::id::{EntryId, LogicId};
use crate::list::name::{ListName, LogicName};
use crate::list::receipt::Receipt;
use crate::list::revision::Revision;
use crate::list::value::{Field, Value};
use crate::list::{List, ListSnapshot};
use crate::store::Commit;

/// The encoding.
pub(super) const ENCODING: u8 = 2;

/// The fingerprint of a schema that is not known. No version has it, so each one migrates the list first.
const UNKNOWN_SCHEMA: u64 = 0;

/// The rows of one list, as they are stored.
#[derive(Default)]
pub(super) struct OldList {
    pub(super) compacted: Option<OldCompacted>,
    /// The number of the last revision of each history row, and the row.
    pub(super) history: Vec<(u64, Vec<u8>)>,
    /// The commits in the log: number, revision, record.
    pub(super) commits: Vec<(u64, u64, Vec<u8>)>,
}

/// The compacted row of a list.
pub(super) struct OldCompacted {
    pub(super) revision: u64,
    pub(super) seq: u64,
    pub(super) meta: Vec<u8>,
    pub(super) snapshot: Vec<u8>,
}

/// The rows of one list in the encoding of this program.
pub(super) struct ConvertedList {
    /// The metadata and the snapshot of its compacted row.
    pub(super) compacted: Option<(Vec<u8>, Vec<u8>)>,
    /// The history rows by the number of their last revision, or `None` if their inverses cannot be known.
    pub(super) history: Option<Vec<(u64, Vec<u8>)>>,
    /// The frames of its commits by number.
    pub(super) frames: BTreeMap<u64, Vec<u8>>,
}

#[derive(Deserialize)]
struct OldSnapshot {
    revision: u64,
    logic: Option<LogicName>,
    next_id: EntryId,
    entries: Vec<Arc<Entry>>,
    settings: Vec<Field>,
}

#[derive(Deserialize)]
struct OldRevision {
    number: u64,
    context: Context,
    logic: Arc<LogicId>,
    command: OldCommand,
    changes: Vec<OldChange>,
}

#[derive(Deserialize)]
enum OldChange {
    Put(Arc<Entry>),
    Remove(EntryId),
    Set(Field),
    HandOver(LogicName),
    Erase,
    Unset(String),
}

#[derive(Deserialize)]
enum OldCommand {
    Add(Draft),
    Update { id: EntryId, patch: Patch },
    Delete { id: EntryId },
    Clear,
    Custom { name: String, arguments: Vec<Field> },
    Configure { logic: Option<LogicName>, settings: Vec<(String, Option<Value>)> },
    Erase,
    Wake,
}

impl From<OldCommand> for Command {
    fn from(command: OldCommand) -> Self {
        match command {
            OldCommand::Add(draft) => Self::Add(draft),
            OldCommand::Update { id, patch } => Self::Update { id, patch },
            OldCommand::Delete { id } => Self::Delete { id },
            OldCommand::Clear => Self::Clear,
            OldCommand::Custom { name, arguments } => Self::Custom { name, arguments },
            OldCommand::Configure { logic, settings } => Self::Configure { logic, pin: None, settings },
            OldCommand::Erase => Self::DeleteList,
            OldCommand::Wake => Self::Wake,
        }
    }
}

impl OldChange {
    /// The same change, made by a version. A list is handed to the logic that decides about it.
    fn made_by(self, version: &Arc<LogicId>) -> Change {
        match self {
            Self::Put(entry) => Change::Put(entry),
            Self::Remove(id) => Change::Remove(id),
            Self::Set(field) => Change::Set(field),
            Self::HandOver(_) => Change::BindLogic(binding(version)),
            Self::Erase => Change::DeleteList,
            Self::Unset(name) => Change::Unset(name),
        }
    }
}

fn binding(version: &Arc<LogicId>) -> Arc<LogicBinding> {
    Arc::new(LogicBinding { id: version.clone(), schema_fingerprint: UNKNOWN_SCHEMA })
}

/// Whether a row has this encoding.
pub(super) fn is_encoding(row: &[u8]) -> bool {
    row.first() == Some(&ENCODING)
}

/// Decodes a receipt of this encoding.
pub(super) fn receipt(name: &ListName, place: u64, row: &[u8]) -> Result<Receipt, String> {
    let content = unseal(RowKind::Receipt, name, place, row)?;
    let receipt: ReceiptWithChanges<OldChange> = record::decode_whole(content)?;
    Ok(receipt.into_receipt(OldChange::made_by))
}

/// Converts a list. Fails if its rows are damaged or contradict each other.
pub(super) fn convert(name: &ListName, old: &OldList) -> Result<ConvertedList, String> {
    let revisions = history(name, old)?;
    let last_version = revisions.last().map(|revision| revision.logic.clone());
    let numbers: Vec<_> = revisions.iter().map(|revision| revision.number).collect();
    let replayed = Replayed::new(revisions)?;
    let mut converted = ConvertedList { compacted: None, history: Some(Vec::new()), frames: BTreeMap::new() };
    let (mut list, mut compacted_to) = (List::default(), 0);
    if let Some(row) = &old.compacted {
        let (meta, snapshot) = compacted(name, row)?;
        list = match &replayed {
            Some(replayed) => replayed.end_at(snapshot)?,
            None => bound(snapshot, last_version.as_ref())?,
        };
        if ListMeta::of(&list, meta.wake_up) != meta {
            return Err("its metadata does not fit its snapshot".into());
        }
        compacted_to = row.seq;
        converted.compacted = Some((
            record::encode(RowKind::ListMeta, name, row.revision, &(row.seq, &meta)),
            record::encode(RowKind::Snapshot, name, row.revision, &list.snapshot()),
        ));
    } else if !numbers.is_empty() {
        return Err("it has a history and no compacted row".into());
    }
    converted.history = replayed.map(|replayed| replayed.rows(name, &old.history));
    for (seq, revision, record) in &old.commits {
        let commit = OldCommit::decode(name, *revision, record)?;
        let (commit, head) = commit.convert(name, &mut list, *seq > compacted_to)?;
        let encode = |bytes| commit_record::append_commit(&commit, &head, bytes);
        let frame = block::frame(name, *revision, block::MAX_FRAME_BYTES, encode).map_err(|error| error.to_string())?;
        converted.frames.insert(*seq, frame);
    }
    Ok(converted)
}

fn unseal<'a>(kind: RowKind, name: &ListName, number: u64, row: &'a [u8]) -> Result<&'a [u8], String> {
    record::unseal_of(ENCODING, kind, name.as_str(), number, row)
}

/// The content of the directory of a log row.
pub(super) fn directory(last: u64, row: &[u8]) -> Result<&[u8], String> {
    record::unseal_of(ENCODING, RowKind::Directory, "", last, row)
}

fn compacted(name: &ListName, row: &OldCompacted) -> Result<(ListMeta, OldSnapshot), String> {
    let meta = unseal(RowKind::ListMeta, name, row.revision, &row.meta)?;
    let (seq, meta): (u64, ListMeta) = record::decode_whole(meta)?;
    let snapshot = unseal(RowKind::Snapshot, name, row.revision, &row.snapshot)?;
    let snapshot: OldSnapshot = record::decode_whole(snapshot)?;
    match seq == row.seq && meta.revision == row.revision && snapshot.revision == row.revision {
        true => Ok((meta, snapshot)),
        false => Err("its compacted row contradicts itself".into()),
    }
}

/// The revisions in the history rows.
fn history(name: &ListName, old: &OldList) -> Result<Vec<OldRevision>, String> {
    let mut all: Vec<OldRevision> = Vec::new();
    for (last, row) in &old.history {
        all.extend(runs(unseal(RowKind::History, name, *last, row)?)?);
    }
    match all.windows(2).find(|pair| pair[1].number != pair[0].number + 1) {
        Some(pair) => Err(format!("revision {} is followed by {}", pair[0].number, pair[1].number)),
        None => Ok(all),
    }
}

fn runs(mut bytes: &[u8]) -> Result<Vec<OldRevision>, String> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (run, rest) = record::decode_first::<Vec<OldRevision>>(bytes)?;
        all.extend(run);
        bytes = rest;
    }
    Ok(all)
}

/// The state of a snapshot, bound to the last version that decided about the list.
fn bound(snapshot: OldSnapshot, last_version: Option<&Arc<LogicId>>) -> Result<List, String> {
    let binding = match (&snapshot.logic, last_version) {
        (None, _) => None,
        (Some(logic), Some(version)) if version.name == *logic => Some(binding(version)),
        (Some(logic), _) => return Err(format!("no revision says which version of {logic} decided about it")),
    };
    let OldSnapshot { revision, next_id, entries, settings, .. } = snapshot;
    Ok(ListSnapshot { revision, binding, pin: None, next_id, entries, settings }.into())
}

/// Applies a revision to a list, which it continues, and makes its inverse.
fn apply(list: &mut List, old: OldRevision) -> Result<Arc<Revision>, String> {
    let OldRevision { number, context, logic, command, changes } = old;
    if number != list.revision() + 1 {
        return Err(format!("revision {number} follows {}", list.revision()));
    }
    let hands_to_other =
        |change: &OldChange| matches!(change, OldChange::HandOver(handed_to) if *handed_to != logic.name);
    if changes.iter().any(hands_to_other) {
        return Err(format!("revision {number} hands it to a logic whose version it does not name"));
    }
    let changes: Vec<_> = changes.into_iter().map(|change| change.made_by(&logic)).collect();
    let (next_id_before, mut inverse) = (list.next_id(), Vec::new());
    let next = list.apply_with_inverse(&changes, &mut inverse);
    *list = next.map_err(|error| format!("revision {number} does not apply: {error}"))?.succeeding(list.revision());
    inverse.reverse();
    let command = command.into();
    Ok(Arc::new(Revision { number, context, logic, command, changes, inverse, next_id_before }))
}

/// A history with its inverses, and the state that it leads to.
struct Replayed {
    list: List,
    revisions: Vec<Arc<Revision>>,
}

impl Replayed {
    /// Applies a history to the state that it began with, or returns `None` if that state is not known.
    fn new(revisions: Vec<OldRevision>) -> Result<Option<Self>, String> {
        let mut list = match revisions.first() {
            // Nothing is left of a deleted list, and nothing reads which id it would have given next.
            Some(first) if first.changes.iter().any(|change| matches!(change, OldChange::Erase)) => {
                List::absent(first.number - 1)
            }
            Some(first) if first.number > 1 => return Ok(None),
            _ => List::default(),
        };
        let revisions = revisions.into_iter().map(|old| apply(&mut list, old)).collect::<Result<_, _>>()?;
        Ok(Some(Self { list, revisions }))
    }

    /// The state that the history leads to, if it is the one of the snapshot.
    fn end_at(&self, snapshot: OldSnapshot) -> Result<List, String> {
        let OldSnapshot { revision, logic, next_id, entries, settings } = snapshot;
        let is_logic = self.list.logic() == logic.as_ref();
        let binding = self.list.binding().cloned();
        let stored = List::from(ListSnapshot { revision, binding, pin: None, next_id, entries, settings });
        match is_logic && stored == self.list {
            true => Ok(stored),
            false => Err(format!("its history does not lead to what it is at revision {revision}")),
        }
    }

    /// The history rows, each with the revisions that it had.
    fn rows(&self, name: &ListName, old: &[(u64, Vec<u8>)]) -> Vec<(u64, Vec<u8>)> {
        let mut rest = &self.revisions[..];
        let row = |&(last, _): &(u64, Vec<u8>)| {
            let (revisions, after) = rest.split_at(rest.partition_point(|revision| revision.number <= last));
            rest = after;
            (last, record::history(name, last, &record::run(revisions)))
        };
        old.iter().map(row).collect()
    }
}

/// A commit in the log.
struct OldCommit {
    head: CommitHead,
    receipts: Vec<Arc<Receipt>>,
    revisions: Vec<OldRevision>,
}

impl OldCommit {
    fn decode(name: &ListName, revision: u64, record: &[u8]) -> Result<Self, String> {
        let content = unseal(RowKind::Log, name, revision, record)?;
        let (head, rest) = record::decode_first::<CommitHead>(content)?;
        if head.meta.revision != revision {
            return Err(format!("its log row {revision} is of revision {}", head.meta.revision));
        }
        let (receipts, rest) = record::decode_first::<Vec<ReceiptWithChanges<OldChange>>>(rest)?;
        let receipts = receipts.into_iter().map(|receipt| Arc::new(receipt.into_receipt(OldChange::made_by)));
        Ok(Self { head, receipts: receipts.collect(), revisions: runs(rest)? })
    }

    /// Applies the commit to the list that it continues. The revisions of a commit that the compacted row contains are left
    /// out, because nothing reads them any more.
    fn convert(self, name: &ListName, list: &mut List, is_later: bool) -> Result<(Commit, CommitHead), String> {
        let Self { head, receipts, revisions: old } = self;
        let mut revisions = Vec::new();
        if is_later {
            if head.after != list.revision() {
                return Err(format!("it is at revision {}, its log goes on after {}", list.revision(), head.after));
            }
            revisions = old.into_iter().map(|old| apply(list, old)).collect::<Result<_, _>>()?;
            if ListMeta::of(list, head.meta.wake_up) != head.meta {
                return Err(format!("its log row {} leads to another state than it says", head.meta.revision));
            }
        }
        let (name, wake_up) = (name.clone(), head.meta.wake_up);
        let commit = Commit { name, after: head.after, revisions, receipts, state: Arc::new(list.clone()), wake_up };
        Ok((commit, head))
    }
}

#[cfg(test)]
pub(super) mod tests;
