//! Form of the rollout states that earlier versions kept in files: JSON whose first member is the SHA-256 of all bytes that
//! follow that member. Files of still earlier versions have no such member, and begin with `live`.

use sha2::{Digest as _, Sha256};

use super::state::RolloutState;
use crate::list::digest::parse_digest;

/// The start of a sealed file. The digits of the digest follow.
const BEFORE_DIGEST: &str = "{\n  \"sha256\": \"";

/// What follows the digits of the digest.
const AFTER_DIGEST: &str = "\",\n";

/// Why the bytes of a file are not a rollout state.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum DecodeError {
    /// The seal and the rest do not match.
    #[error("it is damaged: its SHA-256 is not the one that it was sealed with")]
    Damaged,
    /// The file is not JSON, or lacks a member.
    #[error("it is damaged, or another program wrote it: {0}")]
    Malformed(String),
}

/// Reads a state. A file with a seal must match it.
pub(super) fn decode(bytes: &[u8]) -> Result<RolloutState, DecodeError> {
    match bytes.strip_prefix(BEFORE_DIGEST.as_bytes()) {
        Some(sealed) => check_seal(sealed).ok_or(DecodeError::Damaged)?,
        // A damaged seal must not pass for a file of an earlier version.
        None if is_unsealed(bytes) => {}
        None => return Err(DecodeError::Malformed("it has neither a seal nor the form of earlier versions".into())),
    }
    serde_json::from_slice(bytes).map_err(|error| DecodeError::Malformed(error.to_string()))
}

/// Checks a file from the digits of its digest on.
fn check_seal(sealed: &[u8]) -> Option<()> {
    let (digits, rest) = sealed.split_at_checked(2 * Sha256::output_size())?;
    let rest = rest.strip_prefix(AFTER_DIGEST.as_bytes())?;
    let digest = parse_digest(std::str::from_utf8(digits).ok()?)?;
    (digest == *Sha256::digest(rest)).then_some(())
}

/// Whether the first member is that of a state without a seal.
fn is_unsealed(bytes: &[u8]) -> bool {
    let members = bytes.trim_ascii_start().strip_prefix(b"{");
    members.is_some_and(|members| members.trim_ascii_start().starts_with(br#""live""#))
}

/// Writes a state with its seal, as earlier versions did.
#[cfg(test)]
pub(super) fn encode(state: &RolloutState) -> serde_json::Result<Vec<u8>> {
    let json = serde_json::to_string_pretty(state)?;
    let rest = format!("{}\n", json.strip_prefix("{\n").expect("a state is an object with members"));
    Ok(format!("{BEFORE_DIGEST}{}{AFTER_DIGEST}{rest}", crate::list::digest::hex(&Sha256::digest(&rest))).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> RolloutState {
        RolloutState { live: Some([0xab; 32]), since: 7, ..RolloutState::default() }
    }

    #[test]
    fn a_state_is_read_as_it_was_written_and_the_file_is_json() {
        let bytes = encode(&state()).unwrap();
        assert_eq!(decode(&bytes), Ok(state()));
        let json: serde_json::Value = serde_json::from_slice(&bytes).expect("it is JSON");
        assert_eq!(json["live"], "ab".repeat(32));
    }

    #[test]
    fn every_changed_or_missing_byte_is_found() {
        let sound = encode(&state()).unwrap();
        for at in 0..sound.len() {
            for bit in 0..8 {
                let mut bytes = sound.clone();
                bytes[at] ^= 1 << bit;
                // The upper case of a digit of the digest is the same digest.
                let is_same = bytes.to_ascii_lowercase() == sound && parse_digest_at(&bytes) == parse_digest_at(&sound);
                assert!(decode(&bytes).is_err() || is_same, "bit {bit} of byte {at}");
            }
            assert!(decode(&sound[..at]).is_err(), "{at} bytes of it");
        }
    }

    fn parse_digest_at(bytes: &[u8]) -> Option<[u8; 32]> {
        let digits = &bytes[BEFORE_DIGEST.len()..][..64];
        parse_digest(std::str::from_utf8(digits).ok()?)
    }

    #[test]
    fn a_file_of_an_earlier_version_has_no_seal_and_is_read() {
        let digits = "ab".repeat(32);
        for name in ["good", "last_good"] {
            let json = format!(
                r#"{{ "live": null, "since": 7, "{name}": "{digits}", "candidate": null, "versions": [], "events": [] }}"#
            );
            let state = decode(json.as_bytes()).expect("it is read");
            assert_eq!((state.since, state.last_good), (7, Some([0xab; 32])));
        }
        let damaged = decode(br#"{ "live": null, "since": 7, "versions": [], "#);
        assert!(matches!(damaged, Err(DecodeError::Malformed(_))), "{damaged:?}");
    }
}
