//! Tests of an author's workflow in each language: a new project, its first build, its cases, and a change that goes
//! live.
//!
//! A language needs its own tools, and npm and pip download packages. So a test runs only if `HOTLIST_TEST_LANGUAGES`
//! (`rust,js,python`) names its language. Otherwise it prints that it is skipped.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use support::process::{get, program, send};

/// The time limit of a step. The slowest step is the first build on a busy machine.
const WAIT_TIMEOUT: Duration = Duration::from_secs(600);

/// The program, with the variable that selects the cargo for guests.
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
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output, printed)
}

/// Whether a language is tested in this run.
fn is_wanted(language: &str) -> bool {
    let wanted = std::env::var("HOTLIST_TEST_LANGUAGES").unwrap_or_default();
    let is_wanted = wanted.split(',').any(|wanted| wanted == language);
    if !is_wanted {
        // Written directly, because the test runner hides the output of the print macros of a passing test.
        let _ = writeln!(std::io::stderr(), "skipped {language}: HOTLIST_TEST_LANGUAGES does not name it");
    }
    is_wanted
}

/// A running `plugin dev` and the lines that it prints.
struct Dev {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Dev {
    fn start(project: &Path) -> Self {
        let mut command = hotlist(project, &["plugin", "dev", "--listen", "127.0.0.1:0"]);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let (line, lines) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().expect("it is piped"));
        let err = BufReader::new(child.stderr.take().expect("it is piped"));
        let out_line = line.clone();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|text| out_line.send(text)));
        std::thread::spawn(move || err.lines().map_while(Result::ok).try_for_each(|text| line.send(text)));
        Self { child, lines }
    }

    /// Waits for a line that contains a text and returns the line.
    fn wait_for(&self, text: &str) -> String {
        let mut before = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(WAIT_TIMEOUT) {
            if line.contains(text) {
                return line;
            }
            before.push(line);
        }
        panic!("no line contains {text:?}:\n{}", before.join("\n"));
    }
}

impl Dev {
    /// Types a line.
    fn type_line(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("it is piped");
        writeln!(stdin, "{line}").expect("the program reads it");
    }

    /// Waits for every line of a transcript in the guide, in any order: the program writes to two outputs.
    fn follow(&self, name: &str) {
        let mut missing = transcript(name);
        let mut seen = Vec::new();
        while !missing.is_empty() {
            let Ok(line) = self.lines.recv_timeout(WAIT_TIMEOUT) else { break };
            if let Some(at) = missing.iter().position(|expected| *expected == comparable(&line)) {
                missing.remove(at);
            }
            seen.push(line);
        }
        assert!(missing.is_empty(), "{name}: these lines are missing: {missing:#?}\nof:\n{}", seen.join("\n"));
    }
}

/// The lines of a transcript in the guide, see [`comparable`].
fn transcript(name: &str) -> Vec<String> {
    let guide = include_str!("../docs/plugins.md");
    let marker = format!("<!-- first hour: {name} -->\n```text\n");
    let (_, rest) = guide.split_once(&marker).unwrap_or_else(|| panic!("the guide has no transcript {name:?}"));
    let (block, _) = rest.split_once("\n```").expect("the block ends");
    // A line of dots stands for lines that are left out.
    block.lines().filter(|line| *line != "…").map(comparable).collect()
}

/// A line without what differs from one run to the next: times, digests and ports.
fn comparable(line: &str) -> String {
    let words: Vec<_> = line.split(' ').collect();
    let is_number = |word: &str| word.trim_start_matches('(').parse::<f64>().is_ok();
    let is_unit = |word: &&str| ["s", "µs"].contains(&word.trim_end_matches([',', ')', ':']));
    let words = words.iter().enumerate().map(|(at, word)| {
        if is_number(word) && words.get(at + 1).is_some_and(is_unit) {
            return "N".to_owned();
        }
        let (word, hex) = word.split_once("sha256:").unwrap_or((word, ""));
        let digest = if hex.is_empty() { "" } else { "sha256:X" };
        let rest = hex.trim_start_matches(|digit: char| digit.is_ascii_hexdigit());
        let word = format!("{word}{digest}{rest}");
        match word.split_once("127.0.0.1:") {
            Some((before, after)) => {
                format!("{before}127.0.0.1:P{}", after.trim_start_matches(|digit: char| digit.is_ascii_digit()))
            }
            None => word,
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

impl Drop for Dev {
    fn drop(&mut self) {
        // An error means that the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).expect("the source can be read");
    assert!(text.contains(from), "{from:?} is not in {}", file.display());
    fs::write(file, text.replace(from, to)).expect("the source can be written");
}

/// The files of a project that pin what its build installs, with their texts.
fn lock_files(project: &Path) -> Vec<(&'static str, String)> {
    let files = ["Cargo.lock", "package-lock.json", "requirements.txt"].into_iter();
    files.filter_map(|file| Some((file, fs::read_to_string(project.join(file)).ok()?))).collect()
}

/// Creates a project and follows it to a live rule. Then it makes a change, a mistake that does not compile, and the
/// correction.
fn follow_workflow(language: &str, source: &str, sentence: &str, mistake: &str) {
    if !is_wanted(language) {
        return;
    }
    let parent = tempfile::tempdir().expect("a folder");
    let (output, printed) = run(parent.path(), &["plugin", "new", "first-rule", "--lang", language]);
    assert!(output.status.success(), "{printed}");
    let project = parent.path().join("first-rule");
    let locked = lock_files(&project);
    assert_eq!(locked.len(), 1, "a new project pins what its build installs: {locked:?}");

    let (output, printed) = run(&project, &["plugin", "test"]);
    assert!(output.status.success() && printed.contains(" 0 failed"), "{printed}");
    assert!(lock_files(&project) == locked, "the build changed {:?}", lock_files(&project));
    let (output, printed) = run(&project, &["plugin", "check", "first-rule.wasm"]);
    assert!(output.status.success() && printed.contains(" 0 failed"), "{printed}");

    test_natively(language, &project);

    let dev = Dev::start(&project);
    let address = dev.wait_for("on http://");
    let address = address.split("http://").nth(1).and_then(|rest| rest.split(';').next()).expect("an address");
    let address = address.parse().expect("an address");
    dev.wait_for("passed, 0 failed");
    dev.wait_for("list first-rule, decided by first-rule@");
    let digest = || get(address, "/logic/first-rule").1["live"]["digest"].clone();
    let first = digest();

    let source: PathBuf = project.join(source);
    edit(&source, sentence, "Say what it is.");
    dev.wait_for("live ");
    let second = digest();
    assert_ne!(second, first);
    edit(&source, "Say what it is.", mistake);
    dev.wait_for("stays live");
    assert_eq!(digest(), second);
    edit(&source, mistake, sentence);
    dev.wait_for("live ");
    assert_ne!(digest(), second);
}

/// Runs the tests of a project that need no component. Those in Rust are run with the SDK's own tests.
fn test_natively(language: &str, project: &Path) {
    let mut command = match language {
        "js" => Command::new("npm"),
        "python" => Command::new("python3"),
        _ => return,
    };
    let arguments: &[&str] = if language == "js" { &["test"] } else { &["-m", "unittest", "--verbose"] };
    let output = command.args(arguments).env("PYTHONPATH", "sdk").current_dir(project).output().expect("it starts");
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && printed.contains("calming"), "{printed}");
}

#[test]
fn an_author_in_rust_gets_from_a_new_project_to_a_live_rule() {
    follow_workflow("rust", "src/lib.rs", "Give the entry a title.", "\" + 1 +");
}

#[test]
fn an_author_in_javascript_gets_from_a_new_project_to_a_live_rule() {
    follow_workflow("js", "src/logic.js", "Give the entry a title.", "\" + +* \"");
}

#[test]
fn an_author_in_python_gets_from_a_new_project_to_a_live_rule() {
    follow_workflow("python", "logic.py", "Give the entry a title.", "\" + +* \"");
}

#[test]
fn the_first_hour_of_an_author_is_as_the_guide_says() {
    if !is_wanted("rust") {
        return;
    }
    let parent = tempfile::tempdir().expect("a folder");
    let (output, printed) = run(parent.path(), &["plugin", "new", "first-rule"]);
    assert!(output.status.success(), "{printed}");
    let project = parent.path().join("first-rule");
    let (source, cases) = (project.join("src/lib.rs"), project.join("cases/first-rule.cases.toml"));
    let mut dev = Dev::start(&project);
    let address = dev.wait_for("on http://");
    assert_eq!(comparable(&address), transcript("start")[0]);
    let address = address.split("http://").nth(1).and_then(|rest| rest.split(';').next()).expect("an address");
    let address = address.parse().expect("an address");
    let (status, problem) = send(address, "POST", "/lists/first-rule/entries", r#"{"title":"Roof"}"#);
    assert_eq!(status, 503, "no other rules decide before the first build: {problem}");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("is being built")), "{problem}");
    dev.follow("live");

    edit(&source, "\"urgent\"", "\"important\"");
    dev.follow("own field");
    edit(&cases, "urgent =", "important =");
    edit(&cases, "\"urgent\"", "\"important\"");
    dev.wait_for("4 passed, 0 failed");

    let title = "if new.title.trim().is_empty() {";
    edit(&source, title, &format!("assert!(new.title.len() < 200, \"the title is long\");\n        {title}"));
    dev.follow("refused");
    edit(&source, "assert!(new.title.len() < 200, \"the title is long\");", "");
    dev.wait_for("4 passed, 0 failed");

    let digest = || get(address, "/logic/first-rule").1["live"]["digest"].clone();
    let before = digest();
    edit(&source, title, &format!("if new.title == \"Stew\" {{ panic!(\"no recipe\") }}\n        {title}"));
    // Earlier edits may have been built more than once.
    while digest() == before {
        dev.wait_for("live ");
    }
    let (status, problem) = send(address, "POST", "/lists/first-rule/entries", r#"{"title":"Stew"}"#);
    assert_eq!((status, problem["code"].as_str()), (500, Some("trap")), "no older version decides: {problem}");
    dev.follow("panic");
    let ask = ["plugin", "ask", r#"add = { title = "Stew" }"#, "--list", "first-rule"];
    let (output, printed) = run(&project, &ask);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    let printed: Vec<_> = printed.lines().map(comparable).collect();
    assert!(transcript("ask").iter().all(|line| printed.contains(line)), "{printed:#?}");

    edit(&source, "panic!(\"no recipe\")", "return Err(Rejection::new(\"no-recipe\", \"There is no recipe.\"));");
    edit(&source, "MOST_URGENT: usize = 3;", "MOST_URGENT: usize = 2;");
    dev.follow("failing case");
    edit(&source, "MOST_URGENT: usize = 2;", "MOST_URGENT: usize = 3;");
    dev.follow("fixed");
    let (status, problem) = send(address, "POST", "/lists/first-rule/entries", r#"{"title":"Stew"}"#);
    assert_eq!((status, problem["code"].as_str()), (409, Some("no-recipe")), "{problem}");
    dev.type_line("r");
    dev.wait_for("deleted 1 lists of this session");
    dev.wait_for("list first-rule, decided by first-rule@");
}

/// The output of `plugin test` on a new project with the given source and cases.
fn test_output(language: &str, source: (&str, &str), cases: &str) -> (tempfile::TempDir, String) {
    let parent = tempfile::tempdir().expect("a folder");
    let (output, printed) = run(parent.path(), &["plugin", "new", "mine", "--lang", language]);
    assert!(output.status.success(), "{printed}");
    let project = parent.path().join("mine");
    fs::write(project.join(source.0), source.1).expect("the source can be written");
    fs::write(project.join("cases/mine.cases.toml"), cases).expect("the cases can be written");
    let (_, printed) = run(&project, &["plugin", "test"]);
    (parent, printed)
}

/// JavaScript that calls every method of the console, with values that are hard to print.
const LOUD: &str = include_str!("support/loud.js");

#[test]
fn no_log_call_in_javascript_can_fail_a_command() {
    if !is_wanted("js") {
        return;
    }
    let cases = ["well", "badly"]
        .map(|title| format!("[[case]]\nname = '{title}'\nadd = {{ title = '{title}' }}\nentries = [{{ id = 1 }}]\n"));
    let (_parent, printed) = test_output("js", ("src/logic.js", LOUD), &cases.concat());
    assert!(printed.contains("2 passed, 0 failed"), "{printed}");
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
        assert!(printed.contains(&format!("says{line}")), "{line} is not in {printed}");
    }
    assert!(!printed.contains("never said"), "{printed}");
}

/// Python that draws random numbers from every source, and imports a module at run time, when no file exists.
const RANDOM: &str = include_str!("support/chancy.py");

#[test]
fn every_random_number_in_python_follows_from_the_seed_on_any_instance() {
    if !is_wanted("python") {
        return;
    }
    let case = |title: &str, seed: u64| {
        format!(
            "[[case]]\nname = '{title}'\nseed = {seed}\nadd = {{ title = '{title}' }}\nentries = [{{ id = 1, title = 'unknown' }}]\n"
        )
    };
    let cases = [case("draw", 7), case("draw", 7), case("draw", 8), case("import", 7)];
    let (parent, printed) = test_output("python", ("logic.py", RANDOM), &cases.concat());
    let drawn: Vec<_> = printed.lines().filter_map(|line| line.split("actual \"").nth(1)).collect();
    assert!(drawn.len() == 3 && drawn[0] == drawn[1], "{printed}");
    // Another seed gives another number from every source.
    let pairs: Vec<_> = drawn[0].split(' ').zip(drawn[2].split(' ')).collect();
    assert!(pairs.len() == 7 && pairs.iter().all(|(one, other)| one != other), "{printed}");
    assert!(printed.contains("No module named 'colorsys'"), "{printed}");
    // The gates compare new and used instances, which must agree.
    let (output, printed) = run(&parent.path().join("mine"), &["plugin", "check", "mine.wasm"]);
    assert!(output.status.success() && printed.contains(" 0 failed"), "{printed}");
}

#[test]
fn a_new_project_does_not_overwrite_an_existing_one() {
    let parent = tempfile::tempdir().expect("a folder");
    assert!(run(parent.path(), &["plugin", "new", "mine"]).0.status.success());
    let (output, printed) = run(parent.path(), &["plugin", "new", "mine"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(printed.contains("./mine exists already"), "{printed}");
    let (output, printed) = run(parent.path(), &["plugin", "new", "No Name"]);
    assert_eq!(output.status.code(), Some(2), "{printed}");
}

#[test]
fn the_files_that_make_a_project_are_named_if_a_folder_has_none() {
    let folder = tempfile::tempdir().expect("a folder");
    for command in ["build", "test", "dev"] {
        let (output, printed) = run(folder.path(), &["plugin", command]);
        assert!(!output.status.success(), "{printed}");
        if command != "test" {
            assert!(printed.contains("Cargo.toml, package.json, pyproject.toml"), "{printed}");
        }
    }
}
