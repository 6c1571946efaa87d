//! Recordings of a list: by pages, complete, and while the list changes.

use hotlist::list::List;
use hotlist::list::history::ListHistory;
use hotlist::list::name::ListName;
use hotlist::store::recording::{MEDIA_TYPE, Page, take};

use crate::support::Server;

async fn page(server: &Server, list: &str, query: &str) -> Page {
    let response = server.request("GET", &format!("/lists/{list}/recording{query}")).send().await.expect("a response");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], MEDIA_TYPE);
    let name = ListName::new(list).expect("a name");
    take(&name, &response.bytes().await.expect("a body")).expect("a page")
}

fn numbers(page: &Page) -> Vec<u64> {
    page.revisions.iter().map(|revision| revision.number).collect()
}

#[tokio::test]
async fn pages_reach_the_list_and_its_history_leads_back_to_the_beginning() {
    let server = Server::start().await;
    for title in ["milk", "tea", "rye"] {
        server.add("bob", title).await;
    }
    let first = page(&server, "bob", "?limit=2").await;
    assert_eq!((numbers(&first), first.list.is_some()), (vec![1, 2], false));
    // A revision made between two pages is on the second.
    server.add("bob", "corn").await;
    let last = page(&server, "bob", "?after=2&limit=2").await;
    assert_eq!(numbers(&last), [3, 4]);
    let list = List::from(last.list.expect("it reaches the list"));
    let revisions = [first.revisions, last.revisions].concat();
    let recorded = ListHistory { name: ListName::new("bob").expect("a name"), list, revisions };
    let counts: Result<Vec<_>, _> = recorded.steps().expect("a way").map(|step| step.map(|(l, _)| l.count())).collect();
    assert_eq!(counts, Ok(vec![0, 1, 2, 3]));
    let nothing_new = page(&server, "bob", "?after=4").await;
    assert_eq!((numbers(&nothing_new), nothing_new.list.is_some()), (vec![], true));
}

#[tokio::test]
async fn a_list_that_does_not_exist_has_no_recording_and_other_origins_cannot_read_one() {
    let server = Server::start().await;
    server.get("/lists/bob/recording").await.problem(404, "list-not-found");
    server.add("bob", "milk").await;
    server.get("/lists/bob/recording?limit=0").await.problem(400, "query");
    let foreign = server.request("GET", "/lists/bob/recording").header("origin", "https://evil.example");
    let foreign = foreign.send().await.expect("a response");
    assert!(!foreign.headers().contains_key("access-control-allow-origin"));
}
