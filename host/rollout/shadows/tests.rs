use super::*;
use crate::list::binding::LogicBinding;
use crate::list::schema::Description;
use crate::logic::testing::{Native, Recorder, add};

/// A logic that counts its sessions.
struct Counting {
    logic: Box<dyn Logic>,
    is_shared: bool,
    sessions: Arc<AtomicUsize>,
}

impl Logic for Counting {
    fn binding(&self) -> &Arc<LogicBinding> {
        self.logic.binding()
    }

    fn description(&self) -> &Description {
        self.logic.description()
    }

    fn is_shared(&self) -> bool {
        self.is_shared
    }

    fn session(&self) -> Result<Box<dyn Session + '_>, Fault> {
        self.sessions.fetch_add(1, Ordering::Relaxed);
        self.logic.session()
    }
}

/// A version and the number of its sessions.
fn version(is_shared: bool) -> (Arc<Version>, Arc<AtomicUsize>) {
    let sessions = Arc::new(AtomicUsize::new(0));
    let logic = Counting { logic: Native::version(1), is_shared, sessions: sessions.clone() };
    (Version::new(Box::new(logic), "test", 1), sessions)
}

/// How many sessions a candidate and a live version have for commands that wait together. Each is the first of its list, or
/// the second.
fn sessions(is_shared: bool, commands: &[(&str, usize)]) -> [usize; 2] {
    let [(candidate, of_candidate), (live, of_live)] = [version(is_shared), version(is_shared)];
    let recorded = Recorder::new("any").decide(&*live.logic, [add("milk"), add("bread")]);
    of_live.store(0, Ordering::Relaxed);
    let (sender, cases) = sync_channel(commands.len());
    let tally = Tally::default();
    for (list, n) in commands {
        let revision = &recorded.revisions[*n];
        let list_before = recorded.states[*n].clone();
        tally.waiting_bytes.fetch_add(list_before.bytes(), Ordering::Relaxed);
        let case = Case {
            name: ListName::new(list).unwrap(),
            list: list_before,
            context: revision.context.clone(),
            command: revision.command.clone(),
            limits: Limits::default(),
            live: live.clone(),
            answer: Ok((revision.changes.clone(), recorded.states[n + 1].clone())),
            cost: Cost::default(),
            took: Duration::ZERO,
        };
        sender.send(case).unwrap();
    }
    drop(sender);
    work(&candidate, &cases, &tally);
    assert_eq!(tally.compared.load(Ordering::Relaxed), commands.len() as u64);
    assert!(tally.last().is_empty(), "{:?}", tally.last());
    [of_candidate, of_live].map(|sessions| sessions.load(Ordering::Relaxed))
}

#[test]
fn an_isolated_instance_serves_the_commands_of_one_list_in_a_shadow_and_a_shared_one_those_of_all() {
    let commands = [("bob", 0), ("bob", 1), ("ann", 1), ("ann", 1), ("bob", 1), ("bob", 0), ("bob", 1)];
    // The last one but one creates a list that has the name of a deleted one.
    assert_eq!(sessions(false, &commands), [4, 4]);
    assert_eq!(sessions(true, &commands), [1, 1]);
}
