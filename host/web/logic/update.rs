//! The body that says which versions of a logic are to decide.

use utoipa::ToSchema;

use super::super::input::{boolean, mistyped, number, text};
use super::super::json::{Json, Members};
use super::super::problem::Problem;
use crate::list::selector::Pin;
use crate::plugins::RolloutUpdate;

/// What `PATCH /logic/{name}` takes. What is absent stays as it is.
#[derive(ToSchema)]
#[schema(as = LogicPatch)]
pub(in crate::web) struct LogicPatch {
    /// The version that is to be live, by its number (`1.2.0`; of `1.2` the newest) or digest (`sha256:` and 64
    /// hexadecimal digits).
    #[schema(value_type = String, required = false)]
    live: Option<Pin>,
    /// The version that is to be on trial, written likewise; `null` ends the trial.
    #[schema(value_type = Option<String>)]
    candidate: Option<Option<Pin>>,
    /// For how many lists of a hundred the candidate decides, 0 to 100.
    #[schema(value_type = u8, required = false, minimum = 0, maximum = 100)]
    percent: Option<u8>,
    /// Whether the candidate decides every command in the shadow of the live version, too.
    #[schema(value_type = bool, required = false)]
    shadow: Option<bool>,
    /// Whether to take versions that were quarantined; not, if absent.
    #[schema(value_type = bool, required = false)]
    force: bool,
}

impl LogicPatch {
    /// Reads the body.
    pub(super) fn read(body: &[u8]) -> Result<Self, Problem> {
        let mut members = Members::parse(body)?;
        let pin = |name: &'static str, text: String| text.parse::<Pin>().map_err(|e| Problem::invalid(name, e));
        let read = Self {
            live: text(&mut members, "live")?.map(|text| pin("live", text)).transpose()?,
            candidate: match members.take("candidate") {
                None => None,
                Some(Json::Null) => Some(None),
                Some(Json::Text(text)) => Some(Some(pin("candidate", text)?)),
                Some(other) => return Err(mistyped("candidate", &other, "a text or null")),
            },
            percent: match number(&mut members, "percent")? {
                None => None,
                Some(given) => Some(
                    given
                        .and_then(percent)
                        .ok_or_else(|| Problem::invalid("percent", "it is not a whole number from 0 to 100"))?,
                ),
            },
            shadow: boolean(&mut members, "shadow")?,
            force: boolean(&mut members, "force")?.unwrap_or(false),
        };
        members.done(&["live", "candidate", "percent", "shadow", "force"])?;
        Ok(read)
    }

    pub(super) fn update(self) -> RolloutUpdate {
        let Self { live, candidate, percent, shadow, force } = self;
        RolloutUpdate { live, candidate, percent, shadow, force }
    }
}

fn percent(number: f64) -> Option<u8> {
    (0..=100).find(|whole| f64::from(*whole) == number)
}
