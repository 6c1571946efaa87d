//! The digests of components, and their hexadecimal form.

use sha2::{Digest as _, Sha256};

/// The SHA-256 of a component's bytes.
pub type Digest = [u8; 32];

/// Returns the digest of a component's bytes, which identifies the version.
pub fn digest_of(component: &[u8]) -> Digest {
    Sha256::digest(component).into()
}

/// Returns bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the digest that 64 hexadecimal digits stand for.
pub fn parse_digest(digits: &str) -> Option<Digest> {
    let mut bytes = Digest::default();
    if digits.len() != 2 * bytes.len() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let digest: Digest = std::array::from_fn(|at| u8::try_from(at * 8).unwrap());
        assert_eq!(parse_digest(&hex(&digest)), Some(digest));
        assert_eq!(parse_digest(&hex(&digest).to_uppercase()), Some(digest));
        for bad in ["ab".repeat(31), "ab".repeat(33), "g0".repeat(32), "+a".repeat(32), "é".repeat(32)] {
            assert_eq!(parse_digest(&bad), None, "{bad}");
        }
    }
}
