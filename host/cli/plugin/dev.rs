//! `hotlist plugin dev`: serves, and rebuilds and swaps a plugin each time it is saved.

mod builder;
mod keys;
mod lists;
mod refusal;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use tokio::sync::oneshot;

use super::ask::time;
use super::component;
use super::test;
use crate::actor::Request;
use crate::authoring::build::{self, Built, Project, SCRATCH};
use crate::cli::dev_log;
use crate::cli::output::{Outputs, green, print_error, print_line, red};
use crate::cli::signals::{HangUp, Signals};
use crate::clock::{Clock, ShiftedClock};
use crate::config::Config;
use crate::files;
use crate::list::command::Command;
use crate::list::name::{ListName, LogicName};
use crate::plugins::UploadOptions;
use crate::render;
use crate::rollout::{Accepted, OnFault, RolloutUpdate, Version};
use crate::system::System;
use builder::{BuildAttempt, start_builder};
use keys::Key;

/// The file in the project's scratch folder that has what a plugin printed at its gates.
const GATES_LOG: &str = "gates.log";

#[derive(Args, Debug)]
pub(in crate::cli) struct DevArgs {
    /// The project's directory
    #[arg(default_value = ".", value_name = "DIR")]
    directory: PathBuf,
    /// The list to try the plugin on [default: the plugin's name]
    #[arg(long, env = "HOTLIST_DEV_LIST", value_name = "NAME", value_parser = ListName::new)]
    list: Option<ListName>,
    /// The address to listen on; port 0 takes any free one
    #[arg(long, env = "HOTLIST_DEV_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The data directory of the session [default: .hotlist/data in DIR]
    #[arg(long, env = "HOTLIST_DEV_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Delete the lists of the last session first, as typing r and Enter does later
    #[arg(long, env = "HOTLIST_DEV_FRESH")]
    fresh: bool,
    /// The time at which the session begins, such as 2026-11-24T08:00:00Z [default: now]
    #[arg(long, env = "HOTLIST_DEV_NOW", value_name = "TIME", value_parser = time)]
    now: Option<u64>,
}

/// A server with the project whose plugin it runs.
struct DevSession {
    system: System,
    clock: Arc<ShiftedClock>,
    directory: PathBuf,
    data: PathBuf,
    /// The author's files in the directory, which are watched.
    project: Project,
    name: LogicName,
    list: ListName,
}

/// A component that was built, and when its sources were saved.
struct Candidate {
    saved: Instant,
    built: Built,
    component: Bytes,
}

pub(super) fn dev(arguments: DevArgs) -> anyhow::Result<ExitCode> {
    let signals = Signals::listen(HangUp::Ends, System::stop_limit(&Config::new(PathBuf::new())))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let done = runtime.block_on(async {
        let session = tokio::select! {
            session = DevSession::open(arguments) => session?,
            () = signals.stop.cancelled() => return Ok(ExitCode::SUCCESS),
        };
        let done = tokio::select! {
            done = session.run() => done,
            () = signals.stop.cancelled() => Ok(()),
        };
        let stopped = session.system.stop().await;
        done.and(stopped).map(|()| ExitCode::SUCCESS)
    });
    // Neither a disk nor a build that is in progress delays the end.
    runtime.shutdown_background();
    done
}

impl DevSession {
    async fn open(arguments: DevArgs) -> anyhow::Result<Self> {
        let directory = arguments.directory;
        let name = build::name(&directory)?;
        let name = LogicName::new(&name).with_context(|| format!("{name:?} is no name for a logic"))?;
        let list = arguments.list.map_or_else(|| ListName::new(name.as_str()), Ok)?;
        let scratch = directory.join(SCRATCH);
        let data = arguments.data.unwrap_or_else(|| scratch.join("data"));
        files::create_private_directory(&data).with_context(|| format!("cannot create {}", data.display()))?;
        files::create_private_directory(&scratch).with_context(|| format!("cannot create {}", scratch.display()))?;
        dev_log::write_probes_to(&scratch.join(GATES_LOG))?;
        let project = Project::open(&directory)?.without(&data)?;
        let dropped_log_lines = Outputs::of_server().map(|outputs| outputs.dropped.clone()).unwrap_or_default();
        let config = Config {
            listen: arguments.listen.into(),
            dropped_log_lines,
            share_all: true,
            // No list of the session is decided by other rules, also before the first build.
            default_logic: name.clone(),
            awaits_default_logic: true,
            ..Config::new(data.clone())
        };
        let clock = Arc::new(ShiftedClock::default());
        if let Some(now) = arguments.now {
            clock.set_wall(now);
        }
        let system = System::start_by(config, clock.clone()).await?;
        let session = Self { system, clock, directory, data, project, name, list };
        if arguments.fresh {
            lists::delete_all(session.system.cache()).await;
        }
        Ok(session)
    }

    /// Builds and publishes the plugin and runs its cases, now and after each edit.
    async fn run(&self) -> anyhow::Result<()> {
        self.greet();
        let mut attempts = start_builder(&self.directory, self.project.clone())?;
        let mut keys = keys::read_keys().context("cannot start the thread that reads keys")?;
        let mut begun = false;
        let mut newest = None;
        loop {
            tokio::select! {
                attempt = attempts.recv() => {
                    let Some(BuildAttempt { saved, result }) = attempt else {
                        anyhow::bail!("the thread that builds the plugin ended");
                    };
                    match result {
                        Ok((built, component)) => {
                            let candidate = Candidate { saved, built, component: component.into() };
                            self.publish(&candidate).await;
                            newest = Some(candidate);
                        }
                        Err(error) => self.print_failure(&format!("{error:#}")),
                    }
                }
                Some(key) = keys.recv() => match key {
                    Key::Fresh => {
                        let deleted = lists::delete_all(self.system.cache()).await;
                        print_line(&format!("deleted {deleted} lists of this session"));
                        begun = false;
                        if let Some(candidate) = newest.as_mut().filter(|candidate| !self.is_live(candidate)) {
                            candidate.saved = Instant::now();
                            self.publish(candidate).await;
                        }
                    }
                    Key::Wake => self.go_to_next_wake_up().await,
                },
            }
            if !begun && let Some(version) = self.live() {
                begun = true;
                self.refuse_on_fault().await;
                self.bind_list().await;
                let (list, url) = (self.list.as_str(), self.system.address().url());
                print_line(&format!("list {list}, decided by {}: {url}/#{list}", version.logic.id()));
            }
        }
    }

    fn greet(&self) {
        let (name, url) = (&self.name, self.system.address().url());
        let meanwhile = match self.live() {
            Some(version) => format!("until then {} of the last session decides", version.logic.id()),
            None => "until it is live, its lists reply 503; a first build takes a minute or more".into(),
        };
        print_line(&format!("{name} on {url}; building it: {meanwhile}"));
        print_line(keys::HELP);
    }

    fn live(&self) -> Option<Arc<Version>> {
        self.system.registry().live(&self.name)
    }

    fn is_live(&self, candidate: &Candidate) -> bool {
        let digest = crate::list::digest::digest_of(&candidate.component);
        self.live().is_some_and(|live| *live.digest() == digest)
    }

    /// Publishes a component, prints how long the edit took to be live, and runs the cases. The cases are tried also on a
    /// component that fails its gates.
    async fn publish(&self, candidate: &Candidate) {
        let Candidate { saved, built, component } = candidate;
        dev_log::begin_probes();
        let options = UploadOptions { publish: true, ..UploadOptions::default() };
        let lists = lists::of_logic(self.system.cache(), &self.name).await;
        match self.system.plugins().upload_for(lists, self.name.clone(), component.clone(), options).await {
            Ok(Accepted { id, .. }) => {
                let (total, tools) = (saved.elapsed(), built.tools);
                let rest = total.saturating_sub(tools);
                let live = format!("live {:.2} s after it was saved", total.as_secs_f64());
                print_line(&format!(
                    "{} (its tools {:.2} s, check and swap {:.2} s): {id}",
                    green(live),
                    tools.as_secs_f64(),
                    rest.as_secs_f64()
                ));
                if let Some(version) = self.live() {
                    self.run_cases(move |directory| test::report(directory, &*version.logic)).await;
                }
            }
            Err(error) => {
                let printed = dev_log::probe_lines();
                let log = self.directory.join(SCRATCH).join(GATES_LOG);
                let said = (printed > 0).then(|| format!("it printed {printed} lines at the gates: {}", log.display()));
                let lines = refusal::lines(&error, &self.directory).into_iter().chain(said);
                self.print_failure(&lines.collect::<Vec<_>>().join("\n"));
                let (name, component) = (self.name.clone(), component.clone());
                let compiled = self.data.join("compiled").canonicalize().ok();
                self.run_cases(move |directory| match component::load_with(name, &component, compiled) {
                    Ok(logic) => test::report(directory, &*logic),
                    // It cannot be loaded, which was just printed.
                    Err(_) => Ok(Vec::new()),
                })
                .await;
            }
        }
    }

    /// Prints why an edit is not live, and which version still is.
    fn print_failure(&self, why: &str) {
        let (first, rest) =
            why.split_once('\n').map_or((why, String::new()), |(first, rest)| (first, format!("\n{rest}")));
        let first = red(first);
        match self.live() {
            Some(version) => print_error(&format!("{first}{rest}\n{} stays live", version.logic.id())),
            None => print_error(&format!("{first}{rest}\nnothing is live yet")),
        }
    }

    async fn run_cases(&self, report: impl FnOnce(&Path) -> anyhow::Result<Vec<String>> + Send + 'static) {
        let directory = self.directory.clone();
        let (done, lines) = oneshot::channel();
        // A case may compute for long. The runtime serves lists meanwhile, so the cases run on another thread.
        let run = move || drop(done.send(report(&directory)));
        if let Err(error) = std::thread::Builder::new().name("cases".into()).spawn(run) {
            return print_error(&format!("cannot run the cases: cannot start a thread: {error}"));
        }
        match lines.await {
            Ok(Ok(lines)) => lines.iter().for_each(|line| print_line(line)),
            Ok(Err(error)) => print_error(&format!("{error:#}")),
            Err(_) => print_error("cannot run the cases: their thread crashed"),
        }
    }

    /// Sets the clock to the next wake-up of any list, which the server then makes by itself.
    async fn go_to_next_wake_up(&self) {
        let next = self.system.cache().environment().store.next_due().await;
        match next {
            Ok(Some(at)) => {
                // A list that is due already is woken without that.
                self.clock.set_wall(at.max(self.clock.now()));
                print_line(&format!("it is {}, the next wake-up", render::case::time(at)));
            }
            Ok(None) => print_line("no list has a wake-up time"),
            Err(error) => print_error(&format!("cannot read the next wake-up: {error}")),
        }
    }

    /// Has commands refused at which the plugin fails. Its last good version would hide the failure from the author.
    async fn refuse_on_fault(&self) {
        let rollout = self.system.registry().rollout(&self.name);
        if rollout.is_some_and(|rollout| rollout.state.on_fault == OnFault::Refuse) {
            return;
        }
        let update = RolloutUpdate { on_fault: Some(OnFault::Refuse), ..RolloutUpdate::default() };
        if let Err(error) = self.system.plugins().update(self.name.clone(), update).await {
            print_error(&format!(
                "commands at which {} fails are decided by its last good version: {error}",
                self.name
            ));
        }
    }

    /// Binds the session's list to the plugin, also if another logic has decided it so far.
    async fn bind_list(&self) {
        let command = Command::Configure { logic: Some(self.name.clone()), pin: None, settings: Vec::new() };
        if let Err(error) = self.system.cache().call(&self.list, Request::new(command, lists::CALLER)).await {
            print_error(&format!("cannot bind list {} to {}: {error}", self.list.as_str(), self.name));
        }
    }
}
