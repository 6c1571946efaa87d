//! Body of a change to a logic's rollout.

use std::sync::Arc;

use serde::Deserialize;
use serde_with::rust::double_option;
use utoipa::ToSchema;

use super::super::members::{Parsed, Percent, not_null};
use super::super::schemas;
use super::words::OnFaultBody;
use crate::rollout::{OnFault, RolloutUpdate, VersionSelector};

/// Body of `PATCH /logic/{name}`. What is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LogicPatch)]
pub(in crate::web) struct LogicPatch {
    /// The version to make live: by its number (`1.2.0`; of `1.2` the newest), by the first digits of its digest
    /// (`sha256:2e1f` or `2e1f`), or by its role (`last-good` or `candidate`). A number or digits that several versions have
    /// are refused.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = schemas::VersionSelector, required = false)]
    live: Option<Parsed<VersionSelector>>,
    /// The version to make the candidate, written likewise. `null` withdraws the candidate.
    #[serde(default, deserialize_with = "double_option::deserialize")]
    #[schema(value_type = Option<schemas::VersionSelector>)]
    candidate: Option<Option<Parsed<VersionSelector>>>,
    /// The share of lists for which the candidate decides, 0 to 100 per cent.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = u8, required = false, minimum = 0, maximum = 100)]
    percent: Option<Percent>,
    /// Whether the candidate also decides every command in the shadow of the live version.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = bool, required = false)]
    shadow: Option<bool>,
    /// What happens to a command at which the live version fails.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = OnFaultBody, required = false)]
    on_fault: Option<Parsed<OnFault>>,
    /// Whether lists share instances of the version that is live after the change. Other bytes are isolated again. A shared
    /// instance that keeps state can tell one list what another one holds, so name the version in `live` together with it.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = bool, required = false)]
    share: Option<bool>,
    /// Whether to accept a quarantined version, and one to which lists cannot migrate. The version's record keeps why it was
    /// quarantined (`released`). False if absent.
    #[serde(default)]
    #[schema(value_type = bool, required = false)]
    force: bool,
}

impl LogicPatch {
    /// The update that a client requests.
    pub(super) fn into_update(self, client: Arc<str>) -> RolloutUpdate {
        let Self { live, candidate, percent, shadow, on_fault, share, force } = self;
        RolloutUpdate {
            live: live.map(|selector| selector.0),
            candidate: candidate.map(|selector| selector.map(|selector| selector.0)),
            percent: percent.map(|percent| percent.0),
            shadow,
            on_fault: on_fault.map(|on_fault| on_fault.0),
            share,
            force,
            client: Some(client),
        }
    }
}
