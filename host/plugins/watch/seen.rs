//! What the watcher knows of a file: the bytes that it read last, and whether they were refused.
//!
//! A file that is still being written is not a broken one. So a refused component is reported when its bytes are the same after
//! a grace period, which is longer for a file that grew since it was refused before.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::super::files::Stamp;
use crate::list::digest::Digest;
use crate::list::name::LogicName;
use crate::rollout::Publisher;

/// How long a refused component may take to be completely written. It is reported if its bytes are the same afterwards.
pub(super) const GRACE_PERIOD: Duration = Duration::from_millis(250);

/// The same for a file that grew since earlier bytes of it were refused, such as one that a slow copy writes in pieces.
pub(super) const GROWING_GRACE_PERIOD: Duration = Duration::from_secs(2);

/// How long after a component could not be stored it is submitted again. The pause doubles with each attempt.
pub(super) const FIRST_RETRY: Duration = Duration::from_secs(2);

/// The longest pause between two attempts to store a component.
const MAX_RETRY: Duration = Duration::from_secs(60);

/// What is known of a file.
pub(super) struct Seen {
    pub(super) path: PathBuf,
    pub(super) stamp: Stamp,
    pub(super) digest: Digest,
    /// Why these bytes were refused, if they were.
    pub(super) failed: Option<Failed>,
    /// Whether the file grew since earlier bytes of it were refused.
    pub(super) is_growing: bool,
    /// The work on these bytes, if there is some.
    pub(super) work: Option<Attempt>,
}

/// An attempt to publish the bytes of a file.
pub(super) struct Attempt {
    /// What tells the work that the file has other bytes by now.
    pub(super) superseded: Arc<AtomicBool>,
    /// How the attempt before failed, if it was made with the same bytes.
    pub(super) before: Option<Failed>,
    /// Whether the file was saved, or the attempt is made by itself.
    pub(super) is_named: bool,
}

pub(super) struct Failed {
    pub(super) why: String,
    pub(super) reported: bool,
    /// Whether the same bytes may be accepted the next time. Saving them again is then a new attempt.
    pub(super) is_transient: bool,
    pub(super) since: Instant,
    /// How long the bytes have to stay the same before they are reported.
    pub(super) grace: Duration,
    /// The next attempt that is made by itself, if the component could not be stored.
    pub(super) retry: Option<Retry>,
}

/// An attempt to publish a component again.
#[derive(Clone, Copy)]
pub(super) struct Retry {
    pub(super) at: Instant,
    /// How long after the attempt before.
    pub(super) pause: Duration,
}

impl Retry {
    /// The attempt after another one, or the first.
    pub(super) fn after(before: Option<Self>) -> Self {
        let pause = before.map_or(FIRST_RETRY, |before| (before.pause * 2).min(MAX_RETRY));
        Self { at: Instant::now() + pause, pause }
    }
}

impl Seen {
    /// Whether the file is being written in pieces, if these bytes follow on what is known.
    pub(super) fn grows_to(&self, stamp: Stamp) -> bool {
        let was_refused = self.is_growing || self.failed.as_ref().is_some_and(|failed| !failed.is_transient);
        was_refused && stamp.bytes > self.stamp.bytes
    }

    /// How long these bytes have to stay the same before they are reported as refused.
    pub(super) fn grace(&self) -> Duration {
        if self.is_growing { GROWING_GRACE_PERIOD } else { GRACE_PERIOD }
    }

    /// Reports a refused component once, after its grace period. Returns the rest of the grace period.
    pub(super) fn report_after_grace(&mut self, publisher: &Publisher, name: &LogicName) -> Option<Duration> {
        let failed = self.failed.as_ref().filter(|failed| !failed.reported)?;
        let left = failed.grace.saturating_sub(failed.since.elapsed());
        if left.is_zero() {
            self.report(publisher, name);
            return None;
        }
        Some(left)
    }

    /// Reports a refused component, unless it was reported before.
    pub(super) fn report(&mut self, publisher: &Publisher, name: &LogicName) {
        if let Some(failed) = self.failed.as_mut().filter(|failed| !failed.reported) {
            failed.reported = true;
            let source = source(&self.path);
            publisher.refuse(name, publisher.cause(&source), Some(self.digest), failed.why.clone());
        }
    }

    /// Whether it is time to submit a component again that could not be stored.
    pub(super) fn is_retry_due(&self) -> bool {
        let retry = self.failed.as_ref().filter(|failed| failed.reported).and_then(|failed| failed.retry);
        retry.is_some_and(|retry| retry.at <= Instant::now())
    }

    /// Whether these bytes were refused for a reason that may be over, such as a busy machine.
    pub(super) fn may_be_accepted_now(&self) -> bool {
        self.failed.as_ref().is_some_and(|failed| failed.is_transient && failed.reported)
    }
}

pub(super) fn source(path: &Path) -> String {
    format!("file {}", path.file_name().unwrap_or(path.as_os_str()).display())
}
