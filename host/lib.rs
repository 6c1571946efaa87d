//! The map of Hotlist's host: its modules, in the order in which to read them.
#![doc = include_str!("ARCHITECTURE.md")]
#![forbid(unsafe_code)]

// What a list is.
pub mod list;
pub mod render;

// What a list means: the trait, and the component behind it.
pub mod logic;
pub mod plugins;
pub mod replay;
pub mod rollout;
pub mod wasm;

// Tools for the authors of components.
pub mod authoring;

// Where a list is kept, and by whom.
pub mod actor;
pub mod cache;
pub mod clock;
mod failpoint;
mod files;
pub mod store;

// How it is reached.
pub mod metrics;
pub mod web;

// How it all starts.
pub mod cli;
pub mod config;
pub mod system;
