//! HTTP interface: requests become commands and reads of lists, replies become JSON.
//!
//! In reading order:
//!
//! - [`serve`] accepts connections (`accept_loop`) of TCP or of a Unix socket (`listen`), refuses those for which there is
//!   no slot (`slots`, `refusal`), and serves the others (`accept`). `timeouts` closes the ones that stall, `body_progress`
//!   ends responses that are not read. `timed_body` keeps what a response holds until it is sent. [`serve_admin`] does so
//!   for probes and scrapers.
//! - `routes` maps paths to handlers. Its middleware refuses, counts and logs requests. `host` and `cross_origin` keep
//!   pages of other sites out.
//! - The handlers are short: `lists`, `entries`, `commands`, `views`, `undo`, `history`, `recording`, `events`,
//!   `logic`, `health` and `assets`.
//! - `write_request` reads a request that writes, `input` and `json` its body.
//! - `openapi`, `conditions` and `schemas` are what the OpenAPI document (`contract`) has beside the routes.
//! - `representations`, `pages` and `headers` write the responses. `answer_budget` limits the bytes that wait to be sent.
//! - `problem` is the only place where an error becomes a status.
//!
//! This module knows neither how lists are stored nor how a component is run.

mod accept;
mod accept_loop;
mod answer_budget;
mod answer_room;
mod assets;
mod body;
mod body_progress;
mod caller;
mod client;
mod coding;
mod commands;
mod conditions;
mod contract;
mod cross_origin;
mod entries;
mod events;
mod failure_log;
mod field_values;
mod followed;
mod gzip;
mod headers;
mod health;
mod history;
mod history_range;
mod host;
mod idempotency;
mod input;
mod json;
mod listen;
mod lists;
mod logic;
mod members;
mod openapi;
mod options;
mod pages;
mod paths;
mod peer;
mod plain;
mod preconditions;
mod problem;
mod query;
mod readiness;
mod recording;
mod refusal;
mod representations;
mod routes;
mod schemas;
mod slots;
mod state;
mod tagged_content;
mod timed_body;
mod timeouts;
mod timestamp;
mod undo;
mod unread_body;
mod urls;
mod views;
mod write_request;

pub use accept::{serve, serve_admin};
pub use contract::document;
pub use listen::{ListenAddress, Listener};
pub use options::{CorsOrigin, Options};
pub use readiness::Readiness;
pub use state::Services;
pub use urls::{PageOrigin, PublicUrl, UrlError};
