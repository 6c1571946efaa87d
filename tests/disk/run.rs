//! A run: what a seed does to a store, and the checks of every power failure on its way.

use fastrand::Rng;
use hotlist::store::embedded::Options;
use hotlist::store::{Store, StoreError};
use hotlist_simulated_disk::{Counts, Disk, Fault, Image};

use super::model::Model;
use super::world::{Ground, World, options};

/// How many steps a seed runs.
const STEPS: u32 = 60;

/// How many of a thousand operations are power failures.
const IMAGES_PER_MILLE: u16 = 60;

/// How many of a thousand operations are power failures after a failed synchronization.
const LIE_IMAGES_PER_MILLE: u16 = 400;

/// How many power failures follow each other.
const MAX_DEPTH: u32 = 4;

/// How many of the last lines of a run's log are shown.
const SHOWN_LINES: usize = 40;

/// What runs did.
#[derive(Clone, Copy, Default)]
pub struct Tally {
    pub seeds: u64,
    /// Power failures after which a store was opened and checked.
    pub images: u64,
    /// Of these, the ones that follow another power failure.
    pub nested: u64,
    /// Acknowledged commits that were looked for, summed over the images.
    pub acknowledged: u64,
    /// Images that had commits that were not acknowledged.
    pub ahead: u64,
    /// Starts and stops in the runs.
    pub kills: u64,
    pub closings: u64,
    pub poisoned: u64,
    pub full: u64,
    pub disk: Counts,
}

/// A run.
pub struct Run {
    chance: Rng,
    options: Options,
    model: Model,
    pub tally: Tally,
    /// The disk of the run ignores synchronizations.
    pub ignores_syncs: bool,
    /// Whether the disks fail.
    has_faults: bool,
    images_per_mille: u16,
    /// What was done.
    log: Vec<String>,
}

/// The operations of a run, and what is wrong.
pub struct Outcome {
    pub tally: Tally,
    pub trace: u64,
    pub violation: Option<String>,
}

/// Runs a seed.
pub fn run(seed: u64) -> Outcome {
    let mut run = Run::new(seed);
    run.has_faults = run.chance.bool();
    let ended = run.all();
    run.outcome(ended)
}

/// Runs a seed on disks that ignore synchronizations.
pub fn run_without_synchronizations(seed: u64) -> Outcome {
    let mut run = Run::new(seed);
    run.ignores_syncs = true;
    let ended = run.all();
    run.outcome(ended)
}

/// Runs a seed with failures of disks and few power failures.
pub fn run_with_few_images(seed: u64) -> Outcome {
    let mut run = Run::new(seed);
    run.has_faults = true;
    run.images_per_mille = IMAGES_PER_MILLE / 10;
    let ended = run.all();
    run.outcome(ended)
}

/// Commits, fails to synchronize a commit, starts a new process, commits again, and loses the power. The power fails at
/// many operations besides.
pub fn run_after_a_lie(seed: u64) -> Outcome {
    let mut run = Run::new(seed);
    run.images_per_mille = 0;
    let ended = run.lie();
    run.outcome(ended)
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut chance = Rng::with_seed(seed);
        Self {
            options: options(&mut chance),
            chance,
            model: Model::default(),
            tally: Tally { seeds: 1, ..Tally::default() },
            ignores_syncs: false,
            has_faults: false,
            images_per_mille: IMAGES_PER_MILLE,
            log: Vec::new(),
        }
    }

    fn outcome(self, ended: Result<(), String>) -> Outcome {
        let shown = self.log.len().saturating_sub(SHOWN_LINES);
        let violation = ended.err().map(|violation| format!("{}\n{violation}", self.log[shown..].join("\n")));
        Outcome { trace: self.tally.disk.trace, tally: self.tally, violation }
    }

    fn lie(&mut self) -> Result<(), String> {
        let ground = Ground::new(self.chance.u64(..));
        let mut world = self.start(ground)?;
        for _ in 0..self.chance.u8(1..6) {
            self.commit(&world)?;
            self.check_images(&world.ground.disk)?;
        }
        while !world.is_poisoned() {
            world.ground.disk.fail_after(Fault::FailedSync, 0);
            self.commit(&world)?;
        }
        self.refuse(&world)?;
        self.images_per_mille = LIE_IMAGES_PER_MILLE;
        world = self.kill(world)?;
        for _ in 0..3 {
            self.commit(&world)?;
        }
        world = self.lose_power(world)?;
        self.end(world);
        Ok(())
    }

    fn all(&mut self) -> Result<(), String> {
        let ground = Ground::new(self.chance.u64(..));
        if self.ignores_syncs {
            ground.disk.fail_after(Fault::IgnoredSyncs, 0);
        }
        let mut world = self.start(ground)?;
        for _ in 0..STEPS {
            world = self.step(world)?;
            self.check_images(&world.ground.disk)?;
        }
        self.tally.disk.trace = world.ground.disk.counts().trace;
        self.end(world);
        Ok(())
    }

    /// Starts a process, which must find what was promised. A disk may fail at the first attempts.
    fn start(&mut self, mut ground: Ground) -> Result<World, String> {
        loop {
            ground.disk.take_images(self.images_per_mille);
            let is_repaired = !self.has_faults || self.chance.u8(..4) > 0;
            if !is_repaired {
                self.arm(&ground.disk, 4);
            }
            let started = World::start(ground, self.options.clone());
            let (refusal, failed) = match started {
                Ok(world) => {
                    world.ground.disk.repair();
                    self.check_images(&world.ground.disk)?;
                    let found = world.check(&self.model)?;
                    self.model.settle(found);
                    world.ground.disk.promise(found as u64);
                    self.log(&world.ground.disk, "started");
                    return Ok(world);
                }
                Err(failed) => failed,
            };
            if is_repaired || !matches!(refusal, StoreError::Failed { .. }) {
                return Err(format!("a start is refused: {refusal}"));
            }
            self.log(&failed.disk, &format!("not started: {refusal}"));
            self.check_images(&failed.disk)?;
            failed.disk.repair();
            ground = failed.fork();
            self.drop_disk(&failed.disk);
        }
    }

    fn step(&mut self, mut world: World) -> Result<World, String> {
        if self.has_faults && self.chance.u8(..10) == 0 {
            self.arm(&world.ground.disk, 12);
        }
        let choice = self.chance.u8(..24);
        self.log(&world.ground.disk, &format!("step {choice}"));
        match choice {
            0..12 => self.commit(&world)?,
            12..14 => self.commit_during_copy(&world)?,
            14..16 => world.copy(),
            16 => drop(world.finish(&world.submit(vec![self.model.stale(&mut self.chance)], self.model.acknowledged))),
            17..19 => world.step(),
            19 => world.check_files(),
            20 => self.model.pass(self.chance.u64(1..9)),
            21 => world = self.close(world)?,
            22 => world = self.kill(world)?,
            _ => world = self.lose_power(world)?,
        }
        if world.is_poisoned() {
            self.tally.poisoned += 1;
            self.refuse(&world)?;
            world = if self.chance.bool() { self.kill(world)? } else { self.lose_power(world)? };
        } else if self.chance.u8(..4) == 0 {
            world.ground.disk.repair();
        }
        Ok(world)
    }

    fn log(&mut self, disk: &Disk, what: &str) {
        let (operation, model) = (disk.counts().operations, &self.model);
        self.log.push(format!("operation {operation}, {} of {} commits: {what}", model.acknowledged, model.len()));
    }

    /// Sets a fault that comes within some operations.
    fn arm(&mut self, disk: &Disk, operations: u64) {
        let operations = self.chance.u64(..operations);
        match self.chance.u8(..4) {
            0 | 1 => {
                disk.fail_after(Fault::FailedSync, operations / 3);
                self.log(disk, &format!("a synchronization will fail after {}", operations / 3));
            }
            2 => {
                disk.fail_after(Fault::FailedWrite, operations);
                self.log(disk, &format!("a write will fail after {operations}"));
            }
            _ => {
                let room = self.chance.usize(..60_000);
                disk.limit_room(Some(room));
                self.log(disk, &format!("the disk has room for {room} bytes"));
            }
        }
    }

    fn commit(&mut self, world: &World) -> Result<(), String> {
        world.store.receipt_room().advance(self.model.now());
        let commits = (0..self.chance.u8(1..5)).map(|_| self.model.next(&mut self.chance)).collect();
        let batch = world.submit(commits, self.model.len());
        if self.chance.u8(..4) == 0 {
            world.copy_after(self.chance.u64(..20));
        }
        let answers = world.finish(&batch);
        world.ground.disk.do_not_interrupt();
        self.answered(&world.ground.disk, &answers)
    }

    fn commit_during_copy(&mut self, world: &World) -> Result<(), String> {
        world.store.receipt_room().advance(self.model.now());
        let commits = (0..self.chance.u8(1..3)).map(|_| self.model.next(&mut self.chance)).collect();
        let batch = world.submit(commits, self.model.len());
        world.step_after(self.chance.u64(..10), &batch);
        world.copy();
        world.ground.disk.do_not_interrupt();
        let answers = world.finish(&batch);
        self.answered(&world.ground.disk, &answers)
    }

    /// Notes what was acknowledged. The answers are of the last commits, in their order.
    fn answered(&mut self, disk: &Disk, answers: &[Result<(), StoreError>]) -> Result<(), String> {
        self.log(disk, &format!("answers {answers:?}"));
        let done = answers.iter().take_while(|answer| answer.is_ok()).count();
        self.model.acknowledged += done;
        let mut in_doubt = 0;
        for (at, answer) in (1..).zip(&answers[done..]) {
            match answer {
                Ok(()) => return Err("a commit behind a failed one is acknowledged".into()),
                Err(error) if error.is_unknown() => in_doubt = at,
                Err(StoreError::Unavailable { .. }) => self.tally.full += 1,
                Err(StoreError::Failed { .. } | StoreError::Poisoned { .. }) => {}
                Err(error) => return Err(format!("a commit fails: {error}")),
            }
        }
        self.model.withdraw(in_doubt);
        disk.promise(self.model.acknowledged as u64);
        Ok(())
    }

    /// Checks that a poisoned store takes no commit.
    fn refuse(&mut self, world: &World) -> Result<(), String> {
        let mut model = self.model.clone();
        let answers = world.finish(&world.submit(vec![model.next(&mut self.chance)], self.model.acknowledged));
        match &answers[..] {
            [Err(StoreError::Poisoned { .. })] => Ok(()),
            _ => Err(format!("a poisoned store answers {answers:?}")),
        }
    }

    fn close(&mut self, world: World) -> Result<World, String> {
        self.tally.closings += 1;
        let (closed, ground) = world.close();
        self.log(&ground.disk, &format!("closed: {closed:?}"));
        // The process has ended: nothing but the files is left, durable or not.
        ground.disk.repair();
        self.check_images(&ground.disk)?;
        self.start(ground)
    }

    fn kill(&mut self, world: World) -> Result<World, String> {
        self.tally.kills += 1;
        world.ground.disk.repair();
        self.log(&world.ground.disk, "killed");
        let ground = world.ground.fork();
        self.check_images(&world.ground.disk)?;
        self.end(world);
        self.start(ground)
    }

    fn lose_power(&mut self, world: World) -> Result<World, String> {
        let image = world.ground.disk.image();
        self.log(&world.ground.disk, "power lost");
        self.check_images(&world.ground.disk)?;
        self.end(world);
        let ground = Ground::after(&image, self.chance.u64(..));
        if self.ignores_syncs {
            ground.disk.fail_after(Fault::IgnoredSyncs, 0);
        }
        self.start(ground)
    }

    fn end(&mut self, world: World) {
        self.drop_disk(&world.ground.disk);
        world.discard();
    }

    fn drop_disk(&mut self, disk: &Disk) {
        self.tally.disk.add(&disk.counts());
    }

    /// Checks the power failures since the last call.
    fn check_images(&mut self, disk: &Disk) -> Result<(), String> {
        let model = self.model.clone();
        disk.taken_images().iter().try_for_each(|image| self.check_image(image, &model, 1))
    }

    /// Starts a store after a power failure, and checks that it has what was promised and nothing else. Then the power
    /// fails again.
    fn check_image(&mut self, image: &Image, model: &Model, depth: u32) -> Result<(), String> {
        let at = |error: String| format!("power failure {depth} at operation {}: {error}", image.operation);
        self.tally.images += 1;
        self.tally.nested += u64::from(depth > 1);
        let mut model = model.clone();
        model.acknowledged = usize::try_from(image.promised).expect("it is a number of commits");
        self.tally.acknowledged += image.promised;
        let ground = Ground::after(image, self.chance.u64(..));
        if depth < MAX_DEPTH {
            ground.disk.take_images(IMAGES_PER_MILLE / 3);
        }
        let world = World::start(ground, self.options.clone());
        let world = world.map_err(|(error, _)| at(format!("the start is refused: {error}")))?;
        let found = world.check(&model).map_err(at)?;
        if self.chance.u8(..3) == 0 {
            world.verify().map_err(at)?;
        }
        self.tally.ahead += u64::from(found > model.acknowledged);
        let mut next: Vec<_> = world.ground.disk.taken_images();
        let during_start = model.clone();
        // What a start has shown stays.
        model.settle(found);
        world.ground.disk.promise(found as u64);
        let is_used = depth < MAX_DEPTH && self.chance.u8(..4) == 0;
        if is_used {
            let mut other = std::mem::replace(&mut self.model, model.clone());
            let logged = self.log.len();
            self.commit(&world).map_err(at)?;
            self.log.truncate(logged);
            world.copy();
            std::mem::swap(&mut self.model, &mut other);
            model = other;
            next.push(world.ground.disk.image());
        }
        world.discard();
        if let Some(image) = next.pop() {
            let model = if is_used { model } else { during_start };
            self.check_image(&image, &model, depth + 1).map_err(at)?;
        }
        Ok(())
    }
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.images += other.images;
        self.nested += other.nested;
        self.acknowledged += other.acknowledged;
        self.ahead += other.ahead;
        self.kills += other.kills;
        self.closings += other.closings;
        self.poisoned += other.poisoned;
        self.full += other.full;
        self.disk.add(&other.disk);
    }
}
