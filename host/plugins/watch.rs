//! The watched directory: which of its files changed, and when to look.
//!
//! Events only say when to look; what counts is what is on disk. So it does not matter how an editor saves: in place,
//! in several writes, or by a rename. Reading causes no event that the watcher handles, and the watcher writes nothing,
//! so there is no loop.
//!
//! `notify-debouncer-full` does not serve here. It debounces events on a thread of its own, and the loader's thread
//! must also decide when to look without events: the poll for file systems that send none, and the second look at a
//! component that is not completely written yet. Both need one deadline that the loader waits for between its jobs.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::error::StartError;
use super::job::Job;
use crate::list::digest::{Digest, digest_of};
use crate::list::name::LogicName;
use crate::rollout::{MAX_LOGICS, PublishError, Publisher, Submission};

/// How long a directory must be without events before it is looked at: the several writes of an editor become one look.
const DEBOUNCE: Duration = Duration::from_millis(30);

/// The longest delay of a look at a directory that always has events.
const MAX_DEBOUNCE: Duration = Duration::from_millis(150);

/// How long a refused component may take to be completely written. It is reported if its bytes are the same afterwards.
const GRACE_PERIOD: Duration = Duration::from_millis(250);

/// How long after a component could not be stored it is submitted again. The pause doubles with each attempt.
const FIRST_RETRY: Duration = Duration::from_secs(2);

/// The longest pause between two attempts to store a component.
const MAX_RETRY: Duration = Duration::from_secs(60);

/// The interval of looks without events, for file systems that send none, such as network ones.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

pub(super) struct Watch {
    directory: PathBuf,
    /// The most bytes that a component may have.
    limit: usize,
    files: HashMap<LogicName, Seen>,
    /// Whether it is the first look. It keeps the roles of versions that the rollout state knows.
    starting: bool,
    /// When to look next.
    look_at: Instant,
    /// Files that an event named: read again even if they look unchanged.
    named: Vec<PathBuf>,
    /// Why the directory could not be read at the last look.
    unreadable: Option<String>,
    /// The time of the first event since the last look.
    first_event: Option<Instant>,
    _watcher: RecommendedWatcher,
}

/// What is known of a file.
struct Seen {
    path: PathBuf,
    stamp: Stamp,
    digest: Digest,
    /// Why these bytes were refused, if they were.
    failed: Option<Failed>,
}

struct Failed {
    why: String,
    reported: bool,
    /// Whether the same bytes may be accepted the next time. Saving them again is then a new attempt.
    is_transient: bool,
    since: Instant,
    /// The next attempt that is made by itself, if the component could not be stored.
    retry: Option<Retry>,
}

/// An attempt to publish a component again.
#[derive(Clone, Copy)]
struct Retry {
    at: Instant,
    /// How long after the attempt before.
    pause: Duration,
}

impl Retry {
    /// The attempt after another one, or the first.
    fn after(before: Option<Self>) -> Self {
        let pause = before.map_or(FIRST_RETRY, |before| (before.pause * 2).min(MAX_RETRY));
        Self { at: Instant::now() + pause, pause }
    }
}

/// Size and modification time of a file. A file with another stamp may have changed.
type Stamp = (u64, Option<std::time::SystemTime>);

impl Watch {
    /// Submits all components of a directory, and watches the directory from then on.
    pub(super) fn open(
        directory: PathBuf,
        limit: usize,
        publisher: &Publisher,
        jobs: mpsc::SyncSender<Job>,
    ) -> Result<Self, StartError> {
        let failed = |what: &'static str, why: String| StartError::Directory {
            path: directory.display().to_string(),
            what,
            why,
        };
        let directory_found = fs::canonicalize(&directory).map_err(|error| failed("read", error.to_string()))?;
        components(&directory_found).map_err(|error| failed("read", error.to_string()))?;
        // Watch first, look afterwards: a file saved in between is seen twice rather than never.
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let changed = match event {
                Ok(event) if matches!(event.kind, EventKind::Access(_)) || is_of_others(&event) => return,
                Ok(event) => event.paths,
                Err(_) => Vec::new(),
            };
            // A full queue means that the loader is about to look anyway. If it is not, the poll looks.
            let _ = jobs.try_send(Job::Changed(changed));
        })
        .map_err(|error| failed("watched", error.to_string()))?;
        watcher
            .watch(&directory_found, RecursiveMode::NonRecursive)
            .map_err(|error| failed("watched", error.to_string()))?;
        let mut watch = Self {
            directory: directory_found,
            limit,
            files: HashMap::new(),
            starting: true,
            look_at: Instant::now(),
            named: Vec::new(),
            unreadable: None,
            first_event: None,
            _watcher: watcher,
        };
        watch.look(publisher);
        watch.starting = false;
        // A broken file is reported at once at the start, because no editor is in the middle of saving it.
        watch.files.iter_mut().for_each(|(name, seen)| seen.report(publisher, name));
        Ok(watch)
    }

    /// How long until the next look.
    pub(super) fn next_look(&self) -> Duration {
        self.look_at.saturating_duration_since(Instant::now())
    }

    /// Schedules a look after an event. The look follows when there was no event for [`DEBOUNCE`].
    pub(super) fn note(&mut self, paths: Vec<PathBuf>) {
        if self.named.len() < MAX_LOGICS {
            self.named.extend(paths);
        }
        let now = Instant::now();
        let first = *self.first_event.get_or_insert(now);
        self.look_at = (now + DEBOUNCE).min(first + MAX_DEBOUNCE);
    }

    /// The file that a logic comes from.
    pub(super) fn file_of(&self, name: &LogicName) -> Option<&Path> {
        self.files.get(name).map(|seen| seen.path.as_path())
    }

    /// Looks at every file as if all had changed. Returns how many components the directory holds.
    ///
    /// # Errors
    ///
    /// The directory cannot be read. What was loaded from it stays as it is.
    pub(super) fn rescan(&mut self, publisher: &Publisher) -> Result<usize, PublishError> {
        let found = components(&self.directory).map_err(|error| {
            PublishError::Failed(format!("the directory {} cannot be read: {error}", self.directory.display()))
        })?;
        self.named = found.iter().map(|(_, path)| path.clone()).take(MAX_LOGICS).collect();
        self.look_at_files(found, publisher);
        Ok(self.files.len())
    }

    /// Looks at every file that may have changed.
    pub(super) fn look(&mut self, publisher: &Publisher) {
        match components(&self.directory) {
            Ok(found) => {
                if self.unreadable.take().is_some() {
                    tracing::info!(directory = %self.directory.display(), "the plugins directory can be read again");
                }
                self.look_at_files(found, publisher);
            }
            Err(error) => {
                self.begin_look();
                self.note_unreadable(error.to_string());
            }
        }
    }

    /// Logs why the directory cannot be read, unless the last look found the same. Returns whether it was logged.
    fn note_unreadable(&mut self, why: String) -> bool {
        let is_new = self.unreadable.as_ref() != Some(&why);
        if is_new {
            tracing::warn!(directory = %self.directory.display(), why, "the plugins directory cannot be read");
            self.unreadable = Some(why);
        }
        is_new
    }

    /// Schedules the next look, and takes the files that an event named since the last one.
    fn begin_look(&mut self) -> Vec<PathBuf> {
        self.look_at = Instant::now() + POLL_INTERVAL;
        self.first_event = None;
        std::mem::take(&mut self.named)
    }

    fn look_at_files(&mut self, found: Vec<(LogicName, PathBuf)>, publisher: &Publisher) {
        let named = self.begin_look();
        let gone = |name: &LogicName| !found.iter().any(|(there, _)| there == name);
        self.files.retain(|name, seen| {
            let gone = gone(name);
            if gone {
                tracing::info!(logic = %name, file = %seen.path.display(), "the file is gone; its versions are still loaded");
            }
            !gone
        });
        let begun = Instant::now();
        for (name, path) in found.into_iter().take(MAX_LOGICS) {
            let named = named.contains(&path);
            self.look_at_file(publisher, name, path, named);
        }
        self.restart_grace_periods(begun);
    }

    /// Starts the grace periods of the components that were refused since `begun` again. Compiling the files after them
    /// in the same look can take longer than a grace period on a busy machine.
    fn restart_grace_periods(&mut self, begun: Instant) {
        let now = Instant::now();
        let failed = self.files.values_mut().filter_map(|seen| seen.failed.as_mut());
        for failed in failed.filter(|failed| !failed.reported && failed.since >= begun) {
            failed.since = now;
            self.look_at = self.look_at.min(now + GRACE_PERIOD);
        }
    }

    fn look_at_file(&mut self, publisher: &Publisher, name: LogicName, path: PathBuf, named: bool) {
        let metadata = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => metadata,
            // A directory or a pipe of that name is no component. A file that was just renamed is found when its name
            // is back.
            _ => return,
        };
        let stamp = stamp(&metadata);
        if let Some(seen) = self.files.get_mut(&name)
            && !named
            && seen.stamp == stamp
            && !seen.is_retry_due()
        {
            if let Some(pause) = seen.report_after_grace(publisher, &name) {
                self.look_at = self.look_at.min(Instant::now() + pause);
            }
            return;
        }
        let source = source(&path);
        let bytes = match read(&path, self.limit) {
            Ok(bytes) => bytes,
            Err(error) => {
                let why = format!("it cannot be read: {error}");
                publisher.refuse(&name, &source, None, why.clone());
                let failed =
                    Some(Failed { why, reported: true, is_transient: true, since: Instant::now(), retry: None });
                self.files.insert(name, Seen { path, stamp, digest: [0; 32], failed });
                return;
            }
        };
        let digest = digest_of(&bytes);
        if let Some(seen) = self.files.get_mut(&name)
            && seen.digest == digest
            && !seen.may_be_accepted_now()
        {
            seen.stamp = stamp;
            if let Some(pause) = seen.report_after_grace(publisher, &name) {
                self.look_at = self.look_at.min(Instant::now() + pause);
            }
            return; // unchanged bytes are no event
        }
        let failed = if self.starting && publisher.is_restored(&name, &digest) {
            if publisher.live_with(&name, &digest).is_none() {
                tracing::warn!(logic = %name, file = %path.display(), "this file is not the live version: it was live or stored before, and its role is unchanged; save it again, or change the live version with PATCH /logic/{name}");
            }
            None
        } else if publisher.live_with(&name, &digest).is_some() {
            publisher.clear_failure(&name, &source);
            None
        } else {
            let submission = Submission {
                name: &name,
                bytes: &bytes,
                source: &source,
                publish: true,
                force: self.starting && publisher.force_at_start(),
            };
            let before =
                self.files.get(&name).filter(|seen| seen.digest == digest).and_then(|seen| seen.failed.as_ref());
            publisher.submit(submission).err().map(|error| {
                self.look_at = self.look_at.min(Instant::now() + GRACE_PERIOD);
                let (why, is_transient) = (error.to_string(), error.is_transient());
                // An attempt that was made by itself is reported if it fails in another way.
                let reported = !named && before.is_some_and(|before| before.reported && before.why == why);
                let retry = error.is_of_storage().then(|| Retry::after(before.and_then(|before| before.retry)));
                Failed { why, reported, is_transient, since: Instant::now(), retry }
            })
        };
        self.files.insert(name, Seen { path, stamp, digest, failed });
    }
}

impl Seen {
    /// Reports a refused component once, after its grace period. Returns the rest of the grace period.
    fn report_after_grace(&mut self, publisher: &Publisher, name: &LogicName) -> Option<Duration> {
        let failed = self.failed.as_ref().filter(|failed| !failed.reported)?;
        let left = GRACE_PERIOD.saturating_sub(failed.since.elapsed());
        if left.is_zero() {
            self.report(publisher, name);
            return None;
        }
        Some(left)
    }

    /// Reports a refused component, unless it was reported before.
    fn report(&mut self, publisher: &Publisher, name: &LogicName) {
        if let Some(failed) = self.failed.as_mut().filter(|failed| !failed.reported) {
            failed.reported = true;
            publisher.refuse(name, &source(&self.path), Some(self.digest), failed.why.clone());
        }
    }

    /// Whether it is time to submit a component again that could not be stored.
    fn is_retry_due(&self) -> bool {
        let retry = self.failed.as_ref().filter(|failed| failed.reported).and_then(|failed| failed.retry);
        retry.is_some_and(|retry| retry.at <= Instant::now())
    }

    /// Whether these bytes were refused for a reason that may be over, such as a busy machine.
    fn may_be_accepted_now(&self) -> bool {
        self.failed.as_ref().is_some_and(|failed| failed.is_transient && failed.reported)
    }
}

/// Whether an event is about files that are no components, such as an editor's own.
fn is_of_others(event: &notify::Event) -> bool {
    let is_component = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "wasm");
    !event.need_rescan() && !event.paths.is_empty() && !event.paths.iter().any(is_component)
}

fn source(path: &Path) -> String {
    format!("file {}", path.file_name().unwrap_or(path.as_os_str()).display())
}

fn stamp(metadata: &Metadata) -> Stamp {
    (metadata.len(), metadata.modified().ok())
}

/// Reads a file up to one byte over the limit, so that too large a file is recognized without reading all of it.
fn read(path: &Path, limit: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The `NAME.wasm` files of a directory whose stem is the name of a logic, sorted by name.
fn components(directory: &Path) -> std::io::Result<Vec<(LogicName, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm")
            && let Some(name) = path.file_stem().and_then(|stem| LogicName::new(stem.to_str()?).ok())
        {
            found.push((name, path));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests;
