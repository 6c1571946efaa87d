//! Named points at which a test has the process killed, to see what the next start makes of it.
//!
//! Where they are, nothing may be half done that is not undone or finished by the next start. Armed by
//! `FAILPOINTS=name=return` in the environment, in builds for tests only: in any other, a point compiles
//! to nothing.

use fail::fail_point;

/// Ends the process as `kill -9` does, if this point is armed.
pub(crate) fn point(name: &'static str) {
    fail_point!(name, |_| {
        // Nothing of this process runs after it: no destructor, no buffer is flushed.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    });
    let _ = name;
}

/// Arms what the environment says, for as long as the answer lives.
pub(crate) fn armed() -> fail::FailScenario<'static> {
    fail::FailScenario::setup()
}
