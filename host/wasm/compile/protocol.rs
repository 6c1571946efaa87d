//! What a server and its child process that compiles agree on: the files in the directory of a compilation, and the exit
//! codes.

/// The file of the component, which the child reads.
pub(super) const COMPONENT_FILE: &str = "component.wasm";

/// The file of the reason why a component does not compile, which the child writes.
pub(super) const REASON_FILE: &str = "reason";

/// The file of the child's error output.
pub(super) const ERRORS_FILE: &str = "errors";

/// The exit code of a child that compiled its component.
pub(super) const COMPILED: u8 = 0;

/// The exit code of a child whose component does not compile. The reason is in [`REASON_FILE`].
pub(super) const INVALID: u8 = 10;

/// The exit code of a child that used all of its processor time.
pub(super) const OUT_OF_TIME: u8 = 11;

/// The exit code of a child that got no more memory.
pub(super) const OUT_OF_MEMORY: u8 = 12;

/// The exit code of a child that could not begin. The reason is in [`REASON_FILE`].
pub(super) const NOT_BEGUN: u8 = 13;

/// The exit code of a child whose server is gone.
pub(super) const ABANDONED: u8 = 14;
