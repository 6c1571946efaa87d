//! The export of lists.

use std::io::{self, Write};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use super::line::{EndJson, HeaderJson, LineJson, ListFacts, ListJson, VERSION};
use super::value::each;
use crate::clock::Clock;
use crate::list::digest::hex;
use crate::list::entry::Entry;
use crate::list::name::ListName;
use crate::store::embedded::{Salvage, SalvagedList};

/// The most entries in a line.
const MAX_LINE_ENTRIES: usize = 100;

/// The bytes of text past which a line takes no further entry.
const FULL_LINE_BYTES: usize = 64 << 10;

/// What was exported.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExportTotals {
    /// The lists.
    pub lists: u64,
    /// The deleted lists whose last revision is known.
    pub deleted_lists: u64,
    /// The entries of the lists.
    pub entries: u64,
    /// The revisions of the lists.
    pub revisions: u64,
    /// The lists of which something is missing.
    pub incomplete_lists: u64,
    /// The damage that concerns no list in particular.
    pub damages: u64,
}

impl ExportTotals {
    /// Whether nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.incomplete_lists == 0 && self.damages == 0
    }
}

/// Something that is damaged.
#[derive(Clone, Copy, Debug)]
pub enum Finding<'a> {
    /// A list that was restored from its history although a server cannot read it. Nothing is missing.
    Restored(&'a ListName, &'a str),
    /// A list of which something is missing.
    Incomplete(&'a ListName, &'a str),
    /// Damage that concerns no list in particular.
    Damage(&'a str),
}

/// Writes the lists for which `is_wanted` holds. `found` is called with what is damaged, `done` after each list.
///
/// # Errors
///
/// When the output cannot be written. What was written has no end line then.
pub fn export(
    salvage: &Salvage,
    is_wanted: impl Fn(&ListName) -> bool,
    clock: &dyn Clock,
    output: &mut dyn Write,
    found: &mut dyn FnMut(Finding<'_>),
    done: &mut dyn FnMut(),
) -> anyhow::Result<ExportTotals> {
    let mut lines = Lines { output, digest: Sha256::new() };
    let (mut end, mut damages) = (EndJson::default(), 0);
    let time = i64::try_from(clock.now()).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let program = env!("CARGO_PKG_VERSION").to_owned();
    let time = time.unwrap_or(jiff::Timestamp::MAX).to_string();
    lines.write(&LineJson::HotlistExport(HeaderJson { version: VERSION, program, time }))?;
    for list in salvage.lists(is_wanted) {
        match list {
            Ok(list) => {
                report(&list, found);
                end.count(&list.list.list, list.list.revisions.len(), list.missing.is_some());
                lines.write_list(list)?;
            }
            Err(error) => {
                let what = error.to_string();
                found(Finding::Damage(&what));
                damages += 1;
                lines.write(&LineJson::Damage(what))?;
            }
        }
        done();
    }
    let EndJson { lists, deleted_lists, entries, revisions, incomplete_lists, .. } = end;
    let totals = ExportTotals { lists, deleted_lists, entries, revisions, incomplete_lists, damages };
    lines.end(end)?;
    Ok(totals)
}

fn report(list: &SalvagedList, found: &mut dyn FnMut(Finding<'_>)) {
    match (&list.missing, &list.damage) {
        (Some(missing), _) => found(Finding::Incomplete(&list.list.name, missing)),
        (None, Some(damage)) => found(Finding::Restored(&list.list.name, damage)),
        (None, None) => {}
    }
}

struct Lines<'a> {
    output: &'a mut dyn Write,
    /// Of all lines so far.
    digest: Sha256,
}

impl Lines<'_> {
    fn write(&mut self, line: &LineJson) -> anyhow::Result<()> {
        let mut bytes = serde_json::to_vec(line).context("cannot encode a line")?;
        bytes.push(b'\n');
        self.digest.update(&bytes);
        self.write_bytes(&bytes)
    }

    fn write_bytes(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.output.write_all(bytes).context("cannot write the export")
    }

    fn write_list(&mut self, list: SalvagedList) -> anyhow::Result<()> {
        let SalvagedList { list, wake_up, damage, missing, .. } = list;
        let mut snapshot = list.list.snapshot();
        let entries = std::mem::take(&mut snapshot.entries);
        let facts = ListFacts { name: list.name, snapshot, wake_up, damage, missing };
        self.write(&LineJson::List(Box::new(ListJson::new(&facts, entries.len(), list.revisions.len()))))?;
        let mut rest = &entries[..];
        while !rest.is_empty() {
            let (line, after) = rest.split_at(line_length(rest.iter().map(|entry| &**entry)));
            self.write(&LineJson::Entries(each(line)))?;
            rest = after;
        }
        for revision in &list.revisions {
            self.write(&LineJson::Revision(Box::new((&**revision).into())))?;
        }
        Ok(())
    }

    fn end(mut self, end: EndJson) -> anyhow::Result<()> {
        let sha256 = hex(&self.digest.clone().finalize());
        self.write(&LineJson::End(EndJson { sha256, ..end }))?;
        let flushed: io::Result<()> = self.output.flush();
        flushed.context("cannot write the export")
    }
}

/// How many of the entries go into one line, of which there is at least one.
fn line_length<'a>(entries: impl Iterator<Item = &'a Entry>) -> usize {
    let mut bytes = 0;
    let fits = |entry: &&Entry| {
        let fits = bytes < FULL_LINE_BYTES;
        bytes += entry.bytes();
        fits
    };
    entries.take(MAX_LINE_ENTRIES).take_while(fits).count()
}
