//! A server of the simulation: its start, its background tasks, and the rollout of its versions.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hotlist::actor::{Environment, ListMemory};
use hotlist::cache::wake_scheduler::WakeScheduler;
use hotlist::cache::{Bounds, Cache};
use hotlist::clock::Clock;
use hotlist::executor::Executor;
use hotlist::executor::turns::Turns;
use hotlist::list::Limits;
use hotlist::list::name::LogicName;
use hotlist::rollout::{
    Cause, Digest, QuarantinePolicy, Registry, Rollout, RolloutDraft, TransitionError, Version, VersionSource,
};

use super::client::{commander, follower, reader};
use super::logic::{LOGIC, SimLogic};
use super::store::SimStore;
use super::world::World;

const COMMANDERS: usize = 8;
const READERS: usize = 3;
const FOLLOWERS: usize = 3;

/// How long an actor is unused until it is passivated, in milliseconds.
const IDLE: u64 = 20;

/// The most entries of a list.
const ENTRIES: usize = 10;

pub struct Server {
    pub cache: Arc<Cache>,
    pub registry: Arc<Registry>,
    last: Option<Arc<Rollout>>,
}

pub fn logic_name() -> LogicName {
    LogicName::new(LOGIC).unwrap()
}

impl Server {
    /// Starts a server on what is durable, with all of its clients.
    pub fn start(world: &Arc<World>) -> Self {
        world.log("start");
        let registry = Arc::new(Registry::new(QuarantinePolicy::default()));
        restore(world, &registry);
        let (weak, owner) = (Arc::downgrade(&registry), world.clone());
        registry.load_from(Arc::new(Source { world: owner, registry: weak }));
        let environment = Environment {
            live_room: Arc::default(),
            list_memory: ListMemory::default(),
            list_changes: Arc::default(),
            store: Arc::new(SimStore(world.clone())),
            registry: registry.clone(),
            clock: world.clock.clone(),
            executor: world.executor.clone(),
            turns: Turns::new(2),
            limits: Limits { entries: ENTRIES, ..Limits::default() },
            mailbox: world.rates.mailbox as usize,
            default_logic: logic_name(),
        };
        let bounds = Bounds { idle: IDLE, resident: world.rates.resident as usize };
        let cache = Arc::new(Cache::new(Arc::new(environment), bounds));
        let spawn = |task: BoxFuture<'static, ()>| world.executor.spawn(task);
        spawn(WakeScheduler::new(cache.clone()).run().boxed());
        spawn(sweeper(world.clone(), cache.clone()).boxed());
        spawn(publisher(world.clone(), registry.clone()).boxed());
        world.state().clients = COMMANDERS + READERS;
        (0..COMMANDERS).for_each(|client| spawn(commander(world.clone(), cache.clone(), client).boxed()));
        (0..READERS).for_each(|_| spawn(reader(world.clone(), cache.clone()).boxed()));
        (0..FOLLOWERS).for_each(|client| spawn(follower(world.clone(), cache.clone(), client).boxed()));
        let mut server = Self { cache, registry, last: None };
        server.note_quarantines(world);
        server
    }

    /// Notes which versions are quarantined after a step, because they must decide nothing from now on.
    pub fn note_quarantines(&mut self, world: &World) {
        let rollout = self.registry.rollout(&logic_name());
        let is_same = matches!((&self.last, &rollout), (Some(one), Some(other)) if Arc::ptr_eq(one, other));
        if let Some(rollout) = rollout.filter(|_| !is_same) {
            let quarantined = rollout.state.versions.iter().filter(|record| record.quarantine.is_some());
            let quarantined = quarantined.map(|record| record.digest).collect();
            let before = std::mem::replace(&mut world.state().quarantined, quarantined);
            let new: Vec<_> = world.state().quarantined.difference(&before).copied().collect();
            for digest in new {
                world.state().quarantines += 1;
                let is_justified = world.defects.suffice(&digest, &QuarantinePolicy::default());
                world.check(is_justified, || {
                    format!(
                        "version {} is quarantined, and failed on too few lists or for too few clients",
                        major_of(&digest)
                    )
                });
            }
            self.last = Some(rollout);
        }
    }
}

fn version(world: &World, major: u64) -> Arc<Version> {
    Version::new(SimLogic::version(major, world), "simulation", world.clock.now())
}

fn major_of(digest: &Digest) -> u64 {
    u64::from_be_bytes(digest[..8].try_into().unwrap())
}

/// Puts the stored rollout into effect, or publishes the first version.
fn restore(world: &World, registry: &Registry) {
    let stored = world.state().rollout.clone();
    let Some(state) = stored else {
        let first = version(world, 1);
        let cause = Cause::new("simulation", world.clock.now());
        let published = change(world, registry, |draft| draft.publish(&first, None, cause));
        assert!(published, "the first version is published");
        return;
    };
    let loaded = state.in_use().map(|digest| version(world, major_of(&digest))).collect();
    let restored = RolloutDraft::restored(state, loaded);
    let proposal = registry.propose(&logic_name(), |draft| {
        *draft = restored;
        Ok::<_, TransitionError>(())
    });
    assert!(registry.accept(proposal.unwrap()), "nothing else changes the rollout");
}

/// Changes the rollout as the loader does: on disk first, then in effect.
fn change(
    world: &World,
    registry: &Registry,
    change: impl FnOnce(&mut RolloutDraft) -> Result<(), TransitionError>,
) -> bool {
    let Ok(proposal) = registry.propose(&logic_name(), change) else { return false };
    world.state().rollout = Some(proposal.state().clone());
    registry.accept(proposal)
}

/// Publishes versions, tries candidates on some lists, and sets the wall clock.
async fn publisher(world: Arc<World>, registry: Arc<Registry>) {
    loop {
        world.executor.sleep(Duration::from_millis(100 + world.chance.below(900))).await;
        if world.state().is_ending {
            return;
        }
        let now = world.clock.now();
        let cause = Cause::new("simulation", now);
        match world.chance.below(8) {
            0..3 => {
                let next = next_version(&world);
                world.log(format_args!("publish {}", next.id()));
                change(&world, &registry, |draft| draft.publish(&next, None, cause));
            }
            3..5 => {
                let (next, percent) = (next_version(&world), world.chance.below(100) as u8);
                world.log(format_args!("try {} on {percent} %", next.id()));
                change(&world, &registry, |draft| {
                    draft.store(&next, None, cause);
                    draft.stage(&next, percent, false, None, cause)
                });
            }
            5 => {
                change(&world, &registry, |draft| {
                    draft.withdraw(cause);
                    Ok(())
                });
            }
            6 => world.clock.set_wall(now + world.chance.below(2_000) - 1_000),
            _ => drop(registry.unload_unused(now)),
        }
    }
}

fn next_version(world: &World) -> Arc<Version> {
    let major = {
        let mut state = world.state();
        state.major += 1;
        state.major
    };
    version(world, major)
}

/// Passivates idle actors, at times or when the cache is crowded.
async fn sweeper(world: Arc<World>, cache: Arc<Cache>) {
    loop {
        let pause = world.executor.sleep(Duration::from_millis(1 + world.chance.below(200)));
        futures_util::future::select(std::pin::pin!(cache.above_high_watermark()), pause).await;
        let swept = cache.sweep();
        if swept > 0 {
            world.log(format_args!("sweep {swept}, {} stay", cache.resident()));
        }
        // A crowd of busy actors is no reason to sweep without a pause.
        world.executor.sleep(Duration::from_millis(1)).await;
    }
}

/// Loads stored versions, and writes the state of the rollout.
struct Source {
    world: Arc<World>,
    registry: Weak<Registry>,
}

impl VersionSource for Source {
    fn fetch(&self, _: &LogicName, digest: Digest) -> BoxFuture<'static, Result<(), String>> {
        let (world, registry) = (self.world.clone(), self.registry.clone());
        async move {
            world.executor.sleep(Duration::from_millis(world.chance.below(20))).await;
            if world.goes_wrong(100) {
                return Err("a fault of the simulation".into());
            }
            if let Some(registry) = registry.upgrade() {
                registry.add_spare(&version(&world, major_of(&digest)));
            }
            Ok(())
        }
        .boxed()
    }

    fn changed(&self) {
        let (world, registry) = (self.world.clone(), self.registry.clone());
        let save = async move {
            world.executor.sleep(Duration::from_millis(world.chance.below(20))).await;
            let Some(registry) = registry.upgrade() else { return };
            for name in registry.take_dirty() {
                let state = registry.rollout(&name).map(|rollout| rollout.state.clone());
                world.state().rollout = state;
            }
        };
        self.world.executor.spawn(save.boxed());
    }
}
