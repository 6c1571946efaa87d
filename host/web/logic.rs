//! The logics there are: how each stands, and taking in another version.

use std::sync::atomic::Ordering;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::body::{Bounds, require_type};
use super::history::Moment;
use super::openapi::{ReadProblems, WriteProblems};
use super::paths::LogicPath;
use super::problem::{Kind, Problem};
use super::query::NoQuery;
use super::shapes::{json, name_logic};
use super::{Answer, Shared};
use crate::list::revision::hex;
use crate::list::schema::{Description, Reading, Schema};
use crate::logic::catalog::{Event, Standing, Version};

/// The media type of components.
const WASM: &str = "application/wasm";

/// How a logic stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Logic)]
pub(super) struct LogicShape<'a> {
    /// Its name.
    name: &'a str,
    /// `live`: a version decides; `failed`: no version could ever be loaded.
    state: &'static str,
    /// The version that decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<LiveShape<'a>>,
    /// Why the newest component offered was not taken, if it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a str>,
}

/// The version of a logic that decides.
#[derive(Serialize, ToSchema)]
#[schema(as = LiveVersion)]
pub(super) struct LiveShape<'a> {
    /// What it calls itself.
    title: &'a str,
    /// The version it gives itself.
    version: String,
    /// The SHA-256 of its component.
    digest: String,
    /// Since when it decides.
    #[schema(value_type = String, format = DateTime)]
    since: Moment,
    /// Where it came from.
    source: &'a str,
    /// Commands it carried out.
    accepted: u64,
    /// Commands it said no to.
    rejected: u64,
    /// Calls in which it failed.
    faults: u64,
    /// The last failure, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_fault: Option<String>,
}

/// A logic with what it says of itself and what happened to it.
#[derive(Serialize, ToSchema)]
#[schema(as = LogicDescription)]
pub(super) struct Described<'a> {
    /// How it stands.
    #[serde(flatten)]
    logic: LogicShape<'a>,
    /// What it says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<DescriptionShape<'a>>,
    /// What happened to it, the newest last.
    events: Vec<EventShape<'a>>,
}

/// What a logic says of itself.
#[derive(Serialize, ToSchema)]
#[schema(as = Description)]
pub(super) struct DescriptionShape<'a> {
    /// What it does.
    summary: &'a str,
    /// Who answers a reading that names no view: `host` or `logic`.
    reading: &'static str,
    /// The custom fields of its entries.
    fields: Vec<SchemaShape<'a>>,
    /// The settings of its lists.
    settings: Vec<SchemaShape<'a>>,
    /// Its commands.
    commands: Vec<CommandShape<'a>>,
    /// Its views.
    views: Vec<NameShape<'a>>,
}

/// A custom field, setting or argument.
#[derive(Serialize, ToSchema)]
#[schema(as = FieldSchema)]
pub(super) struct SchemaShape<'a> {
    /// Its name.
    name: &'a str,
    /// What people call it.
    title: &'a str,
    /// Its type: `boolean`, `number`, `text`, `date` or `texts`.
    kind: &'static str,
    /// For an argument: whether it must be given.
    required: bool,
    /// For texts: the only values allowed; empty allows all.
    choices: &'a [String],
}

/// A command of a logic.
#[derive(Serialize, ToSchema)]
#[schema(as = CommandSchema)]
pub(super) struct CommandShape<'a> {
    /// Its name.
    name: &'a str,
    /// What people call it.
    title: &'a str,
    /// What it takes.
    arguments: Vec<SchemaShape<'a>>,
}

/// A name with what people call it.
#[derive(Serialize, ToSchema)]
#[schema(as = ViewName)]
pub(super) struct NameShape<'a> {
    /// The name.
    name: &'a str,
    /// What people call it.
    title: &'a str,
}

/// Something that happened to a logic.
#[derive(Serialize, ToSchema)]
#[schema(as = LogicEvent)]
pub(super) struct EventShape<'a> {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    time: Moment,
    /// Where the component came from.
    source: &'a str,
    /// The SHA-256 of the component, if it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// The version that was published, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// Why it was not, if it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a str>,
}

/// A component that was taken.
#[derive(Serialize, ToSchema)]
#[schema(as = Uploaded)]
pub(super) struct Uploaded<'a> {
    /// The logic's name.
    name: &'a str,
    /// The version that the component gives itself.
    version: String,
    /// The SHA-256 of the component.
    digest: String,
}

impl<'a> LogicShape<'a> {
    fn new(name: &'a str, standing: &'a Standing) -> Self {
        let state = if standing.live.is_some() { "live" } else { "failed" };
        Self { name, state, live: standing.live.as_deref().map(LiveShape::new), failure: standing.failure() }
    }
}

impl<'a> LiveShape<'a> {
    fn new(version: &'a Version) -> Self {
        let (id, counters) = (version.logic.id(), &version.counters);
        Self {
            title: &version.logic.description().title,
            version: id.version.to_string(),
            digest: id.digest_text(),
            since: Moment(version.since),
            source: &version.source,
            accepted: counters.accepted.load(Ordering::Relaxed),
            rejected: counters.rejected.load(Ordering::Relaxed),
            faults: counters.faults.load(Ordering::Relaxed),
            last_fault: counters.last_fault().map(|fault| fault.to_string()),
        }
    }
}

impl<'a> DescriptionShape<'a> {
    fn new(description: &'a Description) -> Self {
        let schemas = |schemas: &'a [Schema]| schemas.iter().map(SchemaShape::new).collect();
        let commands = description.commands.iter().map(|command| CommandShape {
            name: &command.name,
            title: &command.title,
            arguments: schemas(&command.arguments),
        });
        Self {
            summary: &description.summary,
            reading: if description.reading == Reading::Host { "host" } else { "logic" },
            fields: schemas(&description.fields),
            settings: schemas(&description.settings),
            commands: commands.collect(),
            views: description.views.iter().map(|view| NameShape { name: &view.name, title: &view.title }).collect(),
        }
    }
}

impl<'a> SchemaShape<'a> {
    fn new(schema: &'a Schema) -> Self {
        let Schema { name, title, kind, required, choices } = schema;
        Self { name, title, kind: kind.as_str(), required: *required, choices }
    }
}

impl<'a> EventShape<'a> {
    fn new(event: &'a Event) -> Self {
        Self {
            time: Moment(event.time),
            source: &event.source,
            digest: event.digest.map(|digest| format!("sha256:{}", hex(&digest))),
            version: event.outcome.as_ref().ok().map(ToString::to_string),
            failure: event.outcome.as_ref().err().map(String::as_str),
        }
    }
}

/// The logics, by name.
#[utoipa::path(get, path = "/logic", tag = "logic", operation_id = "listLogic", responses(
    (status = 200, description = "The logics", body = [LogicShape]), ReadProblems))]
pub(super) async fn all(State(web): Shared, _: NoQuery) -> Answer {
    let all = web.services.catalog.all();
    let shapes: Vec<_> = all.iter().map(|(name, standing)| LogicShape::new(name.as_str(), standing)).collect();
    json(StatusCode::OK, &shapes)
}

/// One logic.
#[utoipa::path(get, path = "/logic/{name}", tag = "logic", operation_id = "getLogic",
    params(("name" = String, Path, description = "The logic's name")), responses(
    (status = 200, description = "The logic", body = Described), ReadProblems))]
pub(super) async fn one(State(web): Shared, LogicPath(name): LogicPath, _: NoQuery) -> Answer {
    let unknown = || Problem::new(Kind::NoLogic, format!("there is no logic {name}"));
    let standing = web.services.catalog.standing(&name).ok_or_else(unknown)?;
    let shape = Described {
        logic: LogicShape::new(name.as_str(), &standing),
        description: standing.live.as_deref().map(|live| DescriptionShape::new(live.logic.description())),
        events: standing.events.iter().map(EventShape::new).collect(),
    };
    json(StatusCode::OK, &shape)
}

/// Takes in a component, which then decides for its logic from the next command on.
#[utoipa::path(put, path = "/logic/{name}", tag = "logic", operation_id = "putLogic",
    request_body(content_type = "application/wasm", description = "A component"),
    params(("name" = String, Path, description = "The logic's name")), responses(
    (status = 201, description = "It was checked, kept and published", body = Uploaded, headers(
        ("Location" = String, description = "The logic"), ("Hotlist-Logic" = String, description = "The new version"))),
    WriteProblems))]
pub(super) async fn upload(State(web): Shared, LogicPath(name): LogicPath, _: NoQuery, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    require_type(&parts.headers, &[WASM])?;
    let Ok(_permit) = web.uploads.try_acquire() else {
        let limit = web.options.max_uploads;
        let detail = format!("there are {limit} components on their way in, which is the limit");
        return Err(Problem::new(Kind::Overloaded, detail).with_limit("max uploads", limit));
    };
    let options = &web.options;
    let bounds = Bounds { name: "max component bytes", bytes: options.max_component_bytes, time: options.body_timeout };
    let component = bounds.read(&parts.headers, body).await?;
    let metrics = &web.services.metrics;
    let uploaded = web.services.plugins.upload(name.clone(), component).await;
    let outcome = if uploaded.is_ok() { &metrics.uploads_taken } else { &metrics.uploads_refused };
    outcome.fetch_add(1, Ordering::Relaxed);
    let id = uploaded?;
    let shape = Uploaded { name: name.as_str(), version: id.version.to_string(), digest: id.digest_text() };
    let mut response = json(StatusCode::CREATED, &shape)?;
    name_logic(response.headers_mut(), &id);
    if let Ok(location) = HeaderValue::from_str(&format!("/logic/{name}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}
