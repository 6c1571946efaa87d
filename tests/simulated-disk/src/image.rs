//! What a power failure leaves of a directory, and the figures about a disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::file::WriteFates;

/// What the directory holds after a power failure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Image {
    /// The content of each file.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The number of operations before the power failure.
    pub operation: u64,
    /// The number that [`Disk::promise`](crate::Disk::promise) last set.
    pub promised: u64,
}

/// What a disk has seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Writes, changes of size, synchronizations, new and removed names.
    pub operations: u64,
    /// Synchronizations of files.
    pub syncs: u64,
    /// Synchronizations that failed.
    pub failed_syncs: u64,
    /// Writes that failed, because the disk was full or for no reason.
    pub failed_writes: u64,
    /// How the writes came out of the power failures.
    pub fates: WriteFates,
    /// Identifies the operations: two disks with the same value saw the same ones in the same order.
    pub trace: u64,
}

impl Image {
    /// Writes the files into a directory.
    ///
    /// # Panics
    ///
    /// When that fails.
    pub fn write_to(&self, dir: &Path) {
        for (name, bytes) in &self.files {
            fs::write(dir.join(name), bytes).expect("a file can be written");
        }
    }
}

impl Counts {
    /// Adds the figures of another disk, except its trace.
    pub fn add(&mut self, other: &Self) {
        self.operations += other.operations;
        self.syncs += other.syncs;
        self.failed_syncs += other.failed_syncs;
        self.failed_writes += other.failed_writes;
        self.fates.lost += other.fates.lost;
        self.fates.torn += other.fates.torn;
        self.fates.reordered += other.fates.reordered;
    }
}
