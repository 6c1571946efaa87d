//! Errors of callers, and the problems that report them.

use hotlist::store::StoreError;
use serde_json::json;

use crate::support::{RequestExt, Server};

#[tokio::test]
async fn a_body_that_is_not_json_is_malformed() {
    let server = Server::start().await;
    for (body, detail) in [
        ("", "the body is empty"),
        (" \n", "the body is empty"),
        ("{", "the body is not JSON: EOF"),
        ("{\"title\":\"a\"} x", "trailing characters at line 1 column 15"),
        (r#"{"title":"\ud83d"}"#, "half of a surrogate pair"),
        (r#"{"title":"\ude00"}"#, "half of a surrogate pair"),
        (r#"{"title":"\ud83d\n"}"#, "half of a surrogate pair"),
    ] {
        let problem = server.post("/lists/bob/entries", body).await.problem(400, "malformed");
        assert!(problem["detail"].as_str().is_some_and(|found| found.contains(detail)), "{body}: {problem}");
    }
    let invalid_utf8 = server.request("POST", "/lists/bob/entries").header("content-type", "application/json");
    let problem = invalid_utf8.body(b"{\"title\":\"\xff\"}".to_vec()).response().await.problem(400, "malformed");
    assert_eq!(problem["detail"], "the body is not UTF-8: its byte 10 is not part of a character");
}

#[tokio::test]
async fn a_body_beyond_the_limits_of_json_is_told_from_one_that_is_no_json() {
    let server = Server::start().await;
    let problem = server.post("/lists/bob/entries", &"[".repeat(10_000)).await.problem(422, "invalid");
    assert_eq!(problem["limit"], json!({"name": "levels", "value": 127}));
    for number in ["1e400", "-1e400"] {
        let body = format!(r#"{{"title":"a","order":{number}}}"#);
        let problem = server.post("/lists/bob/entries", &body).await.problem(422, "invalid");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("1.79")), "{problem}");
    }
}

#[tokio::test]
async fn a_byte_order_mark_is_skipped_and_codings_and_charsets_are_named() {
    let server = Server::start().await;
    let body = r#"{"title":"a"}"#;
    assert_eq!(server.post("/lists/bob/entries", &format!("\u{feff}{body}")).await.status, 201);
    let post = || server.request("POST", "/lists/bob/entries").body(body);
    for accepted in ["application/json; charset=UTF-8", "application/json;charset=\"utf-8\"", "application/json; x=y"] {
        assert_eq!(post().header("content-type", accepted).response().await.status, 201, "{accepted}");
    }
    let plain = post().header("content-type", "application/json").header("content-encoding", "identity");
    assert_eq!(plain.response().await.status, 201);
    let latin = post().header("content-type", "application/json; charset=latin1").response().await;
    assert_eq!(latin.problem(415, "media-type")["field"], "Content-Type");
    let gzip = post().header("content-type", "application/json").header("content-encoding", "gzip").response().await;
    assert_eq!(gzip.problem(415, "media-type")["field"], "Content-Encoding");
}

#[tokio::test]
async fn a_member_that_is_not_valid_is_named() {
    let server = Server::start().await;
    server.add("bob", "a").await;
    let long = json!({"title": "é".repeat(1_001)}).to_string();
    for (body, field, detail) in [
        (r"{}", "title", "title: it is required"),
        (r#"{"title":1}"#, "title", "title: it is a number where a text is expected"),
        (r#"{"title":"a","title":"b"}"#, "title", "title: it is there twice"),
        (r#"{"title":"a","tilte":"b"}"#, "tilte", "title, date, completed, order, fields"),
        (r#"{"title":"a","date":"2026-02-30"}"#, "date", "the calendar has no 2026-02-30"),
        (r#"{"title":"a","date":"tomorrow"}"#, "date", "write it as YYYY-MM-DD"),
        (r#"{"title":"a","date":20261123}"#, "date", "it is a number where a date"),
        (r#"{"title":"a","completed":"yes"}"#, "completed", "it is a text where a boolean is expected"),
        (r#"{"title":"a","completed":null}"#, "completed", "it is null where a boolean is expected"),
        (r#"{"title":"a","order":"1"}"#, "order", "it is a text where a number is expected"),
        (r#"{"title":"a","fields":[]}"#, "fields", "it is an array where an object is expected"),
        (r#"{"title":"a","fields":{"due":"2026-02-30"}}"#, "due", "the calendar has no 2026-02-30"),
        (r#"{"title":"a","fields":{"due":1}}"#, "due", "it is of kind number where date is declared"),
        (r#"{"title":"a","fields":{"due":"2026-12-01","due":"2026-12-02"}}"#, "due", "it is there twice"),
        (r#"{"title":"a","fields":{"colour":"red"}}"#, "colour", "it is not declared; these are: due, tags, points"),
        (r#"{"title":"a","fields":{"nope":null}}"#, "nope", "it is not declared; these are: due, tags, points"),
        (r#"{"title":"a","fields":{"tags":["x",1]}}"#, "tags", "it has a number among its texts"),
        (long.as_str(), "title", "it has 1001 characters, the limit is 1000"),
    ] {
        let problem = server.post("/lists/bob/entries", body).await.problem(422, "invalid");
        assert_eq!(problem["field"], field, "{body}");
        let reported = problem["detail"].as_str().expect("a detail");
        assert!(reported.contains(detail), "{reported:?} does not contain {detail:?}");
    }
    let patch = server.request("PATCH", "/lists/bob/entries/1").json_text(r#"{"title":null}"#).response().await;
    assert_eq!(patch.problem(422, "invalid")["field"], "title");
    let patch =
        server.request("PATCH", "/lists/bob/entries/1").json_text(r#"{"fields":{"nope":null}}"#).response().await;
    assert_eq!(patch.problem(422, "invalid")["field"], "nope");
    for body in ["[]", "1", "null", "\"x\""] {
        server.post("/lists/bob/entries", body).await.problem(422, "invalid");
    }
    let many: serde_json::Map<_, _> = (0..300).map(|n| (format!("m{n}"), json!(n))).collect();
    let problem = server.post("/lists/bob/entries", &json!(many).to_string()).await.problem(422, "invalid");
    assert_eq!(problem["limit"], json!({"name": "members", "value": 256}));
    assert_eq!(server.get("/lists/bob").await.json()["revision"], 1);
}

#[tokio::test]
async fn a_list_cannot_be_bound_to_a_logic_that_does_not_exist() {
    let server = Server::start().await;
    for (body, field) in
        [(r#"{"logic":"nope"}"#, "logic"), (r#"{"logic":"No!"}"#, "logic"), (r#"{"color":1}"#, "color")]
    {
        let response = server.request("PUT", "/lists/bob").json_text(body).response().await;
        assert_eq!(response.problem(422, "invalid")["field"], field);
    }
    let response = server.request("PUT", "/lists/bob").json_text(r#"{"settings":{"size":1}}"#).response().await;
    assert_eq!(response.problem(422, "invalid")["field"], "size");
}

#[tokio::test]
async fn a_body_of_another_media_type_is_refused() {
    let server = Server::start().await;
    let body = r#"{"title":"a"}"#;
    let post = || server.request("POST", "/lists/bob/entries").body(body);
    post().response().await.problem(415, "media-type");
    post().header("content-type", "text/plain").response().await.problem(415, "media-type");
    post().header("content-type", "application/merge-patch+json").response().await.problem(415, "media-type");
    assert_eq!(post().header("content-type", "Application/JSON;charset=utf-8").response().await.status, 201);
}

#[tokio::test]
async fn an_id_that_no_entry_can_have_is_a_404() {
    let server = Server::start().await;
    server.add("bob", "a").await;
    for id in ["0", "2", "18446744073709551615", "18446744073709551616", "-1", "01", "+1", "1.0", "x", "%31x"] {
        let path = format!("/lists/bob/entries/{id}");
        server.get(&path).await.problem(404, "entry-not-found");
        server.request("DELETE", &path).response().await.problem(404, "entry-not-found");
        server.request("PATCH", &path).json_text("{}").response().await.problem(404, "entry-not-found");
    }
}

#[tokio::test]
async fn an_invalid_name_is_reported_with_the_rule_that_it_breaks() {
    let server = Server::start().await;
    let long = format!("/lists/{}", "%C3%A9".repeat(101));
    for (path, detail) in [
        ("/lists/a%0Ab", "the name holds '\\n', which names may not"),
        ("/lists/%20%7F", "the name holds '\\u{7f}', which names may not"),
        ("/lists/%00", "the name holds '\\0', which names may not"),
        (long.as_str(), "the name has 202 bytes, the limit is 200"),
    ] {
        assert_eq!(server.get(path).await.problem(400, "name")["detail"], detail);
        assert_eq!(server.get(&format!("{path}/entries")).await.problem(400, "name")["detail"], detail);
    }
    server.get("/lists//entries").await.problem(400, "name");
    server.get("/lists/a%FFb").await.problem(400, "malformed");
    for path in ["/lists/a%2", "/lists/a%zz/entries", "/lists/%/entries", "/x%"] {
        let raw = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let response = server.send_raw(raw.as_bytes()).await;
        assert!(response.starts_with("HTTP/1.1 400 ") && response.contains("hotlist:problem:malformed"), "{response}");
    }
}

#[tokio::test]
async fn a_query_parameter_that_is_not_valid_is_named() {
    let server = Server::start().await;
    server.add("bob", "a").await;
    for (path, field) in [
        ("/lists?limit=0", "limit"),
        ("/lists?limit=1001", "limit"),
        ("/lists?limit=ten", "limit"),
        ("/lists?after=%0A", "after"),
        ("/lists?page=2", "page"),
        ("/lists/bob?x=1", "x"),
        ("/lists/bob/entries?limit=1&limit=2", "limit"),
        ("/lists/bob/entries?date=2026-02-30", "date"),
        ("/lists/bob/entries?completed=1", "completed"),
        ("/lists/bob/entries?after=-1", "after"),
        ("/lists/bob/history?after=18446744073709551616", "after"),
        ("/lists/bob/views/open-first?view=x", "view"),
        ("/logic?x", "x"),
    ] {
        assert_eq!(server.get(path).await.problem(400, "query")["field"], field, "{path}");
    }
    server.get("/lists?after=%FF").await.problem(400, "query");
}

#[tokio::test]
async fn a_rejection_is_in_the_words_of_the_logic() {
    let server = Server::start().await;
    let problem = server.post("/lists/bob/entries", r#"{"title":""}"#).await.problem(422, "rejected-value");
    assert_eq!(problem["detail"], "Say what is to be done.");
    assert_eq!((&problem["code"], &problem["field"]), (&json!("title-empty"), &json!("title")));
    assert_eq!(problem["logic"], "todo@1.0.0+sha256:abababab");
    let response = server.post("/lists/bob/entries", r#"{"title":"too much"}"#).await;
    let problem = response.problem(409, "rejected");
    assert_eq!((&problem["detail"], &problem["code"]), (&json!("Doing is full (3/3)"), &json!("board-full")));
    assert_eq!(problem.get("field"), None);
    assert_eq!(response.header("hotlist-logic"), "todo@1.0.0+sha256:abababab");
}

#[tokio::test]
async fn a_logic_that_fails_is_named_and_its_details_are_not() {
    let server = Server::start().await;
    let problem = server.post("/lists/bob/entries", r#"{"title":"trap"}"#).await.problem(500, "logic-failed");
    assert_eq!(problem["detail"], "todo@1.0.0+sha256:abababab failed: it trapped");
    assert_eq!(problem["code"], "trap");
    let problem = server.post("/lists/bob/entries", r#"{"title":"loop"}"#).await.problem(500, "logic-failed");
    assert_eq!(problem["code"], "fuel");
    let response = server.post("/lists/bob/entries", r#"{"title":"no room"}"#).await;
    response.problem(503, "overloaded");
    assert_eq!(response.header("retry-after"), "1");
}

#[tokio::test]
async fn a_commit_that_fails_is_an_unknown_outcome_that_asks_for_no_blind_repetition() {
    let server = Server::start().await;
    let (what, why) = ("write /secret/path".to_owned(), "disk on fire".to_owned());
    server.store.fail_next_commit(StoreError::Unknown { what, why });
    let response = server.post("/lists/bob/entries", r#"{"title":"a"}"#).await;
    let problem = response.problem(500, "outcome-unknown");
    assert_eq!(response.headers.get("retry-after"), None);
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("Idempotency-Key")), "{problem}");
    assert!(!problem.to_string().contains("secret") && !problem.to_string().contains("fire"), "{problem}");
    // The next one was not sent to the storage at all.
    let response = server.post("/lists/bob/entries", r#"{"title":"a"}"#).await;
    response.problem(503, "store-unavailable");
    assert_eq!(response.headers.get("retry-after"), None, "only a restart helps");
}

#[tokio::test]
async fn a_path_or_method_that_does_not_exist_is_a_problem() {
    let server = Server::start().await;
    for path in ["/nope", "/lists/", "/lists/bob/entries/1/x", "/problems"] {
        server.get(path).await.problem(404, "route-not-found");
    }
    let response = server.request("PUT", "/lists/bob/entries").response().await;
    let problem = response.problem(405, "method");
    assert_eq!(problem["detail"], "the methods of this path are: GET, HEAD, POST, DELETE");
    let mut allowed: Vec<_> = response.header("allow").split(',').collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["DELETE", "GET", "HEAD", "POST"]);
}

#[tokio::test]
async fn a_panic_costs_its_request_a_500_and_the_server_nothing() {
    let server = Server::start().await;
    server.add("bob", "a").await;
    let problem = server.get("/lists/bob/views/panic").await.problem(500, "internal");
    assert!(!problem.to_string().contains("told to"), "{problem}");
    assert_eq!(server.get("/lists/bob").await.status, 200);
}

#[tokio::test]
async fn a_request_without_a_valid_host_is_refused() {
    let server = Server::start().await;
    for head in [
        "",
        "host: a b\r\n",
        "host: \r\n",
        "host: localhost\r\nhost: localhost\r\n",
        "host: x/y\r\n",
        "host: \"x\"\r\n",
    ] {
        let raw = format!("GET /lists/bob/entries HTTP/1.1\r\n{head}connection: close\r\n\r\n");
        let response = server.send_raw(raw.as_bytes()).await;
        assert!(response.starts_with("HTTP/1.1 400 "), "{head:?}: {response}");
    }
}
