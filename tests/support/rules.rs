//! Versions of a component that differ only in what a test needs.

use serde_json::Value;

use super::component;

/// A component with the same decisions and another digest. It has a custom section at its end, which the host ignores.
pub fn marked(name: &str, mark: u8) -> Vec<u8> {
    let mut bytes = component(name);
    // A section of kind 0 and six bytes: the length of its name, the name, and the mark.
    bytes.extend([0, 6, 4, b'm', b'a', b'r', b'k', mark]);
    bytes
}

/// A component of version 1.0.0 with another number of the same length.
pub fn renumbered(name: &str, number: &str) -> Vec<u8> {
    const NUMBER: &[u8] = b"1.0.0";
    assert_eq!(number.len(), NUMBER.len());
    let mut bytes = component(name);
    let found: Vec<_> = bytes.windows(NUMBER.len()).enumerate().filter(|(_, part)| *part == NUMBER).collect();
    let places: Vec<_> = found.into_iter().map(|(at, _)| at).collect();
    assert!(!places.is_empty(), "{name} has no such number");
    places.into_iter().for_each(|at| bytes[at..at + number.len()].copy_from_slice(number.as_bytes()));
    bytes
}

/// The digest in the reply to an upload.
pub fn digest(uploaded: &Value) -> String {
    uploaded["digest"].as_str().expect("a digest").to_owned()
}

/// The record of a version, by its digest.
pub fn version<'a>(logic: &'a Value, digest: &str) -> &'a Value {
    let versions = logic["versions"].as_array().expect("versions");
    versions.iter().find(|version| version["digest"] == digest).unwrap_or_else(|| panic!("{digest} is not in {logic}"))
}
