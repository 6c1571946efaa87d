//! What opening does: one pass over the log tells which lists are in it and where they lead.
//!
//! No list is read, and nothing is applied: a log is bounded, a million lists are not.

use std::sync::Weak;

use rusqlite::Connection;

use super::record;
use super::sweep::{self, Sweep};
use super::tails::{Row, Tails};
use crate::list::name::ListName;

/// What the log says.
pub(super) struct Recovered {
    pub(super) tails: Tails,
    pub(super) sweep: Sweep,
}

/// Reads the log, and sets aside the rows of lists that cannot be read.
pub(super) fn recover(db: &Connection) -> rusqlite::Result<Recovered> {
    let cut: u64 = db.query_row("SELECT seq FROM cut", [], |row| row.get(0))?;
    let mut tails = Tails::default();
    let mut set_aside = 0;
    let mut faults = Vec::new();
    let mut select = db.prepare("SELECT seq, name FROM quarantine")?;
    let mut rows = select.query([])?;
    let mut last = cut;
    while let Some(row) = rows.next()? {
        set_aside += 1;
        last = last.max(row.get(0)?);
        faults.push((row.get::<_, String>(1)?, "its log was set aside earlier".to_owned(), None));
    }
    let (mut count, mut end) = (0, cut);
    let mut select = db.prepare("SELECT seq, name, revision, record FROM log ORDER BY seq")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (seq, revision): (u64, u64) = (row.get(0)?, row.get(2)?);
        let name = row.get_ref(1)?.as_bytes_or_null()?.unwrap_or_default();
        let record = row.get_ref(3)?.as_bytes_or_null()?.unwrap_or_default();
        count += 1;
        end = seq;
        let text = String::from_utf8_lossy(name);
        if let Err(why) = take_row(&mut tails, &text, seq, revision, record) {
            faults.push((text.into_owned(), why, Some(seq)));
        }
    }
    if end - cut > count + set_aside {
        let missing = end - cut - count - set_aside;
        tracing::error!(missing, "the log lacks rows; a list whose last rows they were is older than it should be");
    }
    set_aside_faults(db, &mut tails, faults)?;
    Ok(Recovered { tails, sweep: Sweep::new(cut, last.max(end)) })
}

fn take_row(tails: &mut Tails, name: &str, seq: u64, revision: u64, record: &[u8]) -> Result<(), String> {
    let name = ListName::new(name).map_err(|error| format!("its name is damaged: {error}"))?;
    let head = record::log_head(&name, revision, record)?;
    if let Some(tail) = tails.get(&name)
        && tail.brief.revision != head.after
    {
        return Err(format!("its log goes from revision {} to {}", tail.brief.revision, head.after + 1));
    }
    // A list whose first revisions were cut off the log has a folded row.
    let first = head.after == 0;
    let row = Row { seq, revision, record: None };
    tails.push(name, head.brief, Weak::new(), row, first);
    Ok(())
}

/// A fault makes its whole list unreadable: the rows before it would be an older list.
fn set_aside_faults(
    db: &Connection,
    tails: &mut Tails,
    faults: Vec<(String, String, Option<u64>)>,
) -> rusqlite::Result<()> {
    let transaction = db.unchecked_transaction()?;
    for (text, why, seq) in faults {
        if let Some(seq) = seq {
            tracing::error!(
                list = text,
                row = seq,
                why,
                "a log row cannot be read; the rows of its list are set aside"
            );
            sweep::quarantine_row(db, seq, &why)?;
        }
        let Ok(name) = ListName::new(&text) else { continue };
        if let Some(tail) = tails.get(&name) {
            sweep::quarantine(db, tail, &why)?;
        }
        tails.set_aside(name, why);
    }
    transaction.commit()
}
