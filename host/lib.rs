//! The map of Hotlist's host: its modules, in the order in which to read them.
#![forbid(unsafe_code)]

pub mod list;

pub mod logic;

pub mod clock;
pub mod store;

pub mod actor;
pub mod cache;

pub mod plugins;

pub mod metrics;
pub mod web;
