//! Plugins: how they are built.

pub mod build;
