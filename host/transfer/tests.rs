//! Tests of exports as text: what is read back, and what is refused with which line.

mod codec;

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::{Finding, ImportOptions, ImportTotals, check, export, import};
use crate::clock::SystemClock;
use crate::list::command::Command;
use crate::list::digest::hex;
use crate::list::history::ListHistory;
use crate::list::name::ListName;
use crate::list::{Limits, List};
use crate::logic::testing::{Native, Recorder, add};
use crate::store::embedded::{EmbeddedStore, Import, Options, Salvage};
use crate::store::{Commit, Store};

fn name(name: &str) -> ListName {
    ListName::new(name).unwrap()
}

fn block_on<T>(pending: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(pending)
}

/// A directory with ann, who has an undo in her history and a wake-up time, bob, who is empty, and cid, who was deleted.
fn directory() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
    let logic = Native::version(1);
    let ann =
        Recorder::new("ann").decide(&*logic, [add("milk"), add("tea \"\u{1f6d2}\""), Command::Clear]).undo(&*logic);
    let bob = Recorder::new("bob").decide(&*logic, [add("rye"), Command::Delete { id: 1 }]);
    let cid = Recorder::new("cid").decide(&*logic, [add("corn"), Command::DeleteList]);
    for (list, wake_up) in [(ann, Some(1_900_000_000_000)), (bob, None), (cid, None)] {
        let ListHistory { name, list, revisions } = list.history();
        let commit = Commit { name, after: 0, revisions, receipts: Vec::new(), state: Arc::new(list), wake_up };
        block_on(store.commit(commit)).unwrap();
    }
    block_on(store.close()).unwrap();
    dir
}

fn exported(dir: &Path) -> String {
    let mut output = Vec::new();
    let salvage = Salvage::open(dir).unwrap();
    let mut found = |finding: Finding<'_>| panic!("{finding:?}");
    export(&salvage, |_| true, &SystemClock::default(), &mut output, &mut found, &mut || ()).unwrap();
    String::from_utf8(output).unwrap()
}

fn import_with(text: &str, dir: &Path, options: &ImportOptions<'_>) -> Result<ImportTotals, String> {
    let imported = import(&mut text.as_bytes(), dir, options, &mut |_| (), &mut |_| ());
    imported.map_err(|error| format!("{error:#}"))
}

fn import_all(text: &str, dir: &Path) -> Result<ImportTotals, String> {
    import_with(text, dir, &all())
}

fn all() -> ImportOptions<'static> {
    ImportOptions {
        is_wanted: &|_| true,
        new_name: &|name| Ok(name.clone()),
        skips_existing: false,
        limits: Limits::default(),
        approve: &|| Ok(()),
    }
}

/// Replaces a text in an export that occurs once, and makes the digest fit.
fn edited(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
    sealed(&text.replace(from, to))
}

/// Makes the digest fit the lines.
fn sealed(text: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let (lines, end) = text.trim_end().rsplit_once('\n').unwrap();
    let (lines, at) = (format!("{lines}\n"), end.find("\"sha256\"").unwrap());
    format!("{lines}{}\"sha256\":\"{}\"}}}}\n", &end[..at], hex(&Sha256::digest(&lines)))
}

fn refusal(text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let refused = import_all(text, dir.path()).expect_err("it is refused");
    let left = Salvage::open(dir.path()).map_or(0, |salvage| salvage.lists(|_| true).count());
    assert_eq!(left, 0, "nothing is imported");
    refused
}

#[test]
fn an_import_of_an_export_gives_the_same_lists() {
    let (from, to) = (directory(), tempfile::tempdir().unwrap());
    let text = exported(from.path());
    check(&mut text.as_bytes()).unwrap();
    let totals = import_all(&text, to.path()).unwrap();
    let expected = ImportTotals { lists: 2, entries: 2, revisions: 6, deleted_lists: 1, ..ImportTotals::default() };
    assert_eq!(totals, expected);
    let lists = |dir: &TempDir| Salvage::open(dir.path()).unwrap().lists(|_| true).collect::<Vec<_>>();
    assert_eq!(lists(&from), lists(&to));
    assert_eq!(lists(&to).len(), 3);
    let after_header = |text: &str| text.split_once('\n').unwrap().1.rsplit_once("\"sha256\"").unwrap().0.to_owned();
    assert_eq!(after_header(&exported(to.path())), after_header(&text), "line by line");
}

#[test]
fn an_export_is_refused_when_it_is_cut_anywhere_or_a_byte_is_changed() {
    let text = exported(directory().path());
    let dir = tempfile::tempdir().unwrap();
    for end in (0..text.len() - 1).step_by(97).chain([text.len() - 2]) {
        let end = text.floor_char_boundary(end);
        check(&mut &text.as_bytes()[..end]).expect_err("it is cut");
        import_all(&text[..end], dir.path()).expect_err("it is cut");
    }
    for at in (0..text.len()).step_by(53) {
        let mut changed = text.clone().into_bytes();
        changed[at] ^= 1;
        check(&mut &changed[..]).expect_err("it is changed");
        import(&mut &changed[..], dir.path(), &all(), &mut |_| (), &mut |_| ()).expect_err("it is changed");
    }
    assert_eq!(Salvage::open(dir.path()).unwrap().lists(|_| true).count(), 0);
    let changed = text.replace("milk", "silk");
    assert!(refusal(&changed).contains("was changed or is damaged"), "{}", refusal(&changed));
}

#[test]
fn a_value_that_no_server_takes_is_refused_with_its_line() {
    let text = exported(directory().path());
    let long = "x".repeat(1_001);
    let first = |text: &str, from: &str, to: &str| sealed(&text.replacen(from, to, 1));
    let entry = "\"title\":\"milk\",\"date\":null,\"completed\":false,\"order\":null,\"fields\":[]";
    let entry_with = |with: &str| format!("\"title\":\"milk\",{with}");
    for (from, to, says) in [
        (
            r#"{"list":{"name":"ann""#,
            r#"{"list":{"name":"a\u0007n""#.to_owned(),
            "line 2: list \"a\\u{7}n\": the name holds",
        ),
        ("\"title\":\"milk\"", format!("\"title\":\"{long}\""), "line 3: entry 1: the title has 1001 characters"),
        (
            entry,
            entry_with(r#""date":"2026-02-30","completed":false,"order":null,"fields":[]"#),
            "line 3: the calendar has no 2026-02-30",
        ),
        (
            entry,
            entry_with(r#""date":null,"completed":false,"order":1e999,"fields":[]"#),
            "line 3: number out of range",
        ),
        (
            entry,
            entry_with(r#""date":null,"completed":false,"order":null,"fields":[],"due":1"#),
            "line 3: unknown field `due`",
        ),
        (
            entry,
            entry_with(r#""date":null,"completed":false,"order":null,"fields":[{"name":"A","value":{"number":1.0}}]"#),
            "line 3: entry 1: the name \"A\" of a field",
        ),
        (r#""next_id":3"#, r#""next_id":2"#.into(), "list \"ann\", from line 2 on: the ids of its entries"),
        (
            r#""entries":2"#,
            r#""entries":3"#.into(),
            "it has 2 entries and 4 revisions, its first line announces 3 and 4",
        ),
        (
            r#""name":"todo","version":"1.0.0""#,
            r#""name":"todo","version":"one""#.into(),
            "line 2: the version \"one\"",
        ),
        (r#""title":"milk""#, r#""title":"silk""#.into(), "list \"ann\", from line 2 on: its history does not lead"),
    ] {
        let refused = refusal(&first(&text, from, &to));
        assert!(refused.contains(says), "{says}: {refused}");
    }
    let header = edited(&text, r#"{"hotlist-export":{"version":1"#, r#"{"hotlist-export":{"version":2"#);
    assert!(refusal(&header).contains("has version 2, this program reads 1"), "{}", refusal(&header));
    assert!(refusal("[]\n").contains("line 1 is not that of an export"));
    assert!(refusal("").contains("is empty"));
}

#[test]
fn a_list_over_the_limits_is_refused_and_names_the_flag() {
    let text = exported(directory().path());
    let dir = tempfile::tempdir().unwrap();
    let with = |limits| ImportOptions { limits, ..all() };
    let refused = import_with(&text, dir.path(), &with(Limits { entries: 1, ..Limits::default() })).unwrap_err();
    assert!(refused.contains("it has 2 entries, the limit is 1; raise it with --max-entries"), "{refused}");
    let refused = import_with(&text, dir.path(), &with(Limits { bytes: 10, ..Limits::default() })).unwrap_err();
    assert!(refused.contains("raise it with --max-list-bytes"), "{refused}");
}

#[test]
fn lists_that_are_there_end_the_import_or_are_left_out_or_get_other_names() {
    let (dir, text) = (directory(), exported(directory().path()));
    let before = exported(dir.path());
    let refused = import_all(&text, dir.path()).unwrap_err();
    assert!(refused.contains("list \"ann\" is in the data directory already"), "{refused}");

    let skipping = ImportOptions { skips_existing: true, ..all() };
    let totals = import_with(&text, dir.path(), &skipping).unwrap();
    assert_eq!(totals, ImportTotals { skipped_lists: 2, ..ImportTotals::default() });
    let lines = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(&exported(dir.path()))[..6], lines(&before)[..6]);

    let prefixed = |name: &ListName| ListName::new(&format!("old/{}", name.as_str()));
    let wanted = |list: &ListName| list.as_str() == "ann";
    let options = ImportOptions { new_name: &prefixed, is_wanted: &wanted, ..all() };
    assert_eq!(import_with(&text, dir.path(), &options).unwrap().lists, 1);
    let salvage = Salvage::open(dir.path()).unwrap();
    let copy = |list: &str| salvage.list(&name(list)).unwrap().list;
    assert_eq!(ListHistory { name: name("ann"), ..copy("old/ann") }, copy("ann"));

    let disapproving = ImportOptions { approve: &|| Err(anyhow::anyhow!("no")), ..options };
    let other = tempfile::tempdir().unwrap();
    assert_eq!(import_with(&text, other.path(), &disapproving).unwrap_err(), "no");
    assert_eq!(Salvage::open(other.path()).unwrap().lists(|_| true).count(), 0);
}

#[test]
fn a_list_of_many_entries_has_lines_of_bounded_size() {
    let dir = tempfile::tempdir().unwrap();
    drop(EmbeddedStore::open(dir.path(), Options::default()).unwrap());
    let title = "x".repeat(1_000);
    let commands = (0..300).map(|number| if number < 150 { add("short") } else { add(&title) });
    let long = Recorder::new("long").decide(&*Native::version(1), commands).history();
    let mut import = Import::begin(dir.path()).unwrap();
    import.add(ListHistory { revisions: Vec::new(), ..long.clone() }, None).unwrap();
    import.commit().unwrap();
    let text = exported(dir.path());
    let entries: Vec<_> = text.lines().filter(|line| line.starts_with("{\"entries\"")).map(str::len).collect();
    assert_eq!(entries.len(), 4, "100 short ones, 50 short ones with some long ones, and long ones");
    assert!(entries.iter().all(|length| *length < 100_000), "{entries:?}");

    let other = tempfile::tempdir().unwrap();
    assert_eq!(import_all(&text, other.path()).unwrap().entries, 300);
    let imported = Salvage::open(other.path()).unwrap().list(&name("long")).unwrap().list;
    assert_eq!(imported.list, List::clone(&long.list));
}
