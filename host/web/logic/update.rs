//! Body of a change to a logic's rollout.

use std::sync::Arc;

use serde::Deserialize;
use serde_with::rust::double_option;
use utoipa::ToSchema;

use super::super::members::{Parsed, Percent, Span, not_null};
use super::super::problem::Problem;
use super::super::schemas;
use super::words::{OnFaultBody, ThenBody};
use crate::rollout::{CanaryTime, OnFault, RolloutUpdate, Then, VersionSelector};

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
    /// The canary: the share of lists for which the candidate decides, 0 to 100 per cent.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = u8, required = false, minimum = 0, maximum = 100)]
    percent: Option<Percent>,
    /// Whether the candidate also decides every command in the shadow of the live version.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = bool, required = false)]
    shadow: Option<bool>,
    /// How long the canary lasts, such as `5m` or `24h`, from 1 second to 30 days. Then `then` happens. The first failure of
    /// the candidate, or another live version, stops the canary before. `null` leaves its end to an operator.
    #[serde(default, deserialize_with = "double_option::deserialize")]
    #[schema(value_type = Option<String>, pattern = "^[0-9].*$", max_length = 40)]
    until: Option<Option<Parsed<Span>>>,
    /// What happens at the end of the canary. Only with `until`.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = ThenBody, required = false)]
    then: Option<Parsed<Then>>,
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
    pub(super) fn into_update(self, client: Arc<str>) -> Result<RolloutUpdate, Problem> {
        let Self { live, candidate, percent, shadow, until, then, on_fault, share, force } = self;
        let end = match (until, then) {
            (None, None) => None,
            (Some(None), None) => Some(None),
            (Some(Some(Parsed(Span(time)))), Some(Parsed(then))) => Some(Some(CanaryTime { time, then })),
            (Some(Some(_)), None) => {
                return Err(Problem::invalid("then", "say what happens at the end of the canary: live or withdraw"));
            }
            (None | Some(None), Some(_)) => {
                return Err(Problem::invalid("until", "say how long the canary lasts, such as 5m"));
            }
        };
        Ok(RolloutUpdate {
            live: live.map(|selector| selector.0),
            candidate: candidate.map(|selector| selector.map(|selector| selector.0)),
            percent: percent.map(|percent| percent.0),
            shadow,
            end,
            on_fault: on_fault.map(|on_fault| on_fault.0),
            share,
            force,
            client: Some(client),
        })
    }
}
