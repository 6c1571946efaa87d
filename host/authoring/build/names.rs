//! Names and places that all builds share.

/// The environment variable that names the cargo to build guests with, if it is not the usual one.
pub const GUEST_CARGO: &str = "HOTLIST_GUEST_CARGO";

/// The folder in a project for everything that a build can create again.
pub const SCRATCH: &str = ".hotlist";

/// The prefix of a project's name that the plugin's name does not have. It keeps plugins apart from other packages in
/// a registry with a single namespace.
pub const PROJECT_PREFIX: &str = "hotlist-";

/// The target that guests are compiled for: WebAssembly without an operating system.
pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// The name of the plugin of a project: `todo` for the project `hotlist-todo`.
pub fn plugin_name(project: &str) -> String {
    project.strip_prefix(PROJECT_PREFIX).unwrap_or(project).to_owned()
}
