//! `hotlist plugin dev`: serves, and rebuilds and swaps a plugin each time it is saved.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use tokio::sync::{mpsc, oneshot};

use super::component::{guest_cargo, read};
use super::test;
use crate::actor::Request;
use crate::authoring::build::{self, Built, Project, SCRATCH};
use crate::authoring::project_watcher::{ProjectWatcher, WatchError};
use crate::cli::output::{Outputs, green, print_error, print_line, red};
use crate::cli::signals::{HangUp, Signals};
use crate::config::Config;
use crate::files;
use crate::list::command::Command;
use crate::list::name::{ListName, LogicName};
use crate::plugins::UploadOptions;
use crate::rollout::{Accepted, Version};
use crate::system::System;

/// How long the builder waits for an edit before it checks whether the session has ended.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

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
}

/// One build of the project, successful or not.
struct BuildAttempt {
    /// When the edit was made. For the first build: when the session began.
    saved: Instant,
    result: anyhow::Result<(Built, Vec<u8>)>,
}

/// A server with the project whose plugin it runs.
struct DevSession {
    system: System,
    directory: PathBuf,
    /// The author's files in the directory, which are watched.
    project: Project,
    name: LogicName,
    list: ListName,
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
        let data = arguments.data.unwrap_or_else(|| directory.join(SCRATCH).join("data"));
        files::create_private_directory(&data).with_context(|| format!("cannot create {}", data.display()))?;
        let project = Project::open(&directory)?.without(&data)?;
        let dropped_log_lines = Outputs::of_server().map(|outputs| outputs.dropped.clone()).unwrap_or_default();
        let config =
            Config { listen: arguments.listen.into(), dropped_log_lines, share_all: true, ..Config::new(data) };
        let system = System::start(config).await?;
        Ok(Self { system, directory, project, name, list })
    }

    /// Builds and publishes the plugin and runs its cases, now and after each edit.
    async fn run(&self) -> anyhow::Result<()> {
        let (name, url) = (&self.name, self.system.address().url());
        print_line(&format!("{name} on {url}; building it, which takes longest the first time"));
        let mut attempts = start_builder(&self.directory, self.project.clone())?;
        let mut begun = false;
        while let Some(BuildAttempt { saved, result }) = attempts.recv().await {
            match result {
                Ok((built, component)) => self.publish(saved, &built, component).await,
                Err(error) => self.print_failure(&format!("{error:#}")),
            }
            if !begun && let Some(version) = self.live() {
                begun = true;
                self.bind_list().await;
                let list = self.list.as_str();
                print_line(&format!("list {list}, decided by {}: {url}/#{list}", version.logic.id()));
            }
        }
        anyhow::bail!("the thread that builds the plugin ended")
    }

    fn live(&self) -> Option<Arc<Version>> {
        self.system.registry().live(&self.name)
    }

    /// Publishes a component, prints how long the edit took to be live, and runs the cases.
    async fn publish(&self, saved: Instant, built: &Built, component: Vec<u8>) {
        match self
            .system
            .plugins()
            .upload(
                self.name.clone(),
                Bytes::from(component),
                UploadOptions { publish: true, ..UploadOptions::default() },
            )
            .await
        {
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
                self.run_cases().await;
            }
            Err(error) => self.print_failure(&format!("no server accepts it: {error}")),
        }
    }

    /// Prints why an edit is not live, and which version still is.
    fn print_failure(&self, why: &str) {
        let why = red(why);
        match self.live() {
            Some(version) => print_error(&format!("{why}\n{} stays live", version.logic.id())),
            None => print_error(&format!("{why}\nnothing is live yet")),
        }
    }

    async fn run_cases(&self) {
        let Some(version) = self.live() else { return };
        let directory = self.directory.clone();
        let (report, lines) = oneshot::channel();
        // A case may compute for long. The runtime serves lists meanwhile, so the cases run on another thread.
        let run = move || drop(report.send(test::report(&directory, &*version.logic)));
        if let Err(error) = std::thread::Builder::new().name("cases".into()).spawn(run) {
            return print_error(&format!("cannot run the cases: cannot start a thread: {error}"));
        }
        match lines.await {
            Ok(Ok(lines)) => lines.iter().for_each(|line| print_line(line)),
            Ok(Err(error)) => print_error(&format!("{error:#}")),
            Err(_) => print_error("cannot run the cases: their thread crashed"),
        }
    }

    /// Binds the session's list to the plugin, also if another logic has decided it so far.
    async fn bind_list(&self) {
        let request = Request::new(
            Command::Configure { logic: Some(self.name.clone()), pin: None, settings: Vec::new() },
            "anonymous",
        );
        if let Err(error) = self.system.cache().call(&self.list, request).await {
            print_error(&format!("cannot bind list {} to {}: {error}", self.list.as_str(), self.name));
        }
    }
}

/// Starts the thread that builds the project now and after each edit, until the receiver is dropped.
fn start_builder(directory: &Path, project: Project) -> anyhow::Result<mpsc::Receiver<BuildAttempt>> {
    let directory = directory.to_owned();
    let (done, attempts) = mpsc::channel(1);
    // Watched before the first build, so that an edit during that build is not missed.
    let mut edits = ProjectWatcher::watch(project).with_context(|| format!("cannot watch {}", directory.display()))?;
    let work = move || {
        let mut saved = Instant::now();
        loop {
            if done.blocking_send(BuildAttempt { saved, result: attempt(&directory) }).is_err() {
                return;
            }
            saved = loop {
                match edits.next(POLL_INTERVAL) {
                    Ok(Some(saved)) => break saved,
                    Ok(None) if done.is_closed() => return,
                    Ok(None) => {}
                    Err(error @ WatchError::Unreadable(_)) => print_error(&error.to_string()),
                    Err(error @ WatchError::Ended) => {
                        return print_error(&format!("cannot watch the project any longer: {error}"));
                    }
                }
            };
        }
    };
    std::thread::Builder::new().name("plugin-builder".into()).spawn(work).context("cannot start a thread")?;
    Ok(attempts)
}

fn attempt(directory: &Path) -> anyhow::Result<(Built, Vec<u8>)> {
    let output = directory.join(SCRATCH).join("live.wasm");
    let options = build::Options { output: Some(output), guest_cargo: guest_cargo(), quick: true };
    let built = build::build(directory, &options)?;
    let component = read(&built.path)?;
    Ok((built, component))
}
