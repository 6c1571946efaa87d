//! The pace of the scrub: which pass is under way, and when its next slice is due.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::digest::{Difference, Position};
use super::lifecycle::Lifecycle;
use super::missing_timers::MissingTimers;
use super::page_check::PageCheck;
use super::schema;
use super::scrub::{self, Pass, ScrubFinding, ScrubOptions, SliceLimit};
use crate::store::error::StoreError;

/// The page cache of the scrub, in bytes. It reads most pages once in a pass.
const CACHE_BYTES: u64 = 1 << 20;

/// How long a slice waits for an empty queue. Then it delays the next batch by a millisecond or two.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many times a slice is read that the disk does not return.
const MAX_ATTEMPTS: u32 = 3;

/// The scrub of an open store, which the writer carries out.
pub(super) struct Scrubber {
    pub(super) db: Connection,
    pub(super) pages: PageCheck,
    pub(super) pass: Option<Pass>,
    /// What was found and is not done with, because the database is locked or takes no writes.
    pub(super) findings: VecDeque<ScrubFinding>,
    pub(super) missing_timers: MissingTimers,
    /// How many times the slice at hand could not be read.
    failures: u32,
    options: ScrubOptions,
    next: Instant,
}

impl Scrubber {
    pub(super) fn start(dir: &Path, options: ScrubOptions, lifecycle: &Arc<Lifecycle>) -> Result<Self, StoreError> {
        let db = schema::open_reader(dir, CACHE_BYTES)?;
        let pages = PageCheck::start(dir, lifecycle)?;
        Ok(Self {
            db,
            pages,
            pass: None,
            findings: VecDeque::new(),
            missing_timers: MissingTimers::default(),
            failures: 0,
            options,
            next: Instant::now() + options.first,
        })
    }

    /// How long the writer may wait for commits before the next slice is due.
    pub(super) fn wait(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }

    /// Whether a slice is due. It waits for an empty queue for some time.
    pub(super) fn is_due(&self, is_idle: bool) -> bool {
        let now = Instant::now();
        now >= self.next && (is_idle || now.duration_since(self.next) >= PATIENCE)
    }

    /// How far the pass has come, if one is under way.
    pub(super) fn position(&self) -> Option<&Position> {
        self.pass.as_ref().map(Pass::position)
    }

    /// Records the changes of a transaction that is durable.
    pub(super) fn apply(&mut self, difference: &Difference) {
        self.pass.iter_mut().for_each(|pass| pass.apply(difference));
    }

    /// Whether the next attempt to read the slice leaves out what the disk does not return.
    pub(super) fn is_last_attempt(&self) -> bool {
        self.failures + 1 >= MAX_ATTEMPTS
    }

    /// Notes how an attempt to read a slice ended. A lock of another program is no failure.
    pub(super) fn note_attempt(&mut self, error: Option<&rusqlite::Error>) {
        match error {
            None => self.failures = 0,
            Some(error) if scrub::is_locked(error) => {}
            Some(_) => self.failures += 1,
        }
    }

    /// The limit of each slice.
    pub(super) fn limit(&self) -> SliceLimit {
        SliceLimit { rows: self.options.rows.max(1), bytes: self.options.bytes.max(1) }
    }

    /// Notes that a slice was read.
    pub(super) fn pause(&mut self) {
        self.next = Instant::now() + self.options.pause;
    }

    /// Ends the check of the pages, and closes the connections.
    pub(super) fn stop(self) {
        self.pages.stop();
    }

    /// Notes that the pass is done. The next one reads the pages anew.
    pub(super) fn rest(&mut self) {
        self.pass = None;
        self.next = Instant::now() + self.options.interval;
        // It only frees memory.
        let _ = self.db.release_memory();
    }
}
