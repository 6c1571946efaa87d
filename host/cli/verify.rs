//! `hotlist verify`.

mod repair;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::output::{print_error, print_line};
use super::progress;
use super::serve::DEFAULT_DATA;
use crate::list::digest::hex;
use crate::list::excerpt::excerpt;
use crate::list::name::LogicName;
use crate::rollout::{
    ArtifactStore, DAMAGED_FILE, LOGIC_DIRECTORY, RECORD_KIND, RolloutState, StateFiles, decode_state, has_state_files,
};
use crate::store::embedded::{self, ObservedRecord, Repaired, Verification};
use crate::store::records::{Record, RecordKind};

pub(super) const HELP: &str = "\
Reads everything and writes nothing. A server may use the data meanwhile. Checks each page and index of the database, the
checksum of each row, that each list's history leads to the list, that each timer belongs to a list, and the digest of
each stored component. Compiled code is not checked, because a server checks it before it uses it.

With --repair, a stopped server's data is repaired if it is damaged. The command says what is damaged and what it will do,
and asks nothing. It makes a new database of all rows that can be read, checks it, and puts it in the place of the old one,
which stays beside it as hotlist.db.damaged-1. A list that cannot be read is removed: its name is free at a revision above
all that it had, and its rows are kept in the table quarantine. A history that does not lead to its list is removed, and the
list stays. Missing timers are written anew. The command names everything that was lost. It needs as much free room as the
database and its write-ahead log have. Restore a backup instead if you have one of the time before the damage.

Exit codes: 0 sound, 1 damaged or unreadable, also after a repair that could not repair everything, 2 wrong usage.";

#[derive(Args, Debug)]
pub(super) struct VerifyArgs {
    /// The data directory
    #[arg(long, env = "HOTLIST_DATA", value_name = "DIR", default_value = DEFAULT_DATA)]
    data: PathBuf,
    /// Write JSON
    #[arg(long, env = "HOTLIST_JSON")]
    json: bool,
    /// Repair what is damaged in the database. No server may use the data
    #[arg(long, env = "HOTLIST_REPAIR")]
    repair: bool,
}

/// The damage of stored components: the logic, and what is wrong.
type LogicFinding = (String, String);

pub(super) fn verify(arguments: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let VerifyArgs { data, json, repair } = arguments;
    anyhow::ensure!(data.is_dir(), "there is no data directory {}: name it with --data", data.display());
    let repaired = if *repair { repair::repair(data)? } else { None };
    let bar = progress::bar("{elapsed} [{bar:40}] {pos} of about {len} lists", Some(0));
    let lists = embedded::verify(data, &mut |done, all| progress::show(&bar, done, all));
    bar.finish_and_clear();
    let (lists, logics) = (lists?, verify_logics(data)?);
    if *json {
        print_json(&lists, &logics, repaired.as_ref())?
    } else {
        repaired.iter().for_each(repair::print);
        print_text(data, &lists, &logics)
    }
    Ok(if lists.is_sound() && logics.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Checks the components that the rollout states name. Damaged records are among the findings of the database.
fn verify_logics(data: &Path) -> anyhow::Result<Vec<LogicFinding>> {
    let directory = data.join(LOGIC_DIRECTORY);
    let records = embedded::observe_records(data, &RecordKind::new(RECORD_KIND)?)?;
    if !fs::exists(&directory)? {
        let named = records.iter().filter(|record| state_of(record).is_ok_and(|state| state.is_some()));
        let missing =
            |record: &ObservedRecord| (record.key.as_str().to_owned(), "its components are missing".to_owned());
        return Ok(named.map(missing).collect());
    }
    let (artifacts, mut found) = (ArtifactStore::open(directory.clone())?, Vec::new());
    let mut check = |name: &LogicName, state: Result<Option<RolloutState>, String>| {
        let mut add = |what: String| found.push((name.as_str().to_owned(), what));
        match state {
            Ok(state) => {
                for version in state.iter().flat_map(|state| &state.versions) {
                    if let Err(error) = artifacts.component(name, &version.digest) {
                        add(format!("version sha256:{} cannot be loaded: {error}", hex(&version.digest)));
                    }
                }
            }
            Err(why) => add(why),
        }
    };
    let mut with_record = BTreeSet::new();
    for record in records {
        let Ok(name) = LogicName::new(record.key.as_str()) else { continue };
        if !has_state_files(&directory.join(name.as_str())) {
            if let Some(Err(why)) = record.present.as_ref().ok().map(|present| decode_state(&present.value)) {
                check(&name, Err(format!("its rollout state cannot be read: {why}")));
            }
            check(&name, state_of(&record));
        }
        with_record.insert(name);
    }
    for entry in fs::read_dir(&directory)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| LogicName::new(name.to_str()?).ok()) else { continue };
        if has_state_files(&path) {
            // The next start imports the states of an earlier version.
            let state = StateFiles::read(&path).map_err(|error| error.to_string()).and_then(StateFiles::state);
            check(&name, state.map(|stored| stored.map(|stored| stored.state)));
        } else if !with_record.contains(&name) && path.join(DAMAGED_FILE).exists() {
            check(&name, Err(format!("its rollout state was damaged, see {}", path.join(DAMAGED_FILE).display())));
        }
    }
    Ok(found)
}

/// The state that a server would use.
fn state_of(record: &ObservedRecord) -> Result<Option<RolloutState>, String> {
    let of = |value: &Record| decode_state(&value.value);
    match (&record.present, &record.previous) {
        (Ok(present), Ok(Some(previous))) => of(present).or_else(|_| of(previous)).map(Some),
        // What is wrong with it is a finding of its own.
        (Ok(present), _) => Ok(of(present).ok()),
        (Err(_), Ok(Some(previous))) => of(previous).map(Some),
        (Err(_), _) => Ok(None),
    }
}

fn print_json(lists: &Verification, logics: &[LogicFinding], repaired: Option<&Repaired>) -> anyhow::Result<()> {
    let list = |finding: &embedded::Finding| json!({ "list": finding.list.as_ref().map(|name| name.as_str()), "what": finding.what });
    let logic = |(logic, what): &LogicFinding| json!({ "logic": logic, "what": what });
    let damage: Vec<_> = lists.findings.iter().map(list).chain(logics.iter().map(logic)).collect();
    let answer = json!({
        "sound_lists": lists.sound_lists,
        "revisions": lists.revisions,
        "damage": damage,
        "more_damage": lists.more_findings,
        "repaired": repaired.map(repair::json),
    });
    print_line(&serde_json::to_string_pretty(&answer)?);
    Ok(())
}

fn print_text(data: &Path, lists: &Verification, logics: &[LogicFinding]) {
    repair::print_findings(lists);
    for (logic, what) in logics {
        print_error(&format!("logic {logic}: {}", excerpt(what)));
    }
    let damages = lists.findings.len() as u64 + lists.more_findings + logics.len() as u64;
    let Verification { sound_lists, revisions, .. } = lists;
    let verdict = if damages == 0 { "sound".to_owned() } else { format!("damaged: {damages} findings") };
    print_line(&format!("{} is {verdict}; {sound_lists} lists are sound, with {revisions} revisions", data.display()));
}
