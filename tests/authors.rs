//! The way of a plugin's author, in each language: a new project, its first build, its cases, and an
//! edit that goes live.
//!
//! Needs the languages' own tools, and npm and pip fetch what they install. So a language is tried
//! where `HOTLIST_TEST_LANGUAGES` names it (`rust,js,python`), and skipped, saying so, elsewhere.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use support::process::{get, program};

/// How long the slowest step may take: the first build, on a machine with better things to do.
const PATIENCE: Duration = Duration::from_secs(600);

/// The program, with the one variable that guests are built with here.
fn hotlist(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = program();
    if let Some(cargo) = std::env::var_os("HOTLIST_GUEST_CARGO") {
        command.env("HOTLIST_GUEST_CARGO", cargo);
    }
    command.current_dir(folder).args(arguments);
    command
}

fn run(folder: &Path, arguments: &[&str]) -> (Output, String) {
    let output = hotlist(folder, arguments).output().expect("the program starts");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output, said)
}

/// Whether a language is to be tried here.
fn is_wanted(language: &str) -> bool {
    let wanted = std::env::var("HOTLIST_TEST_LANGUAGES").unwrap_or_default();
    let is = wanted.split(',').any(|wanted| wanted == language);
    if !is {
        // Not through a macro, whose output is kept back where a test passes.
        let _ = writeln!(std::io::stderr(), "skipped {language}: HOTLIST_TEST_LANGUAGES does not name it");
    }
    is
}

/// `plugin dev` at work on a project, and what it says.
struct Dev {
    child: Child,
    said: mpsc::Receiver<String>,
}

impl Dev {
    fn start(project: &Path) -> Self {
        let mut command = hotlist(project, &["plugin", "dev", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let (line, said) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().expect("it is piped"));
        let err = BufReader::new(child.stderr.take().expect("it is piped"));
        let tell = line.clone();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|said| tell.send(said)));
        std::thread::spawn(move || err.lines().map_while(Result::ok).try_for_each(|said| line.send(said)));
        Self { child, said }
    }

    /// Waits for a line that holds a text, and answers with it.
    fn says(&self, text: &str) -> String {
        let mut before = Vec::new();
        while let Ok(line) = self.said.recv_timeout(PATIENCE) {
            if line.contains(text) {
                return line;
            }
            before.push(line);
        }
        panic!("it never said {text:?}, but:\n{}", before.join("\n"));
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).expect("the source can be read");
    assert!(text.contains(from), "{from:?} is not in {}", file.display());
    fs::write(file, text.replace(from, to)).expect("the source can be written");
}

/// From nothing to a live rule, and on: an edit, a slip, and the way back.
fn goes_the_way(language: &str, source: &str, sentence: &str, slip: &str) {
    if !is_wanted(language) {
        return;
    }
    let parent = tempfile::tempdir().expect("a folder");
    let (output, said) = run(parent.path(), &["plugin", "new", "first-rule", "--lang", language]);
    assert!(output.status.success(), "{said}");
    let project = parent.path().join("first-rule");

    let (output, said) = run(&project, &["plugin", "test"]);
    assert!(output.status.success() && said.contains(" 0 failed"), "{said}");
    let (output, said) = run(&project, &["plugin", "check", "first-rule.wasm"]);
    assert!(output.status.success() && said.contains(" 0 failed"), "{said}");

    let dev = Dev::start(&project);
    let address = dev.says("on http://");
    let address = address.split("http://").nth(1).and_then(|rest| rest.split(';').next()).expect("an address");
    let address = address.parse().expect("an address");
    dev.says("passed, 0 failed");
    dev.says("list first-rule, decided by first-rule@");
    let digest = || get(address, "/logic/first-rule").1["live"]["digest"].clone();
    let first = digest();

    let source: PathBuf = project.join(source);
    edit(&source, sentence, "Say what it is.");
    dev.says("live ");
    let second = digest();
    assert_ne!(second, first);
    edit(&source, "Say what it is.", slip);
    dev.says("stays live");
    assert_eq!(digest(), second);
    edit(&source, slip, sentence);
    dev.says("live ");
    assert_ne!(digest(), second);
}

#[test]
fn an_author_in_rust_gets_from_nothing_to_a_live_rule() {
    goes_the_way("rust", "src/lib.rs", "Give the entry a title.", "\" + 1 +");
}

#[test]
fn an_author_in_javascript_gets_from_nothing_to_a_live_rule() {
    goes_the_way("js", "src/logic.js", "Give the entry a title.", "\" + +* \"");
}

#[test]
fn an_author_in_python_gets_from_nothing_to_a_live_rule() {
    goes_the_way("python", "logic.py", "Give the entry a title.", "\" + +* \"");
}

/// What `plugin test` says of a new project with this source in the place of its own, and these cases.
fn tried(language: &str, source: (&str, &str), cases: &str) -> (tempfile::TempDir, String) {
    let parent = tempfile::tempdir().expect("a folder");
    let (output, said) = run(parent.path(), &["plugin", "new", "mine", "--lang", language]);
    assert!(output.status.success(), "{said}");
    let project = parent.path().join("mine");
    fs::write(project.join(source.0), source.1).expect("the source can be written");
    fs::write(project.join("cases/mine.cases.toml"), cases).expect("the cases can be written");
    let (_, said) = run(&project, &["plugin", "test"]);
    (parent, said)
}

/// Logs at length what no console should stumble over.
const LOUD: &str = include_str!("support/loud.js");

#[test]
fn nothing_that_an_author_in_javascript_logs_can_fail_a_command() {
    if !is_wanted("js") {
        return;
    }
    let cases = ["well", "badly"]
        .map(|title| format!("[[case]]\nname = '{title}'\nadd = {{ title = '{title}' }}\nentries = [{{ id = 1 }}]\n"));
    let (_parent, said) = tried("js", ("src/logic.js", LOUD), &cases.concat());
    assert!(said.contains("2 passed, 0 failed"), "{said}");
    for line in [
        r#": {"name":"circle","self":"[circular]"}"#,
        r#": box has 3 of {"a":1}% left"#,
        ":   inside",
        ":   too",
        ": outside",
        ": twice: 2",
        ": twice: 1",
        ": timer: 0 ms",
        ": There is no timer timer.",
        ": Assertion failed: not so",
        ": (index)  a   b    (value)",
        ": 0        1   two",
        ": 2                 5",
        ": Trace: here",
        ": half \u{fffd}",
    ] {
        assert!(said.contains(&format!("hotlist::plugin{line}")), "{line} is not in {said}");
    }
    assert!(!said.contains("never said"), "{said}");
}

/// Draws chance in every way that Python has, and imports where no file is left to import from.
const CHANCY: &str = include_str!("support/chancy.py");

#[test]
fn all_chance_in_python_follows_from_the_seed_on_any_instance() {
    if !is_wanted("python") {
        return;
    }
    let case = |title: &str, seed: u64| {
        format!(
            "[[case]]\nname = '{title}'\nseed = {seed}\nadd = {{ title = '{title}' }}\nentries = [{{ id = 1, title = 'unknown' }}]\n"
        )
    };
    let cases = [case("draw", 7), case("draw", 7), case("draw", 8), case("import", 7)];
    let (parent, said) = tried("python", ("logic.py", CHANCY), &cases.concat());
    let drawn: Vec<_> = said.lines().filter_map(|line| line.split("came \"").nth(1)).collect();
    assert!(drawn.len() == 3 && drawn[0] == drawn[1], "{said}");
    // Every one of them is another with another seed.
    let pairs: Vec<_> = drawn[0].split(' ').zip(drawn[2].split(' ')).collect();
    assert!(pairs.len() == 7 && pairs.iter().all(|(one, other)| one != other), "{said}");
    assert!(said.contains("No module named 'colorsys'"), "{said}");
    // Asks all instances, new and used, and they have to agree.
    let (output, said) = run(&parent.path().join("mine"), &["plugin", "check", "mine.wasm"]);
    assert!(output.status.success() && said.contains(" 0 failed"), "{said}");
}

#[test]
fn a_project_is_not_written_over_another() {
    let parent = tempfile::tempdir().expect("a folder");
    assert!(run(parent.path(), &["plugin", "new", "mine"]).0.status.success());
    let (output, said) = run(parent.path(), &["plugin", "new", "mine"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("./mine exists already"), "{said}");
    let (output, said) = run(parent.path(), &["plugin", "new", "No Name"]);
    assert_eq!(output.status.code(), Some(2), "{said}");
}

#[test]
fn a_folder_that_is_no_project_is_named_with_what_would_make_it_one() {
    let folder = tempfile::tempdir().expect("a folder");
    for command in ["build", "test", "dev"] {
        let (output, said) = run(folder.path(), &["plugin", command]);
        assert!(!output.status.success(), "{said}");
        if command != "test" {
            assert!(said.contains("Cargo.toml, package.json, pyproject.toml"), "{said}");
        }
    }
}
