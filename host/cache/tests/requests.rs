//! Bodies, repetitions and preconditions of requests.

use super::*;
use crate::list::selector::Pin;

/// A body whose meaning is the version that reads it: the entry is titled with the version's number.
#[derive(Debug)]
struct TitledByVersion;

impl Prepare for TitledByVersion {
    fn prepare(&self, description: &Description) -> Result<Command, InvalidInput> {
        let title = description.version.to_string();
        match description.fields.first() {
            None => Ok(Command::Add(Draft { title, ..Draft::default() })),
            Some(field) => Err(InvalidInput { member: field.name.clone(), message: "it is refused".into() }),
        }
    }
}

fn titled_by_version() -> Request {
    let outline = Command::Add(Draft::default());
    Request { command: CommandSource::Deferred { outline, body: Arc::new(TitledByVersion) }, ..add("") }
}

#[tokio::test]
async fn a_body_is_read_by_the_version_that_decides_also_when_it_was_published_while_the_command_waited() {
    let world = World::new();
    world.store.hold_commits();
    let first = world.add_held("bob", "milk").await;
    let bob = name("bob");
    let mut waiting = std::pin::pin!(world.cache.call(&bob, titled_by_version()));
    assert!(futures_util::poll!(&mut waiting).is_pending(), "the command is in the mailbox");
    world.registry.publish(Native::version(2), "test", MIDNIGHT);
    world.store.release();
    first.await.unwrap().unwrap();
    assert_eq!(waiting.await.unwrap().logic.version.major, 2);
    assert_eq!(world.titles("bob").await, ["milk", "2.0.0"]);
}

#[tokio::test]
async fn a_body_that_the_deciding_version_does_not_take_names_the_member_and_the_version() {
    let world = World::new();
    world.add("bob", "milk").await.unwrap();
    world.registry.publish(Native::with_a_field(2), "test", MIDNIGHT);
    let refused = world.cache.call(&name("bob"), titled_by_version()).await.unwrap_err();
    let CallError::Invalid { input, logic } = refused else { panic!("{refused:?}") };
    assert_eq!((input.to_string().as_str(), logic.version.major), ("rank: it is refused", 2));
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer_also_from_a_new_actor() {
    let world = World::new();
    let keyed = |title: &str, fingerprint: u8| Request {
        idempotency: Some(Idempotency { key: "k".into(), holder: "alice".into(), fingerprint: [fingerprint; 32] }),
        ..add(title)
    };
    let first = world.cache.call(&name("bob"), keyed("milk", 1)).await.unwrap();
    world.add("bob", "bread").await.unwrap();
    world.clock.advance(600_000);
    world.cache.sweep();
    let again = world.cache.call(&name("bob"), keyed("milk", 1)).await.unwrap();
    assert_eq!((again.revision, again.created), (first.revision, true));
    assert_eq!(again.touched(), first.touched());
    assert_eq!(world.cache.call(&name("bob"), keyed("eggs", 2)).await.unwrap_err(), CallError::KeyReused);
    assert_eq!(world.titles("bob").await, ["milk", "bread"]);
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer_also_without_a_version_that_could_decide() {
    let world = World::new();
    world.registry.publish(Native::named("kanban", 1), "test", MIDNIGHT);
    let configure =
        Command::Configure { logic: Some(LogicName::new("kanban").unwrap()), pin: None, settings: Vec::new() };
    world.cache.call(&name("bob"), request(configure)).await.unwrap();
    let keyed = || Request {
        idempotency: Some(Idempotency { key: "k".into(), holder: "alice".into(), fingerprint: [1; 32] }),
        ..add("milk")
    };
    let first = world.cache.call(&name("bob"), keyed()).await.unwrap();
    let gone = World::with_store(world.store.clone());
    assert!(matches!(gone.add("bob", "bread").await, Err(CallError::NoLogic(_))));
    let again = gone.cache.call(&name("bob"), keyed()).await.unwrap();
    assert_eq!((again.revision, again.touched()), (first.revision, first.touched()));
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer_also_while_no_instance_is_free() {
    let world = World::new();
    let keyed = || Request {
        idempotency: Some(Idempotency { key: "k".into(), holder: "alice".into(), fingerprint: [1; 32] }),
        ..add("milk")
    };
    let first = world.cache.call(&name("bob"), keyed()).await.unwrap();
    world.registry.publish(Native::version(CROWDED), "test", MIDNIGHT);
    let busy = world.add("bob", "bread").await.unwrap_err();
    assert!(matches!(busy, CallError::Refused { refusal: Refusal::Fault(Fault::Instance(_)), .. }), "{busy:?}");
    assert_eq!(world.cache.call(&name("bob"), keyed()).await.unwrap().revision, first.revision);
}

#[tokio::test]
async fn a_repeated_request_that_was_rejected_is_rejected_again() {
    let world = World::new();
    let keyed = || Request {
        idempotency: Some(Idempotency { key: "k".into(), holder: "alice".into(), fingerprint: [1; 32] }),
        ..add("no")
    };
    let first = world.cache.call(&name("bob"), keyed()).await.unwrap_err();
    let CallError::Refused { refusal: Refusal::Rejected(rejection), logic } = first else { panic!("{first:?}") };
    world.clock.advance(600_000);
    world.cache.sweep();
    let again = world.cache.call(&name("bob"), keyed()).await.unwrap_err();
    assert_eq!(again, CallError::RejectedBefore { rejection, logic });
}

#[tokio::test]
async fn a_reply_names_the_pin_and_the_version_that_the_command_found_or_made() {
    let world = World::new();
    let bob = name("bob");
    world.add("bob", "milk").await.unwrap();
    world.store.hold_commits();
    let bread = world.add_held("bob", "bread").await;
    let todo = LogicName::new("todo").unwrap();
    let configure = |logic, pin| request(Command::Configure { logic, pin, settings: Vec::new() });
    let pin: Option<Pin> = Some("1".parse().unwrap());
    let mut pinning = std::pin::pin!(world.cache.call(&bob, configure(Some(todo.clone()), Some(pin.clone()))));
    let mut unchanged = std::pin::pin!(world.cache.call(&bob, configure(None, None)));
    let mut freeing = std::pin::pin!(world.cache.call(&bob, configure(Some(todo), Some(None))));
    assert!(futures_util::poll!(&mut pinning).is_pending());
    assert!(futures_util::poll!(&mut unchanged).is_pending());
    assert!(futures_util::poll!(&mut freeing).is_pending());
    world.registry.publish(Native::version(2), "test", MIDNIGHT);
    world.store.release();
    bread.await.unwrap().unwrap();
    let (pinning, unchanged, freeing) = (pinning.await.unwrap(), unchanged.await.unwrap(), freeing.await.unwrap());
    assert_eq!((&pinning.pin, &unchanged.pin, &freeing.pin), (&pin, &pin, &None));
    let bound = |reply: &Reply| reply.bound.as_ref().map(|id| id.version.major);
    assert_eq!((bound(&pinning), bound(&unchanged), bound(&freeing)), (Some(1), Some(1), Some(2)));
}

#[tokio::test]
async fn a_repeated_undo_gets_the_first_answer_also_while_the_history_cannot_be_read() {
    let world = World::new();
    let bob = name("bob");
    world.add("bob", "milk").await.unwrap();
    let keyed = |key: &str| {
        let idempotency = Some(Idempotency { key: key.into(), holder: "ann".into(), fingerprint: [1; 32] });
        |command| Request { idempotency, ..request(command) }
    };
    let last = world.add("bob", "bread").await.unwrap().revision;
    let first = world.cache.undo(&bob, Some(last), UndoRight::Own, keyed("k")).await.unwrap();
    world.store.make_unreadable(bob.clone(), "a test says so");
    let again = world.cache.undo(&bob, Some(last), UndoRight::Own, keyed("k")).await.unwrap();
    assert_eq!((again.revision, again.touched()), (first.revision, first.touched()));
    let unread = world.cache.undo(&bob, Some(last), UndoRight::Own, keyed("new")).await.unwrap_err();
    assert!(matches!(unread, CallError::Store(StoreError::Unreadable { .. })), "{unread:?}");
    assert_eq!(world.titles("bob").await, ["milk"]);
}

#[tokio::test]
async fn only_the_caller_who_made_a_revision_may_undo_it_unless_all_callers_are_one() {
    let world = World::new();
    let bob = name("bob");
    let by = |caller: &str| {
        let caller = caller.into();
        |command| Request { caller, ..request(command) }
    };
    world.add("bob", "milk").await.unwrap();
    let error = world.cache.undo(&bob, Some(1), UndoRight::Own, by("eve")).await.unwrap_err();
    assert_eq!(error, CallError::NotOwnRevision { number: 1, by: Some("alice".into()) });
    let stale = |command| Request { expect: Expect::Revision(vec![7]), ..by("eve")(command) };
    let error = world.cache.undo(&bob, Some(1), UndoRight::Own, stale).await.unwrap_err();
    assert_eq!(error, CallError::Stale { revision: Some(1) }, "a condition comes first");
    assert_eq!(world.titles("bob").await, ["milk"]);
    world.cache.undo(&bob, Some(1), UndoRight::Own, by("alice")).await.unwrap();
    // The undo is a revision of its own, so that another caller may not undo it either.
    let error = world.cache.undo(&bob, None, UndoRight::Own, by("eve")).await.unwrap_err();
    assert_eq!(error, CallError::NotOwnRevision { number: 2, by: Some("alice".into()) });
    world.cache.undo(&bob, None, UndoRight::All, by("eve")).await.unwrap();
    assert_eq!(world.titles("bob").await, ["milk"]);
}

#[tokio::test]
async fn no_caller_may_undo_what_the_host_did_unless_all_callers_are_one() {
    let world = World::new();
    let bob = name("bob");
    world.add("bob", "milk").await.unwrap();
    world.registry.publish(Native::with_a_field(2), "test", MIDNIGHT);
    world.add("bob", "bread").await.unwrap();
    for caller in ["alice", "hotlist"] {
        let by = |command| Request { caller: caller.into(), ..request(command) };
        let error = world.cache.undo(&bob, Some(2), UndoRight::Own, by).await.unwrap_err();
        assert_eq!(error, CallError::NotOwnRevision { number: 2, by: None }, "the migration, by {caller}");
    }
    world.cache.undo(&bob, Some(2), UndoRight::All, request).await.unwrap();
    let list = world.cache.read(&bob).await.unwrap();
    assert_eq!(list.binding().unwrap().id.version.major, 1);
}

#[tokio::test]
async fn a_condition_is_checked_when_the_command_is_decided() {
    let world = World::new();
    let expecting = |expect| Request { expect, ..add("milk") };
    let exists = world.cache.call(&name("bob"), expecting(Expect::Exists)).await;
    assert_eq!(exists.unwrap_err(), CallError::Stale { revision: None });
    world.add("bob", "milk").await.unwrap();
    world.cache.call(&name("bob"), expecting(Expect::Revision(vec![7, 1]))).await.unwrap();
    let stale = world.cache.call(&name("bob"), expecting(Expect::Revision(vec![1]))).await;
    assert_eq!(stale.unwrap_err(), CallError::Stale { revision: Some(2) });
}

#[tokio::test]
async fn a_request_holds_its_room_until_the_actor_drops_it() {
    let world = World::new();
    world.store.hold_commits();
    let first = world.add_held("bob", "one").await;
    let mut request = add("two");
    let (room, bob) = (Arc::new(()), name("bob"));
    request.room.hold(room.clone());
    // The caller leaves while the request waits in the mailbox.
    {
        let mut call = std::pin::pin!(world.cache.call(&bob, request));
        assert!(futures_util::poll!(&mut call).is_pending());
    }
    assert_eq!(Arc::strong_count(&room), 2);
    world.store.release();
    first.await.unwrap().unwrap();
    until(|| Arc::strong_count(&room) == 1).await;
    assert_eq!(world.titles("bob").await, ["one", "two"]);
}
