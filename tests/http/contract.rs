//! The OpenAPI document describes every operation of the server and nothing else.

use std::collections::BTreeSet;

use crate::support::{RequestExt, Server};

const METHODS: [&str; 5] = ["GET", "PUT", "POST", "PATCH", "DELETE"];

#[tokio::test]
async fn the_contract_contains_exactly_the_routes_of_the_server() {
    let server = Server::start().await;
    let contract = server.get("/openapi.json").await.json();
    assert_eq!(contract["openapi"], "3.1.0");
    let paths = contract["paths"].as_object().expect("paths");
    let mut found = BTreeSet::new();
    for (path, item) in paths {
        let documented: BTreeSet<_> = METHODS.into_iter().filter(|m| item.get(m.to_lowercase()).is_some()).collect();
        let real = path.replace("{list}", "bob").replace("{id}", "1").replace("{name}", "x");
        // The response to a method that no path has lists the methods of this path.
        let allowed = server.request("TRACE", &real).response().await;
        allowed.problem(405, "method");
        let allowed: BTreeSet<_> = allowed.header("allow").split(',').filter(|method| *method != "HEAD").collect();
        assert_eq!(allowed, documented, "{path}");
        found.extend(documented.into_iter().map(|method| format!("{method} {path}")));
    }
    // The rows of the interface.
    for row in [
        "GET /lists",
        "PUT /lists/{list}",
        "GET /lists/{list}",
        "DELETE /lists/{list}",
        "GET /lists/{list}/entries",
        "POST /lists/{list}/entries",
        "DELETE /lists/{list}/entries",
        "GET /lists/{list}/entries/{id}",
        "PATCH /lists/{list}/entries/{id}",
        "DELETE /lists/{list}/entries/{id}",
        "POST /lists/{list}/commands/{name}",
        "GET /lists/{list}/views/{name}",
        "POST /lists/{list}/undo",
        "GET /lists/{list}/history",
        "GET /lists/{list}/history/{revision}/changes",
        "GET /lists/{list}/recording",
        "GET /lists/{list}/events",
        "GET /events",
        "GET /logic",
        "GET /logic/{name}",
        "PUT /logic/{name}",
        "PATCH /logic/{name}",
        "GET /logic/{name}/versions/{digest}",
        "GET /livez",
        "GET /readyz",
        "GET /metrics",
        "GET /openapi.json",
        "GET /",
        "GET /app.js",
        "GET /style.css",
    ] {
        assert!(found.remove(row), "{row} is not in the contract");
    }
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn no_route_bypasses_the_contract() {
    let source = include_str!("../../host/web/routes.rs");
    assert!(source.contains(".routes(routes!(") && !source.contains(".route("), "add routes with routes!()");
}

#[tokio::test]
async fn every_operation_lists_its_responses_and_every_reference_resolves() {
    let server = Server::start().await;
    let contract = server.get("/openapi.json").await.json();
    let mut names = BTreeSet::new();
    for (path, item) in contract["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let responses = operation["responses"].as_object().expect("responses");
            assert!(names.insert(operation["operationId"].to_string()), "{method} {path} shares its name");
            assert!(responses.keys().any(|status| status.starts_with('2')), "{method} {path}");
            for name in path.split(['{', '}']).skip(1).step_by(2) {
                let parameters = operation["parameters"].as_array().expect("parameters");
                assert!(parameters.iter().any(|p| p["name"] == name && p["in"] == "path"), "{method} {path} {name}");
            }
            if path.starts_with("/lists") || path.starts_with("/logic") {
                let problem = &responses["404"]["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(problem, "#/components/schemas/Problem", "{method} {path}");
            }
        }
    }
    let text = contract.to_string();
    for name in text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(contract["components"]["schemas"].get(name).is_some(), "{name} is not described");
    }
}

#[tokio::test]
async fn the_contract_lists_what_a_probe_or_a_scraper_may_get() {
    let server = Server::start().await;
    let contract = server.get("/openapi.json").await.json();
    for path in ["/livez", "/readyz", "/metrics"] {
        let responses = contract["paths"][path]["get"]["responses"].as_object().expect("responses");
        let statuses: Vec<_> = responses.keys().map(String::as_str).collect();
        assert_eq!(statuses, ["200", "400", "421", "431", "500", "503"], "{path}");
        let rebound = server.request("GET", path).header("host", "evil.example").response().await;
        rebound.problem(421, "host");
    }
    server.get("/metrics?x=1").await.problem(400, "query");
}

#[tokio::test]
async fn the_contract_states_what_may_be_absent_and_what_may_be_null() {
    let server = Server::start().await;
    let contract = server.get("/openapi.json").await.json();
    let schemas = &contract["components"]["schemas"];
    assert_eq!(schemas["NewEntry"]["required"], serde_json::json!(["title"]));
    assert_eq!(schemas["NewEntry"]["properties"]["completed"]["type"], "boolean");
    assert_eq!(schemas["EntryPatch"].get("required"), None);
    assert_eq!(schemas["EntryPatch"]["properties"]["title"]["type"], "string");
    assert_eq!(schemas["EntryPatch"]["properties"]["date"]["type"], serde_json::json!(["string", "null"]));
    assert_eq!(schemas["Entry"]["properties"]["date"]["type"], "string");
    assert_eq!(schemas["Entry"]["properties"]["id"]["type"], "integer");
    assert_eq!(contract["paths"]["/lists/{list}"]["put"]["requestBody"]["required"], false);
    assert_eq!(contract["paths"]["/lists/{list}/undo"]["post"]["requestBody"]["required"], false);
    assert_eq!(schemas["Undo"].get("required"), None);
}
