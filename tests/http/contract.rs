//! The OpenAPI document describes every operation of the server and nothing else.

use std::collections::BTreeSet;

use serde_json::{Value, json};

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
        let detail = allowed.problem(405, "method")["detail"].as_str().expect("a detail").to_owned();
        for method in allowed.header("allow").split(',') {
            assert!(detail.contains(method), "{path}: {detail}");
        }
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
        "GET /logic/{name}/lists",
        "GET /logic/{name}/versions/{digest}",
        "DELETE /logic/{name}/versions/{digest}",
        "GET /logic/{name}/versions/{digest}/description",
        "GET /livez",
        "GET /readyz",
        "GET /metrics",
        "GET /openapi.json",
        "GET /",
        "GET /app.js",
        "GET /stream.js",
        "GET /style.css",
        "GET /favicon.svg",
        "GET /plain",
        "GET /plain/{list}",
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
            for (status, response) in
                responses.iter().filter(|(status, _)| status.as_str() >= "400" && status.as_str() != "431")
            {
                let problem = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(problem, "#/components/schemas/Problem", "{method} {path} {status}");
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
    assert_eq!(schemas["NewEntry"]["required"], json!(["title"]));
    assert_eq!(schemas["NewEntry"]["properties"]["completed"]["type"], "boolean");
    assert_eq!(schemas["EntryPatch"].get("required"), None);
    assert_eq!(schemas["EntryPatch"]["properties"]["date"]["type"], json!(["string", "null"]));
    assert_eq!(schemas["Entry"]["properties"]["date"]["type"], "string");
    // What may be null is what a request may remove, and a pin that was taken away.
    let mut nullable = BTreeSet::new();
    find_nullable(schemas, "", &mut nullable);
    let expected = [
        "EntryPatch/date",
        "EntryPatch/order",
        "FieldChanges",
        "LogicPatch/candidate",
        "LogicPatch/until",
        "NewEntry/date",
    ];
    let expected = expected.into_iter().chain(["NewEntry/order", "PinChange/pin"]).map(str::to_owned).collect();
    assert_eq!(nullable, expected);
    let mut nullable = BTreeSet::new();
    find_nullable(&contract["paths"], "", &mut nullable);
    assert!(nullable.is_empty(), "{nullable:?}");
    assert_eq!(contract["paths"]["/lists/{list}"]["put"]["requestBody"]["required"], false);
    assert_eq!(contract["paths"]["/lists/{list}/undo"]["post"]["requestBody"]["required"], false);
    assert_eq!(schemas["Undo"].get("required"), None);
}

/// Collects the paths of schemas that allow `null`, without the words of JSON Schema.
fn find_nullable(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    let is_null = |schema: &Value| schema["type"] == "null";
    let has_null =
        |list: &Value| list.as_array().is_some_and(|all| all.iter().any(|one| is_null(one) || one == "null"));
    if ["type", "oneOf", "anyOf"].iter().any(|member| has_null(&value[*member])) {
        found.insert(path.to_owned());
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        let is_word =
            ["properties", "items", "oneOf", "anyOf", "allOf", "additionalProperties"].contains(&name.as_str());
        let inner = if is_word || path.is_empty() {
            format!("{path}{}", if is_word { "" } else { name })
        } else {
            format!("{path}/{name}")
        };
        find_nullable(value, &inner, found);
    }
    for value in value.as_array().into_iter().flatten() {
        find_nullable(value, path, found);
    }
}

#[tokio::test]
async fn generators_find_named_variants_words_and_values() {
    let server = Server::start().await;
    let contract = server.get("/openapi.json").await.json();
    let schemas = &contract["components"]["schemas"];
    let change = &schemas["Change"];
    assert_eq!(change["discriminator"]["propertyName"], "type");
    let mapping = change["discriminator"]["mapping"].as_object().expect("a mapping");
    assert_eq!((mapping.len(), change["oneOf"].as_array().map(Vec::len)), (7, Some(7)));
    for (value, reference) in mapping {
        let name = reference.as_str().and_then(|reference| reference.rsplit('/').next()).expect("a reference");
        assert_eq!(schemas[name]["properties"]["type"]["enum"], json!([value]), "{name}");
        assert!(schemas[name]["required"].as_array().is_some_and(|all| all.contains(&"type".into())), "{name}");
    }
    let value = json!("#/components/schemas/FieldValue");
    assert_eq!(schemas["Fields"]["additionalProperties"]["$ref"], value);
    assert_eq!(schemas["FieldChanges"]["additionalProperties"]["anyOf"][0]["$ref"], value);
    let fields = json!("#/components/schemas/Fields");
    let command = &contract["paths"]["/lists/{list}/commands/{name}"]["post"]["requestBody"]["content"];
    assert_eq!(command["application/json"]["schema"]["$ref"], fields);
    for (schema, member) in [("Entry", "fields"), ("Entry", "computed"), ("Group", "computed"), ("NewEntry", "fields")]
    {
        assert_eq!(schemas[schema]["properties"][member]["$ref"], fields, "{schema} {member}");
    }
    let upload = &contract["paths"]["/logic/{name}"]["put"]["requestBody"]["content"]["application/wasm"]["schema"];
    assert_eq!(upload["$ref"], "#/components/schemas/Component");
    for (schema, words) in [
        ("LogicState", "live quarantined retained failed"),
        ("VersionState", "live last-good candidate retained quarantined"),
        ("FieldKind", "boolean number text date texts entry entries"),
        ("Reading", "host logic"),
        ("OnFault", "fall-back refuse"),
    ] {
        assert_eq!(schemas[schema]["enum"], json!(words.split(' ').collect::<Vec<_>>()), "{schema}");
    }
    let parameters = contract["paths"]["/lists"]["get"]["parameters"].as_array().expect("parameters");
    let limit = &parameters.iter().find(|parameter| parameter["name"] == "limit").expect("a limit")["schema"];
    assert_eq!((&limit["default"], &limit["maximum"]), (&json!(100), &json!(1000)));
}

#[tokio::test]
async fn an_operation_lists_only_the_statuses_that_it_can_answer_with() {
    let server = Server::start().await;
    let contract = server.get("/openapi.json").await.json();
    let read = "400 401 403 421 431 500 503";
    let write = "400 401 403 409 412 421 422 429 431 500 503";
    for (method, path, all, more) in [
        ("get", "/livez", "400 421 431 500 503", "200"),
        ("get", "/lists", read, "200"),
        ("get", "/lists/{list}", read, "200 304 404 412"),
        ("get", "/lists/{list}/entries", read, "200 304 404 409 412 422"),
        ("get", "/lists/{list}/history", read, "200 404"),
        ("put", "/lists/{list}", write, "200 201 408 413 415"),
        ("delete", "/lists/{list}", write, "204 404"),
        ("delete", "/lists/{list}/entries", write, "204"),
        ("post", "/lists/{list}/undo", write, "200 404 408 410 413 415"),
        ("get", "/logic/{name}/versions/{digest}", read, "200 404"),
    ] {
        let responses = contract["paths"][path][method]["responses"].as_object().expect("responses");
        let found: BTreeSet<_> = responses.keys().map(String::as_str).collect();
        assert_eq!(found, all.split(' ').chain(more.split(' ')).collect(), "{method} {path}");
    }
}
