//! The logics that are part of the program.

use std::collections::BTreeSet;

use crate::list::digest::{Digest, digest_of};

/// Returns the digests of the components.
pub fn digests() -> BTreeSet<Digest> {
    BUILTIN.iter().map(|(_, component)| digest_of(component)).collect()
}

/// Name and component of each. Written by `hotlist plugin build`, and by nothing else.
pub const BUILTIN: [(&str, &[u8]); 5] = [
    ("todo", include_bytes!("../../plugins/built/todo.wasm")),
    ("strict", include_bytes!("../../plugins/built/strict.wasm")),
    ("kanban", include_bytes!("../../plugins/built/kanban.wasm")),
    ("chores", include_bytes!("../../plugins/built/chores.wasm")),
    ("blocked-by", include_bytes!("../../plugins/built/blocked-by.wasm")),
];
