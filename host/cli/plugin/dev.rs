//! `hotlist plugin dev`: serve, and take a plugin up anew each time it is saved.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::{guest_cargo, read, test};
use crate::actor::{Expect, Request};
use crate::authoring::build::{self, Built, Project, SCRATCH};
use crate::authoring::project_watcher::ProjectWatcher;
use crate::cli::{coloured, print_error, say};
use crate::config::Config;
use crate::list::command::Command;
use crate::list::name::{ListName, LogicName};
use crate::plugins::UploadOptions;
use crate::rollout::Version;
use crate::system::System;

/// How long the builder waits for an edit before it looks whether anybody still wants one.
const LOOK_ROUND: Duration = Duration::from_secs(1);

#[derive(Args, Debug)]
pub(in crate::cli) struct DevArgs {
    /// The project's directory
    #[arg(default_value = ".", value_name = "DIR")]
    directory: PathBuf,
    /// The list to try the rules on [default: the plugin's name]
    #[arg(long, env = "HOTLIST_DEV_LIST", value_name = "NAME", value_parser = ListName::new)]
    list: Option<ListName>,
    /// Where to listen; port 0 takes any free one
    #[arg(long, env = "HOTLIST_DEV_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where lists are kept while you try [default: .hotlist/data in DIR]
    #[arg(long, env = "HOTLIST_DEV_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
}

/// What the builder has done.
struct Attempt {
    /// When the edit was made; for the first one, when it began.
    saved: Instant,
    result: anyhow::Result<(Built, Vec<u8>)>,
}

/// Where an edit goes.
struct DevSession {
    system: System,
    directory: PathBuf,
    /// The author's part of it, which is watched.
    project: Project,
    name: LogicName,
    list: ListName,
    colour: bool,
}

pub(super) fn dev(arguments: DevArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        let session = DevSession::open(arguments).await?;
        let done = tokio::select! {
            done = session.work() => done,
            () = either(&mut terminate, &mut interrupt) => Ok(()),
        };
        tokio::select! {
            stopped = session.system.stop() => stopped?,
            () = either(&mut terminate, &mut interrupt) => {}
        }
        done.map(|()| ExitCode::SUCCESS)
    })
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

impl DevSession {
    async fn open(arguments: DevArgs) -> anyhow::Result<Self> {
        let directory = arguments.directory;
        let name = build::name(&directory)?;
        let name = LogicName::new(&name).with_context(|| format!("{name:?} is no name for a logic"))?;
        let list = arguments.list.map_or_else(|| ListName::new(name.as_str()), Ok)?;
        let data = arguments.data.unwrap_or_else(|| directory.join(SCRATCH).join("data"));
        std::fs::create_dir_all(&data).with_context(|| format!("cannot create {}", data.display()))?;
        let project = Project::open(&directory)?.without(&data)?;
        let system = System::start(Config { listen: arguments.listen, ..Config::new(data) }).await?;
        Ok(Self { system, directory, project, name, list, colour: coloured(&std::io::stdout()) })
    }

    /// Builds, takes up, tries the cases, and again with every edit.
    async fn work(&self) -> anyhow::Result<()> {
        let (name, address) = (&self.name, self.system.address());
        say(&format!("{name} on http://{address}; building it, which takes longest the first time"));
        let mut attempts = start_builder(&self.directory, self.project.clone())?;
        let mut begun = false;
        while let Some(Attempt { saved, result }) = attempts.recv().await {
            match result {
                Ok((built, component)) => self.take_up(saved, &built, component).await,
                Err(error) => self.stays(&format!("{error:#}")),
            }
            if !begun && let Some(version) = self.live() {
                begun = true;
                self.hand_over_list().await;
                let list = self.list.as_str();
                say(&format!("list {list}, kept by {}: http://{}/#{list}", version.logic.id(), self.system.address()));
            }
        }
        anyhow::bail!("the thread that builds ended")
    }

    fn live(&self) -> Option<Arc<Version>> {
        self.system.registry().live(&self.name)
    }

    /// Publishes what was built, says how long that took, and tries the cases on it.
    async fn take_up(&self, saved: Instant, built: &Built, component: Vec<u8>) {
        match self
            .system
            .plugins()
            .upload(self.name.clone(), Bytes::from(component), UploadOptions { publish: true, force: false })
            .await
        {
            Ok(id) => {
                let (all, tools) = (saved.elapsed(), built.tools);
                let ours = all.saturating_sub(tools);
                let live = format!("live {:.2} s after it was saved", all.as_secs_f64());
                say(&format!(
                    "{} (its tools {:.2} s, check and swap {:.2} s): {id}",
                    self.painted(live, 32),
                    tools.as_secs_f64(),
                    ours.as_secs_f64()
                ));
                self.try_cases().await;
            }
            Err(error) => self.stays(&format!("no server would take it: {error}")),
        }
    }

    /// Says that an edit did not come through, and what decides instead.
    fn stays(&self, why: &str) {
        let why = self.painted(why.to_owned(), 31);
        match self.live() {
            Some(version) => print_error(&format!("{why}\n{} stays live", version.logic.id())),
            None => print_error(&format!("{why}\nnothing is live yet")),
        }
    }

    async fn try_cases(&self) {
        let Some(version) = self.live() else { return };
        let (directory, colour) = (self.directory.clone(), self.colour);
        let (told, lines) = oneshot::channel();
        // A case may compute for long, and the runtime is serving lists meanwhile.
        let trial = move || drop(told.send(test::report(&directory, &*version.logic, colour)));
        if std::thread::Builder::new().name("cases".into()).spawn(trial).is_ok()
            && let Ok(report) = lines.await
        {
            match report {
                Ok(lines) => lines.iter().for_each(|line| say(line)),
                Err(error) => print_error(&format!("{error:#}")),
            }
        }
    }

    /// Has the list kept by the plugin, also if another logic keeps it so far.
    async fn hand_over_list(&self) {
        let request = Request {
            command: Command::Configure { logic: Some(self.name.clone()), pin: None, settings: Vec::new() }.into(),
            caller: "anonymous".into(),
            expect: Expect::Anything,
            idempotency: None,
        };
        if let Err(error) = self.system.cache().call(&self.list, request).await {
            print_error(&format!("list {} cannot be kept by {}: {error}", self.list.as_str(), self.name));
        }
    }

    fn painted(&self, text: String, code: u8) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text }
    }
}

/// Starts the thread that builds the project, now and after every edit, until nobody listens.
fn start_builder(directory: &Path, project: Project) -> anyhow::Result<mpsc::Receiver<Attempt>> {
    let directory = directory.to_owned();
    let (done, attempts) = mpsc::channel(1);
    // Watched before the first build, so that an edit meanwhile is not missed.
    let mut edits = ProjectWatcher::watch(project).with_context(|| format!("cannot watch {}", directory.display()))?;
    let work = move || {
        let mut saved = Instant::now();
        loop {
            if done.blocking_send(Attempt { saved, result: attempt(&directory) }).is_err() {
                return;
            }
            saved = loop {
                match edits.next(LOOK_ROUND) {
                    Ok(Some(saved)) => break saved,
                    Ok(None) if done.is_closed() => return,
                    Ok(None) => {}
                    Err(error) => return print_error(&format!("the project cannot be watched any more: {error}")),
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
