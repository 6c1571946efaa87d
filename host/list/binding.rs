//! Which version of which logic keeps a list, and which one the list insists on.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::id::LogicId;
use super::name::LogicName;
use super::schema::Description;

/// The version that keeps a list: the last one that changed it, or that it was handed to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LogicBinding {
    /// Which one.
    pub id: Arc<LogicId>,
    /// The [fingerprint](Description::schema_fingerprint) of what it says that its lists hold. A version with another
    /// one has to take the list over before it decides about it.
    pub schema_fingerprint: u64,
}

impl LogicBinding {
    /// The keeper that a version is.
    pub fn new(id: LogicId, description: &Description) -> Arc<Self> {
        Arc::new(Self { id: Arc::new(id), schema_fingerprint: description.schema_fingerprint() })
    }

    /// The logic.
    pub fn logic(&self) -> &LogicName {
        &self.id.name
    }

    /// Whether another version of the same logic has to take a list over before it decides about it. To another
    /// logic a list is handed by a command, which says what becomes of it.
    pub fn needs_migration(&self, other: &Self) -> bool {
        self.logic() == other.logic() && !self.is_schema_compatible(other)
    }

    /// Whether what the one keeps means the same to the other: the same logic, and the same fields and
    /// settings.
    pub fn is_schema_compatible(&self, other: &Self) -> bool {
        self.schema_fingerprint == other.schema_fingerprint && self.logic() == other.logic()
    }
}
