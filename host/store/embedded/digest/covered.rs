//! The rows that the digest covers, and the sum of each table.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A table whose rows the digest covers. The number is part of the hash of each row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::store::embedded) enum CoveredTable {
    Lists = 0,
    Gone = 1,
    History = 2,
    Receipts = 3,
    Timers = 4,
    Quarantine = 5,
}

impl CoveredTable {
    pub(in crate::store::embedded) const ALL: [Self; 6] =
        [Self::Lists, Self::Gone, Self::History, Self::Receipts, Self::Timers, Self::Quarantine];

    pub(in crate::store::embedded) fn name(self) -> &'static str {
        match self {
            Self::Lists => "lists",
            Self::Gone => "gone",
            Self::History => "history",
            Self::Receipts => "receipts",
            Self::Timers => "timers",
            Self::Quarantine => "quarantine",
        }
    }
}

/// The identity of a row: what tells it from all other rows and from its own earlier states. The name is in bytes, because
/// that of a damaged row may be no text.
#[derive(Clone, Copy, Debug)]
pub(in crate::store::embedded) struct CoveredRow<'a> {
    pub(in crate::store::embedded) table: CoveredTable,
    pub(in crate::store::embedded) name: &'a [u8],
    /// The last commit in a compacted row, the last revision of a run of history, the place of a receipt, the time of a
    /// timer, or the number of an isolated commit.
    pub(in crate::store::embedded) number: i64,
    /// The columns of a receipt by which it expires, because its checksum does not cover them.
    pub(in crate::store::embedded) account: Option<Account<'a>>,
}

/// The columns of a receipt beside its record.
#[derive(Clone, Copy, Debug)]
pub(in crate::store::embedded) struct Account<'a> {
    pub(in crate::store::embedded) time: i64,
    pub(in crate::store::embedded) holder: &'a [u8],
    pub(in crate::store::embedded) bytes: i64,
}

impl<'a> CoveredRow<'a> {
    /// A row of any table but `receipts`.
    pub(in crate::store::embedded) fn new(table: CoveredTable, name: &'a [u8], number: i64) -> Self {
        Self { table, name, number, account: None }
    }

    pub(in crate::store::embedded) fn receipt(name: &'a [u8], place: i64, account: Account<'a>) -> Self {
        Self { table: CoveredTable::Receipts, name, number: place, account: Some(account) }
    }

    fn hash(&self) -> u128 {
        let mut hash = Sha256::new();
        hash.update([self.table as u8]);
        hash.update(self.number.to_le_bytes());
        // The length comes first, so that the end of a name cannot pass for the beginning of what follows.
        hash.update((self.name.len() as u64).to_le_bytes());
        hash.update(self.name);
        if let Some(Account { time, holder, bytes }) = self.account {
            hash.update(time.to_le_bytes());
            hash.update(bytes.to_le_bytes());
            hash.update(holder);
        }
        let hash: [u8; 32] = hash.finalize().into();
        u128::from_le_bytes(*hash.first_chunk().expect("a hash has 32 bytes"))
    }
}

/// The rows of one table. Also a difference of two such values, because both numbers wrap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(in crate::store::embedded) struct TableSum {
    pub(in crate::store::embedded) rows: u64,
    sum: u128,
}

impl TableSum {
    pub(in crate::store::embedded) fn add(&mut self, row: &CoveredRow<'_>) {
        *self = self.plus(Self { rows: 1, sum: row.hash() });
    }

    pub(super) fn remove(&mut self, row: &CoveredRow<'_>) {
        self.rows = self.rows.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(row.hash());
    }

    fn plus(self, other: Self) -> Self {
        Self { rows: self.rows.wrapping_add(other.rows), sum: self.sum.wrapping_add(other.sum) }
    }
}

/// The sum of each table, in the order of [`CoveredTable::ALL`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(in crate::store::embedded) struct TableSums([TableSum; CoveredTable::ALL.len()]);

impl TableSums {
    pub(in crate::store::embedded) fn of(&self, table: CoveredTable) -> TableSum {
        self.0[table as usize]
    }

    pub(in crate::store::embedded) fn of_mut(&mut self, table: CoveredTable) -> &mut TableSum {
        &mut self.0[table as usize]
    }

    pub(in crate::store::embedded) fn plus(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at].plus(other.0[at])))
    }

    /// How a table with the rows in `found` differs from what this digest says, if it does.
    pub(in crate::store::embedded) fn difference(&self, table: CoveredTable, found: TableSum) -> Option<String> {
        let (name, stored) = (table.name(), self.of(table));
        Some(match (found.rows, stored.rows) {
            _ if found == stored => return None,
            (found, stored) if found < stored => {
                format!("the table {name} lacks rows that its digest counts: {}", stored - found)
            }
            (found, stored) if found > stored => {
                format!("the table {name} has rows that its digest does not count: {}", found - stored)
            }
            _ => format!("the table {name} has rows that are older than those of its digest"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(table: CoveredTable, name: &str, number: i64) -> CoveredRow<'_> {
        CoveredRow::new(table, name.as_bytes(), number)
    }

    #[test]
    fn a_sum_depends_on_each_part_of_a_row_and_not_on_the_order_of_rows() {
        let account = Account { time: 1, holder: b"ann", bytes: 2 };
        let rows = [
            row(CoveredTable::Lists, "ann", 1),
            row(CoveredTable::Lists, "ann", 2),
            row(CoveredTable::Gone, "ann", 1),
            row(CoveredTable::Lists, "anna", 1),
            CoveredRow::receipt(b"ann", 1, account),
            CoveredRow::receipt(b"ann", 1, Account { time: 2, ..account }),
            CoveredRow::receipt(b"ann", 1, Account { bytes: 3, ..account }),
            CoveredRow::receipt(b"ann", 1, Account { holder: b"bob", ..account }),
        ];
        let sum = |rows: &mut dyn Iterator<Item = &CoveredRow<'_>>| {
            let mut sum = TableSum::default();
            rows.for_each(|row| sum.add(row));
            sum
        };
        assert_eq!(sum(&mut rows.iter()), sum(&mut rows.iter().rev()));
        for left_out in 0..rows.len() {
            let mut twice = rows;
            twice[left_out] = rows[(left_out + 1) % rows.len()];
            assert_ne!(sum(&mut rows.iter()), sum(&mut twice.iter()), "{left_out}");
        }
        let mut emptied = sum(&mut rows.iter());
        rows.iter().for_each(|row| emptied.remove(row));
        assert_eq!(emptied, TableSum::default());
    }
}
