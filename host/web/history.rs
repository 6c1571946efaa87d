//! Who changed what, when, and under which version of which logic.

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::openapi::ReadProblems;
use super::paths::{ListPath, Origin, segment};
use super::query::HistoryQuery;
use super::representations::{EntryShape, Fields, Shown, json, link_next};
use super::{Answer, Shared};
use crate::list::change::Change;
use crate::list::command::Command;
use crate::list::entry::EntryId;
use crate::list::revision::Revision;
use crate::list::value::Field;
use crate::store::MAX_PAGE;

/// A revision of a list.
#[derive(Serialize, ToSchema)]
#[schema(as = Revision)]
pub(super) struct RevisionShape<'a> {
    /// Its number.
    revision: u64,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    time: Moment,
    /// Who asked for it.
    caller: &'a str,
    /// Who decided it: name, version and digest.
    #[schema(value_type = String)]
    logic: Shown<&'a crate::list::revision::LogicId>,
    /// The command that was carried out: `add-entry`, `update-entry`, `delete-entry`, `delete-entries`, `configure`,
    /// `delete-list`, `wake`, `migrate`, `undo`, or one of the logic's own.
    command: &'a str,
    /// The revision that it took back, if it is an `undo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, required = false)]
    undone: Option<u64>,
    /// What it did, in order.
    changes: Vec<ChangeShape<'a>>,
}

/// One step of what a command did.
#[derive(Serialize, ToSchema)]
#[schema(as = Change)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(super) enum ChangeShape<'a> {
    /// The entry was added, came back, or replaced the one of its id.
    Put {
        /// The entry.
        entry: EntryShape<'a>,
    },
    /// The entry was removed.
    Remove {
        /// Which one.
        #[schema(value_type = u64)]
        id: EntryId,
    },
    /// Settings got these values.
    Set {
        /// The settings.
        #[schema(value_type = Object)]
        settings: Fields<'a>,
    },
    /// A setting has no value any more.
    Unset {
        /// The setting.
        setting: &'a str,
    },
    /// The list came into being, or another logic, or another version of its logic, keeps it.
    BindLogic {
        /// The logic.
        logic: &'a str,
        /// The version: name, number and digest.
        #[schema(value_type = String)]
        version: Shown<&'a crate::list::revision::LogicId>,
    },
    /// The list insists on a version from now on, or on none.
    Pin {
        /// The version's number or digest; null for none.
        #[schema(value_type = Option<String>)]
        pin: Option<Shown<&'a crate::list::binding::Pin>>,
    },
    /// The list was deleted.
    DeleteList,
}

/// Milliseconds since the epoch, written as RFC 3339 has it.
pub(super) struct Moment(pub(super) u64);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let moment = i64::try_from(self.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        serializer.collect_str(&moment.unwrap_or(jiff::Timestamp::MAX))
    }
}

impl<'a> RevisionShape<'a> {
    /// A revision of a list whose entries' URLs begin with the prefix.
    pub(super) fn new(revision: &'a Revision, prefix: &'a str) -> Self {
        Self {
            revision: revision.number,
            time: Moment(revision.context.now),
            caller: &revision.context.caller,
            logic: Shown(&revision.logic),
            command: revision.command.name(),
            undone: match revision.command {
                Command::Undo { revision, .. } => Some(revision),
                _ => None,
            },
            changes: revision.changes.iter().map(|change| ChangeShape::new(change, prefix)).collect(),
        }
    }
}

impl<'a> ChangeShape<'a> {
    fn new(change: &'a Change, prefix: &'a str) -> Self {
        match change {
            Change::Put(entry) | Change::Restore(entry) => Self::Put { entry: EntryShape::new(entry, prefix) },
            Change::Remove(id) => Self::Remove { id: *id },
            Change::Unset(name) => Self::Unset { setting: name },
            Change::Set(field) => Self::Set { settings: Fields(std::slice::from_ref::<Field>(field)) },
            Change::BindLogic(binding) => {
                Self::BindLogic { logic: binding.logic().as_str(), version: Shown(&binding.id) }
            }
            Change::Pin(pin) => Self::Pin { pin: pin.as_ref().map(Shown) },
            Change::DeleteList => Self::DeleteList,
        }
    }
}

/// The revisions of a list that are kept, the oldest first.
#[utoipa::path(get, path = "/lists/{list}/history", tag = "history", operation_id = "getHistory",
    params(("list" = String, Path, description = "The list's name"), HistoryQuery), responses(
    (status = 200, description = "The revisions", body = [RevisionShape],
        headers(("Link" = String, description = "The next page, `rel=\"next\"`, if there is one"))),
    ReadProblems))]
pub(super) async fn read(State(web): Shared, ListPath(name): ListPath, origin: Origin, query: HistoryQuery) -> Answer {
    let HistoryQuery { after, limit } = query;
    web.existing(&name).await?;
    let mut revisions = web.cache().history(&name, after, (limit + 1).min(MAX_PAGE)).await?;
    let more = revisions.len() > limit || (limit == MAX_PAGE && revisions.len() == limit);
    revisions.truncate(limit);
    let prefix = origin.entries(&name);
    let shapes: Vec<_> = revisions.iter().map(|revision| RevisionShape::new(revision, &prefix)).collect();
    let mut response = json(StatusCode::OK, &shapes)?;
    if let (true, Some(last)) = (more, revisions.last()) {
        let target = format!("/lists/{}/history?after={}&limit={limit}", segment(name.as_str()), last.number);
        link_next(response.headers_mut(), &target);
    }
    Ok(response)
}
