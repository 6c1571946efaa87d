//! The digest of a set of files.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// The content of files, by their paths in a project.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// The SHA-256 of paths and contents. It does not depend on where the project is.
pub(super) fn digest(files: &Files) -> [u8; 32] {
    let mut digest = Sha256::new();
    for (name, content) in files {
        // With the lengths, two different sets of files never have the same input.
        for part in [name.as_bytes(), content] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
    }
    digest.finalize().into()
}
