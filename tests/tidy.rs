//! The house rules that a machine can check: which module may know which, that no files need each other in a circle,
//! how long a file may be, and which words are gone. The rules themselves are in `host/ARCHITECTURE.md`.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

#[path = "tidy/circles.rs"]
mod circles;
#[path = "tidy/parser.rs"]
mod parser;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/table.rs"]
mod table;
#[path = "tidy/words.rs"]
mod words;

use source::Tree;

/// The most lines that a source file may have. A file holds one concept, and the median is far below.
const MAX_FILE_LINES: usize = 500;

/// The heading of the table of modules.
const MODULES: &str = "| module | is | may know |";
/// The heading of the table of outside crates.
const CRATES: &str = "| crate | used in |";

/// The modules that a simulation repeats step by step.
const SIMULATED: &[&str] = &["actor", "cache", "rollout", "clock", "executor"];

/// What those modules may not name, because a simulation could not repeat it. Clippy has no rules for single modules.
const NOT_REPEATABLE: &[(&[&str], &str)] = &[
    (&["Instant"], "take the monotonic time from the clock"),
    (&["SystemTime"], "take the time from the clock"),
    (&["tokio", "time"], "wait on the executor"),
    (&["tokio", "spawn"], "spawn on the executor"),
    (&["task", "spawn"], "spawn on the executor"),
    (&["JoinSet"], "spawn on the executor"),
    (&["Handle", "spawn"], "spawn on the executor"),
    (&["tokio", "select"], "select in a fixed order, as futures_util::future::select does"),
    (&["futures_util", "select"], "select in a fixed order, as futures_util::future::select does"),
    (&["HashMap"], "use an ordered map, or one with a SeededHasher"),
    (&["HashSet"], "use an ordered set, or one with a SeededHasher"),
    (&["RandomState"], "use a SeededHasher"),
    (&["DashMap", "new"], "use a SeededHasher, and a number of shards that does not depend on the machine"),
    (&["fastrand", "u64"], "take random numbers from the clock"),
    (&["thread", "spawn"], "spawn on the executor"),
];

/// Files of those modules that may, and why.
const MAY_NAME: &[(&str, &str)] = &[
    ("host/rollout/shadows.rs", "a shadow has a thread of its own, which nothing waits for"),
    ("host/clock.rs", "it is the clock"),
    ("host/executor.rs", "it is the executor"),
];

/// Files that may have an old word, and why.
const MAY_SAY: &[(&str, &str, &str)] = &[("tests/page.rs", "Sweep", "the title of an entry")];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn architecture() -> String {
    fs::read_to_string(root().join("host/ARCHITECTURE.md")).unwrap()
}

/// The host, which is read once for all tests.
fn host() -> &'static Tree {
    static HOST: LazyLock<Tree> =
        LazyLock::new(|| Tree::read(&root().join("host/lib.rs"), &|file| fs::read_to_string(file).ok()));
    &HOST
}

/// Every file below a folder or at a path, with one of some extensions.
fn files(path: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_path_buf()];
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let is_generated = path.file_name().is_some_and(|name| name == "target" || name == "node_modules");
            found.extend(if is_generated { Vec::new() } else { files(&path, extensions) });
        } else if path.extension().is_some_and(|extension| extensions.iter().any(|wanted| extension == *wanted)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn short(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).display().to_string()
}

/// The modules that a module knows, each with the first place that names it.
fn known(tree: &Tree) -> Vec<(String, String, String)> {
    let mut seen = BTreeSet::new();
    let mut known = Vec::new();
    for named in tree.named() {
        let Some(target) = tree.resolve(named.from, named.path) else { continue };
        let (Some(from), Some(to)) = (tree.top_module(named.from), tree.top_module(target.module())) else { continue };
        let place = format!("{}:{}", short(&tree.modules[named.from].file), named.line);
        if from != to && seen.insert((from, to, place.clone())) {
            known.push((from.to_owned(), to.to_owned(), place));
        }
    }
    known
}

#[test]
fn every_module_knows_only_those_in_its_row() {
    let may = table::map(table::rows(&architecture(), MODULES));
    let mut strangers = Vec::new();
    for (from, to, place) in known(host()) {
        let row = may.get(&from).unwrap_or_else(|| panic!("{from} has no row in host/ARCHITECTURE.md"));
        if !row.contains(&to) {
            strangers.push(format!("{place}: {from} may not know {to}"));
        }
    }
    assert!(strangers.is_empty(), "{}", strangers.join("\n"));
}

#[test]
fn no_row_permits_more_than_is_used() {
    let used: BTreeSet<_> = known(host()).into_iter().map(|(from, to, _)| (from, to)).collect();
    let permitted = table::rows(&architecture(), MODULES);
    let pairs = permitted.into_iter().flat_map(|(from, row)| row.into_iter().map(move |to| (from.clone(), to)));
    let unused: Vec<_> = pairs.filter(|pair| !used.contains(pair)).collect();
    assert!(unused.is_empty(), "these modules do not know each other (any more): {unused:?}");
}

#[test]
fn the_drawing_shows_the_table() {
    let document = architecture();
    let drawn = table::with_drawing(&document, &table::draw(&table::rows(&document, MODULES)));
    if std::env::var_os("UPDATE").is_some() {
        fs::write(root().join("host/ARCHITECTURE.md"), &drawn).unwrap();
    } else {
        assert!(drawn == document, "the drawing is old: run UPDATE=1 cargo test --test tidy");
    }
}

#[test]
fn a_crate_with_a_home_is_used_at_home_only() {
    let homes = table::map(table::rows(&architecture(), CRATES));
    let tree = host();
    let mut strays = Vec::new();
    let mut used = BTreeSet::new();
    for named in tree.named() {
        let Some(name) = tree.outside(named.from, named.path) else { continue };
        let (Some(home), Some(module)) = (homes.get(name), tree.top_module(named.from)) else { continue };
        used.insert((name.to_owned(), module.to_owned()));
        if !home.contains(module) {
            strays.push(format!(
                "{}:{}: {name} is not used in {module}",
                short(&tree.modules[named.from].file),
                named.line
            ));
        }
    }
    let pairs = homes.iter().flat_map(|(name, home)| home.iter().map(move |module| (name.clone(), module.clone())));
    strays.extend(pairs.filter(|pair| !used.contains(pair)).map(|pair| format!("{pair:?} is permitted, and unused")));
    assert!(strays.is_empty(), "{}", strays.join("\n"));
}

#[test]
fn simulated_modules_name_nothing_that_a_simulation_cannot_repeat() {
    let tree = host();
    let mut report = Vec::new();
    let mut excused = BTreeSet::new();
    for named in tree.named() {
        let is_simulated = tree.top_module(named.from).is_some_and(|module| SIMULATED.contains(&module));
        let has = |words: &[&str]| named.path.windows(words.len()).any(|part| part == words);
        let Some((_, instead)) = NOT_REPEATABLE.iter().find(|(words, _)| is_simulated && has(words)) else { continue };
        let file = short(&tree.modules[named.from].file);
        match MAY_NAME.iter().find(|(excuse, _)| *excuse == file) {
            Some((excuse, _)) => drop(excused.insert(*excuse)),
            None => report.push(format!("{file}:{}: {}: {instead}", named.line, named.path.join("::"))),
        }
    }
    let stale = MAY_NAME.iter().filter(|(excuse, _)| !excused.contains(excuse));
    report.extend(stale.map(|(excuse, _)| format!("{excuse} names nothing of this any more: take it from the list")));
    assert!(report.is_empty(), "{}", report.join("\n"));
}

#[test]
fn no_files_of_a_module_need_each_other_in_a_circle() {
    let circles = circles::circles(host());
    let report: Vec<_> = circles.values().flatten().map(|circle| circle.render(&root().join("host"))).collect();
    assert!(report.is_empty(), "{}", report.join("\n"));
}

#[test]
fn no_file_is_too_long_to_be_read() {
    let folders = ["host", "plugins", "tests", "examples", "benches"];
    let files = folders.iter().flat_map(|folder| files(&root().join(folder), &["rs"]));
    let long = |file: &PathBuf| fs::read_to_string(file).unwrap().lines().count() > MAX_FILE_LINES;
    let too_long: Vec<_> = files.filter(long).collect();
    assert!(too_long.is_empty(), "over {MAX_FILE_LINES} lines: {too_long:?}");
}

#[test]
fn nothing_is_left_to_be_done_later() {
    let marks = [["to", "do!("].concat(), ["unimple", "mented!("].concat(), ["FIX", "ME"].concat()];
    for file in files(&root().join("host"), &["rs"]) {
        let code = fs::read_to_string(&file).unwrap();
        assert!(!marks.iter().any(|mark| code.contains(mark)), "{} is not finished", short(&file));
    }
}

#[test]
fn no_old_word_is_written() {
    let places = ["CONTRIBUTING.md", "host", "docs", "wit", "plugins/sdk", "tests", "examples", "benches"];
    let files =
        places.iter().flat_map(|place| files(&root().join(place), &["rs", "md", "wit", "js", "ts", "py", "html"]));
    // The list of old words holds them all.
    let files = files.filter(|file| !short(file).starts_with("tests/tidy"));
    let mut report = Vec::new();
    let mut allowed = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for (line, word, new) in words::misplaced(&short(&file), &text) {
            report.push(format!("{}:{line}: {word:?} is the word for another thing: {new}", short(&file)));
        }
        for (line, old, new) in words::found(&text) {
            match MAY_SAY.iter().find(|(place, word, _)| *word == old && short(&file).starts_with(place)) {
                Some(entry) => drop(allowed.insert(*entry)),
                None => report.push(format!("{}:{line}: {old:?} is an old word: {new}", short(&file))),
            }
        }
    }
    let stale = MAY_SAY.iter().filter(|entry| !allowed.contains(*entry));
    report
        .extend(stale.map(|(place, word, _)| format!("{place} does not say {word:?} any more: take it from the list")));
    assert!(report.is_empty(), "{}", report.join("\n"));
}
