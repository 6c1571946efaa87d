//! Recovery: one scan of the log finds the lists in it, and their last revisions.
//!
//! The scan reads no list and applies no change, because a log is bounded and the number of lists is not. It only reads.
//! The writer isolates what the scan found damaged.
//!
//! # Gaps
//!
//! Commits are numbered without gaps, so the scan notices commits that are missing from the log. It does not see which
//! lists they belonged to. A list is known to have lost commits when its later commits continue a revision that neither
//! the log nor its compacted row reaches: that list is unreadable. A missing commit that no such list accounts for may
//! be the last one of any list. That list would silently be older than what was acknowledged, so the store stays closed,
//! unless the operator accepts the loss. Then the lists that are known to have lost commits are unreadable. The acceptance is
//! stored before anything else is written, and the log is compacted at once, so that later starts find no gap.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Weak};

use rusqlite::{Connection, Row};

use super::block::{Block, Frame};
use super::commit_record::{self, CommitBody, CommitHead};
use super::compacted;
use super::compaction::Compaction;
use super::covered_change;
use super::damage;
use super::digest::OpenDigest;
use super::digest_check;
use super::error::{ReadError, WriteFailure};
use super::evidence;
use super::log_index::{CommitRef, LogIndex};
use super::receipt_record::EncodedReceipt;
use super::record::{self, ListMeta};
use super::{receipt_rows, schema};
use crate::list::name::{ListName, LogicName};
use crate::store::error::StoreError;
use crate::store::receipt_room::{ReceiptAccount, ReceiptRoom};

/// The end of the reason why a list is isolated that was isolated at an earlier start.
pub(super) const EARLIER: &str = " (the list was isolated before this start)";

/// The state of the store after recovery.
pub(super) struct Recovered {
    pub(super) log_index: LogIndex,
    pub(super) compaction: Compaction,
    /// Whether commits are missing that no unreadable list accounts for.
    pub(super) has_accepted_loss: bool,
    /// The damage of the digest, if it was met.
    pub(super) damage: Option<String>,
}

/// A list that cannot be read, and the reason.
struct DamagedList {
    name: String,
    why: String,
    /// The damaged commit: its number, its revision and its bytes.
    evidence: Option<(u64, u64, Vec<u8>)>,
}

/// The state of a scan.
struct LogScan<'db> {
    db: &'db Connection,
    log_index: LogIndex,
    unreadable: Vec<DamagedList>,
    /// Whether commits may be missing that no unreadable list accounts for.
    accept_loss: bool,
    /// The last commit in the log when a loss was accepted. What is missing before it needs no acceptance any more.
    accepted_to: u64,
    /// The number of missing commits whose loss was accepted.
    accepted: u64,
    /// Whether rows are there that were truncated, which is accepted.
    has_returned: bool,
    /// Whether the index holds the blocks, which takes as much memory as the log takes disk.
    retain_blocks: bool,
    /// The logic of the last commit. Most lists have the same logic, so they share its name.
    logic: Option<LogicName>,
    /// The number of commits that are missing so far.
    missing: u64,
    /// The lists that lost commits in a gap, and have no other damage.
    lost_commits: BTreeSet<ListName>,
    /// The accounts of the receipts.
    receipts: Vec<ReceiptAccount>,
    /// The lists with a long log.
    long: Vec<ListName>,
    /// The lists with a damaged commit. Their next revisions continue what the scan has not seen.
    damaged: BTreeSet<String>,
}

/// The result of a scan.
struct ScannedLog {
    has_accepted_loss: bool,
    log_index: LogIndex,
    unreadable: Vec<DamagedList>,
    receipts: Vec<ReceiptAccount>,
    long: Vec<ListName>,
    truncated_to: u64,
    last: u64,
    bytes: u64,
}

/// Reads the log, isolates the commits of lists that cannot be read, and accounts for all receipts.
pub(super) fn recover(
    db: &Connection,
    accept_loss: bool,
    room: &ReceiptRoom,
    now: u64,
    digest: &mut OpenDigest,
) -> Result<Recovered, StoreError> {
    let ScannedLog { has_accepted_loss, mut log_index, unreadable, receipts, long, truncated_to, last, bytes } =
        scan(db, false, accept_loss)?;
    let accepted_to = has_accepted_loss.then_some(last);
    let isolated = isolate(db, &mut log_index, unreadable, accepted_to, now, digest);
    let damage = isolated.map_err(schema::failed("read the log"))?;
    receipts.iter().for_each(|receipt| room.account(receipt));
    match receipt_rows::account(db, truncated_to, room) {
        // The room may then seem larger than it is. No receipt is lost by that.
        Err(error) if damage::is_damage(&error) => {
            tracing::error!(%error, "some receipts cannot be accounted for; restore the data directory from a backup");
        }
        accounted => accounted.map_err(schema::failed("read the accounts of receipts"))?,
    }
    let mut compaction = Compaction::new(truncated_to, last, bytes);
    long.iter().for_each(|name| compaction.hasten(name));
    Ok(Recovered { log_index, compaction, has_accepted_loss, damage })
}

/// Reads the log, and writes nothing: damage is only recorded in the index. The blocks stay in memory, because the caller
/// is about to read all lists, and each of them has commits in many blocks.
pub(super) fn scan_read_only(db: &Connection) -> Result<LogIndex, StoreError> {
    let ScannedLog { mut log_index, unreadable, .. } = scan(db, true, false)?;
    for DamagedList { name, why, .. } in unreadable {
        match ListName::new(&name) {
            Ok(name) => log_index.isolate(name, why, 0),
            Err(_) => tracing::error!(list = name, why, "a commit in the log cannot be read"),
        }
    }
    Ok(log_index)
}

fn scan(db: &Connection, retain_blocks: bool, accept_loss: bool) -> Result<ScannedLog, StoreError> {
    let failed = damage::failed_in("read the log", "log");
    let truncated_to: u64 = db.query_row("SELECT seq FROM cut", [], |row| row.get(0)).map_err(&failed)?;
    let mut scan = LogScan::new(db, isolated_earlier(db).map_err(&failed)?, retain_blocks, accept_loss);
    scan.accepted_to = evidence::accepted_to(db).map_err(&failed)?;
    let mut select = db.prepare("SELECT seq, first, directory, commits FROM log ORDER BY seq").map_err(&failed)?;
    let mut rows = select.query([]).map_err(&failed)?;
    let (mut last, mut bytes) = (truncated_to, 0);
    while let Some(row) = rows.next().map_err(&failed)? {
        let columns = || Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?, row.get::<_, Vec<u8>>(3)?));
        let (seq, first, directory, commits): (u64, u64, _, _) = columns().map_err(&failed)?;
        if seq <= truncated_to {
            // The row was truncated, and an earlier state of its page has returned.
            scan.returned(seq)?;
            continue;
        }
        scan.miss(first.saturating_sub(last + 1), first);
        bytes += commits.len();
        last = seq;
        scan.row(seq, first, &directory, commits)?;
    }
    let has_accepted_loss = scan.check_gaps()?;
    let LogScan { log_index, unreadable, receipts, long, .. } = scan;
    let bytes = bytes as u64;
    Ok(ScannedLog { has_accepted_loss, log_index, unreadable, receipts, long, truncated_to, last, bytes })
}

fn isolated_earlier(db: &Connection) -> rusqlite::Result<Vec<DamagedList>> {
    // The reason is that of the row with the highest number.
    let select = "SELECT name, why, max(seq) FROM quarantine WHERE instr(name, char(10)) = 0 GROUP BY name";
    let list = |row: &Row<'_>| {
        let why = String::from_utf8_lossy(row.get_ref(1)?.as_bytes()?).into_owned();
        // Commits that are still in the log are copied with this reason.
        let why = if why.ends_with(EARLIER) { why } else { why + EARLIER };
        Ok(DamagedList { name: row.get(0)?, why, evidence: None })
    };
    db.prepare(select)?.query_map([], list)?.collect()
}

impl<'db> LogScan<'db> {
    fn new(db: &'db Connection, unreadable: Vec<DamagedList>, retain_blocks: bool, accept_loss: bool) -> Self {
        Self {
            db,
            log_index: LogIndex::default(),
            unreadable,
            accept_loss,
            accepted_to: 0,
            accepted: 0,
            has_returned: false,
            retain_blocks,
            logic: None,
            missing: 0,
            lost_commits: BTreeSet::new(),
            receipts: Vec::new(),
            long: Vec::new(),
            damaged: BTreeSet::new(),
        }
    }

    /// Scans a row. Its directory names the list of a damaged commit. If the directory is damaged too, any list could be
    /// older than what was acknowledged, so the store stays closed.
    fn row(&mut self, seq: u64, first: u64, directory: &[u8], commits: Vec<u8>) -> Result<(), StoreError> {
        let block = Arc::new(Block::parse(first, commits));
        for number in first..=seq {
            let frame = block.frame(number);
            let scanned = match &frame {
                Some(frame) => self.commit(number, frame, &block),
                None => Err("a length before it in its log row is damaged".to_owned().into()),
            };
            let why = match scanned {
                Ok(()) => continue,
                Err(ReadError::Damaged(why)) => why,
                Err(ReadError::Corrupt(error)) => damage::explain("lists", &error),
                Err(ReadError::Database(error)) => return Err(schema::failed("read the log")(error)),
            };
            let (name, revision) = self.owner(directory, seq, number - first, &why)?;
            self.damaged.insert(name.clone());
            let record = frame.map_or(block.bytes(), |frame| frame.record).to_vec();
            self.unreadable.push(DamagedList { name, why, evidence: Some((number, revision, record)) });
        }
        Ok(())
    }

    /// Refuses a row of commits that were truncated, unless the loss is accepted.
    fn returned(&mut self, seq: u64) -> Result<(), StoreError> {
        let why = format!("row {seq} of its log was truncated and is there again, so pages of hotlist.db are older");
        if self.accept_loss || seq <= self.accepted_to {
            tracing::error!(why, "the loss is accepted");
            self.has_returned = true;
            return Ok(());
        }
        Err(self.incomplete(why))
    }

    fn commit(&mut self, seq: u64, frame: &Frame<'_>, block: &Arc<Block>) -> Result<(), ReadError> {
        let name = std::str::from_utf8(frame.name).map_err(|error| error.to_string());
        let name = name.and_then(|name| ListName::new(name).map_err(|error| error.to_string()));
        let name = name.map_err(|error| format!("its name is damaged: {error}"))?;
        let CommitBody { mut head, receipts, .. } = commit_record::log_body(&name, frame.revision, frame.record)?;
        if head.meta.logic == self.logic {
            head.meta.logic.clone_from(&self.logic);
        } else {
            self.logic.clone_from(&head.meta.logic);
        }
        self.check_continues(&name, &head)?;
        if self.log_index.get(&name).is_none() {
            // Whether the list has a compacted row is not known, and nothing depends on it.
            self.log_index.track(name.clone(), ListMeta { revision: head.after, ..ListMeta::default() });
        }
        self.receipts.extend(receipts.iter().map(EncodedReceipt::account));
        let commit = CommitRef { seq, block: self.retain_blocks.then(|| block.clone()) };
        let bytes = frame.record.len();
        if self.log_index.push(&name, head.meta, &mut Weak::new(), commit, bytes) {
            self.long.push(name);
        }
        Ok(())
    }

    /// Checks that a commit continues the list's commits before it. The first commit of a list needs a look into the
    /// database, which only a gap before it is worth.
    fn check_continues(&mut self, name: &ListName, head: &CommitHead) -> Result<(), ReadError> {
        let before = match self.log_index.get(name) {
            Some(list) => list.meta.revision,
            None if self.missing > 0 => compacted::read_meta(self.db, name)?.revision,
            None => return Ok(()),
        };
        // A compacted row may contain commits that are still in the log.
        let is_first = self.log_index.get(name).is_none();
        if before == head.after || is_first && before > head.after {
            return Ok(());
        }
        // A list accounts for commits whose loss was not accepted.
        if before < head.after && self.missing > self.accepted && !self.damaged.contains(name.as_str()) {
            self.lost_commits.insert(name.clone());
        }
        Err(format!("its log goes from revision {before} to {}", head.after + 1).into())
    }

    /// Counts commits that are missing before the commit of that number.
    fn miss(&mut self, count: u64, before: u64) {
        self.missing += count;
        if before <= self.accepted_to {
            self.accepted += count;
        }
    }

    /// Fails when a missing commit may belong to a list that is not known to be unreadable, unless that is accepted. Each
    /// list that lost commits accounts for one commit at least. Returns whether a loss was accepted.
    fn check_gaps(&self) -> Result<bool, StoreError> {
        let missing = self.missing - self.accepted;
        if missing <= self.lost_commits.len() as u64 {
            return Ok(self.accepted > 0 || self.has_returned);
        }
        let lists: Vec<_> = self.lost_commits.iter().map(ListName::as_str).collect();
        let lost = format!(
            "{missing} acknowledged commits are missing from its log, of which the lists {lists:?} account for {}",
            lists.len(),
        );
        if self.accept_loss {
            tracing::error!("the loss is accepted: {lost}; other lists may be older than what was acknowledged");
            return Ok(true);
        }
        Err(self.incomplete(lost))
    }

    fn incomplete(&self, why: String) -> StoreError {
        let file = Path::new(self.db.path().unwrap_or_default());
        StoreError::Incomplete { path: file.parent().unwrap_or(file).display().to_string(), why }
    }

    /// The list and the revision of a damaged commit. If they are not known and the loss is accepted, the name is none of a
    /// list.
    fn owner(&mut self, directory: &[u8], seq: u64, place: u64, why: &str) -> Result<(String, u64), StoreError> {
        match directory_entry(directory, seq, place) {
            Ok(owner) => Ok(owner),
            Err(_) if self.accept_loss || seq <= self.accepted_to => {
                self.miss(1, seq);
                tracing::error!(row = seq, place, why, "a commit of an unknown list cannot be read");
                Ok((evidence::given_up(""), 0))
            }
            Err(damage) => {
                Err(self.incomplete(format!("row {seq} of its log holds a damaged commit ({why}), and {damage}")))
            }
        }
    }
}

/// The list and the revision of the commit at that place of a row.
fn directory_entry(directory: &[u8], seq: u64, place: u64) -> Result<(String, u64), String> {
    let lists = record::directory_lists(seq, directory)?;
    let entry = usize::try_from(place).ok().and_then(|place| lists.into_iter().nth(place));
    entry.ok_or_else(|| "its directory is too short".into())
}

/// Isolates lists. A damaged commit makes its whole list unreadable, because the commits before it are an older list. Stores
/// the last commit up to which a loss is accepted, if one is. Returns the damage of the digest that was met.
fn isolate(
    db: &Connection,
    log_index: &mut LogIndex,
    unreadable: Vec<DamagedList>,
    accepted_to: Option<u64>,
    now: u64,
    digest: &mut OpenDigest,
) -> rusqlite::Result<Option<String>> {
    if unreadable.is_empty() && accepted_to.is_none() {
        return Ok(None);
    }
    let commits_of = |list: &DamagedList| {
        let list = ListName::new(&list.name).ok().and_then(|name| log_index.get(&name));
        list.map_or(Ok(Vec::new()), |list| evidence::read_commits(db, &list.commits))
    };
    let commits = unreadable.iter().map(commits_of).collect::<rusqlite::Result<Vec<_>>>()?;
    let changed = covered_change::change_rows(db, digest, None, "isolate lists", |rows| {
        accepted_to.map_or(Ok(()), |last| evidence::accept_loss(rows, last))?;
        for (DamagedList { name, why, evidence: damaged }, commits) in unreadable.iter().zip(&commits) {
            if let Some((seq, revision, record)) = damaged {
                rows.put_evidence(*seq, name, *revision, record, why)?;
            }
            evidence::write_commits(rows, name, commits, why)?;
        }
        Ok(())
    });
    let changed = changed.map_err(WriteFailure::into_error)?;
    for DamagedList { name: text, why, evidence: damaged } in unreadable {
        let Ok(name) = ListName::new(&text) else { continue };
        if let Some((commit, ..)) = damaged {
            tracing::error!(list = text, commit, why, "a commit in the log cannot be read; its list is isolated");
        }
        log_index.isolate(name, why, now);
    }
    Ok(changed.lost_digest.map(|error| digest_check::unknown(&error.to_string())))
}
