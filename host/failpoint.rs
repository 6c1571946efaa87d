//! Named points at which a test kills the process, to check what the next start makes of the data.
//!
//! At each of these points, the next start must be able to undo or finish everything that is half done. The
//! environment arms a point with `FAILPOINTS=name=return`. The points exist under the feature `failpoints` only,
//! which the package's own tests enable: in the shipped program a point is an empty function.

/// Ends the process as `kill -9` does if this point is armed.
#[cfg(feature = "failpoints")]
pub(crate) fn point(name: &'static str) {
    fail::fail_point!(name, |_| {
        // Nothing of this process runs after the signal: no destructor, and no buffer is flushed.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    });
}

/// Does nothing: this program has no failpoints.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn point(_name: &'static str) {}

/// Arms the points that the environment names, until the returned value is dropped.
#[cfg(feature = "failpoints")]
pub(crate) fn arm() -> fail::FailScenario<'static> {
    fail::FailScenario::setup()
}

/// What [`arm`] returns in a program without failpoints.
#[cfg(not(feature = "failpoints"))]
pub(crate) struct Unarmed;

/// Arms nothing: this program has no failpoints.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn arm() -> Unarmed {
    Unarmed
}
