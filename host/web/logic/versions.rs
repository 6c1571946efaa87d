//! Versions of a logic by their digests, and what they say of themselves.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::super::problem::{Problem, ProblemKind};
use super::super::schemas::{ComponentDigest, VersionNumber};
use super::super::state::Web;
use super::description::DescriptionBody;
use crate::actor::CallError;
use crate::list::digest::{Digest, hex};
use crate::list::name::LogicName;
use crate::rollout::Version;

/// How many times a version is loaded that is unloaded again before it is used.
const MAX_LOADS: usize = 3;

/// A version and the description that it gives of itself.
#[derive(Serialize, ToSchema)]
#[schema(as = VersionDescription)]
pub(in crate::web) struct VersionDescriptionBody<'a> {
    /// The logic's name.
    #[schema(value_type = LogicName)]
    name: &'a str,
    /// The title that the version gives itself.
    title: &'a str,
    /// The version number that the component gives itself.
    #[schema(value_type = VersionNumber)]
    version: String,
    /// The SHA-256 of the component.
    #[schema(value_type = ComponentDigest)]
    digest: String,
    /// The description.
    #[serde(flatten)]
    description: DescriptionBody<'a>,
}

impl<'a> VersionDescriptionBody<'a> {
    pub(super) fn new(version: &'a Version) -> Self {
        let (id, description) = (version.id(), version.logic.description());
        Self {
            name: id.name.as_str(),
            title: &description.title,
            version: id.version.to_string(),
            digest: id.digest_text(),
            description: DescriptionBody::new(description),
        }
    }
}

/// A version, which is loaded first where it is not in memory.
pub(super) async fn loaded_version(web: &Web, name: &LogicName, digest: Digest) -> Result<Arc<Version>, Problem> {
    let registry = &web.services.registry;
    let absent = |what: String| Problem::new(ProblemKind::NoLogic, what);
    for _ in 0..MAX_LOADS {
        let rollout = registry.rollout(name).ok_or_else(|| absent(format!("there is no logic {name}")))?;
        if let Some(version) = rollout.loaded().find(|version| *version.digest() == digest) {
            version.touch(web.services.clock.uptime());
            return Ok(version.clone());
        }
        if rollout.state.record(&digest).is_none() {
            return Err(absent(format!("there is no version sha256:{} of {name}", hex(&digest))));
        }
        registry.fetch(name, digest).await.map_err(|why| CallError::NotLoaded { logic: name.clone(), why })?;
    }
    let why = "it was loaded and is gone again; try again in a moment".to_owned();
    Err(CallError::NotLoaded { logic: name.clone(), why }.into())
}
