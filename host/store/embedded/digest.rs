//! The digest: a count and a sum for each table, from which the store knows that a row is missing or older than it
//! should be.
//!
//! The checksum of a row says that the row is sound. It does not say that the row should be there: a page of an earlier
//! moment holds sound rows. So a row of its own holds, for each table, the number of rows and the sum of a hash of each
//! row's identity. The transaction that changes a row changes the sum too, so both are of the same moment.
//!
//! A sum can be adjusted row by row in any order. The hash is SHA-256 cut to 128 bits, so that no damage is likely to
//! leave the sum as it was. A sum of checksums would not do, because the differences of two pairs of them can be equal,
//! and XOR would not notice a row that is there twice.

mod changes;
mod covered;
mod position;
pub(super) mod recount;

use rusqlite::{Connection, OptionalExtension};

use super::record::{self, RowKind};
pub(super) use changes::{Difference, RowChanges};
pub(super) use covered::{Account, CoveredRow, CoveredTable, TableSum, TableSums};
pub(super) use position::{ListPart, Position};

/// The digest of a database.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct SetDigest {
    pub(super) sums: TableSums,
    /// The last commit that was truncated from the log, which is the only row of `cut`.
    pub(super) truncated_to: u64,
}

/// Reads the digest. The inner error is the damage of its row.
pub(super) fn read(db: &Connection) -> rusqlite::Result<Result<SetDigest, String>> {
    let row = db.query_row("SELECT record FROM digest WHERE id = 1", [], |row| row.get::<_, Vec<u8>>(0)).optional()?;
    Ok(row.map_or_else(|| Err("its row is missing".into()), |bytes| decode(&bytes)))
}

/// Writes the digest.
fn write(db: &Connection, digest: &SetDigest) -> rusqlite::Result<()> {
    let mut write = db.prepare_cached("INSERT OR REPLACE INTO digest (id, record) VALUES (1, ?1)")?;
    write.execute([encode(digest)]).map(drop)
}

fn encode(SetDigest { sums, truncated_to }: &SetDigest) -> Vec<u8> {
    record::sealed_unnamed(RowKind::Digest, *truncated_to, &record::append(Vec::new(), &(truncated_to, sums)))
}

fn decode(bytes: &[u8]) -> Result<SetDigest, String> {
    // The number is part of the checksum and comes first in the content.
    let content = bytes.get(record::PREFIX_BYTES..).ok_or("its row is cut off")?;
    let (number, _): (u64, _) = record::decode_first(content)?;
    let content = record::unsealed_unnamed(RowKind::Digest, number, bytes)?;
    let (truncated_to, sums) = record::decode_whole(content)?;
    Ok(SetDigest { sums, truncated_to })
}

/// The digest of an open store, which follows what the store writes.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a store has one of it")]
pub(super) enum OpenDigest {
    /// The row is that of the rows which it covers.
    Known(SetDigest),
    /// The row cannot be read or written. It is left as it is, and nothing is compared with it.
    Lost {
        /// Whether the database says so. Otherwise a row that can be read again would be taken for that of later rows.
        is_stored: bool,
    },
}

impl OpenDigest {
    pub(super) fn known(&self) -> Option<&SetDigest> {
        match self {
            Self::Known(digest) => Some(digest),
            Self::Lost { .. } => None,
        }
    }

    /// Forgets the digest, because its row cannot be written. A second call means that this cannot be stored either.
    pub(super) fn lose(&mut self) {
        *self = Self::Lost { is_stored: self.known().is_none() };
    }

    /// Writes the digest if the transaction changed covered rows. The caller commits the transaction, and then calls
    /// [`OpenDigest::apply`].
    pub(super) fn write(&self, db: &Connection, difference: &Difference) -> rusqlite::Result<()> {
        match self {
            Self::Known(before) if *before != before.after(difference) => write(db, &before.after(difference)),
            _ => Ok(()),
        }
    }

    /// Records the changes of a transaction that is durable.
    pub(super) fn apply(&mut self, difference: &Difference) {
        match self {
            Self::Known(digest) => *digest = digest.after(difference),
            Self::Lost { is_stored } => *is_stored |= !difference.is_empty(),
        }
    }
}

impl SetDigest {
    fn after(&self, difference: &Difference) -> Self {
        let truncated_to = difference.truncated_to.unwrap_or(self.truncated_to);
        Self { sums: self.sums.plus(&difference.sums), truncated_to }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_it_was_written_and_not_after_any_flipped_bit() {
        let mut digest = SetDigest { truncated_to: 300, ..SetDigest::default() };
        digest.sums.of_mut(CoveredTable::Timers).add(&CoveredRow::new(CoveredTable::Timers, b"ann", 7));
        let bytes = encode(&digest);
        assert_eq!(decode(&bytes), Ok(digest));
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert!(decode(&flipped).is_err(), "byte {at} bit {bit}");
            }
            assert!(decode(&bytes[..at]).is_err(), "cut at {at}");
        }
    }
}
