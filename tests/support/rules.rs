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

/// The digest in the reply to an upload.
pub fn digest(uploaded: &Value) -> String {
    uploaded["digest"].as_str().expect("a digest").to_owned()
}

/// The record of a version, by its digest.
pub fn version<'a>(logic: &'a Value, digest: &str) -> &'a Value {
    let versions = logic["versions"].as_array().expect("versions");
    versions.iter().find(|version| version["digest"] == digest).unwrap_or_else(|| panic!("{digest} is not in {logic}"))
}
