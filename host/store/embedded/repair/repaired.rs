//! The report of a repair.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// What a repair did.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Repaired {
    /// The lists whose damaged rows were written anew, because sound rows prove their last states, and why. What is lost of
    /// them is in the fields below.
    pub restored_lists: Vec<(String, String)>,
    /// The lists that were removed, and why. Their names are absent, and their rows are in `quarantine`.
    pub removed_lists: Vec<(String, String)>,
    /// The lists that lost their history or the older part of it, and why. They are otherwise as they were.
    pub lost_histories: Vec<(String, String)>,
    /// The lists that lost receipts, so that a repeated request to them may be carried out again.
    pub lost_receipts: BTreeSet<String>,
    /// The timers that were missing, and those that no list waits for.
    pub timers: (usize, usize),
    /// What else was lost, as far as it is known.
    pub losses: Vec<String>,
    /// The files that were kept under another name.
    pub kept_files: Vec<PathBuf>,
}
