//! The contract suite of [`Records`]. A store joins it with `contract::records::suite!(MySubject);`.

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join_all;

use super::{Ending, PLENTY, Subject};
use crate::store::records::{
    MAX_RECORD_PAGE, MAX_UNSEEN_CHANGES, MAX_VALUE_BYTES, RECORD_PAGE_BYTES, Record, RecordChange, RecordError,
    RecordKey, RecordKind, RecordPage, Records, Replaced, WatchError,
};
use crate::store::{Store, StoreError};

/// Expands to a `#[test]` for each promise.
macro_rules! suite {
    ($subject:ty) => {
        mod records_contract_suite {
            $crate::store::contract::records::suite!(@tests $subject:
                a_record_that_was_never_written_is_absent,
                a_record_is_what_was_written_last_and_its_previous_value_is_what_was_there_before,
                a_change_that_names_another_revision_conflicts_and_changes_nothing,
                of_changes_that_name_the_same_revision_one_wins,
                a_value_that_never_was_in_effect_does_not_become_the_previous_one,
                a_deleted_record_is_absent_and_no_revision_is_given_twice,
                a_page_holds_the_records_of_a_kind_in_the_order_of_bytes,
                a_page_is_bounded_in_items_and_bytes,
                a_value_over_the_limit_is_refused_and_one_at_the_limit_is_written,
                a_watch_names_the_records_of_its_kind_that_changed_and_says_when_it_lagged,
                a_dropped_answer_does_not_take_the_change_back,
                a_closed_store_refuses_every_call_about_records,
            );
        }
    };
    (@tests $subject:ty: $($test:ident,)*) => {
        use super::*;
        $(
            #[test]
            fn $test() {
                let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                runtime.block_on($crate::store::contract::records::$test(<$subject>::default()));
            }
        )*
    };
}
pub(crate) use suite;

use super::after_each_restart;

fn kind(kind: &str) -> RecordKind {
    RecordKind::new(kind).expect("a kind")
}

fn key(key: &str) -> RecordKey {
    RecordKey::new(key).expect("a key")
}

/// A store with some calls about the kind `user` made short.
struct Users<'a, R>(&'a R);

impl<R: Records> Users<'_, R> {
    async fn put(&self, at: &str, value: impl Into<Bytes>, expected: Option<u64>) -> Result<u64, RecordError> {
        self.0.put(RecordChange::new(&kind("user"), &key(at), value, expected)).await
    }

    async fn get(&self, at: &str) -> Option<Record> {
        self.0.get(&kind("user"), &key(at)).await.expect("it is readable")
    }

    async fn previous(&self, at: &str) -> Option<Record> {
        self.0.previous(&kind("user"), &key(at)).await.expect("it is readable")
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> RecordPage {
        self.0.list(&kind("user"), prefix, after.map(key).as_ref(), limit).await.expect("it is readable")
    }
}

fn record(revision: u64, value: &'static str) -> Option<Record> {
    Some(Record { revision, value: value.into() })
}

pub(crate) async fn a_record_that_was_never_written_is_absent(subject: impl Subject<Store: Records>) {
    let store = subject.open(PLENTY);
    after_each_restart!(subject, store, {
        let users = Users(&store);
        assert_eq!((users.get("ann").await, users.previous("ann").await), (None, None));
        assert_eq!(users.list("", None, 10).await, RecordPage::default());
    });
}

pub(crate) async fn a_record_is_what_was_written_last_and_its_previous_value_is_what_was_there_before(
    subject: impl Subject<Store: Records>,
) {
    let store = subject.open(PLENTY);
    let users = Users(&store);
    let first = users.put("ann", "one", None).await.expect("it is absent");
    assert_eq!((users.get("ann").await, users.previous("ann").await), (record(first, "one"), None));
    let second = users.put("ann", "two", Some(first)).await.expect("it is at the first");
    // Similar keys, so that a mix-up of records shows.
    let other = users.put("an", "other", None).await.expect("it is absent");
    store.put(RecordChange::new(&kind("use"), &key("rann"), "third", None)).await.expect("it is absent");
    let third = users.put("ann", "", Some(second)).await.expect("it is at the second");
    assert!(first < second && second < other && other < third, "{first} {second} {other} {third}");
    after_each_restart!(subject, store, {
        let users = Users(&store);
        assert_eq!((users.get("ann").await, users.previous("ann").await), (record(third, ""), record(second, "two")));
        assert_eq!((users.get("an").await, users.previous("an").await), (record(other, "other"), None));
    });
}

pub(crate) async fn a_change_that_names_another_revision_conflicts_and_changes_nothing(
    subject: impl Subject<Store: Records>,
) {
    let store = subject.open(PLENTY);
    let first = Users(&store).put("ann", "one", None).await.expect("it is absent");
    let second = Users(&store).put("ann", "two", Some(first)).await.expect("it is at the first");
    after_each_restart!(subject, store, {
        let users = Users(&store);
        let conflict =
            |at: &str, expected, found| RecordError::Conflict { kind: kind("user"), key: key(at), expected, found };
        for expected in [None, Some(first), Some(second + 1)] {
            assert_eq!(users.put("ann", "lost", expected).await, Err(conflict("ann", expected, Some(second))));
            let deleted = store.delete(&kind("user"), &key("ann"), expected).await;
            assert_eq!(deleted, Err(conflict("ann", expected, Some(second))));
        }
        assert_eq!(users.put("bob", "lost", Some(second)).await, Err(conflict("bob", Some(second), None)));
        assert_eq!(
            (users.get("ann").await, users.previous("ann").await),
            (record(second, "two"), record(first, "one"))
        );
        assert_eq!(users.get("bob").await, None);
    });
}

pub(crate) async fn of_changes_that_name_the_same_revision_one_wins(subject: impl Subject<Store: Records>) {
    let store = subject.open(PLENTY);
    // All are under way before the first is awaited, so that they can meet in one durable write.
    let rival = |rival: usize| store.put(RecordChange::new(&kind("user"), &key("ann"), format!("{rival}"), None));
    let results = join_all((0..20).map(rival).collect::<Vec<_>>()).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let winner = results.iter().position(Result::is_ok).expect("one won");
    after_each_restart!(subject, store, {
        let won = Users(&store).get("ann").await.expect("it is there");
        assert_eq!((Ok(won.revision), won.value), (results[winner].clone(), format!("{winner}").into()));
        assert_eq!(Users(&store).previous("ann").await, None);
    });
}

pub(crate) async fn a_value_that_never_was_in_effect_does_not_become_the_previous_one(
    subject: impl Subject<Store: Records>,
) {
    let store = subject.open(PLENTY);
    let users = Users(&store);
    let first = users.put("ann", "in effect", None).await.expect("it is absent");
    let second = users.put("ann", "proposed", Some(first)).await.expect("it is at the first");
    let change = RecordChange::new(&kind("user"), &key("ann"), "instead", Some(second));
    let third = store.put(RecordChange { replaced: Replaced::Dropped, ..change }).await.expect("it is at the second");
    after_each_restart!(subject, store, {
        let users = Users(&store);
        let both = (users.get("ann").await, users.previous("ann").await);
        assert_eq!(both, (record(third, "instead"), record(first, "in effect")));
    });
}

pub(crate) async fn a_deleted_record_is_absent_and_no_revision_is_given_twice(subject: impl Subject<Store: Records>) {
    let store = subject.open(PLENTY);
    let users = Users(&store);
    let first = users.put("ann", "one", None).await.expect("it is absent");
    let second = users.put("ann", "two", Some(first)).await.expect("it is at the first");
    assert_eq!(store.delete(&kind("user"), &key("bob"), None).await, Ok(()));
    assert_eq!(store.delete(&kind("user"), &key("ann"), Some(second)).await, Ok(()));
    after_each_restart!(subject, store, {
        let users = Users(&store);
        assert_eq!((users.get("ann").await, users.previous("ann").await), (None, None));
        assert_eq!(users.list("", None, 10).await, RecordPage::default());
    });
    let third = Users(&store).put("ann", "anew", None).await.expect("it is absent");
    assert!(third > second, "{third}");
    assert!(Users(&store).put("ann", "lost", Some(second)).await.is_err(), "a change of the deleted record");
    assert_eq!((Users(&store).get("ann").await, Users(&store).previous("ann").await), (record(third, "anew"), None));
}

fn keys(page: &RecordPage) -> Vec<&str> {
    page.records.iter().map(|listed| listed.key.as_str()).collect()
}

pub(crate) async fn a_page_holds_the_records_of_a_kind_in_the_order_of_bytes(subject: impl Subject<Store: Records>) {
    let store = subject.open(PLENTY);
    let names = ["Z", "a", "a/", "a/1", "ab", "é", "日", "🛒"];
    for at in ["日", "a/1", "ab", "🛒", "Z", "a", "é", "a/"] {
        Users(&store).put(at, at.to_owned(), None).await.expect("it is absent");
        store.put(RecordChange::new(&kind("other"), &key(at), "", None)).await.expect("it is absent");
    }
    after_each_restart!(subject, store, {
        let users = Users(&store);
        let page = users.list("", None, 100).await;
        assert_eq!((keys(&page), page.has_more), (names.to_vec(), false));
        let values = page.records.iter().map(|listed| listed.record.clone().expect("it is readable").value);
        assert_eq!(values.collect::<Vec<_>>(), names.map(Bytes::from));
        for (at, name) in names.iter().enumerate() {
            let page = users.list("", Some(name), 2).await;
            let rest = &names[at + 1..];
            assert_eq!((keys(&page), page.has_more), (rest[..rest.len().min(2)].to_vec(), rest.len() > 2), "{name}");
        }
        assert_eq!(keys(&users.list("a", None, 100).await), ["a", "a/", "a/1", "ab"]);
        let page = users.list("a/", Some("a/"), 1).await;
        assert_eq!((keys(&page), page.has_more), (vec!["a/1"], false));
        assert_eq!(keys(&users.list("b", None, 100).await), [""; 0]);
    });
}

pub(crate) async fn a_page_is_bounded_in_items_and_bytes(subject: impl Subject<Store: Records>) {
    let store = subject.open(PLENTY);
    let users = Users(&store);
    let third = vec![7; RECORD_PAGE_BYTES / 3];
    for number in 0..6 {
        users.put(&format!("{number}"), third.clone(), None).await.expect("it is absent");
    }
    let page = users.list("", None, 10).await;
    assert_eq!((keys(&page), page.has_more), (vec!["0", "1", "2", "3"], true));
    let page = users.list("", Some("3"), 10).await;
    assert_eq!((keys(&page), page.has_more), (vec!["4", "5"], false));

    let small = |number: usize| store.put(RecordChange::new(&kind("s"), &key(&format!("{number:04}")), "", None));
    join_all((0..=MAX_RECORD_PAGE).map(small).collect::<Vec<_>>()).await;
    let page = store.list(&kind("s"), "", None, usize::MAX).await.expect("it is readable");
    assert_eq!((page.records.len(), page.has_more), (MAX_RECORD_PAGE, true));
}

pub(crate) async fn a_value_over_the_limit_is_refused_and_one_at_the_limit_is_written(
    subject: impl Subject<Store: Records>,
) {
    let store = subject.open(PLENTY);
    let users = Users(&store);
    let largest = Bytes::from(vec![7; MAX_VALUE_BYTES]);
    let first = users.put("ann", largest.clone(), None).await.expect("it is at the limit");
    let (bytes, limit) = (MAX_VALUE_BYTES + 1, MAX_VALUE_BYTES);
    let refused = users.put("ann", vec![7; bytes], Some(first)).await;
    assert_eq!(refused, Err(RecordError::TooLarge { kind: kind("user"), key: key("ann"), bytes, limit }));
    let second = users.put("ann", "small", Some(first)).await.expect("it is at the first");
    after_each_restart!(subject, store, {
        let users = Users(&store);
        assert_eq!(users.get("ann").await, record(second, "small"));
        assert!(users.previous("ann").await.is_some_and(|previous| previous.value == largest));
    });
}

pub(crate) async fn a_watch_names_the_records_of_its_kind_that_changed_and_says_when_it_lagged(
    subject: impl Subject<Store: Records>,
) {
    let store = subject.open(PLENTY);
    let users = Users(&store);
    let first = users.put("early", "", None).await.expect("it is absent");
    let mut watch = store.watch(&kind("user"));
    users.put("early", "", None).await.expect_err("it conflicts");
    users.put("ann", "", None).await.expect("it is absent");
    store.put(RecordChange::new(&kind("other"), &key("bob"), "", None)).await.expect("it is absent");
    store.delete(&kind("user"), &key("early"), Some(first)).await.expect("it is at the first");
    assert_eq!(watch.changed().await, Ok(key("ann")));
    assert_eq!(watch.changed().await, Ok(key("early")));
    assert!(watch.changed().now_or_never().is_none(), "nothing else changed");

    for number in 0..MAX_UNSEEN_CHANGES + 2 {
        users.put(&format!("{number}"), "", None).await.expect("it is absent");
    }
    assert_eq!(watch.changed().await, Err(WatchError::Lagged(2)));
    assert_eq!(watch.changed().await, Ok(key("2")), "the watch goes on after what it missed");
}

pub(crate) async fn a_dropped_answer_does_not_take_the_change_back(subject: impl Subject<Store: Records>) {
    let store = subject.open(PLENTY);
    drop(store.put(RecordChange::new(&kind("user"), &key("ann"), "one", None)));
    Users(&store).put("bob", "", None).await.expect("it is absent");
    after_each_restart!(subject, store, {
        assert_eq!(Users(&store).get("ann").await.map(|record| record.value), Some("one".into()));
    });
}

pub(crate) async fn a_closed_store_refuses_every_call_about_records(subject: impl Subject<Store: Records>) {
    let store = subject.open(PLENTY);
    let first = Users(&store).put("ann", "one", None).await.expect("it is absent");
    let mut watch = store.watch(&kind("user"));
    assert_eq!(store.close().await, Ok(()));
    let closed = || RecordError::Store(StoreError::Closed);
    assert_eq!(store.get(&kind("user"), &key("ann")).await, Err(closed()));
    assert_eq!(store.previous(&kind("user"), &key("ann")).await, Err(closed()));
    assert_eq!(Users(&store).put("ann", "two", Some(first)).await, Err(closed()));
    assert_eq!(store.delete(&kind("user"), &key("ann"), Some(first)).await, Err(closed()));
    assert_eq!(store.list(&kind("user"), "", None, 1).await, Err(closed()));
    assert_eq!(watch.changed().await, Err(WatchError::Closed));
    assert_eq!(store.watch(&kind("user")).changed().await, Err(WatchError::Closed));
}
