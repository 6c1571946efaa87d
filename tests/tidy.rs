//! The house rules that a machine can check: who may know whom, and how long a file may be.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The most lines a source file may have. A file holds one concept; the median is far below.
const MAX_FILE_LINES: usize = 500;

/// Which of our modules each module may name.
const MAY_KNOW: [(&str, &[&str]); 18] = [
    ("list", &[]),
    // Lists as people read them: used by logs, gates and reports.
    ("render", &["list"]),
    // A leaf that every module with a need for time may know.
    ("clock", &["list"]),
    // Another one: where tests have the process killed.
    ("failpoint", &[]),
    ("logic", &["list", "render"]),
    ("wasm", &["logic", "list"]),
    ("rollout", &["logic", "list", "render"]),
    // Where the lists come from that it replays is not its business.
    ("replay", &["logic", "list", "render"]),
    ("store", &["list"]),
    ("actor", &["list", "logic", "rollout", "store", "clock", "failpoint", "render"]),
    ("cache", &["actor", "list", "logic", "rollout", "store", "clock"]),
    ("plugins", &["rollout", "wasm", "logic", "list", "clock", "failpoint"]),
    ("authoring", &["rollout", "wasm", "logic", "list", "render"]),
    // Reads what is counted about each version.
    ("metrics", &["rollout", "logic", "list"]),
    // The web maps the errors of all modules to HTTP, and shows the state of each rollout.
    ("web", &["cache", "actor", "plugins", "rollout", "list", "logic", "store", "clock", "metrics", "render"]),
    ("config", &["list", "logic", "rollout", "wasm", "web"]),
    (
        "system",
        &[
            "list", "logic", "rollout", "wasm", "store", "actor", "cache", "plugins", "metrics", "web", "config",
            "clock",
        ],
    ),
    // The command line checks components, so it knows what loads one, and asks them about what a store recorded.
    (
        "cli",
        &[
            "config",
            "system",
            "plugins",
            "authoring",
            "rollout",
            "list",
            "logic",
            "wasm",
            "web",
            "actor",
            "replay",
            "store",
            "failpoint",
            "render",
        ],
    ),
];

/// Crates that have one home each, by the modules that they are at home in.
const AT_HOME: [(&str, &[&str]); 14] = [
    ("fail", &["failpoint"]),
    ("rustix", &["failpoint"]),
    ("wasmtime", &["wasm"]),
    ("wasmparser", &["wasm", "authoring"]),
    ("notify", &["plugins", "authoring"]),
    ("rusqlite", &["store"]),
    ("postcard", &["store"]),
    ("axum", &["web"]),
    ("hyper", &["web", "cli"]),
    ("serde_json", &["web", "cli", "plugins", "authoring"]),
    ("toml", &["authoring"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("ureq", &["cli"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder, without the tests that have a file of their own.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The files of the host with the rooms they belong to, `host/store/memory.rs` to `store`, and
/// their code: without comments, and without tests, which may know more.
fn host() -> Vec<(PathBuf, String, String)> {
    let folder = root().join("host");
    let only_tests = ["tests.rs", "testing.rs", "contract.rs", "fixtures.rs", "main.rs", "lib.rs"];
    let kept = sources(&folder)
        .into_iter()
        .filter(|file| !only_tests.iter().any(|name| file.file_name().is_some_and(|file| file == *name)));
    kept.map(|file| {
        let inside = file.strip_prefix(&folder).unwrap();
        let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
        let room = first.trim_end_matches(".rs").to_owned();
        let source = fs::read_to_string(&file).unwrap();
        let code = source.split("#[cfg(test)]\nmod tests").next().unwrap().lines();
        let code = code.filter(|line| !line.trim().starts_with("//")).collect::<Vec<_>>().join("\n");
        (file, room, code)
    })
    .collect()
}

/// The modules that the rest of a path begins with: one, or those between braces.
fn first_names(rest: &str) -> Vec<String> {
    let paths = match rest.strip_prefix('{') {
        Some(group) => group.split('}').next().unwrap().split(',').collect(),
        None => vec![rest],
    };
    let name = |path: &str| path.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    paths.into_iter().map(name).collect()
}

#[test]
fn every_module_knows_only_those_it_may() {
    let may: BTreeMap<_, _> = MAY_KNOW.into_iter().collect();
    let mut strangers = Vec::new();
    for (file, room, code) in host() {
        let allowed = may.get(room.as_str()).unwrap_or_else(|| panic!("{room} is not in the table"));
        for known in code.split("crate::").skip(1).flat_map(first_names) {
            if known != room && may.contains_key(known.as_str()) && !allowed.contains(&known.as_str()) {
                strangers.push(format!("{}: {room} may not know {known}", file.display()));
            }
        }
    }
    assert!(strangers.is_empty(), "{}", strangers.join("\n"));
}

#[test]
fn a_crate_with_a_home_is_used_at_home_only() {
    let mut strays = Vec::new();
    for (file, room, code) in host() {
        for (name, homes) in AT_HOME {
            if code.contains(&format!("{name}::")) && !homes.contains(&room.as_str()) {
                strays.push(format!("{}: {name} is at home in {}", file.display(), homes.join(" and ")));
            }
        }
    }
    assert!(strays.is_empty(), "{}", strays.join("\n"));
}

#[test]
fn no_file_is_too_long_to_be_read() {
    let folders = ["host", "plugins", "tests", "examples", "benches"];
    let files = folders.iter().flat_map(|folder| sources(&root().join(folder)));
    let long = |file: &PathBuf| fs::read_to_string(file).unwrap().lines().count() > MAX_FILE_LINES;
    let too_long: Vec<_> = files.filter(long).collect();
    assert!(too_long.is_empty(), "over {MAX_FILE_LINES} lines: {too_long:?}");
}

#[test]
fn nothing_is_left_to_be_done_later() {
    let marks = [["to", "do!("].concat(), ["unimple", "mented!("].concat(), ["FIX", "ME"].concat()];
    for (file, _, code) in host() {
        assert!(!marks.iter().any(|mark| code.contains(mark)), "{} is not finished", file.display());
    }
}
