//! `hotlist plugin test`: tables of cases, tried on a component.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

use super::{guest_cargo, read, try_load};
use crate::authoring::build;
use crate::authoring::cases::{Cases, FILE_SUFFIX, FOLDER, Problem, Verdict};
use crate::cli::{coloured, print_error, say};
use crate::logic::Logic;

/// The exit code where no case was tried: 1 says what the rules did, and they were not asked. It is also
/// clap's for wrong usage.
const NOT_TRIED: u8 = 2;

pub(super) const HELP: &str = r#"A case says what a list holds, what is asked, and what has to come:

  given = [{ title = "Milk", date = 2026-11-23 }]  # for all cases: entries 1, 2, 3 …

  [[case]]
  name = "an entry without a title is refused"
  add = { title = "" }
  rejected = { code = "title-empty" }

  [[case]]
  name = "a date can be taken away"
  update = { id = 1, clear = ["date"] }
  entries = [{ id = 1, title = "Milk", without = ["date"] }]

For all cases, or in one: now, today, utc-offset (in minutes), caller, seed, settings, given.
Call one of: add, update, delete, clear, command, configure, unset, wake, migrate, view, next-wake-up.
Expect one of: rejected, refused (by the host), unchanged, changes (exactly these),
entries (of each, what is named), settings-after, page (and more), wake-up.

Exit codes: 0 all passed, 1 some failed, 2 none was tried: wrong usage, a file that holds no cases, a plugin
that cannot be built or is not taken. With --json, that is an object with the member `error`."#;

#[derive(Args, Debug)]
pub(in crate::cli) struct TestArgs {
    /// A plugin's crate, which is built first, or a component
    #[arg(default_value = ".", value_name = "DIR|FILE")]
    plugin: PathBuf,
    /// Files of cases, or folders of them [default: *.cases.toml in the folder of the plugin, and
    /// in its `cases`]
    #[arg(long, value_name = "PATH", env = "HOTLIST_CASES")]
    cases: Vec<PathBuf>,
    /// Write JSON
    #[arg(long, env = "HOTLIST_JSON")]
    json: bool,
}

/// A file of cases, and what became of each.
struct Tried {
    file: PathBuf,
    verdicts: Vec<Verdict>,
}

pub(super) fn test(arguments: &TestArgs) -> anyhow::Result<ExitCode> {
    let tried = match try_all(arguments) {
        Ok(tried) => tried,
        Err(error) => {
            let error = format!("{error:#}");
            if arguments.json {
                say(&json!({ "error": error }).to_string());
            }
            print_error(&error);
            return Ok(ExitCode::from(NOT_TRIED));
        }
    };
    if arguments.json {
        say(&as_json(&tried).to_string());
    } else {
        as_text(&tried, coloured(&io::stdout())).iter().for_each(|line| say(line));
    }
    let passed = tried.iter().all(|tried| tried.failed() == 0);
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn try_all(arguments: &TestArgs) -> anyhow::Result<Vec<Tried>> {
    // All are read before anything is built or run: a slip of the pen costs no time.
    let files: Vec<_> = find(arguments)?.into_iter().map(parse).collect::<anyhow::Result<_>>()?;
    let logic = load(&arguments.plugin)?;
    Ok(files.into_iter().map(|(file, cases)| Tried { file, verdicts: cases.run(&*logic) }).collect())
}

/// What became of the cases in a plugin's folder, in lines. None is no mistake: they may not be
/// written yet.
pub(super) fn report(folder: &Path, logic: &dyn Logic, colour: bool) -> anyhow::Result<Vec<String>> {
    let files: Vec<_> = files_at(folder)?.into_iter().map(parse).collect::<anyhow::Result<_>>()?;
    let tried: Vec<_> = files.into_iter().map(|(file, cases)| Tried { file, verdicts: cases.run(logic) }).collect();
    Ok(if tried.is_empty() { Vec::new() } else { as_text(&tried, colour) })
}

/// The files of cases to try, in order.
fn find(arguments: &TestArgs) -> anyhow::Result<Vec<PathBuf>> {
    let plugin = &arguments.plugin;
    let folder = if plugin.is_dir() { plugin } else { plugin.parent().unwrap_or(plugin) };
    // A file in this folder is named without a folder, and its parent is the empty path.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if !plugin.exists() {
        anyhow::bail!("there is no {}: name a plugin's crate or a component", plugin.display());
    }
    let default = [folder.to_owned()];
    let places = if arguments.cases.is_empty() { &default[..] } else { &arguments.cases };
    let mut files = Vec::new();
    for place in places {
        let found = files_at(place).with_context(|| format!("cannot read cases from {}", place.display()))?;
        if found.is_empty() {
            anyhow::bail!(
                "there are no cases in {}: write some in {}, see `hotlist plugin test --help`",
                place.display(),
                place.join(FOLDER).join(format!("NAME{FILE_SUFFIX}")).display()
            );
        }
        files.extend(found);
    }
    Ok(files)
}

/// A file of cases itself, or those of a folder and of the `cases` in it.
fn files_at(place: &Path) -> io::Result<Vec<PathBuf>> {
    if !place.is_dir() {
        return place.metadata().map(|_| vec![place.to_owned()]);
    }
    let mut files = Vec::new();
    for folder in [place.join(FOLDER), place.to_owned()].iter().filter(|folder| folder.is_dir()) {
        for item in folder.read_dir()? {
            let file = item?.path();
            let named = file.file_name().is_some_and(|name| name.to_string_lossy().ends_with(FILE_SUFFIX));
            files.extend((named && file.is_file()).then_some(file));
        }
    }
    files.sort();
    Ok(files)
}

fn parse(file: PathBuf) -> anyhow::Result<(PathBuf, Cases)> {
    let text = String::from_utf8(read(&file)?).with_context(|| format!("{} is not UTF-8", file.display()))?;
    let cases = Cases::parse(&text).with_context(|| format!("{} cannot be run", file.display()))?;
    Ok((file, cases))
}

/// The component itself, or the one that is built of a crate.
fn load(plugin: &Path) -> anyhow::Result<Box<dyn Logic>> {
    let file = if plugin.is_dir() {
        build::build(plugin, &build::Options { guest_cargo: guest_cargo(), ..build::Options::default() })?.path
    } else {
        plugin.to_owned()
    };
    let bytes = read(&file)?;
    try_load(&file, &bytes).with_context(|| format!("{} is not taken", file.display()))
}

impl Tried {
    fn failed(&self) -> usize {
        self.verdicts.iter().filter(|verdict| !verdict.passed()).count()
    }

    fn passed(&self) -> usize {
        self.verdicts.len() - self.failed()
    }
}

fn as_text(tried: &[Tried], colour: bool) -> Vec<String> {
    let painted = |text: String, code: u8| if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text };
    let (green, red) = (|text| painted(text, 32), |text| painted(text, 31));
    let count = |passed: usize, failed: usize| {
        let passed_text = format!("{passed} passed");
        match failed {
            0 => green(passed_text),
            _ => format!("{passed_text}, {}", red(format!("{failed} failed"))),
        }
    };
    let mut lines = Vec::new();
    for file in tried {
        lines.push(format!("{}: {}", file.file.display(), count(file.passed(), file.failed())));
        for verdict in file.verdicts.iter().filter(|verdict| !verdict.passed()) {
            lines.push(format!("  {} {} (line {})", red("FAILED".into()), verdict.name, verdict.line));
            lines.extend(verdict.problems.iter().map(|problem| format!("    {problem}")));
        }
    }
    let failed: usize = tried.iter().map(Tried::failed).sum();
    let passed: usize = tried.iter().map(Tried::passed).sum();
    lines.push(format!("{passed} passed, {failed} failed"));
    lines
}

fn as_json(tried: &[Tried]) -> Value {
    let problem = |problem: &Problem| match problem {
        Problem::Difference { at, expected, came } => json!({"at": at, "expected": expected, "came": came}),
        Problem::Failure(failure) => json!({"failure": failure}),
    };
    let verdict = |verdict: &Verdict| {
        let problems: Value = verdict.problems.iter().map(problem).collect();
        json!({"name": verdict.name, "line": verdict.line, "passed": verdict.passed(), "problems": problems})
    };
    let file = |tried: &Tried| {
        let cases: Value = tried.verdicts.iter().map(verdict).collect();
        json!({"file": tried.file.display().to_string(), "cases": cases})
    };
    json!({
        "passed": tried.iter().map(Tried::passed).sum::<usize>(),
        "failed": tried.iter().map(Tried::failed).sum::<usize>(),
        "files": tried.iter().map(file).collect::<Value>(),
    })
}
