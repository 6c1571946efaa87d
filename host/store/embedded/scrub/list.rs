//! What the rows of one list say about each other.

use super::finding::ScrubFinding;
use crate::list::name::ListName;
use crate::store::embedded::record::{self, ListMeta, RowKind};
use crate::store::embedded::{compacted, receipt_record, receipt_rows};

/// The compacted row of a list.
pub(super) struct CompactedColumns {
    pub(super) revision: u64,
    pub(super) seq: u64,
    pub(super) meta: Vec<u8>,
    pub(super) snapshot: Vec<u8>,
}

/// The row of a receipt, without its place.
pub(super) struct ReceiptColumns<'a> {
    pub(super) time: i64,
    pub(super) holder: &'a [u8],
    pub(super) record: &'a [u8],
}

/// The checks of a list whose rows are being read.
pub(super) struct ListCheck {
    pub(super) name: ListName,
    /// The revision in the compacted row.
    pub(super) revision: u64,
    /// The last revision of the history that was read.
    last: Option<u64>,
    /// Whether all history so far is sound.
    is_sound: bool,
}

impl ListCheck {
    /// Checks the compacted rows of a list, of which there must be one. Returns the check of the other rows and the
    /// metadata, or what is wrong.
    pub(super) fn begin(name: &ListName, rows: &[CompactedColumns]) -> Result<(Self, ListMeta), ScrubFinding> {
        let stale = |why: &str| Err(ScrubFinding::Stale { name: name.clone(), why: why.to_owned() });
        let row = match rows {
            [row] => row,
            [] => return stale("its compacted row is missing, and it has history or receipts"),
            _ => return stale("it has a row in lists and one in gone, of which one is older"),
        };
        let CompactedColumns { revision, seq, ref meta, ref snapshot } = *row;
        let meta = compacted::decode_meta(name, revision, seq, meta);
        let meta = meta.and_then(|meta| record::unseal(RowKind::Snapshot, name, revision, snapshot).map(|_| meta));
        let meta = meta.map_err(|why| ScrubFinding::Unreadable { name: name.clone(), why })?;
        Ok((Self { name: name.clone(), revision, last: None, is_sound: true }, meta))
    }

    /// Checks a row of the history. A gap before it is damage, unless the list has changed since its compacted row was
    /// read: a compaction may have deleted the rows in between.
    pub(super) fn history(
        &mut self,
        last: u64,
        record: &[u8],
        has_changed: impl FnOnce() -> bool,
    ) -> Option<ScrubFinding> {
        let revisions = record::history_revisions(&self.name, last, record);
        let why = match revisions.as_deref() {
            Err(why) => why.clone(),
            Ok([first, .., end] | [first @ end]) => {
                let before = self.last.replace(last);
                match before.map(|before| before + 1) {
                    _ if end.number != last => format!("its history row {last} ends with revision {}", end.number),
                    Some(next) if next != first.number && !has_changed() => {
                        format!("revision {} is followed by {} in its history", next - 1, first.number)
                    }
                    _ => return None,
                }
            }
            Ok([]) => format!("its history row {last} is empty"),
        };
        self.last = Some(last);
        let is_first = std::mem::replace(&mut self.is_sound, false);
        is_first.then(|| ScrubFinding::Other { name: Some(self.name.clone()), what: why })
    }

    /// Checks the end of the history, if the list has not changed since its compacted row was read. A list without history is
    /// left to the digest, because its history may have been given up.
    pub(super) fn history_end(&self, has_changed: impl FnOnce() -> bool) -> Option<ScrubFinding> {
        let revision = self.revision;
        let last = self.last.filter(|last| self.is_sound && *last != revision)?;
        if has_changed() {
            return None;
        }
        Some(match last > revision {
            true => ScrubFinding::Stale {
                name: self.name.clone(),
                why: format!("its compacted row is of revision {revision}, and its history goes on to {last}"),
            },
            false => ScrubFinding::Other {
                name: Some(self.name.clone()),
                what: format!("its history ends with revision {last}, and it is at {revision}"),
            },
        })
    }

    /// Checks a receipt. No request reads one before the horizon, so a damaged one costs its list nothing.
    pub(super) fn receipt(&self, place: u64, columns: &ReceiptColumns<'_>, horizon: u64) -> Option<ScrubFinding> {
        match receipt_record::from_row(&self.name, place, columns.record) {
            Err(why) if columns.time < receipt_rows::at(horizon) => {
                let what = format!("its expired receipt {place} is damaged ({why}), which nothing reads");
                Some(ScrubFinding::Other { name: Some(self.name.clone()), what })
            }
            Err(why) => Some(ScrubFinding::Unreadable { name: self.name.clone(), why }),
            Ok(receipt) => {
                let fits = i64::try_from(receipt.time).unwrap_or(i64::MAX) == columns.time
                    && receipt.request.holder.as_bytes() == columns.holder;
                let what = || format!("the columns of its receipt {place} are not those of the receipt");
                (!fits).then(|| ScrubFinding::Other { name: Some(self.name.clone()), what: what() })
            }
        }
    }
}
