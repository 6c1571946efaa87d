use std::fs;
use std::sync::Arc;

use super::seen::{FIRST_RETRY, GROWING_GRACE_PERIOD};
use super::*;
use crate::clock::ManualClock;
use crate::list::Limits;
use crate::logic::Logic;
use crate::logic::testing::Native;
use crate::rollout::testing::MemoryStates;
use crate::rollout::{ArtifactStore, CompileError, Compiler, IsCancelled, Registry, StateError};

struct Works;

impl Compiler for Works {
    fn compile(&self, _: &LogicName, _: &[u8], _: IsCancelled<'_>) -> Result<Box<dyn Logic>, CompileError> {
        Ok(Native::named("works", 1))
    }
}

struct Scene {
    watched: tempfile::TempDir,
    states: MemoryStates,
    publisher: Publisher,
    _data: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let (watched, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let states = MemoryStates::default();
        let artifacts = ArtifactStore::open(data.path().to_owned()).unwrap();
        let (registry, clock) = (Arc::new(Registry::default()), Arc::new(ManualClock::at(1)));
        let publisher = Publisher::new(
            Box::new(Works),
            registry,
            clock,
            artifacts,
            Box::new(states.clone()),
            true,
            Limits::default(),
        );
        Self { watched, states, publisher, _data: data }
    }

    fn watch(&self) -> Watch {
        let (jobs, _) = mpsc::sync_channel(1);
        let mut watch = Watch::open(self.watched.path().to_owned(), 1_000, &self.publisher, jobs).unwrap();
        // The gates refuse the logic of the test, and the publisher passes over that at the start.
        watch.starting = true;
        watch
    }

    fn fill_disk(&self) {
        self.states.fail_next_write(StateError::Unavailable { why: "the disk is full".into(), recovers: true }, false);
    }
}

fn works() -> LogicName {
    LogicName::new("works").unwrap()
}

#[test]
fn a_component_that_could_not_be_stored_is_submitted_again_by_itself_at_longer_and_longer_pauses() {
    let scene = Scene::new();
    fs::write(scene.watched.path().join("works.wasm"), b"component").unwrap();
    scene.fill_disk();
    let mut watch = scene.watch();
    let failed = |watch: &Watch| {
        let failed = watch.files[&works()].failed.as_ref().expect("the disk is full");
        assert!(failed.reported, "it is reported once");
        failed.retry.expect("it is tried again").pause
    };
    assert_eq!(failed(&watch), FIRST_RETRY);
    let _ = watch.look_now(&scene.publisher);
    assert!(scene.publisher.registry().live(&works()).is_none(), "it is not time yet");
    let make_due = |watch: &mut Watch| {
        let failed = watch.files.get_mut(&works()).and_then(|seen| seen.failed.as_mut());
        failed.and_then(|failed| failed.retry.as_mut()).expect("it is tried again").at = Instant::now();
    };
    scene.fill_disk();
    make_due(&mut watch);
    let _ = watch.look_now(&scene.publisher);
    assert_eq!(failed(&watch), 2 * FIRST_RETRY);
    make_due(&mut watch);
    let _ = watch.look_now(&scene.publisher);
    assert!(scene.publisher.registry().live(&works()).is_some(), "the disk has room");
    assert!(watch.files[&works()].failed.is_none());
}

#[test]
fn an_unreadable_directory_is_reported_once_for_each_cause() {
    let scene = Scene::new();
    let mut watch = scene.watch();
    let away = scene.watched.path().with_extension("away");
    fs::rename(scene.watched.path(), &away).unwrap();
    let _ = watch.look_now(&scene.publisher);
    let why = watch.unreadable.clone().expect("it is gone");
    assert!(!watch.note_unreadable(why), "the same cause");
    assert!(watch.note_unreadable("another cause".into()));
    fs::rename(&away, scene.watched.path()).unwrap();
    let _ = watch.look_now(&scene.publisher);
    assert_eq!(watch.unreadable, None);
}

#[test]
fn a_rescan_is_answered_while_the_file_system_does_not_answer_whatever_it_was_asked_for() {
    let scene = Scene::new();
    let mut watch = scene.watch();
    // It was asked to read a file before the rescan came.
    watch.asked = Instant::now().checked_sub(READ_LIMIT);
    let (answer, mut answered) = tokio::sync::oneshot::channel();
    watch.rescan(answer);
    watch.step(true);
    let error = answered.try_recv().expect("it is answered").expect_err("it cannot be read");
    assert!(error.to_string().contains("did not answer"), "{error}");
    assert!(watch.is_late && watch.asked.is_some(), "it is still waited for");
}

#[test]
fn a_link_to_the_directory_that_leads_elsewhere_by_now_is_followed() {
    let scene = Scene::new();
    let path = |name: &str| scene.watched.path().join(name);
    for (release, content) in [("1", "one"), ("2", "two")] {
        fs::create_dir(path(release)).unwrap();
        fs::write(path(release).join("works.wasm"), content).unwrap();
    }
    let lead_to = |release: &str| {
        drop(fs::remove_file(path("current")));
        std::os::unix::fs::symlink(release, path("current")).unwrap();
    };
    lead_to("1");
    let (jobs, _) = mpsc::sync_channel(1);
    let mut watch = Watch::open(path("current"), 1_000, &scene.publisher, jobs).unwrap();
    assert_eq!(watch.files[&works()].digest, digest_of(b"one"));
    lead_to("2");
    fs::remove_dir_all(path("1")).unwrap();
    watch.look_now(&scene.publisher).unwrap();
    assert_eq!(watch.files[&works()].digest, digest_of(b"two"));
    assert_eq!(watch.unreadable, None);
    assert!(watch.pause().is_zero(), "what was saved before the new directory was followed is looked for at once");
}

#[test]
fn a_refused_file_that_grows_is_given_more_time_before_it_is_reported() {
    let scene = Scene::new();
    let file = scene.watched.path().join("works.wasm");
    let stamp = |content: &str| {
        fs::write(&file, content).unwrap();
        super::super::files::stamp(&fs::metadata(&file).unwrap())
    };
    let failed = Failed {
        why: "it ends too early".into(),
        reported: false,
        is_transient: false,
        since: Instant::now(),
        grace: GRACE_PERIOD,
        retry: None,
    };
    let (short, long) = (stamp("ab"), stamp("abc"));
    let seen =
        |stamp, failed, is_growing| Seen { path: file.clone(), stamp, digest: [0; 32], failed, is_growing, work: None };
    assert_eq!(seen(short, None, false).grace(), GRACE_PERIOD);
    assert!(!seen(short, None, false).grows_to(long), "it was not refused");
    assert!(!seen(long, Some(failed), false).grows_to(short), "it is another file");
    assert!(seen(short, None, true).grows_to(long), "it grew before");
    assert_eq!(seen(long, None, true).grace(), GROWING_GRACE_PERIOD);
}
