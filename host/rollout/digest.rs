//! The form of a digest in JSON.

use crate::list::digest::{hex, parse_digest};

pub use crate::list::digest::Digest;

/// Serializes a digest as 64 hexadecimal digits, the form that file names have.
pub(super) mod digits {
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    use super::{Digest, hex, parse_digest};

    pub(crate) fn serialize<S: Serializer>(bytes: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_digest(&text)
            .ok_or_else(|| D::Error::custom(format!("{text:?} is not a digest of 64 hexadecimal digits")))
    }
}

/// Serializes an optional digest.
pub(super) mod optional_digits {
    use serde::de::{Deserialize, Deserializer};
    use serde::ser::{Serialize, Serializer};

    use super::{Digest, digits};

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Digits(#[serde(with = "digits")] Digest);

    pub(crate) fn serialize<S: Serializer>(bytes: &Option<Digest>, serializer: S) -> Result<S::Ok, S::Error> {
        bytes.map(Digits).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Digest>, D::Error> {
        Ok(Option::<Digits>::deserialize(deserializer)?.map(|digits| digits.0))
    }
}
