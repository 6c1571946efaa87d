//! `hotlist backup` and `hotlist restore`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use indicatif::HumanBytes;

use super::output::print_line;
use super::progress;
use super::serve::DEFAULT_DATA;
use crate::backup::{self, Manifest};
use crate::clock::SystemClock;

/// The progress of a copy.
const TEMPLATE: &str = "{elapsed} [{bar:40}] {bytes} of {total_bytes}";

pub(super) const BACKUP_HELP: &str = "\
A server may use the data meanwhile. The backup is of one moment, checked, and durable when the command ends with 0.
Make each backup in a new folder, and remove old folders as you like:

  hotlist backup /backups/hotlist-$(date +%F)
  hotlist restore /backups/hotlist-2026-11-26 --data ./hotlist-data

Do not copy a data directory that is in use: its files change while they are copied and do not fit each other.";

#[derive(Args, Debug)]
pub(super) struct BackupArgs {
    /// The folder to make, which must not exist or be empty
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,
    #[command(flatten)]
    common: Common,
}

#[derive(Args, Debug)]
pub(super) struct RestoreArgs {
    /// The folder of the backup
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,
    #[command(flatten)]
    common: Common,
}

#[derive(Args, Debug)]
struct Common {
    /// The data directory
    #[arg(long, env = "HOTLIST_DATA", value_name = "DIR", default_value = DEFAULT_DATA)]
    data: PathBuf,
    /// Write JSON: the manifest of the backup
    #[arg(long, env = "HOTLIST_JSON")]
    json: bool,
}

pub(super) fn back_up(arguments: &BackupArgs) -> anyhow::Result<ExitCode> {
    let BackupArgs { backup, common } = arguments;
    let bar = progress::bar(TEMPLATE, Some(0));
    let made = backup::back_up(&common.data, backup, &SystemClock::default(), &mut |done, all| {
        progress::show(&bar, done, all)
    });
    bar.finish_and_clear();
    print(&made?, common.json, "backed up", backup)
}

pub(super) fn restore(arguments: &RestoreArgs) -> anyhow::Result<ExitCode> {
    let RestoreArgs { backup, common } = arguments;
    let bar = progress::bar(TEMPLATE, Some(0));
    let restored = backup::restore(backup, &common.data, &mut |done, all| progress::show(&bar, done, all));
    bar.finish_and_clear();
    print(&restored?, common.json, "restored", &common.data)
}

fn print(manifest: &Manifest, json: bool, done: &str, to: &Path) -> anyhow::Result<ExitCode> {
    if json {
        print_line(&serde_json::to_string_pretty(manifest)?);
    } else {
        let Manifest { made, last_commit, files, .. } = manifest;
        let (bytes, files) = (HumanBytes(manifest.bytes()), files.len());
        print_line(&format!("{done} {} ({bytes} in {files} files, commit {last_commit}, of {made})", to.display()));
    }
    Ok(ExitCode::SUCCESS)
}
