//! The names that the contract consists of: what a component must export and what it may import.

/// The version of the contract that this host speaks.
pub const CONTRACT: &str = "0.1.0";

/// The package of all interfaces of the contract.
pub(super) const PACKAGE: &str = "hotlist:logic/";

/// The interface that a component must export.
pub(super) const EXPORT: &str = "todo-list-logic";

/// The interfaces that a component may import: the current list, the types that it is made of, and the log.
pub(super) const ALLOWED_IMPORTS: [&str; 3] = ["current-list", "types", "log"];

/// The namespace of all packages of WASI.
pub(super) const WASI: &str = "wasi:";

/// The packages of WASI that language engines import. The host implements them virtually, see [`super::wasi`].
pub(super) const VIRTUAL_PACKAGES: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// The versions of WASI that the host implements virtually.
pub(super) const WASI_VERSION: &str = "0.2.";
