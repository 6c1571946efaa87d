//! One pass over all covered rows.

use rusqlite::{Error, OptionalExtension, Row, params};

use super::finding::ScrubFinding;
use super::list::{CompactedColumns, ListCheck, ReceiptColumns};
use super::source::{SliceLimit, Source, is_locked};
use crate::list::name::ListName;
use crate::store::embedded::digest::{
    Account, CoveredRow, CoveredTable, Difference, ListPart, Position, SetDigest, TableSum, TableSums,
};
use crate::store::embedded::{compacted, damage};

/// The tables that have rows of lists, each with a statement that finds the next name in it.
const NAMES: [(CoveredTable, &str); 4] = [
    (CoveredTable::Lists, "SELECT name FROM lists WHERE name > CAST(?1 AS TEXT) ORDER BY name LIMIT 1"),
    (CoveredTable::Gone, "SELECT name FROM gone WHERE name > CAST(?1 AS TEXT) ORDER BY name LIMIT 1"),
    (CoveredTable::History, "SELECT name FROM history WHERE name > CAST(?1 AS TEXT) ORDER BY name LIMIT 1"),
    (CoveredTable::Receipts, "SELECT name FROM receipts WHERE name > CAST(?1 AS TEXT) ORDER BY name LIMIT 1"),
];

/// The compacted rows of a list, each found as a reader finds it.
const COMPACTED: [(CoveredTable, &str); 2] = [
    (CoveredTable::Lists, "SELECT seq, revision, brief, snapshot FROM lists WHERE name = CAST(?1 AS TEXT)"),
    (CoveredTable::Gone, "SELECT seq, revision, brief, snapshot FROM gone WHERE name = CAST(?1 AS TEXT)"),
];

const HISTORY: &str = "SELECT last, record FROM history WHERE name = CAST(?1 AS TEXT) AND last > ?2 ORDER BY last";

const RECEIPTS: &str = "SELECT place, time, holder, bytes, record FROM receipts
    WHERE name = CAST(?1 AS TEXT) AND place > ?2 ORDER BY place";

/// The index of [`RECEIPT_BY_TIME`] in a finding.
const RECEIPT_INDEX: &str = "the index receipts_by_time of the table receipts";

/// What to do about the index. It costs no receipt and no list.
const REPAIR: &str = "no receipt is lost; stop the server, and make the index anew with `hotlist verify --repair`";

/// Finds a receipt by the index. The index covers the statement, so the table is not read.
const RECEIPT_BY_TIME: &str = "SELECT 1 FROM receipts INDEXED BY receipts_by_time
    WHERE time = ?1 AND holder = CAST(?2 AS TEXT) AND bytes = ?3 AND name = CAST(?4 AS TEXT) AND place = ?5";

const TIMERS: &str = "SELECT at, name FROM timers WHERE (at, name) > (?1, CAST(?2 AS TEXT)) ORDER BY at, name LIMIT ?3";

const QUARANTINE: &str = "SELECT seq, name FROM quarantine WHERE seq > ?1 ORDER BY seq LIMIT ?2";

/// A pass that is under way.
pub(in crate::store::embedded) struct Pass {
    position: Position,
    /// The rows that were read, as they are now.
    sums: TableSums,
    /// The tables with rows that could not be read, which is reported.
    unread: Vec<CoveredTable>,
    /// The tables in which no next name can be found.
    nameless: Vec<CoveredTable>,
    /// The check of the list at hand, unless nothing is known of it.
    list: Option<ListCheck>,
    findings: Vec<ScrubFinding>,
    /// [`Source::leaves_out_failures`] of the slice.
    leaves_out_failures: bool,
}

impl Default for Pass {
    fn default() -> Self {
        Self {
            position: Position::start(),
            sums: TableSums::default(),
            unread: Vec::new(),
            nameless: Vec::new(),
            list: None,
            findings: Vec::new(),
            leaves_out_failures: false,
        }
    }
}

impl Pass {
    pub(in crate::store::embedded) fn position(&self) -> &Position {
        &self.position
    }

    pub(in crate::store::embedded) fn is_done(&self) -> bool {
        self.position == Position::End
    }

    /// Records the changes of a transaction that is durable.
    pub(in crate::store::embedded) fn apply(&mut self, difference: &Difference) {
        self.sums = self.sums.plus(&difference.passed);
    }

    /// The rows of a table that were read, as they are now.
    pub(in crate::store::embedded) fn sum(&self, table: CoveredTable) -> TableSum {
        self.sums.of(table)
    }

    /// Reads the next rows, and returns the damage in them. An error means that nothing is known, because another program
    /// locks the database or the disk does not return a page: the slice can be repeated.
    pub(in crate::store::embedded) fn slice(
        &mut self,
        source: &Source<'_>,
        mut limit: SliceLimit,
    ) -> rusqlite::Result<Vec<ScrubFinding>> {
        self.leaves_out_failures = source.leaves_out_failures;
        // Without a transaction of the caller, the slice is one. All statements then see one moment.
        let transaction = source.db.is_autocommit().then(|| source.db.unchecked_transaction()).transpose()?;
        while !self.is_done() && !limit.is_reached() {
            self.step(source, &mut limit)?;
        }
        drop(transaction);
        Ok(std::mem::take(&mut self.findings))
    }

    /// The tables whose rows are not those of the digest. The pass is done.
    pub(in crate::store::embedded) fn compare(&self, digest: &SetDigest) -> Vec<ScrubFinding> {
        let tables = CoveredTable::ALL.into_iter().filter(|table| !self.unread.contains(table));
        let differs = |table| digest.sums.difference(table, self.sums.of(table));
        tables.filter_map(differs).map(ScrubFinding::of_table).collect()
    }

    fn step(&mut self, source: &Source<'_>, limit: &mut SliceLimit) -> rusqlite::Result<()> {
        match self.position.clone() {
            Position::List { name, part: ListPart::All } => self.next_list(source, &name),
            Position::List { name, part: ListPart::Nothing } => self.compacted(source, name, limit),
            Position::List { name, part: ListPart::Compacted } => self.history(source, &name, i64::MIN, limit),
            Position::List { name, part: ListPart::History(last) } => self.history(source, &name, last, limit),
            Position::List { name, part: ListPart::Receipts(place) } => self.receipts(source, &name, place, limit),
            Position::Timer { at, name } => self.timers(source, at, &name, limit),
            Position::Quarantine(seq) => self.quarantine(source, seq, limit),
            Position::End => Ok(()),
        }
    }

    fn move_to(&mut self, name: &[u8], part: ListPart) {
        match &mut self.position {
            Position::List { name: at, part: read } if at == name => *read = part,
            position => *position = Position::List { name: name.to_vec(), part },
        }
    }

    /// Moves to the first list behind a name.
    fn next_list(&mut self, source: &Source<'_>, after: &[u8]) -> rusqlite::Result<()> {
        let mut next: Option<Vec<u8>> = None;
        for (table, select) in NAMES {
            if self.nameless.contains(&table) {
                continue;
            }
            let read = source.db.prepare_cached(select).and_then(|mut select| {
                select.query_row([after], |row| Ok(row.get_ref(0)?.as_bytes()?.to_vec())).optional()
            });
            let name = match read {
                Ok(Some(name)) if name.as_slice() > after => name,
                Ok(None) => continue,
                Ok(Some(_)) => {
                    self.nameless.push(table);
                    self.unread(table, "its rows are out of order".into());
                    continue;
                }
                Err(error) => {
                    self.nameless.push(table);
                    self.failed(table, None, error)?;
                    continue;
                }
            };
            if next.as_ref().is_none_or(|next| name < *next) {
                next = Some(name);
            }
        }
        match next {
            Some(name) => self.move_to(&name, ListPart::Nothing),
            None => self.position = Position::Timer { at: i64::MIN, name: Vec::new() },
        }
        Ok(())
    }

    /// Reads the compacted rows of a list.
    fn compacted(&mut self, source: &Source<'_>, name: Vec<u8>, limit: &mut SliceLimit) -> rusqlite::Result<()> {
        let valid = std::str::from_utf8(&name).ok().and_then(|name| ListName::new(name).ok());
        let (mut rows, mut is_read) = (Vec::new(), true);
        for (table, select) in COMPACTED {
            let read = source.db.prepare_cached(select).and_then(|mut select| {
                let read = |row: &Row<'_>| {
                    let (seq, columns) = (row.get(0)?, (row.get(1)?, row.get(0)?, row.get(2)?, row.get(3)?));
                    let (revision, seq_number, meta, snapshot) = columns;
                    Ok((seq, CompactedColumns { revision, seq: seq_number, meta, snapshot }))
                };
                select.query_row([&name], read).optional()
            });
            match read {
                Ok(Some((seq, row))) => {
                    self.sums.of_mut(table).add(&CoveredRow::new(table, &name, seq));
                    limit.spend(row.meta.len() + row.snapshot.len());
                    rows.push(row);
                }
                Ok(None) => {}
                Err(error) => {
                    is_read = false;
                    self.failed(table, valid.as_ref(), error)?;
                }
            }
        }
        self.list = None;
        match valid {
            None => self.note_other(None, "the name of a row is damaged".into()),
            Some(name) if is_read && source.log_index.lock().isolated(&name).is_none() => {
                self.begin_list(source, &name, &rows)?;
            }
            Some(_) => {}
        }
        self.move_to(&name, ListPart::Compacted);
        Ok(())
    }

    fn begin_list(&mut self, source: &Source<'_>, name: &ListName, rows: &[CompactedColumns]) -> rusqlite::Result<()> {
        let (check, meta) = match ListCheck::begin(name, rows) {
            Ok(begun) => begun,
            Err(finding) => {
                self.findings.push(finding);
                return Ok(());
            }
        };
        self.list = Some(check);
        // Commits in the log may have moved the timer since.
        let logged = source.log_index.lock().get(name).map(|list| list.meta.wake_up);
        let Some(at) = logged.unwrap_or(meta.wake_up) else { return Ok(()) };
        let select = "SELECT 1 FROM timers WHERE at = ?1 AND name = ?2";
        let waits = source.db.prepare_cached(select).and_then(|mut select| {
            select.query_row(params![i64::try_from(at).unwrap_or(i64::MAX), name.as_str()], |_| Ok(())).optional()
        });
        match waits {
            Ok(Some(())) => {}
            Ok(None) => self.findings.push(ScrubFinding::MissingTimer { name: name.clone(), at }),
            Err(error) => self.failed(CoveredTable::Timers, None, error)?,
        }
        Ok(())
    }

    /// Reads rows of a list's history.
    fn history(
        &mut self,
        source: &Source<'_>,
        name: &[u8],
        after: i64,
        limit: &mut SliceLimit,
    ) -> rusqlite::Result<()> {
        let table = CoveredTable::History;
        let each = |pass: &mut Self, row: &Row<'_>| -> rusqlite::Result<usize> {
            let (last, record) = (row.get(0)?, row.get_ref(1)?.as_blob()?);
            let finding = pass.list.as_mut().and_then(|list| {
                let (name, revision) = (list.name.clone(), list.revision);
                list.history(u64::try_from(last).ok()?, record, || has_changed(source, &name, revision))
            });
            pass.findings.extend(finding);
            pass.sums.of_mut(table).add(&CoveredRow::new(table, name, last));
            pass.move_to(name, ListPart::History(last));
            Ok(record.len())
        };
        if !self.rows_of_list(source, table, HISTORY, name, after, limit, each)? {
            return Ok(());
        }
        if let Some(list) = &self.list {
            let finding = list.history_end(|| has_changed(source, &list.name, list.revision));
            self.findings.extend(finding);
        }
        self.move_to(name, ListPart::Receipts(i64::MIN));
        Ok(())
    }

    /// Reads receipts of a list.
    fn receipts(
        &mut self,
        source: &Source<'_>,
        name: &[u8],
        after: i64,
        limit: &mut SliceLimit,
    ) -> rusqlite::Result<()> {
        let table = CoveredTable::Receipts;
        let each = |pass: &mut Self, row: &Row<'_>| -> rusqlite::Result<usize> {
            let (place, record) = (row.get(0)?, row.get_ref(4)?.as_blob()?);
            let account = Account { time: row.get(1)?, holder: row.get_ref(2)?.as_bytes()?, bytes: row.get(3)? };
            let columns = ReceiptColumns { time: account.time, holder: account.holder, record };
            let horizon = source.receipt_horizon;
            let finding =
                pass.list.as_ref().and_then(|list| list.receipt(u64::try_from(place).ok()?, &columns, horizon));
            pass.findings.extend(finding);
            pass.sums.of_mut(table).add(&CoveredRow::receipt(name, place, account));
            pass.move_to(name, ListPart::Receipts(place));
            pass.check_receipt_index(source, name, place, account)?;
            Ok(record.len())
        };
        if self.rows_of_list(source, table, RECEIPTS, name, after, limit, each)? {
            self.list = None;
            self.move_to(name, ListPart::All);
        }
        Ok(())
    }

    /// Checks that the index has a receipt. Damage of the index is not damage of the list: the list's receipts are read
    /// without it.
    fn check_receipt_index(
        &mut self,
        source: &Source<'_>,
        name: &[u8],
        place: i64,
        Account { time, holder, bytes }: Account<'_>,
    ) -> rusqlite::Result<()> {
        let indexed = source.db.prepare_cached(RECEIPT_BY_TIME);
        match indexed.and_then(|mut indexed| indexed.exists(params![time, holder, bytes, name, place])) {
            Ok(true) => {}
            Ok(false) => self.note_other(None, format!("{RECEIPT_INDEX} lacks rows; {REPAIR}")),
            Err(error) if damage::is_damage(&error) => {
                self.note_other(None, format!("{RECEIPT_INDEX} is damaged ({error}); {REPAIR}"));
            }
            Err(error) if self.leaves_out(&error) => {
                self.note_other(None, format!("{RECEIPT_INDEX} cannot be read ({error})"));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Reads rows of a list in one table until the limit. Returns whether all were read, or cannot be read.
    #[expect(clippy::too_many_arguments, reason = "the parts of one statement, which two tables have")]
    fn rows_of_list(
        &mut self,
        source: &Source<'_>,
        table: CoveredTable,
        select: &str,
        name: &[u8],
        after: i64,
        limit: &mut SliceLimit,
        mut each: impl FnMut(&mut Self, &Row<'_>) -> rusqlite::Result<usize>,
    ) -> rusqlite::Result<bool> {
        let mut read = || -> rusqlite::Result<bool> {
            let mut select = source.db.prepare_cached(select)?;
            let mut rows = select.query(params![name, after])?;
            let mut before = after;
            while !limit.is_reached() {
                let Some(row) = rows.next()? else { return Ok(true) };
                // A damaged index must not lead backwards, because the pass would not end.
                let at: i64 = row.get(0)?;
                if at <= std::mem::replace(&mut before, at) {
                    return Err(out_of_order());
                }
                limit.spend(each(self, row)?);
            }
            Ok(false)
        };
        match read() {
            Ok(all) => Ok(all),
            Err(error) => {
                let list = self.list.as_ref().map(|list| list.name.clone());
                self.failed(table, list.as_ref(), error)?;
                self.list = None;
                Ok(true)
            }
        }
    }

    /// Reads timers.
    fn timers(&mut self, source: &Source<'_>, at: i64, name: &[u8], limit: &mut SliceLimit) -> rusqlite::Result<()> {
        let mut read = || -> rusqlite::Result<usize> {
            let mut select = source.db.prepare_cached(TIMERS)?;
            let mut rows = select.query(params![at, name, limit.rows])?;
            let mut count = 0;
            while let Some(row) = rows.next()? {
                let (at, name) = (row.get(0)?, row.get_ref(1)?.as_bytes()?);
                let timer = CoveredRow::new(CoveredTable::Timers, name, at);
                if self.position.has_passed(&timer) {
                    return Err(out_of_order());
                }
                self.sums.of_mut(CoveredTable::Timers).add(&timer);
                self.position = Position::Timer { at, name: name.to_vec() };
                self.check_timer(source, at, name);
                count += 1;
            }
            Ok(count)
        };
        match read() {
            Ok(count) if count == limit.rows => limit.rows = 0,
            Ok(count) => {
                limit.rows -= count;
                self.position = Position::Quarantine(i64::MIN);
            }
            Err(error) => {
                self.failed(CoveredTable::Timers, None, error)?;
                self.position = Position::Quarantine(i64::MIN);
            }
        }
        Ok(())
    }

    /// Checks that a list waits for its timer. A list that cannot be read is reported already.
    fn check_timer(&mut self, source: &Source<'_>, at: i64, name: &[u8]) {
        let text = String::from_utf8_lossy(name);
        let waits = match ListName::new(&text) {
            Err(_) => None,
            Ok(name) => {
                let log_index = source.log_index.lock();
                if log_index.isolated(&name).is_some() {
                    return;
                }
                let logged = log_index.get(&name).map(|list| list.meta.wake_up);
                drop(log_index);
                match logged.map_or_else(|| compacted::read_meta(source.db, &name).map(|meta| meta.wake_up), Ok) {
                    Ok(wake_up) => wake_up,
                    Err(_) => return,
                }
            }
        };
        if waits.map(|at| i64::try_from(at).unwrap_or(i64::MAX)) != Some(at) {
            self.note_other(None, format!("the timer of list {text:?} at {at} has no list that waits for it"));
        }
    }

    /// Reads the numbers of isolated commits.
    fn quarantine(&mut self, source: &Source<'_>, after: i64, limit: &mut SliceLimit) -> rusqlite::Result<()> {
        let table = CoveredTable::Quarantine;
        let mut read = || -> rusqlite::Result<usize> {
            let mut select = source.db.prepare_cached(QUARANTINE)?;
            let mut rows = select.query(params![after, limit.rows])?;
            let mut count = 0;
            while let Some(row) = rows.next()? {
                let commit = CoveredRow::new(table, row.get_ref(1)?.as_bytes()?, row.get(0)?);
                if self.position.has_passed(&commit) {
                    return Err(out_of_order());
                }
                self.sums.of_mut(table).add(&commit);
                self.position = Position::Quarantine(commit.number);
                count += 1;
            }
            Ok(count)
        };
        match read() {
            Ok(count) if count == limit.rows => limit.rows = 0,
            Ok(_) => self.position = Position::End,
            Err(error) => {
                self.failed(table, None, error)?;
                self.position = Position::End;
            }
        }
        Ok(())
    }

    /// Whether the slice goes on behind rows that cannot be read for that reason, which is not damage.
    fn leaves_out(&self, error: &Error) -> bool {
        self.leaves_out_failures && !is_locked(error)
    }

    /// Reports rows that cannot be read, and goes on behind them. Fails if the slice is to be repeated.
    fn failed(&mut self, table: CoveredTable, list: Option<&ListName>, error: Error) -> rusqlite::Result<()> {
        if !damage::is_damage(&error) {
            if !self.leaves_out(&error) {
                return Err(error);
            }
            // The next request may read them, so no list is unreadable.
            self.unread(table, error.to_string());
            return Ok(());
        }
        let why = damage::explain(table.name(), &error);
        if let Some(name) = list {
            self.findings.push(ScrubFinding::Unreadable { name: name.clone(), why });
            if !self.unread.contains(&table) {
                self.unread.push(table);
            }
        } else {
            self.unread(table, why);
        }
        Ok(())
    }

    fn unread(&mut self, table: CoveredTable, why: String) {
        if !self.unread.contains(&table) {
            self.unread.push(table);
        }
        self.note_other(None, format!("rows of the table {} cannot be read: {why}", table.name()));
    }

    fn note_other(&mut self, name: Option<ListName>, what: String) {
        let finding = ScrubFinding::Other { name, what };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }
}

/// Whether the compacted row of a list is not that of a revision.
fn has_changed(source: &Source<'_>, name: &ListName, revision: u64) -> bool {
    compacted::read_meta(source.db, name).ok().map(|meta| meta.revision) != Some(revision)
}

/// The error of rows that are not in the order of their key.
fn out_of_order() -> Error {
    Error::FromSqlConversionFailure(0, rusqlite::types::Type::Integer, "the rows are out of order".into())
}
