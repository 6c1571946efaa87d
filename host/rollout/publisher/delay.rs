//! A change that could not be made at its time, and when it is tried again.

/// How long after a canary could not be ended the next attempt is made, in milliseconds. The pause doubles with each attempt.
pub(super) const FIRST_PAUSE: u64 = 1_000;

/// The longest pause between two attempts, in milliseconds.
const MAX_PAUSE: u64 = 60_000;

/// A canary that could not be ended at its time.
pub(super) struct Delay {
    /// The time of the next attempt.
    pub(super) until: u64,
    pause: u64,
    /// The error, which is logged once.
    pub(super) why: String,
}

impl Delay {
    pub(super) fn after(before: Option<&Self>, now: u64, why: String) -> Self {
        let pause = before.map_or(FIRST_PAUSE, |before| (before.pause * 2).min(MAX_PAUSE));
        Self { until: now.saturating_add(pause), pause, why }
    }
}
