//! Host of Hotlist, a todo server. The modules below are in reading order.
#![doc = include_str!("ARCHITECTURE.md")]
#![forbid(unsafe_code)]

// What a list is: entries, commands, changes and revisions as pure data.
pub mod list;
// Lists, commands and answers as text, in the syntax of case files.
pub mod render;

// What a list means: the interface that decides commands, and the host's checks of its answers.
pub mod logic;
// Components behind that interface: compiled and run within limits.
pub mod wasm;
// The versions of each logic: live, candidate or quarantined.
pub mod rollout;
// Comparison of two versions on recorded commands.
pub mod replay;
// Loader of components from files and uploads.
pub mod plugins;
// Tools for the authors of components.
pub mod authoring;

// Time, dates and random seeds.
pub mod clock;
// Points at which a test kills the process.
mod failpoint;
// Places and defects of a simulation.
pub mod simulation;
// Start of tasks, and waiting for time.
pub mod executor;
// Atomic replacement of files.
mod files;
// Durable storage of lists.
pub mod store;

// The single writer of a list.
pub mod actor;
// Map from the name of a list to its actor.
pub mod cache;

// Counters and histograms of a server.
pub mod metrics;
// The HTTP interface.
pub mod web;

// Copies of a data directory.
pub mod backup;
// Lists as JSON lines.
pub mod transfer;
// The configuration of a server as one checked value.
pub mod config;
// Start and stop of a server.
pub mod system;
// The command line.
pub mod cli;
