//! Versions of rules for tests: components that differ in what matters to the test, and in nothing else.

use serde_json::Value;

use super::component;

/// A component that decides as another one does, and is not the same bytes: with a custom section at its
/// end, which nobody reads.
pub fn marked(name: &str, mark: u8) -> Vec<u8> {
    let mut bytes = component(name);
    // A section of kind 0 and of six bytes: the length of its name, the name, and the mark.
    bytes.extend([0, 6, 4, b'm', b'a', b'r', b'k', mark]);
    bytes
}

/// The digest of an uploaded component, as the server writes it.
pub fn digest(uploaded: &Value) -> String {
    uploaded["digest"].as_str().expect("a digest").to_owned()
}

/// What is known of a version, by its digest.
pub fn version<'a>(logic: &'a Value, digest: &str) -> &'a Value {
    let versions = logic["versions"].as_array().expect("versions");
    versions.iter().find(|version| version["digest"] == digest).unwrap_or_else(|| panic!("{digest} is not in {logic}"))
}
