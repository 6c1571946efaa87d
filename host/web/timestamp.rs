//! Points in time as clients see them.

use serde::{Serialize, Serializer};

/// Milliseconds since the epoch, written as RFC 3339.
pub(super) struct Timestamp(pub(super) u64);

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let timestamp = i64::try_from(self.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        serializer.collect_str(&timestamp.unwrap_or(jiff::Timestamp::MAX))
    }
}
