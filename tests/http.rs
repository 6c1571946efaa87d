//! Tests of the HTTP interface: every operation, and every error that a client can cause.

mod support;

#[path = "http/bytes.rs"]
mod bytes;
#[path = "http/callers.rs"]
mod callers;
#[path = "http/codings.rs"]
mod codings;
#[path = "http/connections.rs"]
mod connections;
#[path = "http/contract.rs"]
mod contract;
#[path = "http/cross_origin.rs"]
mod cross_origin;
#[path = "http/entries.rs"]
mod entries;
#[path = "http/events.rs"]
mod events;
#[path = "http/events_of_lists.rs"]
mod events_of_lists;
#[path = "http/limits.rs"]
mod limits;
#[path = "http/lists.rs"]
mod lists;
#[path = "http/log.rs"]
mod log;
#[path = "http/logic.rs"]
mod logic;
#[path = "http/operation.rs"]
mod operation;
#[path = "http/preconditions.rs"]
mod preconditions;
#[path = "http/problems.rs"]
mod problems;
#[path = "http/receipts.rs"]
mod receipts;
#[path = "http/recording.rs"]
mod recording;
#[path = "http/store_failures.rs"]
mod store_failures;
#[path = "http/undo.rs"]
mod undo;
#[path = "http/unix_socket.rs"]
mod unix_socket;
