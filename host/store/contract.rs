//! The contract suite, which every store passes. A store joins it with a [`Subject`] and one line:
//! `contract::suite!(MySubject);`.

mod model;
pub(crate) mod records;

use std::sync::Arc;

use super::fixtures::{RECEIVED, Writer, name};
use super::receipt_room::ReceiptAccount;
use super::{Commit, HistoryLimits, PageLimit, RetainedRevision, Store, StoreError, Stored, WakeUp};
use crate::list::change::Change;
use crate::list::outline::RevisionOutline;
use crate::list::revision::Revision;
pub(crate) use model::any_sequence_of_commits_and_restarts_is_what_the_model_says;

/// The end of a store before it is opened again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// The store is closed.
    Close,
    /// The store is dropped, as when its process is killed between two writes.
    Drop,
}

/// Data with a store on it. A store in memory returns the same store from [`Subject::reopen`].
pub(crate) trait Subject: Default {
    /// The store under test.
    type Store: Store;

    /// Opens the store on empty data.
    fn open(&self, history: HistoryLimits) -> Self::Store;

    /// Ends a store and opens it again on the same data, with the same history limit.
    fn reopen(&self, store: Self::Store, ending: Ending) -> Self::Store;
}

/// Expands to a `#[test]` for each promise.
macro_rules! suite {
    ($subject:ty) => {
        mod contract_suite {
            $crate::store::contract::suite!(@tests $subject:
                a_list_without_commits_is_absent_at_revision_0,
                what_was_committed_is_loaded_whole,
                a_commit_that_does_not_continue_the_list_conflicts_and_changes_nothing,
                of_commits_that_continue_the_same_revision_one_wins,
                an_invalid_commit_is_refused,
                the_history_is_in_order_and_bounded,
                the_history_is_bounded_in_bytes_and_retains_the_newest_revision,
                a_page_of_a_history_ends_by_its_bytes_and_has_outlines_of_large_revisions,
                a_page_of_a_history_counts_what_its_revisions_take_in_memory,
                a_large_revision_with_small_changes_is_shown_with_them,
                the_changes_of_a_revision_are_read_by_pages,
                a_deleted_list_keeps_its_revision_and_loses_its_history,
                a_page_holds_the_lists_that_exist_in_the_order_of_bytes,
                receipts_are_retained_for_their_time_and_need_no_revision,
                the_room_of_receipts_is_accounted_for_after_a_restart,
                timers_are_found_moved_and_forgotten,
                a_dropped_answer_does_not_take_the_commit_back,
                a_closed_store_refuses_every_call,
                any_sequence_of_commits_and_restarts_is_what_the_model_says,
            );
        }
    };
    (@tests $subject:ty: $($test:ident,)*) => {
        use super::*;
        $(
            #[test]
            fn $test() {
                let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                runtime.block_on($crate::store::contract::$test(<$subject>::default()));
            }
        )*
    };
}
pub(crate) use suite;

/// Runs the same check on the store as it is, after a drop, and after a close.
macro_rules! after_each_restart {
    ($subject:ident, $store:ident, $check:block) => {
        $check
        let $store = $subject.reopen($store, Ending::Drop);
        $check
        let $store = $subject.reopen($store, Ending::Close);
        $check
    };
}
use after_each_restart;

const PLENTY: HistoryLimits = HistoryLimits { revisions: 1_000, bytes: 1 << 20 };

const HOUR: u64 = 3_600_000;

pub(crate) async fn a_list_without_commits_is_absent_at_revision_0(subject: impl Subject) {
    let store = subject.open(PLENTY);
    after_each_restart!(subject, store, {
        let stored = store.load(&name("absent")).await.expect("absent is readable");
        assert!(!stored.list.exists());
        assert_eq!(stored, Stored::default());
        assert_eq!(store.history(&name("absent"), 0, 10).await, Ok(Vec::new()));
        assert_eq!(store.page(None, 10).await, Ok(Vec::new()));
    });
}

pub(crate) async fn what_was_committed_is_loaded_whole(subject: impl Subject) {
    let store = subject.open(PLENTY);
    let mut bob = Writer::new("bob").create().add("Dentist").with_receipt("a").wake_at(Some(5));
    let first = bob.take();
    store.commit(first.clone()).await.expect("it continues nothing");
    bob = bob.add("Milk").add("Bread").wake_at(Some(6));
    store.commit(bob.take()).await.expect("it continues the first");
    // A similar name, so that a mix-up of lists shows.
    store.commit(Writer::new("bo").create().commit()).await.expect("another list");
    after_each_restart!(subject, store, {
        let stored = store.load(&name("bob")).await;
        let expected = Stored { list: bob.list.clone(), receipts: first.receipts.clone(), wake_up: Some(6) };
        assert_eq!(stored, Ok(expected));
        assert_eq!(store.load(&name("bo")).await.map(|stored| stored.list.count()), Ok(0));
    });
}

pub(crate) async fn a_commit_that_does_not_continue_the_list_conflicts_and_changes_nothing(subject: impl Subject) {
    let store = subject.open(PLENTY);
    let mut bob = Writer::new("bob").create();
    store.commit(bob.take()).await.expect("it continues nothing");
    let mut stale = Writer::new("bob").create().add("Dentist").with_receipt("lost").wake_at(Some(1));
    let mut ahead = Writer::at("bob", bob.list.clone()).add("Skipped");
    ahead.take();
    let (stale, ahead) = (stale.take(), ahead.add("Milk").commit());
    after_each_restart!(subject, store, {
        let conflict = |expected| StoreError::Conflict { name: name("bob"), expected, found: 1 };
        assert_eq!(store.commit(stale.clone()).await, Err(conflict(0)));
        assert_eq!(store.commit(ahead.clone()).await, Err(conflict(2)));
        let expected = Stored { list: bob.list.clone(), ..Stored::default() };
        assert_eq!(store.load(&name("bob")).await, Ok(expected));
        assert_eq!(store.due(u64::MAX, None, 10).await, Ok(Vec::new()));
    });
}

pub(crate) async fn of_commits_that_continue_the_same_revision_one_wins(subject: impl Subject) {
    let store = subject.open(PLENTY);
    // All are under way before the first is awaited, so that they can meet in one durable write.
    let rivals = (0..20).map(|rival| Writer::new("bob").create().add(&format!("of {rival}")).commit());
    let pending: Vec<_> = rivals.map(|commit| store.commit(commit)).collect();
    let results = futures_util::future::join_all(pending).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let winner = results.iter().position(Result::is_ok).expect("one won");
    after_each_restart!(subject, store, {
        let stored = store.load(&name("bob")).await.expect("it is readable");
        assert_eq!(stored.list.get(1).map(|entry| entry.title.clone()), Some(format!("of {winner}")));
        assert_eq!(store.history(&name("bob"), 0, 10).await.map(|all| all.len()), Ok(2));
    });
}

pub(crate) async fn an_invalid_commit_is_refused(subject: impl Subject) {
    let store = subject.open(PLENTY);
    let good = Writer::new("bob").create().add("Dentist").commit();
    let bad = [
        Commit { revisions: good.revisions[1..].to_vec(), ..good.clone() },
        Commit { revisions: good.revisions[..1].to_vec(), ..good.clone() },
        Commit { revisions: vec![good.revisions[0].clone(); 300], ..good.clone() },
    ];
    for commit in bad {
        let refused = store.commit(commit).await;
        assert!(matches!(refused, Err(StoreError::Failed { .. })), "{refused:?}");
    }
    assert_eq!(store.commit(good).await, Ok(()), "a refusal is the caller's mistake, and poisons nothing");
}

pub(crate) async fn the_history_is_in_order_and_bounded(subject: impl Subject) {
    let store = subject.open(HistoryLimits { revisions: 5, ..PLENTY });
    let mut bob = Writer::new("bob").create();
    let mut all: Vec<Arc<Revision>> = Vec::new();
    for count in [1, 2, 1, 3, 2] {
        for _ in 0..count {
            bob = bob.add("Dentist");
        }
        let commit = bob.take();
        all.extend(commit.revisions.clone());
        store.commit(commit).await.expect("it continues");
    }
    after_each_restart!(subject, store, {
        let history = |after, limit| store.history(&bob.name, after, limit);
        assert_eq!(history(0, 100).await.as_deref(), Ok(&all[5..]));
        assert_eq!(history(7, 100).await.as_deref(), Ok(&all[7..]));
        assert_eq!(history(6, 2).await.as_deref(), Ok(&all[6..8]));
        assert_eq!(history(10, 100).await.as_deref(), Ok(&[][..]));
        assert_eq!(history(u64::MAX, 100).await.as_deref(), Ok(&[][..]));
    });
}

pub(crate) async fn the_history_is_bounded_in_bytes_and_retains_the_newest_revision(subject: impl Subject) {
    // A revision has its title twice: in the command and in the change.
    let mut store = subject.open(HistoryLimits { bytes: 100_000, ..PLENTY });
    let mut bob = Writer::new("bob").create();
    for (titles, retained) in [(&[20_000; 5][..], 2), (&[20_000; 2], 2), (&[200_000], 1), (&[10, 20], 2)] {
        for length in titles {
            bob = bob.add(&"x".repeat(*length));
            store.commit(bob.take()).await.expect("it continues");
        }
        // A store may retain more until it compacts.
        store = subject.reopen(store, Ending::Close);
        let history = store.history(&bob.name, 0, 100).await.expect("it is readable");
        let numbers: Vec<_> = history.iter().map(|revision| revision.number).collect();
        let last = bob.list.revision();
        assert_eq!(numbers, (last + 1 - retained..=last).collect::<Vec<_>>(), "{titles:?}");
    }
}

pub(crate) async fn a_page_of_a_history_ends_by_its_bytes_and_has_outlines_of_large_revisions(subject: impl Subject) {
    let store = subject.open(PLENTY);
    let mut bob = Writer::new("bob").create();
    let mut all = bob.take();
    store.commit(all.clone()).await.expect("it is new");
    for lengths in [&[2_000, 2_000, 2_000][..], &[12_000], &[2_000, 12_000, 2_000], &[2_000]] {
        for length in lengths {
            bob = bob.add(&"x".repeat(*length));
        }
        let commit = bob.take();
        all.revisions.extend(commit.revisions.clone());
        store.commit(commit).await.expect("it continues");
    }
    let bob = bob.name;
    after_each_restart!(subject, store, {
        let page = async |after, items, bytes| {
            let page = store.history_page(&bob, after, PageLimit { items, bytes }).await.expect("it is readable");
            for revision in &page.revisions {
                let expected = &all.revisions[revision.number() as usize - 1];
                match revision {
                    RetainedRevision::Whole(revision) => assert_eq!(revision, expected),
                    RetainedRevision::Large(outline) => {
                        assert_eq!(**outline, RevisionOutline::of(expected));
                        assert!(outline.bytes > 24_000, "{outline:?}");
                    }
                }
            }
            let numbers = page.revisions.iter().map(RetainedRevision::number).collect::<Vec<_>>();
            let large = page.revisions.iter().filter(|revision| revision.whole().is_none()).count();
            (numbers, large, page.more)
        };
        assert_eq!(page(0, 100, 1 << 20).await, ((1..=9).collect(), 0, false));
        assert_eq!(page(0, 3, 1 << 20).await, (vec![1, 2, 3], 0, true));
        assert_eq!(page(6, 3, 1 << 20).await, (vec![7, 8, 9], 0, false));
        assert_eq!(page(0, 100, 11_000).await, (vec![1, 2, 3], 0, true));
        assert_eq!(page(3, 3, 11_000).await, (vec![4, 5, 6], 1, true));
        assert_eq!(page(6, 100, 11_000).await, (vec![7, 8, 9], 1, false));
        // One revision is given whatever its size.
        assert_eq!(page(4, 1, 1).await, (vec![5], 1, true));
        assert_eq!(page(9, 100, 11_000).await, (vec![], 0, false));
    });
}

pub(crate) async fn a_large_revision_with_small_changes_is_shown_with_them(subject: impl Subject) {
    let store = subject.open(PLENTY);
    let cleared = Writer::new("bob").create().add(&"x".repeat(9_000)).clear().commit();
    let changes = cleared.revisions[2].changes.clone();
    store.commit(cleared).await.expect("it is new");
    after_each_restart!(subject, store, {
        let page = store.history_page(&name("bob"), 2, PageLimit { items: 9, bytes: 2_000 }).await;
        let page = page.expect("it is readable").revisions;
        assert_eq!((page.len(), page[0].whole(), page[0].changes()), (1, None, Some(&changes[..])));
    });
}

pub(crate) async fn a_page_of_a_history_counts_what_its_revisions_take_in_memory(subject: impl Subject) {
    let store = subject.open(PLENTY);
    // An encoded removal has two bytes, and each removed entry about ten.
    let entries = |bob: Writer| (0..100).fold(bob, |bob, _| bob.add("x"));
    let mut bob = entries(entries(Writer::new("bob").create()).clear()).clear();
    let (commit, limit) = (bob.take(), 5_000);
    let (all, last) = (commit.revisions.clone(), bob.list.revision());
    store.commit(commit).await.expect("it is new");
    let changes_bytes = |changes: &[Change]| changes.iter().map(Change::bytes).sum::<usize>();
    after_each_restart!(subject, store, {
        let (mut seen, mut large) = (0, Vec::new());
        while seen < last {
            let page = store.history_page(&bob.name, seen, PageLimit { items: 1_000, bytes: limit }).await;
            let page = page.expect("it is readable").revisions;
            let whole = page.iter().filter_map(RetainedRevision::whole).map(|revision| revision.bytes()).sum::<usize>();
            assert!(whole <= limit, "{whole} bytes after revision {seen}");
            seen = page.last().expect("a revision").number();
            large.extend(page.iter().filter(|revision| revision.changes().is_none()).map(RetainedRevision::number));
        }
        assert_eq!(large, [102, 203]);
        let page = store.changes(&bob.name, 102, 0, PageLimit { items: 1_000, bytes: limit }).await;
        let page = page.expect("it is readable").expect("it is retained");
        assert_eq!((&page.changes[..], page.more), (&all[101].changes[..page.changes.len()], true));
        let bytes = changes_bytes(&page.changes);
        assert!(bytes <= limit && bytes > limit / 2, "{bytes} bytes");
    });
}

pub(crate) async fn the_changes_of_a_revision_are_read_by_pages(subject: impl Subject) {
    let store = subject.open(PLENTY);
    let mut bob = Writer::new("bob").create().add("a").add("b").add("c").clear();
    let all = bob.take().revisions;
    store.commit(Writer::new("bob").create().add("a").add("b").add("c").clear().commit()).await.expect("it is new");
    after_each_restart!(subject, store, {
        let changes = async |revision, after, items, bytes| {
            let page = store.changes(&name("bob"), revision, after, PageLimit { items, bytes }).await;
            page.expect("it is readable").map(|page| (page.changes, page.more))
        };
        for revision in &all {
            assert_eq!(changes(revision.number, 0, 9, 1 << 20).await, Some((revision.changes.clone(), false)));
        }
        let cleared = &all[4].changes;
        assert_eq!(changes(5, 1, 1, 1 << 20).await, Some((cleared[1..2].to_vec(), true)));
        assert_eq!(changes(5, 1, 9, 1).await, Some((cleared[1..2].to_vec(), true)));
        assert_eq!(changes(5, 2, 9, 1).await, Some((cleared[2..].to_vec(), false)));
        assert_eq!(changes(5, 3, 9, 1).await, Some((Vec::new(), false)));
        assert_eq!(changes(6, 0, 9, 1).await, None);
    });
}

pub(crate) async fn a_deleted_list_keeps_its_revision_and_loses_its_history(subject: impl Subject) {
    let store = subject.open(PLENTY);
    let mut bob = Writer::new("bob").create().add("Dentist").with_receipt("made");
    store.commit(bob.take()).await.expect("it continues nothing");
    let store = subject.reopen(store, Ending::Close);
    bob = bob.add("Milk").erase().with_receipt("deleted");
    let end = bob.take();
    store.commit(end.clone()).await.expect("it continues");
    after_each_restart!(subject, store, {
        let stored = store.load(&bob.name).await.expect("absent is readable");
        assert_eq!((stored.list.exists(), stored.list.revision()), (false, 4));
        assert_eq!(stored.receipts.len(), 2);
        assert_eq!(store.history(&bob.name, 0, 10).await.as_deref(), Ok(&end.revisions[1..]));
        assert_eq!(store.page(None, 10).await, Ok(Vec::new()));
    });
    bob = bob.create();
    store.commit(bob.take()).await.expect("the name goes on from its last revision");
    after_each_restart!(subject, store, {
        assert_eq!(store.page(None, 10).await.map(|page| page[0].revision), Ok(5));
        assert_eq!(store.history(&bob.name, 0, 10).await.map(|all| all.len()), Ok(2));
    });
}

pub(crate) async fn a_page_holds_the_lists_that_exist_in_the_order_of_bytes(subject: impl Subject) {
    let store = subject.open(PLENTY);
    let names = ["Z", "a", "a/", "ab", "é", "日", "🛒"];
    for list in ["é", "ab", "gone", "🛒", "Z"] {
        store.commit(Writer::new(list).create().add("Dentist").commit()).await.expect("it is new");
    }
    // In a store that compacts, some lists are compacted after this and some are not.
    let store = subject.reopen(store, Ending::Close);
    for list in ["日", "a/", "a"] {
        store.commit(Writer::new(list).create().add("Dentist").commit()).await.expect("it is new");
    }
    for list in ["gone", "Z"] {
        let at = store.load(&name(list)).await.expect("it is there").list;
        let writer = Writer::at(list, at);
        let writer = if list == "Z" { writer.add("Milk") } else { writer.erase() };
        store.commit(writer.commit()).await.expect("it continues");
    }
    after_each_restart!(subject, store, {
        let page = store.page(None, 100).await.expect("it is readable");
        assert_eq!(page.iter().map(|line| line.name.as_str()).collect::<Vec<_>>(), names);
        assert_eq!((page[0].revision, page[0].entries, page[0].open), (3, 2, 2));
        assert_eq!(page[1].logic.as_str(), "todo");
        for (at, list) in names.iter().enumerate() {
            let rest = store.page(Some(&name(list)), 2).await.expect("it is readable");
            let rest: Vec<_> = rest.iter().map(|line| line.name.as_str()).collect();
            assert_eq!(rest, names[at + 1..].iter().copied().take(2).collect::<Vec<_>>(), "behind {list}");
        }
        assert_eq!(store.page(Some(&name("b")), 1).await.map(|page| page[0].name.clone()), Ok(name("é")));
        assert_eq!(store.page(None, 0).await, Ok(Vec::new()));
    });
}

/// Accounts for the receipts of a commit, as an actor does before it commits.
fn account(store: &impl Store, commit: &Commit) {
    for receipt in &commit.receipts {
        let holder = receipt.request.holder.as_str().into();
        store.receipt_room().account(&ReceiptAccount { time: receipt.time, holder, bytes: receipt.bytes() as u64 });
    }
}

pub(crate) async fn receipts_are_retained_for_their_time_and_need_no_revision(subject: impl Subject) {
    let mut store = subject.open(PLENTY);
    let mut bob = Writer::new("bob").create();
    let time = |count: u64| RECEIVED + count * HOUR / 10;
    for count in 0..300 {
        bob = bob.with_receipt_at(&format!("key {count}"), time(count));
        store.commit(bob.take()).await.expect("it continues");
    }
    let day = 24 * HOUR;
    for (now, first) in [(time(200), 0), (RECEIVED + day, 0), (RECEIVED + day + 1, 1), (time(100) + day, 100)] {
        for ending in [Ending::Drop, Ending::Close] {
            store.receipt_room().advance(now);
            let stored = store.load(&bob.name).await.expect("it is readable");
            let keys: Vec<_> = stored.receipts.iter().map(|receipt| receipt.request.key.clone()).collect();
            assert_eq!(keys, (first..300).map(|count| format!("key {count}")).collect::<Vec<_>>());
            assert_eq!(store.history(&bob.name, 0, 10).await.map(|all| all.len()), Ok(1));
            store = subject.reopen(store, ending);
        }
    }
    store.receipt_room().advance(time(299) + day + 1);
    store.commit(bob.with_receipt_at("last", time(299) + day + 1).commit()).await.expect("it continues");
    after_each_restart!(subject, store, {
        store.receipt_room().advance(time(299) + day + 1);
        let stored = store.load(&name("bob")).await.expect("it is readable");
        let keys: Vec<_> = stored.receipts.iter().map(|receipt| receipt.request.key.as_str()).collect();
        assert_eq!(keys, ["last"]);
    });
}

pub(crate) async fn the_room_of_receipts_is_accounted_for_after_a_restart(subject: impl Subject) {
    let store = subject.open(PLENTY);
    let (mut bytes, mut of_ann) = (0, 0);
    for (list, key, count) in [("bob", "ann\nkey", 5_u64), ("cid", "dan\nkey", 3), ("eve", "ann\nkey", 2)] {
        let mut writer = Writer::new(list).create();
        for number in 0..count {
            let commit =
                writer.clone().with_receipt(&format!("{key} {number}")).with_receipt(&format!("{key}, {number}"));
            let commit = commit.commit();
            account(&store, &commit);
            let sum = commit.receipts.iter().map(|receipt| receipt.bytes() as u64).sum::<u64>();
            bytes += sum;
            of_ann += if key.starts_with("ann") { sum } else { 0 };
            store.commit(commit).await.expect("it continues");
            writer = Writer::at(list, writer.list);
        }
    }
    after_each_restart!(subject, store, {
        assert_eq!((store.receipt_room().used(), store.receipt_room().used_by("ann")), (bytes, of_ann));
    });
    store.receipt_room().advance(RECEIVED + 24 * HOUR + 60_000);
    assert_eq!((store.receipt_room().used(), store.receipt_room().used_by("ann")), (0, 0));
}

pub(crate) async fn timers_are_found_moved_and_forgotten(subject: impl Subject) {
    let store = subject.open(PLENTY);
    let wake = |list: &str, at| WakeUp { name: name(list), at };
    let mut writers: Vec<_> = [("c", 30), ("a", 10), ("b", 20), ("d", 20)]
        .map(|(list, at)| Writer::new(list).create().wake_at(Some(at)))
        .into();
    for writer in &mut writers {
        store.commit(writer.take()).await.expect("it is new");
    }
    after_each_restart!(subject, store, {
        assert_eq!(store.next_due().await, Ok(Some(10)));
        assert_eq!(store.due(9, None, 10).await, Ok(Vec::new()));
        assert_eq!(store.due(20, None, 10).await, Ok(vec![wake("a", 10), wake("b", 20), wake("d", 20)]));
        assert_eq!(store.due(100, None, 2).await, Ok(vec![wake("a", 10), wake("b", 20)]));
        assert_eq!(store.due(20, Some(&wake("b", 20)), 10).await, Ok(vec![wake("d", 20)]));
        // The timer after which the page starts need not exist.
        assert_eq!(store.due(20, Some(&wake("c", 15)), 1).await, Ok(vec![wake("b", 20)]));
        assert_eq!(store.due(20, Some(&wake("d", 20)), 10).await, Ok(Vec::new()));
    });
    for (writer, at) in writers.into_iter().zip([None, Some(40), Some(5), Some(20)]) {
        store.commit(writer.add("Dentist").wake_at(at).commit()).await.expect("it continues");
    }
    after_each_restart!(subject, store, {
        assert_eq!(store.next_due().await, Ok(Some(5)));
        assert_eq!(store.due(100, None, 10).await, Ok(vec![wake("b", 5), wake("d", 20), wake("a", 40)]));
        assert_eq!(store.load(&name("a")).await.map(|stored| stored.wake_up), Ok(Some(40)));
        assert_eq!(store.load(&name("c")).await.map(|stored| stored.wake_up), Ok(None));
    });
}

pub(crate) async fn a_dropped_answer_does_not_take_the_commit_back(subject: impl Subject) {
    let store = subject.open(PLENTY);
    drop(store.commit(Writer::new("bob").create().commit()));
    let later = store.commit(Writer::new("ann").create().commit());
    later.await.expect("it is new");
    after_each_restart!(subject, store, {
        assert_eq!(store.load(&name("bob")).await.map(|stored| stored.list.revision()), Ok(1));
    });
}

pub(crate) async fn a_closed_store_refuses_every_call(subject: impl Subject) {
    let store = subject.open(PLENTY);
    store.commit(Writer::new("bob").create().commit()).await.expect("it is new");
    assert_eq!(store.close().await, Ok(()));
    assert_eq!(store.load(&name("bob")).await, Err(StoreError::Closed));
    assert_eq!(store.commit(Writer::new("ann").create().commit()).await, Err(StoreError::Closed));
    assert_eq!(store.page(None, 1).await, Err(StoreError::Closed));
    assert_eq!(store.history(&name("bob"), 0, 1).await, Err(StoreError::Closed));
    assert_eq!(store.due(1, None, 1).await, Err(StoreError::Closed));
    assert_eq!(store.next_due().await, Err(StoreError::Closed));
    assert_eq!(store.close().await, Err(StoreError::Closed));
}
