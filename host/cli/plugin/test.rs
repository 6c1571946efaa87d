//! `hotlist plugin test`: runs tables of cases against a component.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

use super::component::{self, guest_cargo, read};
use crate::authoring::build;
use crate::authoring::cases::{Cases, FILE_SUFFIX, FOLDER, Problem, Verdict};
use crate::cli::output::{green, print_error, print_line, red};
use crate::list::name::LogicName;
use crate::list::printable::printable;
use crate::logic::Logic;

/// The exit code where no case ran. 1 would say that the rules failed a case. 2 is also clap's code for wrong usage.
const NOT_RUN: u8 = 2;

/// The default filter of the log. The lines that a plugin prints stand with their case instead.
pub(in crate::cli) const DEFAULT_LOG: &str = "info,hotlist::plugin=off";

pub(super) const HELP: &str = r#"A case names the entries of a list, one command or query, and the expected result:

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
Call one of: add, update, delete, clear, command, configure and unset, wake, migrate, view, next-wake-up.
Expect one of: rejected, refused (by the host), unchanged, changes (exactly these), entries (all of
them), entries-include (some of them), settings-after, page (and more), wake-up, answered (anything).
A case with several steps has a [[case.step]] for each, which may have a `now` of its own.

Exit codes: 0 all passed, 1 some failed, 2 none ran: wrong usage, a file without cases, or a plugin that
cannot be built or that no server accepts. With --json, code 2 comes with an object with the member `error`."#;

#[derive(Args, Debug)]
pub(in crate::cli) struct TestArgs {
    /// The project of a plugin, which is built first, or a component
    #[arg(default_value = ".", value_name = "DIR|FILE")]
    plugin: PathBuf,
    /// Files of cases or folders with such files [default: *.cases.toml in the plugin's folder and in
    /// its folder `cases`]
    #[arg(long, value_name = "PATH", env = "HOTLIST_CASES")]
    cases: Vec<PathBuf>,
    /// Write JSON
    #[arg(long, env = "HOTLIST_JSON")]
    json: bool,
}

/// A file of cases with the verdict on each case.
struct CaseFile {
    file: PathBuf,
    verdicts: Vec<Verdict>,
}

pub(super) fn test(arguments: &TestArgs) -> anyhow::Result<ExitCode> {
    let files = match run_all(arguments) {
        Ok(files) => files,
        Err(error) => {
            let error = format!("{error:#}");
            if arguments.json {
                print_line(&json!({ "error": error }).to_string());
            }
            print_error(&error);
            return Ok(ExitCode::from(NOT_RUN));
        }
    };
    if arguments.json {
        print_line(&as_json(&files).to_string());
    } else {
        as_text(&files).iter().for_each(|line| print_line(line));
    }
    let passed = files.iter().all(|file| file.failed() == 0);
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_all(arguments: &TestArgs) -> anyhow::Result<Vec<CaseFile>> {
    // All files are read before the plugin is built, so that a typing error is reported at once.
    let files: Vec<_> = find(arguments)?.into_iter().map(parse).collect::<anyhow::Result<_>>()?;
    let logic = load(&arguments.plugin)?;
    Ok(files.into_iter().map(|(file, cases)| CaseFile { file, verdicts: cases.run(&*logic) }).collect())
}

/// Runs the cases in a plugin's folder and formats the verdicts. A folder without cases gives no lines: the cases may
/// not be written yet.
pub(super) fn report(folder: &Path, logic: &dyn Logic) -> anyhow::Result<Vec<String>> {
    let files: Vec<_> = files_at(folder)?.into_iter().map(parse).collect::<anyhow::Result<_>>()?;
    let files = files.into_iter().map(|(file, cases)| CaseFile { file, verdicts: cases.run(logic) });
    let files: Vec<_> = files.collect();
    Ok(if files.is_empty() { Vec::new() } else { as_text(&files) })
}

/// The files of cases to run, in order.
fn find(arguments: &TestArgs) -> anyhow::Result<Vec<PathBuf>> {
    let plugin = &arguments.plugin;
    let folder = if plugin.is_dir() { plugin } else { plugin.parent().unwrap_or(plugin) };
    // The parent of a file named without a folder is the empty path.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if !plugin.exists() {
        anyhow::bail!("there is no {}: name the project of a plugin or a component", plugin.display());
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

/// The files of cases at a path: the file itself, or those in a folder and in its folder `cases`.
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
    let cases = Cases::parse(&text).with_context(|| format!("cannot run {}", file.display()))?;
    Ok((file, cases))
}

/// Loads a component, or builds a project and loads its component.
pub(super) fn load(plugin: &Path) -> anyhow::Result<Box<dyn Logic>> {
    let (name, file) = if plugin.is_dir() {
        let options = build::Options { guest_cargo: guest_cargo(), ..build::Options::default() };
        let built = build::build(plugin, &options)?;
        let name = LogicName::new(&built.name).with_context(|| format!("{:?} is no name for a logic", built.name))?;
        (name, built.path)
    } else {
        (component::logic_of(plugin)?, plugin.to_owned())
    };
    let bytes = read(&file)?;
    component::load(name, &bytes).with_context(|| format!("no server accepts {}", file.display()))
}

impl CaseFile {
    fn failed(&self) -> usize {
        self.verdicts.iter().filter(|verdict| !verdict.passed()).count()
    }

    fn passed(&self) -> usize {
        self.verdicts.len() - self.failed()
    }
}

fn as_text(files: &[CaseFile]) -> Vec<String> {
    let count = |passed: usize, failed: usize| {
        let passed_text = format!("{passed} passed");
        match failed {
            0 => green(passed_text),
            _ => format!("{passed_text}, {}", red(format!("{failed} failed"))),
        }
    };
    let mut lines = Vec::new();
    for file in files {
        lines.push(format!("{}: {}", file.file.display(), count(file.passed(), file.failed())));
        for verdict in file.verdicts.iter().filter(|verdict| !verdict.passed()) {
            lines.push(format!("  {} {} (line {})", red("FAILED"), printable(&verdict.name), verdict.line));
            lines.extend(verdict.problems.iter().map(|problem| format!("    {}", printable(&problem.to_string()))));
            lines.extend(printed(verdict));
        }
        for verdict in file.verdicts.iter().filter(|verdict| verdict.passed() && !verdict.printed.is_empty()) {
            lines.push(format!("  passed {} (line {})", printable(&verdict.name), verdict.line));
            lines.extend(printed(verdict));
        }
    }
    let failed: usize = files.iter().map(CaseFile::failed).sum();
    let passed: usize = files.iter().map(CaseFile::passed).sum();
    lines.push(format!("{passed} passed, {failed} failed"));
    lines
}

/// The lines that a plugin printed at a case.
fn printed(verdict: &Verdict) -> impl Iterator<Item = String> {
    verdict.printed.iter().map(|line| format!("    says: {}", printable(line)))
}

fn as_json(files: &[CaseFile]) -> Value {
    let problem = |problem: &Problem| match problem {
        Problem::Difference { at, expected, actual } => json!({"at": at, "expected": expected, "actual": actual}),
        Problem::Failure(failure) => json!({"failure": failure}),
    };
    let verdict = |verdict: &Verdict| {
        let problems: Value = verdict.problems.iter().map(problem).collect();
        let (name, line, passed) = (&verdict.name, verdict.line, verdict.passed());
        json!({"name": name, "line": line, "passed": passed, "problems": problems, "printed": verdict.printed})
    };
    let file = |file: &CaseFile| {
        let cases: Value = file.verdicts.iter().map(verdict).collect();
        json!({"file": file.file.display().to_string(), "cases": cases})
    };
    json!({
        "passed": files.iter().map(CaseFile::passed).sum::<usize>(),
        "failed": files.iter().map(CaseFile::failed).sum::<usize>(),
        "files": files.iter().map(file).collect::<Value>(),
    })
}
