use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use bytes::Bytes;
use futures_util::poll;
use parking_lot::Mutex;

use super::loader::Setup;
use super::*;
use crate::clock::ManualClock;
use crate::list::Limits;
use crate::list::binding::LogicBinding;
use crate::list::digest::digest_of;
use crate::list::id::LogicId;
use crate::list::schema::Description;
use crate::logic::testing::Native;
use crate::logic::{Fault, Logic, Session};
use crate::rollout::testing::MemoryStates;
use crate::rollout::{CompileError, Compiler, IsCancelled};

/// The longest wait for the loader.
const PATIENCE: Duration = Duration::from_secs(60);

/// A compiler whose behaviour depends on the name of the logic.
struct Scripted {
    entered: Sender<()>,
    released: Mutex<Receiver<()>>,
}

impl Compiler for Scripted {
    fn compile(
        &self,
        name: &LogicName,
        bytes: &[u8],
        is_cancelled: IsCancelled<'_>,
    ) -> Result<Box<dyn Logic>, CompileError> {
        match name.as_str() {
            "compiler-panics" => panic!("as the name demands"),
            "gates-panic" => Ok(Box::new(PanicsInGates(Native::named("gates-panic", 1)))),
            "ordered" => {
                let major = if bytes == b"1" { 1 } else { 2 };
                if major == 1 {
                    self.entered.send(()).expect("the test waits for it");
                    self.released.lock().recv_timeout(PATIENCE).expect("the test releases it");
                }
                if is_cancelled() { Err(CompileError::Cancelled) } else { Ok(Native::named("ordered", major)) }
            }
            "stored" => {
                self.entered.send(()).expect("the test waits for it");
                self.released.lock().recv_timeout(PATIENCE).expect("the test releases it");
                Ok(Box::new(Digested::of(bytes)))
            }
            "works" => Ok(Native::named("works", 1)),
            _ => Err(CompileError::Refused { why: "not in this test".into(), is_transient: false }),
        }
    }
}

/// A logic with the digest of its bytes, so that it can be loaded from them again.
struct Digested(Box<dyn Logic>, Arc<LogicBinding>);

impl Digested {
    fn of(bytes: &[u8]) -> Self {
        let logic = Native::named("stored", 1);
        let id = LogicId { digest: digest_of(bytes), ..LogicId::clone(logic.id()) };
        let binding = LogicBinding::new(id, logic.description());
        Self(logic, binding)
    }
}

impl Logic for Digested {
    fn binding(&self) -> &Arc<LogicBinding> {
        &self.1
    }

    fn description(&self) -> &Description {
        self.0.description()
    }

    fn session(&self) -> Result<Box<dyn Session + '_>, Fault> {
        self.0.session()
    }
}

struct PanicsInGates(Box<dyn Logic>);

impl Logic for PanicsInGates {
    fn binding(&self) -> &Arc<LogicBinding> {
        self.0.binding()
    }

    fn description(&self) -> &Description {
        self.0.description()
    }

    fn session(&self) -> Result<Box<dyn Session + '_>, Fault> {
        panic!("as the name demands")
    }
}

struct Fixture {
    plugins: Plugins,
    registry: Arc<Registry>,
    entered: Receiver<()>,
    release: Sender<()>,
}

async fn start(directory: &Path) -> Fixture {
    start_with(directory, &MemoryStates::default(), None).await
}

async fn start_watching(directory: &Path, watched: Option<&Path>) -> Fixture {
    start_with(directory, &MemoryStates::default(), watched).await
}

async fn start_with(directory: &Path, states: &MemoryStates, watched: Option<&Path>) -> Fixture {
    let ((entering, entered), (release, released)) = (mpsc::channel(), mpsc::channel());
    let registry = Arc::new(Registry::default());
    let setup = Setup {
        compiler: Box::new(Scripted { entered: entering, released: Mutex::new(released) }),
        registry: registry.clone(),
        clock: Arc::new(ManualClock::at(1)),
        directory: directory.to_owned(),
        states: Box::new(states.clone()),
        watched: watched.map(|directory| (directory.to_owned(), 1_000)),
        default_logic: None,
        force: false,
        limits: Limits::default(),
        shared: Arc::default(),
    };
    let plugins = Plugins::start_with(setup).await.expect("the loader starts");
    Fixture { plugins, registry, entered, release }
}

async fn upload(plugins: &Plugins, name: &str) -> Result<Arc<LogicId>, PublishError> {
    upload_bytes(plugins, name, "component").await
}

async fn upload_bytes(plugins: &Plugins, name: &str, bytes: &'static str) -> Result<Arc<LogicId>, PublishError> {
    let options = UploadOptions { publish: true, force: true, ..UploadOptions::default() };
    let uploaded = plugins.upload(LogicName::new(name).unwrap(), Bytes::from_static(bytes.as_bytes()), options).await;
    uploaded.map(|accepted| accepted.id)
}

#[tokio::test]
async fn a_panic_of_the_compiler_or_in_the_gates_refuses_the_component_and_the_loader_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let fixture = start(directory.path()).await;
    for (name, message) in [
        ("compiler-panics", "the compiler panicked over it"),
        ("gates-panic", "the host panicked while it passed its gates"),
    ] {
        let error = upload(&fixture.plugins, name).await.expect_err("a panic is an error");
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(fixture.plugins.health(), Ok(()));
    }
    upload(&fixture.plugins, "works").await.expect("the next component is published");
}

#[tokio::test]
async fn closing_with_a_full_queue_still_writes_the_states_that_changed() {
    let (directory, states, works) =
        (tempfile::tempdir().unwrap(), MemoryStates::default(), LogicName::new("works").unwrap());
    let Fixture { plugins, registry, .. } = start_with(directory.path(), &states, None).await;
    let id = upload(&plugins, "works").await.expect("it is published");
    let is_held = || states.both(&works).0.expect("it was written").versions[0].held;
    assert!(!is_held());
    let release = states.hold();
    let mut again = Box::pin(upload(&plugins, "works"));
    assert!(poll!(&mut again).is_pending());
    // The loader takes jobs until it has to write the state.
    while plugins.jobs.try_send(Job::Save).is_ok() {}
    registry.hold(&works, &id.digest);
    let mut closed = Box::pin(plugins.close());
    assert!(poll!(&mut closed).is_pending(), "the loader has not written the state yet");
    drop(release);
    closed.await.unwrap();
    assert!(is_held(), "the state is stored");
    again.await.expect("it is published");
}

#[tokio::test]
async fn versions_change_their_roles_beside_a_compilation_and_uploads_of_one_logic_keep_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let Fixture { plugins, registry, entered, release } = start(directory.path()).await;
    upload(&plugins, "works").await.expect("it is published");
    let mut first = Box::pin(upload_bytes(&plugins, "ordered", "1"));
    assert!(poll!(&mut first).is_pending());
    entered.recv_timeout(PATIENCE).expect("it is being compiled");
    let mut second = Box::pin(upload_bytes(&plugins, "ordered", "2"));
    assert!(poll!(&mut second).is_pending());

    let update = RolloutUpdate { live: Some("1.0.0".parse().expect("a version")), ..RolloutUpdate::default() };
    plugins.update(LogicName::new("works").unwrap(), update).await.expect("it is in memory");
    upload(&plugins, "works").await.expect("another thread compiles it");
    assert!(poll!(&mut second).is_pending(), "the upload before it is not published yet");
    release.send(()).expect("the compiler waits");
    let (first, second) = tokio::join!(first, second);
    assert_eq!([first.unwrap().version.major, second.unwrap().version.major], [1, 2]);
    let live = registry.live(&LogicName::new("ordered").unwrap()).expect("it is live");
    assert_eq!(live.id().version.major, 2);
}

#[tokio::test]
async fn a_version_that_several_lists_wait_for_is_loaded_once() {
    let directory = tempfile::tempdir().unwrap();
    let Fixture { plugins, registry, entered, release } = start(directory.path()).await;
    let stored = LogicName::new("stored").unwrap();
    release.send(()).expect("the compiler will wait");
    let options = UploadOptions { force: true, ..UploadOptions::default() };
    let uploaded = plugins.upload(stored.clone(), Bytes::from_static(b"component"), options.clone()).await;
    let id = uploaded.expect("it is stored").id;
    entered.recv_timeout(PATIENCE).expect("it was compiled");
    let fetch = || Box::pin(registry.fetch(&stored, id.digest));
    let [mut first, mut second, mut third] = [fetch(), fetch(), fetch()];
    assert!(poll!(&mut first).is_pending());
    entered.recv_timeout(PATIENCE).expect("it is being loaded");
    assert!(poll!(&mut second).is_pending() && poll!(&mut third).is_pending());
    let update = RolloutUpdate { live: Some("1.0.0".parse().unwrap()), force: true, ..RolloutUpdate::default() };
    let mut update = Box::pin(plugins.update(stored.clone(), update));
    assert!(poll!(&mut update).is_pending(), "a change waits for the same version");
    release.send(()).expect("the compiler waits");
    assert_eq!(tokio::join!(first, second, third), (Ok(()), Ok(()), Ok(())));
    update.await.expect("it is loaded");
    assert_eq!(registry.live(&stored).expect("it is live").digest(), &id.digest);
    // Versions are loaded one after the other, so whatever is loaded again is loaded before another version.
    (0..9).for_each(|_| release.send(()).expect("the compiler will wait"));
    let other = plugins.upload(stored.clone(), Bytes::from_static(b"other"), options).await.expect("it is stored").id;
    registry.fetch(&stored, other.digest).await.expect("it is loaded");
    assert_eq!(entered.try_iter().count(), 2, "only the other one is compiled and loaded");
}

#[tokio::test]
async fn a_server_that_stops_refuses_what_is_being_compiled_and_what_waits_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let Fixture { plugins, registry, entered, release } = start(directory.path()).await;
    let mut first = Box::pin(upload_bytes(&plugins, "ordered", "1"));
    assert!(poll!(&mut first).is_pending());
    entered.recv_timeout(PATIENCE).expect("it is being compiled");
    let mut second = Box::pin(upload_bytes(&plugins, "ordered", "2"));
    assert!(poll!(&mut second).is_pending());
    plugins.stop_compiling();
    assert_eq!(second.await, Err(PublishError::Stopping), "it does not wait for the compiler");
    release.send(()).expect("the compiler waits");
    assert_eq!(first.await, Err(PublishError::Stopping));
    assert!(registry.live(&LogicName::new("ordered").unwrap()).is_none());
    plugins.close().await.expect("there is nothing to write");
}

#[tokio::test]
async fn a_component_whose_caller_is_gone_is_not_published() {
    let directory = tempfile::tempdir().unwrap();
    let Fixture { plugins, registry, entered, release } = start(directory.path()).await;
    let mut first = Box::pin(upload_bytes(&plugins, "ordered", "1"));
    assert!(poll!(&mut first).is_pending());
    entered.recv_timeout(PATIENCE).expect("it is being compiled");
    drop(first);
    release.send(()).expect("the compiler waits");
    upload_bytes(&plugins, "ordered", "2").await.expect("it is published");
    let rollout = registry.rollout(&LogicName::new("ordered").unwrap()).expect("the registry knows it");
    assert_eq!(rollout.state.versions.len(), 1, "{:?}", rollout.state);
}

#[tokio::test]
async fn a_logic_whose_state_is_damaged_is_not_loaded_until_a_component_is_uploaded() {
    let (directory, states) = (tempfile::tempdir().unwrap(), MemoryStates::default());
    let works = LogicName::new("works").unwrap();
    let fixture = start_with(directory.path(), &states, None).await;
    upload(&fixture.plugins, "works").await.expect("it is published");
    fixture.plugins.close().await.unwrap();
    drop(fixture);
    states.damage(&works);
    let damaged = states.both(&works);

    let fixture = start_with(directory.path(), &states, None).await;
    let rollout = fixture.registry.rollout(&works).expect("the registry knows it");
    assert!(rollout.live.is_none());
    assert!(
        rollout.state.failure().is_some_and(|why| why.contains("there is no previous state")),
        "{:?}",
        rollout.state.failure()
    );
    fixture.plugins.close().await.unwrap();
    assert_eq!(states.both(&works), damaged, "nothing is written over it by itself");
    upload(&fixture.plugins, "works").await.expect("it is published");
    assert!(fixture.registry.live(&works).is_some());
    drop(fixture);

    let fixture = start_with(directory.path(), &states, None).await;
    let rollout = fixture.registry.rollout(&works).expect("the registry knows it");
    assert!(rollout.state.live.is_some(), "the new state was written");
}

#[tokio::test]
async fn a_change_that_a_loader_took_and_did_not_answer_may_have_been_made() {
    let (jobs, waiting) = mpsc::sync_channel(MAX_WAITING_JOBS);
    let plugins = Plugins { jobs, shared: Arc::default() };
    let ends = std::thread::spawn(move || {
        drop(waiting.recv().expect("the upload"));
        drop(waiting.recv().expect("the read"));
    });
    let error = upload(&plugins, "works").await.expect_err("no answer");
    assert!(matches!(error, PublishError::Interrupted(_)), "{error:?}");
    let error = plugins.component(LogicName::new("works").unwrap(), [1; 32]).await.expect_err("no answer");
    assert!(matches!(error, PublishError::Failed(_)), "a read changes nothing: {error:?}");
    ends.join().expect("it ends");
    let error = upload(&plugins, "works").await.expect_err("the loader is gone");
    assert!(matches!(error, PublishError::Failed(_)), "nothing was changed: {error:?}");
}

#[tokio::test]
async fn a_watched_directory_that_cannot_be_read_again_is_an_error() {
    let (directory, watched) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(watched.path().join("works.wasm"), b"component").unwrap();
    let fixture = start_watching(directory.path(), Some(watched.path())).await;
    assert_eq!(fixture.plugins.rescan().await, Ok(Some(1)));
    watched.close().unwrap();
    let error = fixture.plugins.rescan().await.expect_err("the directory is gone");
    assert!(error.to_string().contains("cannot be read"), "{error}");
}

#[tokio::test]
async fn a_loader_that_died_is_not_closed_in_order() {
    let (jobs, waiting) = mpsc::sync_channel(MAX_WAITING_JOBS);
    let plugins = Plugins { jobs, shared: Arc::default() };
    let guard = ThreadGuard::new(plugins.shared.clone());
    let dies = std::thread::spawn(move || {
        let (_guard, _waiting) = (guard, waiting);
        panic!("as the test has it");
    });
    assert!(dies.join().is_err());
    assert_eq!(plugins.close().await, Err(CloseError::LoaderDied));
}

#[test]
fn a_change_in_which_the_host_panicked_may_have_been_made() {
    let changed = job::catch("changed a rollout", || -> Result<(), PublishError> { panic!("as the test has it") });
    assert!(matches!(changed, Err(PublishError::Interrupted(_))), "{changed:?}");
}
