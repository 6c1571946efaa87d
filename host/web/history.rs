//! History of a list: its revisions, with their callers and the versions that decided them.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::headers::link_next;
use super::openapi::ReadProblems;
use super::paths::{ListPath, Origin, segment};
use super::problem::HandlerResult;
use super::query::HistoryQuery;
use super::representations::{DisplayAsString, EntryBody, Fields, json_response};
use super::state::Shared;
use super::timestamp::Timestamp;
use crate::list::change::Change;
use crate::list::command::Command;
use crate::list::id::{EntryId, LogicId};
use crate::list::revision::Revision;
use crate::list::selector::Pin;
use crate::list::value::Field;
use crate::store::MAX_PAGE;

/// A revision of a list.
#[derive(Serialize, ToSchema)]
#[schema(as = Revision)]
pub(super) struct RevisionBody<'a> {
    /// Its number.
    revision: u64,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// The caller who requested it.
    caller: &'a str,
    /// The version that decided: name, number and digest.
    #[schema(value_type = String)]
    logic: DisplayAsString<&'a LogicId>,
    /// The command that was carried out: `add-entry`, `update-entry`, `delete-entry`, `delete-entries`, `configure`,
    /// `delete-list`, `wake`, `migrate`, `undo`, or one of the logic's own.
    command: &'a str,
    /// The revision that was undone, if this is an `undo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, required = false)]
    undone: Option<u64>,
    /// The changes, in order.
    changes: Vec<ChangeBody<'a>>,
}

/// One change of a revision.
#[derive(Serialize, ToSchema)]
#[schema(as = Change)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(super) enum ChangeBody<'a> {
    /// An entry was added, restored, or replaced the one with its id.
    Put {
        /// The entry.
        entry: EntryBody<'a>,
    },
    /// An entry was removed.
    Remove {
        /// The entry's id.
        #[schema(value_type = u64)]
        id: EntryId,
    },
    /// Settings were set to these values.
    Set {
        /// The settings.
        #[schema(value_type = Object)]
        settings: Fields<'a>,
    },
    /// A setting lost its value.
    Unset {
        /// The setting.
        setting: &'a str,
    },
    /// The list was created, or bound to another logic or version.
    BindLogic {
        /// The logic.
        logic: &'a str,
        /// The version: name, number and digest.
        #[schema(value_type = String)]
        version: DisplayAsString<&'a LogicId>,
    },
    /// The list was pinned to a version, or to none.
    Pin {
        /// The version's number or digest; null for none.
        #[schema(value_type = Option<String>)]
        pin: Option<DisplayAsString<&'a Pin>>,
    },
    /// The list was deleted.
    DeleteList,
}

impl<'a> RevisionBody<'a> {
    /// `prefix` is what the URLs of the list's entries begin with.
    pub(super) fn new(revision: &'a Revision, prefix: &'a str) -> Self {
        Self {
            revision: revision.number,
            time: Timestamp(revision.context.now),
            caller: &revision.context.caller,
            logic: DisplayAsString(&revision.logic),
            command: revision.command.name(),
            undone: match revision.command {
                Command::Undo { revision, .. } => Some(revision),
                _ => None,
            },
            changes: revision.changes.iter().map(|change| ChangeBody::new(change, prefix)).collect(),
        }
    }
}

impl<'a> ChangeBody<'a> {
    fn new(change: &'a Change, prefix: &'a str) -> Self {
        match change {
            Change::Put(entry) | Change::Restore(entry) => Self::Put { entry: EntryBody::new(entry, prefix) },
            Change::Remove(id) => Self::Remove { id: *id },
            Change::Unset(name) => Self::Unset { setting: name },
            Change::Set(field) => Self::Set { settings: Fields(std::slice::from_ref::<Field>(field)) },
            Change::BindLogic(binding) => {
                Self::BindLogic { logic: binding.logic().as_str(), version: DisplayAsString(&binding.id) }
            }
            Change::Pin(pin) => Self::Pin { pin: pin.as_ref().map(DisplayAsString) },
            Change::DeleteList => Self::DeleteList,
        }
    }
}

/// Lists the retained revisions of a list, the oldest first.
#[utoipa::path(get, path = "/lists/{list}/history", tag = "history", operation_id = "getHistory",
    params(("list" = String, Path, description = "The list's name"), HistoryQuery), responses(
    (status = 200, description = "The revisions", body = [RevisionBody],
        headers(("Link" = String, description = "The next page, `rel=\"next\"`, if there is one"))),
    ReadProblems))]
pub(super) async fn read(
    State(web): Shared,
    ListPath(name): ListPath,
    origin: Origin,
    query: HistoryQuery,
) -> HandlerResult {
    let HistoryQuery { after, limit } = query;
    web.existing(&name).await?;
    let mut revisions = web.cache().history(&name, after, (limit + 1).min(MAX_PAGE)).await?;
    let more = revisions.len() > limit || (limit == MAX_PAGE && revisions.len() == limit);
    revisions.truncate(limit);
    let prefix = origin.entries(&name);
    let bodies: Vec<_> = revisions.iter().map(|revision| RevisionBody::new(revision, &prefix)).collect();
    let mut response = json_response(StatusCode::OK, &bodies)?;
    if let (true, Some(last)) = (more, revisions.last()) {
        let target = format!("/lists/{}/history?after={}&limit={limit}", segment(name.as_str()), last.number);
        link_next(response.headers_mut(), &target);
    }
    Ok(response)
}
