//! A candidate that decides for a share of the lists.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::{add, patch, set_logic, upload};
use crate::support::rules::marked;
use crate::support::{RequestExt, Server, component};

const LISTS: usize = 40;

/// The least number of commands in each phase.
const PER_PHASE: u64 = 300;

/// The versions that decided, by phase and list.
type Deciders = Mutex<BTreeMap<(usize, usize), Vec<String>>>;

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_is_ramped_up_and_down_under_load_without_an_error_and_without_flapping() {
    let server = Arc::new(Server::start().await);
    let live = upload(&server, "rules", component("todo"), "").await;
    let candidate = upload(&server, "rules", marked("todo", 1), "?publish=false").await;
    for list in 0..LISTS {
        assert_eq!(set_logic(&server, &format!("list-{list}"), "rules").await.status, 201);
    }
    let (seen, phase) = (Arc::new(Deciders::default()), Arc::new(AtomicUsize::new(0)));
    let (done, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let (server, seen, phase) = (server.clone(), seen.clone(), phase.clone());
            let (done, over) = (done.clone(), over.clone());
            tokio::spawn(async move {
                for list in (client..LISTS).step_by(8).cycle() {
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    let before = phase.load(Ordering::SeqCst);
                    let response = add_and_delete(&server, list).await;
                    // A request that crosses from one phase to the next belongs to neither.
                    if before == phase.load(Ordering::SeqCst) {
                        seen.lock().unwrap().entry((before, list)).or_default().push(response);
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                }
            })
        })
        .collect();
    let steps = [0, 10, 50, 100, 0];
    for (at, percent) in steps.into_iter().enumerate() {
        // While the percentage changes, the phase is odd.
        phase.store(2 * at + 1, Ordering::SeqCst);
        patch(&server, "rules", &json!({"candidate": candidate, "percent": percent})).await;
        phase.store(2 * at + 2, Ordering::SeqCst);
        let until = done.load(Ordering::SeqCst) + PER_PHASE;
        while done.load(Ordering::SeqCst) < until {
            tokio::task::yield_now().await;
        }
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("no request failed");
    }
    // Who decides about a list is known before the candidate has written to it.
    patch(&server, "rules", &json!({"candidate": candidate, "percent": 100})).await;
    let canary = server.get("/logic/rules/lists?state=canary").await.json();
    assert_eq!(canary.as_array().map(Vec::len), Some(LISTS));
    let list = server.get("/lists/list-0").await.json();
    let named = |member: &str, digest: &str| {
        list[member].as_str().is_some_and(|version| version.ends_with(&digest["sha256:".len()..][..8]))
    };
    assert!(named("version", &candidate) && named("written_by", &live), "{list}");
    patch(&server, "rules", &json!({"candidate": candidate, "percent": 0})).await;
    assert_eq!(server.get("/logic/rules/lists?state=canary").await.json(), json!([]));
    let seen = seen.lock().unwrap();
    let short = |digest: &str| digest["sha256:".len()..][..8].to_owned();
    let (live, candidate) = (short(&live), short(&candidate));
    let mut shares = Vec::new();
    for at in 0..steps.len() {
        let mut on_candidate = Vec::new();
        for list in 0..LISTS {
            let Some(versions) = seen.get(&(2 * at + 2, list)) else { continue };
            assert!(versions.windows(2).all(|pair| pair[0] == pair[1]), "list {list} flaps in step {at}: {versions:?}");
            assert!(versions[0] == live || versions[0] == candidate, "{versions:?}");
            if versions[0] == candidate {
                on_candidate.push(list);
            }
        }
        shares.push(on_candidate);
    }
    for (at, pair) in shares[..4].windows(2).enumerate() {
        assert!(pair[0].iter().all(|list| pair[1].contains(list)), "raising took a list back after step {at}");
    }
    let counts: Vec<_> = shares.iter().map(Vec::len).collect();
    assert_eq!((counts[0], counts[3], counts[4]), (0, LISTS, 0), "{counts:?}");
    assert!(counts[1] > 0 && counts[1] < counts[2] && counts[2] < LISTS, "{counts:?}");
}

/// Adds an entry and deletes it, so that the list does not grow. Returns the short digest of the version that decided.
async fn add_and_delete(server: &Server, list: usize) -> String {
    let name = format!("list-{list}");
    let added = add(server, &name, "a").await;
    assert_eq!(added.status, 201, "{added:?}");
    let entry = format!("/lists/{name}/entries/{}", added.json()["id"]);
    let deleted = server.request("DELETE", &entry).response().await;
    assert_eq!(deleted.status, 204, "{deleted:?}");
    let logic = added.header("hotlist-logic").to_owned();
    logic.rsplit(':').next().expect("a digest").to_owned()
}
