//! Tests of case files: each plugin passes its cases, and each mistake in a file is named with its place.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use hotlist::authoring::cases::Cases;
use hotlist::list::name::LogicName;
use hotlist::wasm::{self, Isolation};
use serde_json::Value;
use support::logic::TestLogic;
use support::process::program;
use support::{component, engine};

/// The message about a mistake in the text of a case file.
fn mistake(text: &str) -> String {
    Cases::parse(text).expect_err("the file has a mistake").to_string()
}

/// The problems of a file with one case. It runs on a logic with the fields `due`, `tags` and `points`, the setting
/// `colour` and the command `due-all`.
fn problems(text: &str) -> Vec<String> {
    let cases = Cases::parse(&format!("[[case]]\nname = \"it\"\n{text}")).unwrap();
    let verdicts = cases.run(&TestLogic::new("todo", "1.0.0"));
    assert_eq!(verdicts.len(), 1);
    verdicts[0].problems.iter().map(ToString::to_string).collect()
}

#[test]
fn every_plugin_passes_its_cases() {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins");
    let engine = engine();
    let mut tested = Vec::new();
    for built in fs::read_dir(plugins.join("built")).unwrap().map(|file| file.unwrap().path()) {
        let name = built.file_stem().unwrap().to_str().unwrap();
        let Ok(folder) = plugins.join(name).join("cases").read_dir() else { continue };
        let logic = wasm::load(&engine, LogicName::new(name).unwrap(), &component(name), Isolation::Shared).unwrap();
        for file in folder.map(|file| file.unwrap().path()) {
            let cases = Cases::parse(&fs::read_to_string(&file).unwrap())
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            for verdict in cases.run(&*logic) {
                assert!(verdict.passed(), "{}:{}: {verdict:#?}", file.display(), verdict.line);
            }
        }
        tested.push(name.to_owned());
    }
    tested.sort();
    assert!(tested.iter().any(|name| name == "todo") && tested.iter().any(|name| name == "strict"), "{tested:?}");
}

#[test]
fn an_unknown_member_is_named_with_its_line() {
    for (text, line, member) in [
        ("[[case]]\nname = 'a'\nclear = true\nunchangd = true", "line 4", "unknown field `unchangd`"),
        ("seed = 1\nclock = 2", "line 2", "unknown field `clock`"),
        ("given = [\n  { titel = 'a' },\n]", "line 2", "unknown field `titel`"),
        ("[[case]]\nname = 'a'\nadd = {\n  title = 'a',\n  dat = 1 }", "line 5", "unknown field `dat`"),
        ("[[case]]\nname = 'a'\nclear = true\nchanges = [{ puts = { id = 1 } }]", "line 4", "`puts`"),
        ("[[case]]\nname = 'a'\nview = {}\npage = [{ rows = [{ id = 1, x = 2 }] }]", "line 4", "unknown field `x`"),
    ] {
        let mistake = mistake(text);
        assert!(mistake.contains(line) && mistake.contains(member), "{text}\n{mistake}");
    }
}

#[test]
fn a_member_of_the_wrong_kind_is_named_with_its_line() {
    for (member, problem) in [
        ("now = 2026-11-23", "write it as 2026-11-23T12:00:00Z"),
        ("now = 1969-12-31T23:59:59Z", "is not a time since 1970"),
        ("today = 2026-11-23T12:00:00Z", "write it as 2026-11-23"),
        ("caller = 1", "expected a string"),
        ("clear = false", "it can only be true"),
        ("wake-up = 'soon'", "nor \"never\""),
        ("page = [{ rows = ['a'] }]", "is not a row"),
        ("delete = -1", "expected u64"),
    ] {
        let mistake = mistake(&format!("[[case]]\nname = 'a'\n{member}"));
        assert!(mistake.contains("line 3") && mistake.contains(problem), "{member}\n{mistake}");
    }
}

#[test]
fn a_case_has_one_action_and_one_expectation() {
    for (text, problem) in [
        ("unchanged = true", "it has no action; give one of: add, update, delete"),
        ("clear = true", "it has no expectation; give one of: rejected, changes"),
        ("clear = true\ndelete = 1\nunchanged = true", "more than one action: delete and clear"),
        (
            "clear = true\n[[case.step]]\nclear = true\nunchanged = true",
            "its actions and expectations belong into them",
        ),
        ("step = []", "it has no steps; begin one with [[case.step]]"),
        ("clear = true\nentries = []\nrefused = ''", "more than one expectation: entries and refused"),
        ("view = { name = 'a' }\nentries = []", "`view` never results in `entries`; expect one of: page"),
        ("clear = true\nwake-up = 'never'", "`clear` never results in `wake-up`"),
        ("next-wake-up = true\nrefused = ''", "`next-wake-up` never results in `refused`"),
        ("view = {}\nrefused = ''\nmore = true", "give the `page`"),
    ] {
        let mistake = mistake(&format!("seed = 1\n[[case]]\nname = 'it'\n{text}"));
        assert!(mistake.starts_with("case \"it\" in line 3: ") && mistake.contains(problem), "{text}\n{mistake}");
    }
    assert_eq!(mistake("seed = 1"), "it has no case: begin one with [[case]]");
    let of_step = mistake("[[case]]\nname = 'it'\n[[case.step]]\ngiven = []\nclear = true\nunchanged = true");
    let expected = "case \"it\" in line 3: a step goes on with the list of the step before: give `given` and `settings` to the case";
    assert_eq!(of_step, expected);
}

#[test]
fn a_member_of_a_case_overrides_the_same_member_of_the_file() {
    let text = "given = [{ title = 'a' }]
        [[case]]
        name = 'of the file'
        clear = true
        changes = [{ remove = 1 }]
        [[case]]
        name = 'of the case'
        given = [{ title = 'a' }, { title = 'b' }]
        clear = true
        changes = [{ remove = 1 }, { remove = 2 }]";
    let verdicts = Cases::parse(text).unwrap().run(&TestLogic::new("todo", "1.0.0"));
    assert!(verdicts.iter().all(|verdict| verdict.passed()), "{verdicts:#?}");
}

#[test]
fn every_action_and_every_expectation_can_pass() {
    let given = "given = [{ title = 'a', fields = { points = 2, tags = ['x', 'y'], due = 2026-11-24 } },
        { title = 'b', completed = true }]\nsettings = { colour = 'red' }\n";
    for text in [
        "add = { title = 'c', fields = { points = 1.5 } }
         changes = [{ put = { id = 3, title = 'c', fields = { points = 1.5 } } }]",
        "add = { title = '' }\nrejected = { code = 'title-empty' }",
        "update = { id = 1, title = 'c', fields = { points = 3 }, clear = ['due', 'tags'] }
         changes = [{ put = { id = 1, title = 'c', fields = { points = 3 } } }]",
        "update = { id = 1, title = 'a' }\nunchanged = true",
        "delete = 1\nentries = [{ id = 2, title = 'b' }]",
        "delete = 7\nrefused = 'no entry 7'",
        "clear = true\nentries = []",
        "command = { name = 'due-all', arguments = { day = 2026-11-25 } }
         entries = [{ id = 1, fields = { due = 2026-11-25 }, without = ['points', 'tags'] }, { id = 2 }]",
        "command = { name = 'due-all', arguments = { day = 3 } }\nrefused = 'it is of kind number where date is declared'",
        "command = { name = 'due-all' }\nrefused = 'day: it is required'",
        "configure = { colour = 'blue' }\nsettings-after = { colour = 'blue' }",
        "configure = { colour = 'blue' }\nchanges = [{ set = { colour = 'blue' } }]",
        "delete = 1\nentries-include = [{ id = 2, completed = true }]",
        "delete = 1\nentries-include = []",
        "delete = 7\nrefused = { contains = 'no entry 7' }",
        "add = { title = 'c', fields = { points = 'many' } }\nrefused = { field = 'points' }",
        "add = { title = 'c', fields = { size = 1 } }\nrefused = { field = 'size', contains = 'not declared' }",
        "add = { title = '' }\nrejected = { code = 'title-empty', contains = 'is to be' }",
        "add = { title = '' }\nanswered = true",
        "add = { title = 'c' }\nanswered = true",
        "view = { name = 'open-first' }\nanswered = true",
        "configure = { colour = 'blue' }\nunset = ['colour']\nanswered = true",
        "[[case.step]]\nadd = { title = 'c' }\nentries-include = [{ id = 3, title = 'c' }]
         [[case.step]]\nadd = { title = '' }\nrejected = { code = 'title-empty' }
         [[case.step]]\ndelete = 3\nentries = [{ id = 1 }, { id = 2 }]",
        "wake = true\nunchanged = true",
        "migrate = 'other@1.0.0'\nunchanged = true",
        "view = { name = 'open-first', limit = 10 }
         page = [{ name = 'open', title = 'OPEN', rows = [1] },
                 { name = 'done', rows = [{ id = 2, computed = { done = true } }] }]
         more = false",
        "view = { name = 'closed' }\nrefused = 'no view'",
    ] {
        assert_eq!(problems(&format!("{given}{text}")), [""; 0], "{text}");
    }
}

#[test]
fn a_difference_is_shown_in_one_line() {
    let given = "given = [{ title = 'a', order = 1 }, { title = 'b', completed = true }]\n";
    for (text, expected) in [
        (
            "add = { title = '' }\nrejected = { code = 'no-title', message = 'No.', field = 'date' }",
            &[
                "rejected, code: expected \"no-title\", actual \"title-empty\"",
                "rejected, message: expected \"No.\", actual \"Say what is to be done.\"",
                "rejected, field: expected \"date\", actual \"title\"",
            ][..],
        ),
        (
            "add = { title = '' }\nunchanged = true",
            &["answer: expected no change, actual rejected { code = \"title-empty\", message = \"Say what is to be \
               done.\", field = \"title\" }"],
        ),
        (
            "add = { title = 'c' }\nrejected = { code = 'full' }",
            &["answer: expected rejected { code = \"full\" }, actual changes [put = { id = 3, title = \"c\", \
               completed = false }]"],
        ),
        (
            "delete = 1\nentries = [{ id = 1 }, { id = 2, title = 'c', completed = false, date = 2026-11-23 }]",
            &[
                "ids of the entries: expected [1, 2], actual [2]",
                "entry 2, completed: expected false, actual true",
                "entry 2, date: expected 2026-11-23, actual nothing",
                "entry 2, title: expected \"c\", actual \"b\"",
            ],
        ),
        (
            "update = { id = 1, completed = true, fields = { points = 2 } }\nchanges = [{ put = { id = 1, title = 'a' } }]",
            &[
                "entry 1, completed: expected false, actual true",
                "entry 1, fields.points: expected nothing, actual 2",
                "entry 1, order: expected nothing, actual 1",
            ],
        ),
        (
            "delete = 2\nentries-include = [{ id = 1, title = 'c' }, { id = 2 }]",
            &["entry 1, title: expected \"c\", actual \"a\"", "entry 2: expected an entry, actual nothing"],
        ),
        (
            "add = { title = '', fields = { points = 'many' } }\nrefused = { field = 'tags' }",
            &[
                "answer: expected refused { field = \"tags\" }, actual refused { field = \"points\", contains = \"points: \
               it is of kind text where number is declared\" }",
            ],
        ),
        (
            "add = { title = '' }\nrejected = { code = 'title-empty', contains = 'please' }",
            &["rejected, message: expected one with \"please\", actual \"Say what is to be done.\""],
        ),
        (
            "[[case.step]]\ndelete = 1\nentries = [{ id = 2 }]\n[[case.step]]\ndelete = 2\nentries = [{ id = 2 }]
             [[case.step]]\ndelete = 2\nunchanged = true",
            &["step 2 (line 7), ids of the entries: expected [2], actual []"],
        ),
        (
            "clear = true\nchanges = [{ remove = 2 }]",
            &["change 1: expected remove = 2, actual remove = 1", "change 2: expected nothing, actual remove = 2"],
        ),
        (
            "configure = { colour = 'red' }\nsettings-after = { colour = 'blue' }",
            &["settings, colour: expected \"blue\", actual \"red\""],
        ),
        (
            "view = { name = 'open-first' }\npage = [{ name = 'open', title = 'Open', rows = [2] },
              { name = 'done', rows = [{ id = 2, computed = { done = false } }] }]\nmore = true",
            &[
                "group \"open\", title: expected \"Open\", actual \"OPEN\"",
                "group \"open\", rows: expected [2], actual [1]",
                "group \"done\", row 2, done: expected false, actual true",
                "more: expected true, actual false",
            ],
        ),
        (
            "view = { name = 'open-first' }\npage = [{ name = 'open', rows = [1] }]",
            &["names of the groups: expected [\"open\"], actual [\"open\", \"done\"]"],
        ),
        (
            "delete = 9\nrefused = 'there is no such list'",
            &["answer: expected refused \"there is no such list\", actual refused \"the list has no entry 9\""],
        ),
    ] {
        assert_eq!(problems(&format!("{given}{text}")), expected, "{text}");
    }
}

#[test]
fn the_ids_of_given_entries_may_have_gaps() {
    let given = "given = [{ id = 2, title = 'a' }, { title = 'b' }, { id = 7, title = 'c' }]\n";
    assert_eq!(problems(&format!("{given}delete = 3\nentries = [{{ id = 2 }}, {{ id = 7, title = 'c' }}]")), [""; 0]);
    assert_eq!(problems(&format!("{given}add = {{ title = 'd' }}\nentries-include = [{{ id = 8 }}]")), [""; 0]);
    let again = problems("given = [{ title = 'a' }, { id = 1, title = 'b' }]\nclear = true\nanswered = true");
    assert!(again[0].contains("the ids of given entries ascend"), "{again:?}");
}

#[test]
fn a_step_has_a_time_and_a_day_of_its_own() {
    // The hour is that of the last case: only the step is at another time.
    let text = "now = 2026-11-23T12:00:00Z\ntoday = 2026-11-23
        [[case]]
        name = 'it'
        [[case.step]]
        command = { name = 'due-today' }
        refused = 'no command'
        [[case.step]]
        now = 2026-11-24T00:00:01Z
        add = { title = 'today' }
        entries = [{ id = 1, date = 2026-11-24 }]";
    let verdicts = Cases::parse(text).unwrap().run(&TestLogic::new("todo", "1.0.0"));
    assert_eq!(verdicts[0].problems, [], "{verdicts:#?}");
}

#[test]
fn a_migration_that_leaves_undeclared_values_behind_fails() {
    let text = "given = [{ title = 'a', fields = { size = 1 } }]\nmigrate = 'todo@0.9.0'\nanswered = true";
    let problems = problems(text);
    assert!(problems[0].contains("entry 1 still holds what this version does not describe so: size"), "{problems:?}");
}

#[test]
fn a_case_fails_if_the_logic_fails() {
    let failed = "the logic failed (trap): it trapped: wasm backtrace at 0x1234";
    assert_eq!(problems("add = { title = 'trap' }\nrefused = 'trap'"), [failed]);
}

#[test]
fn a_case_that_does_not_fit_the_schema_fails_and_names_the_mismatch() {
    for (text, problem) in [
        (
            "given = [{ title = 'a', fields = { size = 1 } }]\nclear = true\nunchanged = true",
            "given entry 1: size: it is not declared",
        ),
        (
            "settings = { colour = 1 }\nclear = true\nunchanged = true",
            "settings: colour: it is of kind number where text",
        ),
        (
            "given = [{ title = 'a' }]\nupdate = { id = 1, clear = ['dat'] }\nunchanged = true",
            "what may be absent is: date, order, due",
        ),
        (
            "given = [{ title = 'a' }]\nupdate = { id = 1, date = 2026-11-23, clear = ['date'] }\nunchanged = true",
            "set and cleared",
        ),
        ("add = { title = 'a', fields = { tags = [1] } }\nunchanged = true", "add: tags: its item 1 is not a text"),
        ("migrate = 'strict'\nunchanged = true", "names no version, as todo@1.0.0 does"),
        ("view = {}\npage = []", "the host reads the plain list of this logic"),
        ("next-wake-up = true\nwake-up = 'never'", "never wakes"),
    ] {
        let problems = problems(text);
        assert!(problems.len() == 1 && problems[0].contains(problem), "{text}\n{problems:?}");
    }
}

/// A directory with the component of the default logic and a case file.
fn folder(cases: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.wasm");
    fs::write(&file, component("todo")).unwrap();
    fs::create_dir(folder.path().join("cases")).unwrap();
    fs::write(folder.path().join("cases/mine.cases.toml"), cases).unwrap();
    (folder, file)
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = program().args(["plugin", "test"]).args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

const PASSING: &str = "[[case]]\nname = 'a'\nadd = { title = 'a' }\nentries = [{ id = 1 }]\n";
const FAILING: &str = "[[case]]\nname = 'b'\nadd = { title = 'a' }\nentries = [{ id = 1, title = 'b' }]\n";

#[test]
fn the_program_succeeds_when_all_cases_pass() {
    let (_folder, file) = folder(PASSING);
    let (code, stdout, stderr) = run(&[file.to_str().unwrap()]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert!(stdout.ends_with("mine.cases.toml: 1 passed\n1 passed, 0 failed\n"), "{stdout}");
}

#[test]
fn the_program_fails_and_shows_the_problems_of_the_failed_case() {
    let (folder, file) = folder(PASSING);
    let more = folder.path().join("more.cases.toml");
    fs::write(&more, format!("{PASSING}{FAILING}")).unwrap();
    let (code, stdout, _) = run(&[file.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    let end = "more.cases.toml: 1 passed, 1 failed\n  FAILED b (line 6)\n    \
               entry 1, title: expected \"b\", actual \"a\"\n2 passed, 1 failed\n";
    assert!(stdout.ends_with(end), "{stdout}");
    let (code, stdout, _) = run(&[file.to_str().unwrap(), "--cases", more.to_str().unwrap(), "--json"]);
    assert_eq!(code, Some(1));
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&report["passed"], &report["failed"]), (&1.into(), &1.into()));
    let problem = &report["files"][0]["cases"][1]["problems"][0];
    assert_eq!((&problem["at"], &problem["actual"]), (&"entry 1, title".into(), &"\"a\"".into()), "{report}");
}

#[test]
fn the_exit_code_is_2_if_no_case_could_run_and_json_has_the_reason() {
    let (_malformed, malformed) = folder("[[case]]\nnam = 'a'\n");
    let (_broken, broken) = folder(PASSING);
    fs::write(&broken, "no component").unwrap();
    let (unbuilt, _) = folder(PASSING);
    fs::write(unbuilt.path().join("package.json"), "{").unwrap();
    for (plugin, problems) in [
        (malformed.as_path(), ["mine.cases.toml", "line 2"]),
        (&broken, ["no server accepts", "not"]),
        (unbuilt.path(), ["package.json is not understood", "line 1"]),
        (Path::new("/nowhere/none.wasm"), ["there is no", "/nowhere/none.wasm"]),
    ] {
        let plugin = plugin.to_str().unwrap();
        let (code, stdout, stderr) = run(&[plugin]);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
        assert!(problems.iter().all(|problem| stderr.contains(problem)), "{stderr}");
        let (code, stdout, _) = run(&[plugin, "--json"]);
        assert_eq!(code, Some(2), "{stdout}");
        let error = serde_json::from_str::<Value>(&stdout).unwrap()["error"].as_str().unwrap().to_owned();
        assert!(problems.iter().all(|problem| error.contains(problem)), "{error}");
    }
}

#[test]
fn help_names_every_member_of_a_case_file() {
    let (code, help, _) = run(&["--help"]);
    assert_eq!(code, Some(0));
    // The message about an unknown member lists the known ones.
    for mistake in [mistake("nothing = 1"), mistake("[[case]]\nname = 'a'\nnothing = 1")] {
        let known = mistake.split("expected one of").nth(1).unwrap().split('`').skip(1).step_by(2);
        for member in known.filter(|member| !["case", "name"].contains(member)) {
            assert!(help.contains(member), "{member} is not in {help}");
        }
    }
}

#[test]
fn a_usage_error_exits_with_2() {
    let (folder, file) = folder(PASSING);
    let file = file.to_str().unwrap();
    fs::create_dir(folder.path().join("none")).unwrap();
    let none = folder.path().join("none");
    for (arguments, problem) in [
        (&["/nowhere/none.wasm"][..], "there is no /nowhere/none.wasm"),
        (&[file, "--cases", "/nowhere"], "cannot read cases from /nowhere"),
        (&[file, "--cases", none.to_str().unwrap()], "there are no cases in"),
        (&[file, "--verbose"], "--verbose"),
    ] {
        let (code, _, stderr) = run(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(problem), "{stderr}");
    }
}
