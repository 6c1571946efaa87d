//! Tools for the authors of components: new projects, builds, tables of cases, and a watcher that sees edits.

pub mod build;
pub mod cases;
pub mod project_watcher;
pub mod scaffold;
