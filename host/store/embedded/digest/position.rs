//! How far a pass over the covered rows has come.

use super::covered::{CoveredRow, CoveredTable};

/// A place in the order in which a scrub reads the covered rows: list by list, then the timers, then the isolated commits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::store::embedded) enum Position {
    /// Within the rows of a list. The lists are in the order of the bytes of their names.
    List { name: Vec<u8>, part: ListPart },
    /// At a timer, which was read.
    Timer { at: i64, name: Vec<u8> },
    /// At an isolated commit, which was read.
    Quarantine(i64),
    /// Behind all rows.
    End,
}

/// The part of a list's rows that was read last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::store::embedded) enum ListPart {
    /// No row yet.
    Nothing,
    /// The rows in `lists` and `gone`.
    Compacted,
    /// The history up to this row.
    History(i64),
    /// The receipts up to this row.
    Receipts(i64),
    /// All rows.
    All,
}

impl Position {
    /// The place before all rows.
    pub(in crate::store::embedded) fn start() -> Self {
        Self::List { name: Vec::new(), part: ListPart::All }
    }

    /// Whether the row is read by now.
    pub(in crate::store::embedded) fn has_passed(&self, row: &CoveredRow<'_>) -> bool {
        let part = match row.table {
            CoveredTable::Lists | CoveredTable::Gone => ListPart::Compacted,
            CoveredTable::History => ListPart::History(row.number),
            CoveredTable::Receipts => ListPart::Receipts(row.number),
            CoveredTable::Timers => {
                return match self {
                    Self::List { .. } => false,
                    Self::Timer { at, name } => (row.number, row.name) <= (*at, name),
                    Self::Quarantine(_) | Self::End => true,
                };
            }
            CoveredTable::Quarantine => {
                return match self {
                    Self::List { .. } | Self::Timer { .. } => false,
                    Self::Quarantine(seq) => row.number <= *seq,
                    Self::End => true,
                };
            }
        };
        match self {
            Self::List { name, part: read } => (row.name, part) <= (name, *read),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_passed_once_in_the_order_of_the_scrub() {
        let row = |table, name: &'static str, number| CoveredRow::new(table, name.as_bytes(), number);
        let list = |name: &str, part| Position::List { name: name.into(), part };
        let order = [
            (row(CoveredTable::Lists, "ann", 9), list("ann", ListPart::Compacted)),
            (row(CoveredTable::History, "ann", 3), list("ann", ListPart::History(3))),
            (row(CoveredTable::History, "ann", 7), list("ann", ListPart::History(7))),
            (row(CoveredTable::Receipts, "ann", 2), list("ann", ListPart::Receipts(2))),
            (row(CoveredTable::Gone, "bob", 1), list("bob", ListPart::Compacted)),
            (row(CoveredTable::Timers, "bob", 4), Position::Timer { at: 4, name: "bob".into() }),
            (row(CoveredTable::Timers, "ann", 5), Position::Timer { at: 5, name: "ann".into() }),
            (row(CoveredTable::Quarantine, "cid", -1), Position::Quarantine(-1)),
            (row(CoveredTable::Quarantine, "ann", 8), Position::Quarantine(8)),
        ];
        for (at, (_, position)) in order.iter().enumerate() {
            for (other, (row, _)) in order.iter().enumerate() {
                assert_eq!(position.has_passed(row), other <= at, "{row:?} at {position:?}");
            }
        }
        for (row, _) in &order {
            assert!(!Position::start().has_passed(row) && Position::End.has_passed(row), "{row:?}");
        }
    }
}
