//! The conversion of rows that SQL cannot decode, as a part of the upgrade of a data directory.
//!
//! The rows are read on a connection of its own: SQLite commits no transaction that met a damaged page. What cannot be
//! converted stays as it is, and its list is unreadable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::block::Block;
use super::covered_rows::CoveredRows;
use super::damage;
use super::digest::{CoveredTable, RowChanges, recount};
use super::encoding_2::{self, ConvertedList, OldCompacted, OldList};
use super::evidence;
use super::readable_rows;
use super::receipt_rows;
use super::record;
use crate::list::name::ListName;

/// What a conversion does, or would do.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Conversion {
    /// The lists whose rows are converted.
    pub(super) lists: u64,
    /// The receipts that are moved.
    pub(super) receipts: u64,
    /// The lists whose history is given up, because its inverses cannot be known.
    pub(super) without_history: Vec<String>,
    /// The lists that cannot be converted, and why. They are unreadable.
    pub(super) unreadable: Vec<(String, String)>,
    /// Whether a damaged table of an older format stays behind.
    pub(super) keeps_damaged_table: bool,
    /// Whether no digest is made, because damaged pages keep it from being made.
    pub(super) lacks_digest: bool,
}

/// The lists that a conversion leaves as they are, because their rows could not be written, each with the error.
pub(super) type LeftOut = BTreeMap<String, rusqlite::Error>;

/// Why a conversion ended. The caller rolls its transaction back.
pub(super) enum ConversionError {
    /// The rows of a list cannot be written, because a page that they are on or belong on is damaged.
    List(String, rusqlite::Error),
    /// The database failed.
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for ConversionError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

/// Converts all lists of [`encoding_2`]. `source` reads what was there before the transaction on `target`. Without a target
/// nothing is written.
pub(super) fn convert_lists(
    source: &Connection,
    target: Option<&Connection>,
    left_out: &LeftOut,
    done: &mut Conversion,
) -> Result<(), ConversionError> {
    let mut log = OldLog::read(source)?;
    let mut names: BTreeSet<String> = log.commits.keys().cloned().collect();
    for table in ["lists", "gone"] {
        let old = format!("{table} WHERE substr(brief, 1, 1) = x'{:02x}'", encoding_2::ENCODING);
        names.extend(readable_rows::names(source, &old)?.0);
    }
    let mut frames = BTreeMap::new();
    for text in names {
        let commits = log.commits.remove(&text).unwrap_or_default();
        let Some((list, table)) = read_list(source, &text, commits)? else { continue };
        if let Some(error) = left_out.get(&text) {
            done.unreadable.push((text, format!("a page with its rows or beside them is damaged ({error})")));
            continue;
        }
        let name = ListName::new(&text).map_err(|error| error.to_string());
        let converted = list.and_then(|list| {
            let name = name?;
            Ok((encoding_2::convert(&name, &list)?, list))
        });
        match converted {
            Ok((converted, list)) => {
                done.lists += 1;
                if converted.history.is_none() {
                    done.without_history.push(text.clone());
                }
                if let (Some(db), Ok(name)) = (target, ListName::new(&text)) {
                    // The digest of all rows is made after the conversion.
                    let changes = RowChanges::new(None);
                    let written = write_list(CoveredRows { db, changes: &changes }, &name, table, &list, &converted);
                    written.map_err(|error| match damage::is_damage(&error) {
                        true => ConversionError::List(text, error),
                        false => error.into(),
                    })?;
                }
                frames.extend(converted.frames);
            }
            Err(why) => done.unreadable.push((text, why)),
        }
    }
    Ok(target.map_or(Ok(()), |db| log.write(db, &frames))?)
}

/// Moves the receipts of format 1, and deletes their table `receipts_1` if SQLite can read all of it.
pub(super) fn convert_receipts(
    source: &Connection,
    target: Option<&Connection>,
    done: &mut Conversion,
) -> rusqlite::Result<()> {
    let converted = receipt_rows::convert(source, target)?;
    done.receipts += converted.receipts;
    done.unreadable.extend(converted.unreadable);
    done.keeps_damaged_table = converted.has_damaged_pages;
    match target {
        Some(db) if !converted.has_damaged_pages => db.execute_batch("DROP TABLE receipts_1"),
        _ => Ok(()),
    }
}

impl Conversion {
    /// Logs what an operator should know.
    pub(super) fn report(&self) {
        for list in &self.without_history {
            tracing::warn!(list, "the history of a list holds no inverses; it is kept in the table quarantine only");
        }
        for (list, why) in &self.unreadable {
            tracing::error!(list, why, "a list cannot be converted; it is unreadable");
        }
        if self.keeps_damaged_table {
            tracing::error!("pages of the earlier table of receipts are damaged; the table is kept as receipts_1");
        }
        if self.lacks_digest {
            tracing::error!(
                "some pages are damaged, so no digest of all rows is made; check the data with hotlist verify"
            );
        }
    }
}

/// The rows of a list and the table of its compacted row, or `None` if they are of a newer encoding.
type ReadList = Option<(Result<OldList, String>, CoveredTable)>;

fn read_list(source: &Connection, name: &str, commits: Vec<(u64, u64, Vec<u8>)>) -> rusqlite::Result<ReadList> {
    let mut old = OldList { commits, ..OldList::default() };
    let mut found_in = CoveredTable::Lists;
    for table in [CoveredTable::Lists, CoveredTable::Gone] {
        let select = format!("SELECT revision, seq, brief, snapshot FROM {} WHERE name = ?1", table.name());
        let row = source.query_row(&select, [name], |row| {
            Ok(OldCompacted { revision: row.get(0)?, seq: row.get(1)?, meta: row.get(2)?, snapshot: row.get(3)? })
        });
        match row.optional() {
            Ok(None) => {}
            Ok(Some(row)) => (old.compacted, found_in) = (Some(row), table),
            Err(error) if damage::is_damage(&error) => {
                return Ok(Some((Err(damage::explain(table.name(), &error)), table)));
            }
            Err(error) => return Err(error),
        }
    }
    let is_old = old.compacted.as_ref().is_some_and(|row| encoding_2::is_encoding(&row.meta));
    if !is_old && old.commits.is_empty() {
        return Ok(None);
    }
    let rows = source.prepare_cached("SELECT last, record FROM history WHERE name = ?1 ORDER BY last").and_then(
        |mut select| select.query_map([name], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>(),
    );
    match rows {
        Ok(rows) => old.history = rows,
        Err(error) if damage::is_damage(&error) => {
            return Ok(Some((Err(damage::explain("history", &error)), found_in)));
        }
        Err(error) => return Err(error),
    }
    Ok(Some((Ok(old), found_in)))
}

fn write_list(
    rows: CoveredRows<'_>,
    name: &ListName,
    table: CoveredTable,
    old: &OldList,
    converted: &ConvertedList,
) -> rusqlite::Result<()> {
    if let (Some((meta, snapshot)), Some(_)) = (&converted.compacted, &old.compacted) {
        rows.rewrite_compacted(name, table, meta, snapshot)?;
    }
    match &converted.history {
        Some(history) => history.iter().try_for_each(|(last, record)| rows.put_history(name, *last, record)),
        None => rows.give_up_history(name, &evidence::given_up(name.as_str()), "its revisions have no inverses"),
    }
}

/// Whether the tables can be read as a whole whose digest an upgrade makes. The receipts are among them unless the upgrade
/// makes their table.
pub(super) fn is_whole(source: &Connection, with_receipts: bool) -> rusqlite::Result<bool> {
    for table in CoveredTable::ALL.into_iter().filter(|table| with_receipts || *table != CoveredTable::Receipts) {
        match recount::sum(source, table) {
            Ok(_) => {}
            Err(error) if damage::is_damage(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// The rows of the log that hold commits of the old encoding.
struct OldLog {
    rows: Vec<(u64, Arc<Block>, Vec<u8>)>,
    /// The commits of the old encoding by list: number, revision, record.
    commits: BTreeMap<String, Vec<(u64, u64, Vec<u8>)>>,
}

impl OldLog {
    /// Reads the log. Fails on damaged pages, because a start without the log would make lists older.
    fn read(source: &Connection) -> rusqlite::Result<Self> {
        let mut log = Self { rows: Vec::new(), commits: BTreeMap::new() };
        let mut select = source.prepare("SELECT seq, first, directory, commits FROM log ORDER BY seq")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let directory: Vec<u8> = row.get(2)?;
            if !encoding_2::is_encoding(&directory) {
                continue;
            }
            let (seq, block) = (row.get(0)?, Arc::new(Block::parse(row.get(1)?, row.get(3)?)));
            for number in block.first()..=seq {
                let Some(frame) = block.frame(number) else { break };
                if let Ok(name) = std::str::from_utf8(frame.name) {
                    let commits = log.commits.entry(name.to_owned()).or_default();
                    commits.push((number, frame.revision, frame.record.to_vec()));
                }
            }
            log.rows.push((seq, block, directory));
        }
        Ok(log)
    }

    /// Writes the rows with the converted frames. The frames of lists that were not converted stay as they are.
    fn write(&self, db: &Connection, frames: &BTreeMap<u64, Vec<u8>>) -> rusqlite::Result<()> {
        for (seq, block, directory) in &self.rows {
            let (mut commits, mut read) = (Vec::new(), 0);
            for number in block.first()..=*seq {
                let Some(bytes) = block.frame_bytes(number) else { break };
                commits.extend_from_slice(frames.get(&number).map_or(bytes, Vec::as_slice));
                read += bytes.len();
            }
            commits.extend_from_slice(&block.bytes()[read..]);
            // A damaged directory stays damaged.
            let directory = match encoding_2::directory(*seq, directory) {
                Ok(lists) => record::directory(*seq, lists),
                Err(_) => directory.clone(),
            };
            let update = "UPDATE log SET directory = ?2, commits = ?3 WHERE seq = ?1";
            db.prepare_cached(update)?.execute(params![seq, directory, commits])?;
        }
        Ok(())
    }
}
