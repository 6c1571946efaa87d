//! The watched directory: which of its files changed, and when to look.
//!
//! Events only say when to look; what counts is what is on disk. So it does not matter how an editor saves: in place,
//! in several writes, or by a rename. Reading causes no event that the watcher handles, and the watcher writes nothing,
//! so there is no loop.
//!
//! The loader's thread decides, [`files`](super::files) reads, and the work queue compiles what was read. One thing is read
//! at a time, and nothing more is read while the work queue has no room for a file.
//!
//! `notify-debouncer-full` does not serve here. It debounces events on a thread of its own, and the loader's thread
//! must also decide when to look without events: the poll for file systems that send none, and the second look at a
//! component that is not completely written yet. Both need one deadline that the loader waits for between its jobs.

mod notifications;
mod seen;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::error::StartError;
use super::files::{FileAnswer, FileReader, Found, Listed, Listing, READ_LIMIT, Request, not_answered};
use super::job::{Answer, FileUpload, Job, Work};
use super::work_queue::WorkQueue;
use crate::list::digest::{Digest, digest_of};
use crate::list::name::LogicName;
use crate::rollout::{MAX_LOGICS, PublishError, Publisher, SubmitError};
use notifications::Notifications;
use seen::{Attempt, Failed, GRACE_PERIOD, Retry, Seen, source};

/// How long a directory must be without events before it is looked at: the several writes of an editor become one look.
const DEBOUNCE: Duration = Duration::from_millis(30);

/// The longest delay of a look at a directory that always has events.
const MAX_DEBOUNCE: Duration = Duration::from_millis(150);

/// The interval of looks without events, for file systems that send none, such as network ones.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

pub(super) struct Watch {
    /// The directory as it was given. Where its links lead is found out at each look.
    directory: PathBuf,
    files: HashMap<LogicName, Seen>,
    /// Whether it is the first look. It keeps the roles of versions that the rollout state knows.
    starting: bool,
    /// When to look next.
    look_at: Instant,
    /// When the last look began.
    begun: Instant,
    /// Files that an event named: read again even if they look unchanged.
    named: Vec<PathBuf>,
    /// Why the directory could not be read at the last look.
    unreadable: Option<String>,
    /// The files that the log says are passed over, because of their names.
    passed_over: BTreeSet<String>,
    /// The callers for whom the next look reads every file again.
    rescans: Vec<Answer<Option<usize>>>,
    /// The callers for whom the directory is being listed.
    listing_for: Vec<Answer<Option<usize>>>,
    /// The time of the first event since the last look.
    first_event: Option<Instant>,
    /// The files that are still to be read in this look.
    to_read: VecDeque<Listed>,
    /// Since when the reader is at work.
    asked: Option<Instant>,
    /// Whether the log says that the reader does not answer.
    is_late: bool,
    reader: FileReader,
    jobs: mpsc::SyncSender<Job>,
    notifications: Notifications,
}

impl Watch {
    /// Submits all components of a directory, and watches the directory from then on.
    pub(super) fn open(
        directory: PathBuf,
        limit: usize,
        publisher: &Publisher,
        jobs: mpsc::SyncSender<Job>,
    ) -> Result<Self, StartError> {
        let reader = FileReader::start(limit).map_err(StartError::Thread)?;
        let notifications = Notifications::start(jobs.clone());
        let now = Instant::now();
        let mut watch = Self {
            directory,
            files: HashMap::new(),
            starting: true,
            look_at: now,
            begun: now,
            named: Vec::new(),
            unreadable: None,
            passed_over: BTreeSet::new(),
            rescans: Vec::new(),
            listing_for: Vec::new(),
            first_event: None,
            to_read: VecDeque::new(),
            asked: None,
            is_late: false,
            reader,
            jobs,
            notifications,
        };
        let path = watch.directory.display().to_string();
        watch.look_now(publisher).map_err(|error| StartError::Directory {
            path,
            what: "read",
            why: error.to_string(),
        })?;
        watch.starting = false;
        // A broken file is reported at once at the start, because no editor is in the middle of saving it.
        watch.files.iter_mut().for_each(|(name, seen)| seen.report(publisher, name));
        Ok(watch)
    }

    /// Looks at once, and submits the components one after the other.
    fn look_now(&mut self, publisher: &Publisher) -> std::io::Result<()> {
        if let FileAnswer::Listed(listed) = self.reader.ask_and_wait(Request::List(self.directory.clone()))? {
            self.take_list(listed, publisher)?;
        }
        while let Some(file) = self.to_read.pop_front() {
            let answer = self.reader.ask_and_wait(Request::Read(file))?;
            if let Some(file) = self.note_file(answer, publisher) {
                let submitted = publisher.submit(file.submission());
                self.note_outcome(&file, submitted.err().as_ref());
            }
        }
        Ok(())
    }

    /// How long until there is something to do. The end of some work wakes the loader, too.
    pub(super) fn pause(&self) -> Duration {
        match self.asked {
            Some(asked) if !self.is_late => READ_LIMIT.saturating_sub(asked.elapsed()),
            Some(_) => POLL_INTERVAL,
            None if !self.to_read.is_empty() => POLL_INTERVAL,
            None => self.look_at.saturating_duration_since(Instant::now()),
        }
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

    /// The file with these bytes of a logic, if the directory has them.
    pub(super) fn file_with(&self, name: &LogicName, digest: &Digest) -> Option<&Path> {
        self.files.get(name).filter(|seen| seen.digest == *digest).map(|seen| seen.path.as_path())
    }

    /// Looks at every file as if all had changed, at once. The caller is answered with the number of components in the
    /// directory.
    pub(super) fn rescan(&mut self, answer: Answer<Option<usize>>) {
        self.rescans.push(answer);
        self.look_at = Instant::now();
    }

    /// Has the next thing read, if it is time. A file is read only if there is room for it.
    pub(super) fn step(&mut self, has_room: bool) {
        if let Some(asked) = self.asked {
            if asked.elapsed() >= READ_LIMIT && !self.is_late {
                self.is_late = true;
                self.note_unreadable(not_answered().to_string());
            }
            if self.is_late {
                // These callers wait for the next look, which the file system delays as long.
                self.listing_for.append(&mut self.rescans);
                self.answer_rescans(&Err(not_answered().to_string()));
            }
            return;
        }
        if self.to_read.is_empty() {
            if self.pause().is_zero() {
                self.ask(Request::List(self.directory.clone()));
                self.listing_for = std::mem::take(&mut self.rescans);
            }
        } else if has_room && let Some(file) = self.to_read.pop_front() {
            self.ask(Request::Read(file));
        }
    }

    fn ask(&mut self, request: Request) {
        self.asked = Some(Instant::now());
        let jobs = self.jobs.clone();
        // The loader is gone when the server stops.
        self.reader.ask(request, move |answer| drop(jobs.send(Job::File(answer))));
    }

    /// Takes what was read.
    pub(super) fn take(&mut self, answer: FileAnswer, publisher: &Publisher, queue: &mut WorkQueue) {
        self.asked = None;
        self.is_late = false;
        match answer {
            // The log has the error.
            FileAnswer::Listed(listed) => drop(self.take_list(listed, publisher)),
            read => {
                if let Some(file) = self.note_file(read, publisher) {
                    queue.push(Work::File(file));
                }
            }
        }
    }

    fn take_list(&mut self, listed: std::io::Result<Listing>, publisher: &Publisher) -> std::io::Result<()> {
        let mut named = self.begin_look();
        let Listing { directory, identity, found, passed_over } = match listed {
            Ok(listing) => listing,
            Err(error) => {
                self.note_unreadable(error.to_string());
                self.answer_rescans(&Err(error.to_string()));
                return Err(error);
            }
        };
        if self.notifications.follow(&directory, identity) {
            // A file that was saved since the listing caused no event.
            self.look_at = Instant::now();
        }
        self.note_passed_over(passed_over);
        if self.unreadable.take().is_some() {
            tracing::info!(directory = %self.directory.display(), "the plugins directory can be read again");
        }
        if !self.listing_for.is_empty() {
            named = found.iter().map(|found| found.path.clone()).collect();
        }
        let count = found.iter().filter(|found| found.stamp.is_some()).count();
        self.compare(found, publisher, &named);
        self.answer_rescans(&Ok(count));
        Ok(())
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

    /// Logs which files are passed over because of their names, each once.
    fn note_passed_over(&mut self, files: BTreeSet<String>) {
        for file in files.difference(&self.passed_over) {
            tracing::warn!(
                file,
                "a file is passed over, its name is none for a logic; rename it to NAME.wasm, with a NAME of lowercase letters, \
                 digits and hyphens, such as {}",
                super::files::suggestion(file),
            );
        }
        self.passed_over = files;
    }

    fn answer_rescans(&mut self, listed: &Result<usize, String>) {
        for answer in self.listing_for.drain(..) {
            let directory = self.directory.display();
            let failed =
                |why: &String| PublishError::Failed(format!("the directory {directory} cannot be read: {why}"));
            let _ = answer.send(listed.as_ref().map(|count| Some(*count)).map_err(failed));
        }
    }

    /// Schedules the next look, and takes the files that an event named since the last one.
    fn begin_look(&mut self) -> Vec<PathBuf> {
        self.begun = Instant::now();
        self.look_at = if self.rescans.is_empty() { self.begun + POLL_INTERVAL } else { self.begun };
        self.first_event = None;
        std::mem::take(&mut self.named)
    }

    /// Notes which files have to be read.
    fn compare(&mut self, found: Vec<Found>, publisher: &Publisher, named: &[PathBuf]) {
        let gone = |name: &LogicName| !found.iter().any(|found| found.name == *name);
        self.files.retain(|name, seen| {
            let gone = gone(name);
            if gone {
                tracing::info!(logic = %name, file = %seen.path.display(), "the file is gone; its versions are still loaded");
            }
            !gone
        });
        for Found { name, path, stamp } in found.into_iter().take(MAX_LOGICS) {
            // A directory or a pipe of that name is no component.
            let Some(stamp) = stamp else { continue };
            let is_named = named.contains(&path);
            match self.files.get_mut(&name) {
                Some(seen) if seen.stamp == stamp && !is_named && !seen.is_retry_due() => {
                    let rest = seen.report_after_grace(publisher, &name);
                    self.look_within(rest);
                }
                _ => self.to_read.push_back(Listed { name, path, stamp, is_named }),
            }
        }
    }

    fn look_within(&mut self, pause: Option<Duration>) {
        if let Some(pause) = pause {
            self.look_at = self.look_at.min(Instant::now() + pause);
        }
    }

    /// Notes what was read of a file. Returns the component if it is new.
    fn note_file(&mut self, answer: FileAnswer, publisher: &Publisher) -> Option<FileUpload> {
        let FileAnswer::Read { file: Listed { name, path, stamp, is_named }, content } = answer else { return None };
        let source = source(&path);
        let (read_stamp, bytes) = match content {
            Ok(Some(content)) => content,
            // It was replaced by something else than a file since the directory was listed.
            Ok(None) => return None,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => {
                let why = format!("it cannot be read: {error}");
                publisher.refuse(&name, publisher.cause(&source), None, why.clone());
                let failed = Some(Failed {
                    why,
                    reported: true,
                    is_transient: true,
                    since: Instant::now(),
                    grace: GRACE_PERIOD,
                    retry: None,
                });
                self.replace(name, Seen { path, stamp, digest: [0; 32], failed, is_growing: false, work: None });
                return None;
            }
        };
        let digest = digest_of(&bytes);
        if let Some(seen) = self.files.get_mut(&name)
            && seen.digest == digest
            && !seen.may_be_accepted_now()
        {
            seen.stamp = read_stamp;
            let rest = seen.report_after_grace(publisher, &name);
            self.look_within(rest);
            return None; // unchanged bytes are no event
        }
        let is_growing = self.files.get(&name).is_some_and(|before| before.grows_to(read_stamp));
        let seen = Seen { path: path.clone(), stamp: read_stamp, digest, failed: None, is_growing, work: None };
        if self.starting && publisher.is_restored(&name, &digest) {
            if publisher.live_with(&name, &digest).is_none() {
                tracing::warn!(logic = %name, file = %path.display(), "this file is not the live version: it was live or stored before, and its role is unchanged; save it again, or change the live version with PATCH /logic/{name}");
            }
            self.replace(name, seen);
            return None;
        }
        if publisher.live_with(&name, &digest).is_some() {
            publisher.clear_failure(&name, publisher.cause(&source));
            self.replace(name, seen);
            return None;
        }
        let force = self.starting && publisher.force_at_start();
        let superseded = Arc::new(AtomicBool::new(false));
        let of_same_bytes = self.files.get_mut(&name).filter(|before| before.digest == digest);
        let before = of_same_bytes.and_then(|before| before.failed.take());
        let work = Some(Attempt { superseded: superseded.clone(), before, is_named });
        self.replace(name.clone(), Seen { work, ..seen });
        Some(FileUpload { name, bytes, digest, source, force, is_superseded: superseded })
    }

    /// Replaces what is known of a file, and ends the work on its earlier bytes.
    fn replace(&mut self, name: LogicName, seen: Seen) {
        let before = self.files.insert(name, seen);
        if let Some(work) = before.and_then(|before| before.work) {
            work.superseded.store(true, Ordering::Release);
        }
    }

    /// Notes whether a component that was read was refused.
    pub(super) fn note_outcome(&mut self, file: &FileUpload, error: Option<&SubmitError>) {
        let now = Instant::now();
        if let Some(seen) = self.files.get_mut(&file.name).filter(|seen| seen.digest == file.digest) {
            let work = seen.work.take();
            let is_named = work.as_ref().is_some_and(|work| work.is_named);
            let before = work.and_then(|work| work.before);
            let grace = seen.grace();
            seen.failed = error.map(|error| {
                let (why, is_transient) = (error.to_string(), error.is_transient());
                // An attempt that was made by itself is reported if it fails in another way.
                let reported = !is_named && before.as_ref().is_some_and(|before| before.reported && before.why == why);
                let retry = error.is_of_storage().then(|| Retry::after(before.and_then(|before| before.retry)));
                Failed { why, reported, is_transient, since: now, grace, retry }
            });
        }
        // Compiling one file can take longer than the grace period of another one that was refused in the same look.
        let failed = self.files.values_mut().filter_map(|seen| seen.failed.as_mut());
        for failed in failed.filter(|failed| !failed.reported && failed.since >= self.begun) {
            failed.since = now;
            self.look_at = self.look_at.min(now + failed.grace);
        }
    }
}

#[cfg(test)]
mod tests;
