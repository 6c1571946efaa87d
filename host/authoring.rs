//! Tools for the authors of components: a new project, a build, tables of cases, and a project that is rebuilt
//! as it is edited.

pub mod build;
pub mod cases;
pub mod project_watcher;
pub mod scaffold;
