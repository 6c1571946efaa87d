//! History of a list: its revisions, with their callers and the versions that decided them.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer_budget::AnswerRoom;
use super::client::Client;
use super::headers::link_next;
use super::history_range::{self, page_behind};
use super::openapi::{AbsentProblem, ForgottenProblem, ReadProblems};
use super::pages::{JsonPage, json_within};
use super::paths::{ListPath, Origin, PagedResource, RevisionPath};
use super::problem::{HandlerResult, Problem};
use super::query::{ChangesQuery, HistoryQuery};
use super::representations::{DisplayAsString, EntryBody, Fields};
use super::schemas;
use super::state::{Shared, Web};
use super::timestamp::Timestamp;
use crate::cache::UndoRight;
use crate::list::change::Change;
use crate::list::id::{EntryId, LogicId};
use crate::list::name::{ListName, LogicName};
use crate::list::outline::{ChangeCounts, RevisionOutline, undone_by};
use crate::list::selector::Pin;
use crate::list::value::Field;
use crate::store::{HistoryPage, PageLimit, RetainedRevision};

/// A revision of a list.
#[derive(Serialize, ToSchema)]
#[schema(as = Revision)]
pub(super) struct RevisionBody<'a> {
    /// Its number.
    #[schema(value_type = schemas::RevisionNumber)]
    revision: u64,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// The caller who requested it.
    caller: &'a str,
    /// The version that decided: name, number and digest.
    #[schema(value_type = LogicId)]
    logic: DisplayAsString<&'a LogicId>,
    /// The command that was carried out.
    #[schema(value_type = schemas::CommandName)]
    command: &'a str,
    /// The revision that was undone, if this is an `undo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::RevisionNumber, required = false)]
    undone: Option<u64>,
    /// Whether the caller of this request may undo the revision. Something that changed since may still prevent it.
    may_undo: bool,
    /// The changes, in order. Absent where they are larger than a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    changes: Option<Vec<ChangeBody<'a>>>,
    /// The number of changes of each type, where the changes are larger than a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    counts: Option<CountsBody>,
    /// The URL of the changes, by pages, where the changes are larger than a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "uri")]
    changes_url: Option<String>,
}

/// The reader of revisions.
pub(super) struct Viewer {
    caller: Arc<str>,
    undo_right: UndoRight,
    /// What the URLs of the list's entries begin with.
    prefix: String,
}

impl Viewer {
    pub(super) fn new(web: &Web, caller: Arc<str>, prefix: String) -> Self {
        Self { caller, undo_right: web.undo_right(), prefix }
    }

    #[cfg(test)]
    pub(super) fn anonymous() -> Self {
        Self { caller: "anonymous".into(), undo_right: UndoRight::All, prefix: String::new() }
    }

    /// About the most bytes that the URLs take in a representation of this many changes.
    pub(super) fn url_bytes(&self, changes: usize) -> usize {
        changes * self.prefix.len()
    }

    fn may_undo(&self, maker: &str) -> bool {
        self.undo_right.covers(maker, &self.caller)
    }
}

/// The number of changes of each type. A type without a change is absent.
#[derive(Serialize, ToSchema)]
#[schema(as = ChangeCounts)]
#[serde(rename_all = "kebab-case")]
struct CountsBody {
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    put: usize,
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    remove: usize,
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    set: usize,
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    unset: usize,
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    bind_logic: usize,
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    pin: usize,
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    delete_list: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl From<ChangeCounts> for CountsBody {
    fn from(counts: ChangeCounts) -> Self {
        let ChangeCounts { put, remove, set, unset, bind_logic, pin, delete_list } = counts;
        Self { put, remove, set, unset, bind_logic, pin, delete_list }
    }
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
        #[schema(value_type = schemas::EntryId)]
        id: EntryId,
    },
    /// Settings were set to these values.
    Set {
        /// The settings.
        settings: Fields<'a>,
    },
    /// A setting lost its value.
    Unset {
        /// The setting.
        #[schema(value_type = schemas::Identifier)]
        setting: &'a str,
    },
    /// The list was created, or bound to another logic or version.
    BindLogic {
        /// The logic.
        #[schema(value_type = LogicName)]
        logic: &'a str,
        /// The version: name, number and digest.
        #[schema(value_type = LogicId)]
        version: DisplayAsString<&'a LogicId>,
    },
    /// The list was pinned to a version, or to none.
    Pin {
        /// The version's number or digest; null for none.
        #[schema(value_type = Option<Pin>, required = true)]
        pin: Option<DisplayAsString<&'a Pin>>,
    },
    /// The list was deleted.
    DeleteList,
}

impl<'a> RevisionBody<'a> {
    /// The representation with the changes, or `None` if the page of the store does not hold them.
    pub(super) fn new(revision: &'a RetainedRevision, viewer: &'a Viewer) -> Option<Self> {
        let body = |change| ChangeBody::new(change, &viewer.prefix);
        let bodies = |changes: &'a [Change]| changes.iter().map(body).collect();
        let changes = Some(bodies(revision.changes()?));
        Some(match revision {
            RetainedRevision::Whole(revision) => Self {
                revision: revision.number,
                time: Timestamp(revision.context.now),
                caller: &revision.context.caller,
                logic: DisplayAsString(&revision.logic),
                command: revision.command.name(),
                undone: undone_by(&revision.command),
                may_undo: viewer.may_undo(&revision.context.caller),
                changes,
                counts: None,
                changes_url: None,
            },
            RetainedRevision::Large(outline) => Self { changes, ..Self::outline(outline, viewer) },
        })
    }

    /// The representation without the changes.
    fn outline(outline: &'a RevisionOutline, viewer: &Viewer) -> Self {
        Self {
            revision: outline.number,
            time: Timestamp(outline.context.now),
            caller: &outline.context.caller,
            logic: DisplayAsString(&outline.logic),
            command: &outline.command,
            undone: outline.undone,
            may_undo: viewer.may_undo(&outline.context.caller),
            changes: None,
            counts: None,
            changes_url: None,
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

/// Lists the retained revisions of a list, the oldest first unless `order` says otherwise. A page ends at about 1 MiB. A revision that is larger has the
/// numbers of its changes and a URL of the changes.
#[utoipa::path(get, path = "/lists/{list}/history", tag = "history", operation_id = "getHistory",
    params(("list" = ListName, Path, description = "The list's name"), HistoryQuery), responses(
    (status = 200, description = "The revisions", body = [RevisionBody],
        headers(("Link" = String, description = "The next page, `rel=\"next\"`, if there is one"))),
    ReadProblems, AbsentProblem))]
pub(super) async fn read(
    State(web): Shared,
    ListPath(name): ListPath,
    origin: Origin,
    resource: PagedResource,
    room: AnswerRoom,
    Client { caller, .. }: Client,
    query: HistoryQuery,
) -> HandlerResult {
    let current = web.existing(&name).await?.revision();
    let bytes = web.options.page_bytes;
    // For the page of the store and for the answer.
    let reserved = room.reserve(2 * bytes)?;
    let HistoryPage { revisions, mut more } = history_range::read(&web, &name, &query, current, bytes).await?;
    let (list, viewer) = (origin.list(&name), Viewer::new(&web, caller, origin.entries(&name)));
    let mut page = JsonPage::new(bytes);
    let mut last = None;
    for revision in &revisions {
        let is_added = match json_of(revision, &viewer, bytes)? {
            Some(json) => page.push_json(&json),
            None => {
                let outline = outline_of(revision);
                let counts = Some(outline.counts.into());
                let changes_url = Some(format!("{list}/history/{}/changes", outline.number));
                page.push(&RevisionBody { counts, changes_url, ..RevisionBody::outline(&outline, &viewer) })?
            }
        };
        if !is_added {
            more = true;
            break;
        }
        last = Some(revision.number());
    }
    let mut response = page.into_response();
    reserved.attach_to(&mut response);
    if let (true, Some(last)) = (more, last) {
        link_next(response.headers_mut(), &resource.page(&page_behind(last, &query)));
    }
    Ok(response)
}

/// A revision with its changes as JSON, or `None` if it is larger than a page.
pub(super) fn json_of(revision: &RetainedRevision, viewer: &Viewer, limit: usize) -> Result<Option<Vec<u8>>, Problem> {
    RevisionBody::new(revision, viewer).map_or(Ok(None), |body| json_within(&body, limit))
}

fn outline_of(revision: &RetainedRevision) -> Cow<'_, RevisionOutline> {
    match revision {
        RetainedRevision::Whole(revision) => Cow::Owned(RevisionOutline::of(revision)),
        RetainedRevision::Large(outline) => Cow::Borrowed(outline),
    }
}

/// Lists the changes of a revision, in order. A page ends at about 1 MiB.
#[utoipa::path(get, path = "/lists/{list}/history/{revision}/changes", tag = "history", operation_id = "getChanges",
    params(("list" = ListName, Path, description = "The list's name"),
        ("revision" = schemas::RevisionNumber, Path, description = "The revision's number"), ChangesQuery), responses(
    (status = 200, description = "The changes", body = [ChangeBody],
        headers(("Link" = String, description = "The next page, `rel=\"next\"`, if there is one"))),
    ReadProblems, AbsentProblem, ForgottenProblem))]
pub(super) async fn changes(
    State(web): Shared,
    RevisionPath(name, revision): RevisionPath,
    origin: Origin,
    resource: PagedResource,
    room: AnswerRoom,
    query: ChangesQuery,
) -> HandlerResult {
    let ChangesQuery { after, limit } = query;
    web.existing(&name).await?;
    let bytes = web.options.page_bytes;
    let reserved = room.reserve(2 * bytes)?;
    let found = web.cache().changes(&name, revision, after, PageLimit { items: limit, bytes }).await?;
    let prefix = origin.entries(&name);
    let mut page = JsonPage::new(bytes);
    let (mut seen, mut more) = (after, found.more);
    for change in &found.changes {
        if !page.push(&ChangeBody::new(change, &prefix))? {
            more = true;
            break;
        }
        seen += 1;
    }
    let mut response = page.into_response();
    reserved.attach_to(&mut response);
    if more {
        link_next(response.headers_mut(), &resource.page(&format!("after={seen}&limit={limit}")));
    }
    Ok(response)
}
