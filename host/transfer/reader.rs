//! Reads the lines of an export: one list at a time, checked, and the digest at the end.

use std::io::{BufRead, Read as _};
use std::mem;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail, ensure};
use sha2::{Digest as _, Sha256};

use super::line::{EndJson, LineJson, ListFacts, VERSION};
use super::value::try_each;
use crate::list::digest::hex;
use crate::list::entry::Entry;
use crate::list::history::ListHistory;
use crate::list::revision::Revision;
use crate::list::{Limits, List};
use crate::store::embedded::MAX_IMPORTED_REVISION;

/// The most bytes of a line. The longest ones are revisions that change a whole list, such as the undo of a clear.
const MAX_LINE_BYTES: u64 = 1 << 30;

/// The most bytes of the lines of one list, which is in memory as a whole.
const MAX_LIST_LINES_BYTES: u64 = 8 << 30;

/// What an end line begins with.
const END_LINE: &[u8] = br#"{"end":"#;

/// A list of an export, checked.
pub(super) struct CheckedList {
    pub(super) list: ListHistory,
    pub(super) wake_up: Option<u64>,
    /// What is missing of it.
    pub(super) missing: Option<String>,
}

/// Something that an export holds.
pub(super) enum Item {
    List(Box<CheckedList>),
    /// Damage that concerns no list in particular.
    Damage(String),
    End,
}

/// A reader of the raw lines.
pub(super) struct RawLines<'a> {
    input: &'a mut dyn BufRead,
    /// The current line.
    line: Vec<u8>,
    /// The number of the current line, from 1 on.
    pub(super) number: u64,
    /// Of all lines before the current one.
    digest: Sha256,
    /// The bytes of all lines so far.
    pub(super) bytes: u64,
}

impl<'a> RawLines<'a> {
    pub(super) fn new(input: &'a mut dyn BufRead) -> Self {
        Self { input, line: Vec::new(), number: 0, digest: Sha256::new(), bytes: 0 }
    }

    /// Reads the next line. Returns whether there is one.
    pub(super) fn advance(&mut self) -> anyhow::Result<bool> {
        self.digest.update(&self.line);
        self.line.clear();
        let mut limited = (&mut self.input).take(MAX_LINE_BYTES + 1);
        let length = limited.read_until(b'\n', &mut self.line).context("cannot read the export")? as u64;
        self.number += 1;
        self.bytes += length;
        ensure!(length <= MAX_LINE_BYTES, "line {}: it is over the limit of {MAX_LINE_BYTES} bytes", self.number);
        Ok(length > 0)
    }

    /// Decodes the current line.
    pub(super) fn decode(&self) -> anyhow::Result<LineJson> {
        serde_json::from_slice(&self.line).map_err(|error| {
            let text = error.to_string();
            // The line that serde_json counts is always the first.
            let text = text.rsplit_once(" at line ").map_or(&*text, |(text, _)| text);
            anyhow!("line {}: {text} at byte {}", self.number, error.column())
        })
    }

    /// Decodes the current line if it is an end line.
    pub(super) fn decode_end(&self) -> Option<EndJson> {
        let is_end = self.line.starts_with(END_LINE);
        match is_end.then(|| self.decode()) {
            Some(Ok(LineJson::End(end))) => Some(end),
            _ => None,
        }
    }

    /// Checks the digest in the end line, which is the current one.
    pub(super) fn check_digest(&self, end: &EndJson) -> anyhow::Result<()> {
        let found = hex(&self.digest.clone().finalize());
        let EndJson { sha256, .. } = end;
        ensure!(
            found == *sha256,
            "the export was changed or is damaged: its lines have the digest {found}, and its end line says {sha256}"
        );
        Ok(())
    }
}

/// The error of an export that ends early.
pub(super) fn cut_off() -> anyhow::Error {
    anyhow!("the export is cut off: its last line is no end line; export again")
}

/// A list whose lines are being read.
struct PartialList {
    facts: ListFacts,
    /// The number of its first line.
    line: u64,
    /// The bytes of the lines before it.
    begin: u64,
    /// How many entries and revisions its first line announces.
    announced: (usize, usize),
    entries: Vec<Arc<Entry>>,
    revisions: Vec<Arc<Revision>>,
}

/// A reader of the items.
pub(super) struct Reader<'a> {
    lines: RawLines<'a>,
    limits: Limits,
    partial: Option<PartialList>,
    /// The item that was read behind a list.
    next: Option<Item>,
    totals: EndJson,
}

impl<'a> Reader<'a> {
    /// Reads the first line.
    pub(super) fn new(input: &'a mut dyn BufRead, limits: Limits) -> anyhow::Result<Self> {
        let mut lines = RawLines::new(input);
        ensure!(lines.advance()?, "the export is empty");
        match lines.decode() {
            Ok(LineJson::HotlistExport(header)) => {
                let (version, program) = (header.version, header.program);
                ensure!(
                    version == VERSION,
                    "the export has version {version}, this program reads {VERSION}; import it with Hotlist {program}"
                );
            }
            _ => bail!("line 1 is not that of an export of lists; `hotlist export` writes one"),
        }
        Ok(Self { lines, limits, partial: None, next: None, totals: EndJson::default() })
    }

    /// The bytes that were read.
    pub(super) fn bytes(&self) -> u64 {
        self.lines.bytes
    }

    /// The next item. There is none after the end.
    pub(super) fn next(&mut self) -> anyhow::Result<Item> {
        if let Some(item) = self.next.take() {
            return Ok(item);
        }
        loop {
            if !self.lines.advance()? {
                return Err(cut_off());
            }
            let line = self.lines.decode()?;
            let number = self.lines.number;
            let before = match &line {
                LineJson::List(_) | LineJson::Damage(_) | LineJson::End(_) => self.finish()?,
                _ => None,
            };
            let item = match line {
                LineJson::End(end) => self.end(end).map(Some)?,
                LineJson::Damage(what) => Some(Item::Damage(what)),
                part => self.take(part).with_context(|| format!("line {number}"))?,
            };
            match (before, item) {
                (Some(list), item) => {
                    self.next = item;
                    return Ok(list);
                }
                (None, Some(item)) => return Ok(item),
                (None, None) => {}
            }
        }
    }

    /// Takes a part of a list.
    fn take(&mut self, line: LineJson) -> anyhow::Result<Option<Item>> {
        let (number, bytes) = (self.lines.number, self.lines.bytes);
        if let LineJson::List(head) = line {
            let announced = (head.entries, head.revisions);
            let facts = head.take().map_err(anyhow::Error::msg)?;
            let (entries, revisions) = (Vec::new(), Vec::new());
            self.partial = Some(PartialList { facts, line: number, begin: bytes, announced, entries, revisions });
            return Ok(None);
        }
        let partial = self.partial.as_mut().context("it belongs to no list, because none is before it")?;
        ensure!(
            bytes - partial.begin <= MAX_LIST_LINES_BYTES,
            "the lines of the list are over the limit of {MAX_LIST_LINES_BYTES} bytes"
        );
        match line {
            LineJson::Entries(entries) => partial.entries.extend(take_all::<_, Arc<Entry>>(entries)?),
            LineJson::Revision(revision) => {
                let numbered = format!("revision {}", revision.number());
                let revision = Revision::try_from(*revision).map_err(anyhow::Error::msg).context(numbered)?;
                partial.revisions.push(Arc::new(revision));
            }
            _ => bail!("it is a first line in the middle of an export"),
        }
        let (entries, revisions) = partial.announced;
        ensure!(
            partial.entries.len() <= entries,
            "it has more entries than the {entries} in the first line of the list"
        );
        ensure!(
            partial.revisions.len() <= revisions,
            "it has more revisions than the {revisions} in the first line of the list"
        );
        Ok(None)
    }

    /// Checks the list whose lines were read, if there is one.
    fn finish(&mut self) -> anyhow::Result<Option<Item>> {
        let Some(partial) = self.partial.take() else { return Ok(None) };
        let (line, name) = (partial.line, partial.facts.name.clone());
        let checked = partial.check(self.limits).map_err(anyhow::Error::msg);
        let checked = checked.with_context(|| format!("list {:?}, from line {line} on", name.as_str()))?;
        self.totals.count(&checked.list.list, checked.list.revisions.len(), checked.missing.is_some());
        Ok(Some(Item::List(Box::new(checked))))
    }

    fn end(&mut self, end: EndJson) -> anyhow::Result<Item> {
        self.lines.check_digest(&end)?;
        let found = EndJson { sha256: end.sha256.clone(), ..mem::take(&mut self.totals) };
        ensure!(found == end, "the end line announces other numbers of lists, entries or revisions than there are");
        ensure!(!self.lines.advance()?, "line {}: there is something behind the end line", self.lines.number);
        Ok(Item::End)
    }
}

fn take_all<T, U: TryFrom<T, Error = String>>(items: Vec<T>) -> anyhow::Result<Vec<U>> {
    try_each(items).map_err(anyhow::Error::msg)
}

impl PartialList {
    /// Checks how the values fit together.
    fn check(self, limits: Limits) -> Result<CheckedList, String> {
        let ListFacts { name, mut snapshot, wake_up, missing, .. } = self.facts;
        if (self.entries.len(), self.revisions.len()) != self.announced {
            let (entries, revisions) = self.announced;
            return Err(format!(
                "it has {} entries and {} revisions, its first line announces {entries} and {revisions}",
                self.entries.len(),
                self.revisions.len(),
            ));
        }
        let next_id = snapshot.next_id;
        let ids = self.entries.iter().map(|entry| entry.id);
        let is_ascending = ids.clone().zip(ids.clone().skip(1)).all(|(id, next)| id < next);
        if !is_ascending || ids.clone().any(|id| id == 0 || id >= next_id) || next_id == 0 {
            return Err(format!("the ids of its entries do not ascend from 1 to below the next id {next_id}"));
        }
        if let Some(pair) = snapshot.settings.windows(2).find(|pair| pair[0].name >= pair[1].name) {
            return Err(format!(
                "its settings are not in the order of their names: {} is before {}",
                pair[0].name, pair[1].name
            ));
        }
        if snapshot.revision > MAX_IMPORTED_REVISION {
            return Err(format!("it is at revision {}, the limit is {MAX_IMPORTED_REVISION}", snapshot.revision));
        }
        snapshot.entries = self.entries;
        let list = List::from(snapshot);
        if !list.exists() && (list != List::absent(list.revision()) || wake_up.is_some()) {
            return Err("it is deleted, and has entries, settings, a pin or a wake-up time".into());
        }
        check_size(&list, limits)?;
        let list = ListHistory { name, list, revisions: self.revisions };
        check_history(&list)?;
        Ok(CheckedList { list, wake_up, missing })
    }
}

fn check_size(list: &List, limits: Limits) -> Result<(), String> {
    match (list.count(), list.bytes()) {
        (entries, _) if entries > limits.entries => {
            Err(format!("it has {entries} entries, the limit is {}; raise it with --max-entries", limits.entries))
        }
        (_, bytes) if bytes > limits.bytes => {
            Err(format!("it has {bytes} bytes of text, the limit is {}; raise it with --max-list-bytes", limits.bytes))
        }
        _ => Ok(()),
    }
}

/// Checks that the revisions follow each other and lead to the list.
fn check_history(list: &ListHistory) -> Result<(), String> {
    let numbers = list.revisions.iter().map(|revision| revision.number);
    if let Some((number, next)) = numbers.clone().zip(numbers.skip(1)).find(|(number, next)| number + 1 != *next) {
        return Err(format!("its revision {number} is followed by {next}"));
    }
    list.check().map_err(|error| error.to_string())
}
