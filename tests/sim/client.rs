//! Clients: they send commands, repeat those with a key, read, and follow the events.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};
use hotlist::actor::{CallError, Effect, Expect, Reply, Request, RequestRoom};
use hotlist::cache::{Cache, UndoRight};
use hotlist::clock::Clock;
use hotlist::executor::Executor;
use hotlist::list::command::{Command, Query};
use hotlist::list::entry::{Draft, Patch};
use hotlist::list::name::ListName;
use hotlist::list::receipt::{Idempotency, RetainedEffect};
use hotlist::list::selector::Pin;
use hotlist::store::StoreError;
use tokio::sync::broadcast::error::RecvError;

use super::logic::{OF, ON, digest};
use super::world::{Stream, World};

/// How often an operation with a key is repeated.
const MAX_ATTEMPTS: u32 = 8;

/// How long ago the cause of an error may lie.
const CAUSE: Duration = Duration::from_secs(1);

/// How many clients send the operations.
const CLIENTS: u64 = 3;

/// Longer than any simulation.
const FOREVER: Duration = Duration::from_secs(24 * 3_600);

/// A command of one client, which the caller of its revision identifies.
#[derive(Clone, Debug)]
pub struct Op {
    id: Arc<str>,
    list: ListName,
    client: Arc<str>,
    kind: OpKind,
    expect: Expect,
    has_key: bool,
    attempts: u32,
    /// Whether an earlier attempt may have been carried out, or may still be.
    is_unknown: bool,
}

#[derive(Clone, Debug)]
enum OpKind {
    Command(Command),
    Undo(u64),
}

pub fn list(number: u64) -> ListName {
    ListName::new(&format!("list {number}")).unwrap()
}

fn draw(world: &World) -> Op {
    let chance = &world.chance;
    let list = list(chance.below(world.rates.lists));
    let (durable, number) = {
        let mut state = world.state();
        state.next_op += 1;
        (state.records.get(&list).map_or(0, |record| record.revisions.len() as u64), state.next_op)
    };
    let id = 1 + chance.below(12);
    let configure = |pin| Command::Configure { logic: None, pin: Some(pin), settings: Vec::new() };
    let kind = match chance.below(100) {
        0..40 => OpKind::Command(Command::Add(Draft { title: title(world), ..Draft::default() })),
        40..60 => {
            let patch = Patch { title: Some(title(world)), ..Patch::default() };
            OpKind::Command(Command::Update { id, patch })
        }
        60..75 => OpKind::Command(Command::Delete { id }),
        75..78 => OpKind::Command(Command::Clear),
        78..80 => OpKind::Command(Command::DeleteList),
        80..83 => {
            let major = 1 + chance.below(world.state().major);
            OpKind::Command(configure(Some(Pin::Digest(digest(major)))))
        }
        83..88 => OpKind::Command(configure(None)),
        _ => OpKind::Undo(durable.saturating_sub(chance.below(4))),
    };
    let expect = match chance.below(10) {
        0 => Expect::Revision(vec![durable]),
        1 => Expect::Exists,
        _ => Expect::Anything,
    };
    let client = format!("client {}", number % CLIENTS);
    let id = format!("op {number}{OF}{client}{ON}{}", list.as_str()).into();
    let (client, has_key) = (client.into(), chance.per_mille(600));
    Op { id, list, client, kind, expect, has_key, attempts: 0, is_unknown: false }
}

fn title(world: &World) -> String {
    if world.goes_wrong(world.rates.panic) {
        return "panic".into();
    }
    match world.chance.below(20) {
        0 => "no".into(),
        1 => "trap".into(),
        2 => "foreign".into(),
        3 => "slow".into(),
        9 => "fuel".into(),
        4 => "stay".into(),
        5..9 => format!("wake at {}", world.clock.now() + world.chance.below(3_000)),
        other => format!("entry {other}"),
    }
}

/// Sends commands until the simulation ends.
pub async fn commander(world: Arc<World>, cache: Arc<Cache>, client: usize) {
    loop {
        world.executor.sleep(Duration::from_millis(world.chance.below(60))).await;
        let pending = world.state().pending.remove(&client);
        let is_ending = world.state().is_ending;
        let op = match pending {
            Some(op) => op,
            None if is_ending => break,
            None => draw(&world),
        };
        let mut op = Op { attempts: op.attempts + 1, ..op };
        world.state().pending.insert(client, op.clone());
        let repeats = attempt(&world, &cache, &mut op).await;
        let mut state = world.state();
        state.pending.remove(&client);
        if repeats && op.has_key && op.attempts < MAX_ATTEMPTS {
            state.pending.insert(client, op);
        }
    }
    world.state().clients -= 1;
}

/// After a crash, nothing is known of the operations that were under way. Those without a key are not repeated.
pub fn lose_replies(world: &World) {
    let mut state = world.state();
    state.pending.retain(|_, op| op.has_key && op.attempts < MAX_ATTEMPTS);
    state.pending.values_mut().for_each(|op| op.is_unknown = true);
    state.streams.clear();
}

/// Sends an operation once. True if the client may repeat it.
async fn attempt(world: &Arc<World>, cache: &Cache, op: &mut Op) -> bool {
    world.log(format_args!("{} {} to {}: {:?}", op.id, op.attempts, op.list, op.kind));
    let (floor, begun, panics) = (world.seen(&op.list), world.now(), world.panics.load(Ordering::Relaxed));
    world.state().known.entry(op.id.clone()).or_default().may_happen = true;
    let request = |command: Command| Request {
        command: command.into(),
        caller: op.id.clone(),
        client: op.client.clone(),
        expect: op.expect.clone(),
        idempotency: op.has_key.then(|| Idempotency {
            key: op.id.to_string(),
            holder: "client".into(),
            fingerprint: [7; 32],
        }),
        room: RequestRoom::default(),
    };
    let call: BoxFuture<'_, _> = match &op.kind {
        OpKind::Command(command) => Box::pin(cache.call(&op.list, request(command.clone()))),
        OpKind::Undo(number) => Box::pin(cache.undo(&op.list, Some(*number), UndoRight::All, request)),
    };
    let reply = if world.goes_wrong(world.rates.abandoned) {
        let patience = world.executor.sleep(Duration::from_millis(world.chance.below(40)));
        match select(call, pin!(patience)).await {
            Either::Left((reply, _)) => reply,
            Either::Right(_) => {
                world.log(format_args!("{} stops waiting", op.id));
                op.is_unknown = true;
                return true;
            }
        }
    } else {
        call.await
    };
    world.log(format_args!("{} {}", op.id, shown(&reply)));
    match reply {
        Ok(reply) => {
            check_reply(world, op, floor, &reply);
            false
        }
        Err(error) => {
            let panicked = world.panics.load(Ordering::Relaxed) > panics;
            check_error(world, op, floor, begun, panicked, &error)
        }
    }
}

fn shown(reply: &Result<Reply, CallError>) -> String {
    match reply {
        Ok(reply) => {
            let effect = match reply.effect {
                Effect::Revised(_) => "done",
                Effect::Repeated(_) => "was done",
                Effect::Nothing => "changes nothing",
            };
            format!("{effect} at {} by {}", reply.revision, reply.logic)
        }
        Err(error) => error.to_string(),
    }
}

fn check_reply(world: &World, op: &Op, floor: u64, reply: &Reply) {
    let durable = world.state().known.get(&op.id).and_then(|known| known.durable.clone());
    let there = Some((op.list.clone(), reply.revision));
    match &reply.effect {
        Effect::Revised(revision) => {
            world.check_shown("a reply", &op.list, (floor + 1).min(reply.revision), reply.revision);
            world.check(op.attempts > 1 || reply.revision > floor, || format!("{} went back before {floor}", op.id));
            world.check(durable == there, || format!("{} got revision {}: {durable:?}", op.id, reply.revision));
            world.check(reply.logic == revision.logic, || format!("{} names another version", op.id));
        }
        Effect::Repeated(effect) => {
            let is_unchanged = *effect == RetainedEffect::Nothing;
            world.check(is_unchanged || durable == there, || format!("{} repeats another: {durable:?}", op.id));
        }
        Effect::Nothing => {
            world.check_shown("a reply", &op.list, floor, reply.revision);
            world.check(durable.is_none() || op.is_unknown, || format!("{} changed something: {durable:?}", op.id));
        }
    }
}

/// Checks that an error has a cause, and that it is true. True if the client may repeat the operation.
fn check_error(world: &World, op: &mut Op, floor: u64, begun: Duration, panicked: bool, error: &CallError) -> bool {
    let is_recent = |at: Option<Duration>| at.is_some_and(|at| at + CAUSE >= begun);
    let (failed, busy, unknown, unhealthy) = {
        let mut state = world.state();
        let unhealthy = is_recent(state.unhealthy_at);
        let record = state.records.entry(op.list.clone()).or_default();
        (is_recent(record.failed_at), is_recent(record.busy_at), is_recent(record.unknown_at), unhealthy)
    };
    let has_cause = match error {
        CallError::Crashed => panicked || unknown,
        CallError::Unknown { .. } => unknown,
        CallError::Store(StoreError::Overloaded { .. } | StoreError::QueueFull { .. }) => busy,
        CallError::Store(StoreError::Conflict { .. } | StoreError::Unknown { .. }) => false,
        CallError::Store(StoreError::Poisoned { .. } | StoreError::Unavailable { .. }) => failed || unhealthy,
        CallError::Store(_) => failed,
        CallError::NoLogic(_) | CallError::Awaited(_) | CallError::KeyReused | CallError::Invalid { .. } => false,
        _ => true,
    };
    world.check(has_cause, || format!("{} gets an error without a cause: {error}", op.id));
    // A list that does not exist is at no revision.
    if let CallError::Stale { revision: Some(revision) } = error {
        world.check_shown("a stale precondition", &op.list, floor, *revision);
    }
    op_outcome(world, op, error);
    let passes = matches!(
        error,
        CallError::Crashed
            | CallError::Unknown { .. }
            | CallError::Store(_)
            | CallError::Overloaded { .. }
            | CallError::TooManyLists { .. }
            | CallError::ListMemoryFull { .. }
            | CallError::TooManyDecisions { .. }
            | CallError::NotLoaded { .. }
    );
    op.is_unknown |= matches!(error, CallError::Unknown { .. });
    passes
}

/// Notes that an operation was certainly not carried out, where the error says so.
fn op_outcome(world: &World, op: &Op, error: &CallError) {
    if op.is_unknown || matches!(error, CallError::Unknown { .. }) {
        return;
    }
    let durable = {
        let mut state = world.state();
        let known = state.known.entry(op.id.clone()).or_default();
        known.may_happen = false;
        known.durable.clone()
    };
    world.check(durable.is_none(), || format!("{} was not carried out, and is {durable:?}: {error}", op.id));
}

/// Reads until the simulation ends.
pub async fn reader(world: Arc<World>, cache: Arc<Cache>) {
    while !world.state().is_ending {
        world.executor.sleep(Duration::from_millis(world.chance.below(60))).await;
        let name = list(world.chance.below(world.rates.lists));
        let floor = world.seen(&name);
        let read = match world.chance.below(4) {
            0 => cache
                .view(&name, "reader".into(), &"reader".into(), &Query { limit: 10, ..Query::default() })
                .await
                .map(|view| view.list),
            _ => cache.read(&name).await,
        };
        match read {
            Ok(list) => {
                world.log(format_args!("read {name} at {}", list.revision()));
                world.check_read(&name, floor, &list);
            }
            Err(error) => world.log(format_args!("read {name}: {error}")),
        }
    }
    world.state().clients -= 1;
}

/// Follows the events of lists, each for some time.
pub async fn follower(world: Arc<World>, cache: Arc<Cache>, client: usize) {
    loop {
        world.executor.sleep(Duration::from_millis(world.chance.below(200))).await;
        let name = list(world.chance.below(world.rates.lists));
        let Ok(mut events) = cache.subscribe(&name) else { continue };
        let (last, has_begun) = (world.durable(&name), false);
        world.state().streams.insert(client, Stream { list: name.clone(), last, has_begun });
        let end = world.now() + Duration::from_millis(world.chance.below(3_000));
        let panics = world.panics.load(Ordering::Relaxed);
        loop {
            let begun = world.now();
            let event = {
                // A stream that is open at the end has to show everything.
                let patience = if world.state().is_ending { FOREVER } else { end.saturating_sub(begun) };
                match select(pin!(events.recv()), world.executor.sleep(patience)).await {
                    Either::Left((event, _)) => event,
                    Either::Right(_) => break,
                }
            };
            match event {
                Ok(revision) => check_event(&world, client, &name, revision.number),
                Err(RecvError::Lagged(_)) => break,
                Err(RecvError::Closed) => {
                    let panicked = world.panics.load(Ordering::Relaxed) > panics;
                    let unknown = world.state().records.get(&name).and_then(|record| record.unknown_at);
                    let has_cause = panicked || unknown.is_some_and(|at| at + Duration::from_secs(60) >= begun);
                    world.check(has_cause, || format!("the events of {name} end without a cause"));
                    break;
                }
            }
        }
        world.state().streams.remove(&client);
    }
}

/// Checks that an event is durable, and the next one of its list.
fn check_event(world: &World, client: usize, name: &ListName, number: u64) {
    world.log(format_args!("event {number} of {name}"));
    let (last, has_begun) = {
        let mut state = world.state();
        let Some(stream) = state.streams.get_mut(&client) else { return };
        (std::mem::replace(&mut stream.last, number), std::mem::replace(&mut stream.has_begun, true))
    };
    // A revision may have been durable and not yet published when the stream began.
    let is_next = if has_begun { number == last + 1 } else { number <= last + 1 };
    world.check(is_next, || format!("event {number} of {name} follows {last}"));
    world.check_shown("an event", name, 0, number);
}
