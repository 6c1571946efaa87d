//! The binding of a list to one version of a logic.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::id::LogicId;
use super::name::LogicName;
use super::schema::Description;

/// The version that a list is bound to: the last one that changed it, or the one that a command chose for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LogicBinding {
    /// The version's id.
    pub id: Arc<LogicId>,
    /// The [fingerprint](Description::schema_fingerprint) of the fields and settings that the version declares. A
    /// version with another fingerprint has to migrate the list before it decides about it.
    pub schema_fingerprint: u64,
}

impl LogicBinding {
    /// Returns the binding that a version with this description gives to its lists.
    pub fn new(id: LogicId, description: &Description) -> Arc<Self> {
        Arc::new(Self { id: Arc::new(id), schema_fingerprint: description.schema_fingerprint() })
    }

    /// Returns the logic's name.
    pub fn logic(&self) -> &LogicName {
        &self.id.name
    }

    /// Returns whether another version of the same logic has to migrate a list with this binding before it decides
    /// about it. Another logic gets a list by a command only, which migrates it.
    pub fn needs_migration(&self, other: &Self) -> bool {
        self.logic() == other.logic() && !self.is_schema_compatible(other)
    }

    /// Returns whether both versions read a list in the same way: they are of the same logic, and they declare the
    /// same fields and settings.
    pub fn is_schema_compatible(&self, other: &Self) -> bool {
        self.schema_fingerprint == other.schema_fingerprint && self.logic() == other.logic()
    }
}
