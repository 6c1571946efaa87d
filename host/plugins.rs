//! From a file or an upload to a checked, published version.

use std::sync::Arc;

use crate::list::name::LogicName;
use crate::list::revision::LogicId;

/// Takes components in.
pub struct Plugins {}

/// Why a component was not taken.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum PluginError {
    /// The component is not what it has to be; the text says how, and names the import or version.
    #[error("{0}")]
    Invalid(String),
    /// The logic is kept in a watched directory, where an upload would not last.
    #[error("logic {name} comes from the file {file}; save the new component there")]
    FromFile {
        /// The logic.
        name: LogicName,
        /// The file.
        file: String,
    },
    /// There are as many logics as there may be.
    #[error("the server has {limit} logics, which is its limit")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// The component could not be kept.
    #[error("the component could not be stored: {0}")]
    Failed(String),
}

impl Plugins {
    /// Checks a component, keeps it durably, and publishes it. Answers its identity.
    pub async fn upload(&self, _name: LogicName, _bytes: bytes::Bytes) -> Result<Arc<LogicId>, PluginError> {
        Err(PluginError::Failed("placeholder".into()))
    }
}
