//! The retained history of a list: its rows in the database, then its commits in the log.
//!
//! A page is read run by run. A large run is read revision by revision, so that a page takes as much memory as it may have,
//! besides the row that SQLite reads. What counts is what the revisions take in memory, which is a multiple of their
//! encoding.

use std::ops::ControlFlow;
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::commit_record::CommitBody;
use super::encoded_revision::EncodedRevision;
use super::error::ReadError;
use super::record::{self, ListMeta, RowKind};
use crate::list::name::ListName;
use crate::list::revision::Revision;
use crate::store::history::PageBuilder;
use crate::store::{ChangesPage, HistoryPage, PageLimit, RetainedRevision};

/// The size up to which a run is decoded as a whole, which is the size of most. It takes at most about a hundred times as much in
/// memory.
const SMALL_RUN_BYTES: usize = 16 << 10;

/// The history of one list within a transaction.
pub(super) struct RetainedHistory<'a> {
    db: &'a Connection,
    name: &'a ListName,
    bodies: &'a [CommitBody<'a>],
    /// The first visible revision. The database may hold earlier ones.
    first: u64,
    /// The last revision.
    end: u64,
}

impl<'a> RetainedHistory<'a> {
    /// The history that ends with the commits `bodies` after the compacted row. `limit` is the number of visible revisions.
    pub(super) fn new(
        db: &'a Connection,
        name: &'a ListName,
        compacted: Option<&ListMeta>,
        bodies: &'a [CommitBody<'a>],
        limit: u64,
    ) -> Self {
        let deleted_at = bodies.iter().filter_map(|body| body.head.deleted_at).max().unwrap_or(0);
        let end = bodies.last().map(|body| &body.head.meta).or(compacted).map_or(0, |meta| meta.revision);
        let first = deleted_at.max((end + 1).saturating_sub(limit));
        Self { db, name, bodies, first, end }
    }

    /// All revisions.
    pub(super) fn all(&self) -> Result<Vec<Arc<Revision>>, ReadError> {
        let mut found = Vec::new();
        self.runs(self.first, |runs| {
            found.extend(record::revisions(runs)?.into_iter().filter(|revision| revision.number >= self.first));
            Ok(ControlFlow::Continue(()))
        })?;
        check_order(found.iter().map(|revision| revision.number))?;
        Ok(found)
    }

    /// A page of the revisions after `after`.
    pub(super) fn page(&self, after: u64, limit: PageLimit) -> Result<HistoryPage, ReadError> {
        let from = after.saturating_add(1).max(self.first);
        let mut page = PageBuilder::new(limit);
        self.runs(from, |runs| {
            let is_full = match runs.len() <= SMALL_RUN_BYTES {
                true => add_decoded(&mut page, &record::revisions(runs)?, from),
                false => add(&mut page, runs, from)?,
            };
            Ok(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        let page = page.into_page();
        check_order(page.revisions.iter().map(RetainedRevision::number))?;
        Ok(page)
    }

    /// A page of the changes of one revision, without the first `after` of them.
    pub(super) fn changes(
        &self,
        number: u64,
        after: usize,
        limit: PageLimit,
    ) -> Result<Option<ChangesPage>, ReadError> {
        let mut found = None;
        if number < self.first {
            return Ok(None);
        }
        self.runs(number, |runs| {
            each(runs, |encoded| {
                if encoded.outline.number == number {
                    let mut page = PageBuilder::new(limit);
                    encoded.changes(after, |change, bytes| page.push(bytes, || change))?;
                    found = Some(page.into_page());
                }
                Ok(if encoded.outline.number >= number { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// Calls `take` with the runs of revisions that may hold revisions from `from` on, until it breaks.
    fn runs(
        &self,
        from: u64,
        mut take: impl FnMut(&[u8]) -> Result<ControlFlow<()>, ReadError>,
    ) -> Result<(), ReadError> {
        if from > self.end {
            return Ok(());
        }
        let select = "SELECT last, record FROM history WHERE name = ?1 AND last >= ?2 ORDER BY last";
        let mut select = self.db.prepare_cached(select)?;
        let mut rows = select.query(params![self.name.as_str(), from])?;
        while let Some(row) = rows.next()? {
            // Borrowed from SQLite, because a row may be as large as a list.
            let blob = row.get_ref(1)?.as_blob().map_err(|_| "its history row is no blob".to_owned())?;
            let runs = record::unseal(RowKind::History, self.name, row.get(0)?, blob)?.content;
            if take(runs)?.is_break() {
                return Ok(());
            }
        }
        for body in self.bodies.iter().filter(|body| body.head.meta.revision >= from) {
            // A commit that brings receipts only has no revisions.
            if body.head.after < body.head.meta.revision && take(body.revisions)?.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Adds the revisions from `from` on for which the page has room, and outlines of those that are larger than a page.
/// Returns whether the page is full.
fn add_decoded(page: &mut PageBuilder<RetainedRevision>, revisions: &[Arc<Revision>], from: u64) -> bool {
    !revisions.iter().filter(|revision| revision.number >= from).all(|revision| page.push_revision(revision))
}

/// Adds the same of runs, without holding more of them than the page has room for.
fn add(page: &mut PageBuilder<RetainedRevision>, runs: &[u8], from: u64) -> Result<bool, ReadError> {
    each(runs, |encoded| {
        let bytes = encoded.outline.bytes;
        let is_added = if encoded.outline.number < from {
            true
        } else if page.is_large(bytes) {
            let changes = || encoded.all_changes();
            page.push_outline(encoded.outline.clone(), encoded.changes_bytes, changes)?
        } else if page.has_room(bytes) {
            page.add(bytes, RetainedRevision::Whole(record::decode_whole(encoded.bytes)?));
            true
        } else {
            false
        };
        Ok(if is_added { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(page.is_full)
}

/// Calls `see` with each revision of the runs, until it breaks.
fn each(
    mut runs: &[u8],
    mut see: impl FnMut(EncodedRevision<'_>) -> Result<ControlFlow<()>, ReadError>,
) -> Result<(), ReadError> {
    while !runs.is_empty() {
        let (count, mut rest) = record::decode_first::<usize>(runs)?;
        for _ in 0..count {
            let (revision, after) = EncodedRevision::take(rest)?;
            rest = after;
            if see(revision)?.is_break() {
                return Ok(());
            }
        }
        runs = rest;
    }
    Ok(())
}

fn check_order(numbers: impl Iterator<Item = u64>) -> Result<(), String> {
    let mut before = None;
    for number in numbers {
        match before.replace(number) {
            Some(before) if before + 1 != number => {
                return Err(format!("revision {before} is followed by {number} in its history"));
            }
            _ => {}
        }
    }
    Ok(())
}
