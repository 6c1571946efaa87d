//! From a plugin's folder to a component: what `hotlist plugin build` does.
//!
//! Which language it is in shows in the file that every project of that language has. The first
//! build installs what it needs with that language's own tool. A custom section of the component
//! notes what it was made of.

mod javascript;
mod package;
mod project;
mod python;
mod rust;
mod sources;
mod toolchain;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io};

use package::Package;
pub use project::Project;
pub use sources::{embedded_source_digest, source_digest};
use toolchain::TARGET;

/// The environment variable that names the cargo to build guests with, where that is not the usual one.
pub const GUEST_CARGO: &str = "HOTLIST_GUEST_CARGO";

/// The folder in a project for what is made of it and can be made again.
pub const SCRATCH: &str = ".hotlist";

/// What a project's name may have in front of its plugin's, for registries where all names are one heap.
pub const PROJECT_PREFIX: &str = "hotlist-";

/// The languages that plugins are written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    /// Rust, by cargo.
    Rust,
    /// JavaScript or TypeScript, by npm and componentize-qjs.
    JavaScript,
    /// Python, by pip and componentize-py.
    Python,
}

impl Language {
    /// All of them, with the file that tells a project of theirs.
    const ALL: [(Self, &str); 3] =
        [(Self::Rust, "Cargo.toml"), (Self::JavaScript, "package.json"), (Self::Python, "pyproject.toml")];

    /// The language of the plugin in a folder.
    pub fn of(dir: &Path) -> Result<Self, BuildError> {
        let found = Self::ALL.into_iter().find(|(_, file)| dir.join(file).is_file());
        found.map(|(language, _)| language).ok_or_else(|| {
            let what = if dir.is_dir() { "holds none of" } else { "is no folder, so there is none of" };
            let files = Self::ALL.map(|(_, file)| file).join(", ");
            BuildError::Package(format!("{} {what} {files}: there is no plugin to build", dir.display()))
        })
    }
}

/// How to build.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where the component goes; `<DIR>/<name>.wasm` where there is none.
    pub output: Option<PathBuf>,
    /// The cargo to build with, see [`GUEST_CARGO`]; the usual one where there is none.
    pub guest_cargo: Option<PathBuf>,
    /// Rather be done soon than make a small component.
    pub quick: bool,
}

/// A component that was built.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Built {
    /// The name of the plugin: that of its project, without `hotlist-`.
    pub name: String,
    /// Where the component is.
    pub path: PathBuf,
    /// How large it is.
    pub bytes: usize,
    /// How long the language's own tools took.
    pub tools: Duration,
}

/// Why nothing was built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is no plugin, or its project file is not understood.
    #[error("{0}")]
    Package(String),
    /// The toolchain cannot compile for WebAssembly.
    #[error(
        "the Rust toolchain in {} cannot compile for {TARGET}. With rustup, run\n\
         \n    rustup target add {TARGET}\n\n\
         Where rustup cannot download it, Debian's Rust can build it from source; run\n\
         \n    apt-get install -y --no-install-recommends rustc-web cargo-web rust-web-src\n    \
         export {GUEST_CARGO}=/usr/bin/cargo\n\n\
         and then this command again.", .sysroot.display()
    )]
    NoTarget {
        /// Where the toolchain lies.
        sysroot: PathBuf,
    },
    /// The toolchain would have to build the standard library, and there is no linker to do it with.
    #[error(
        "there is no linker for {TARGET}: neither rust-lld nor wasm-ld. Run\n\n    apt-get install -y lld\n\nand then this command again."
    )]
    NoLinker,
    /// A program that is needed cannot be run.
    #[error("cannot run {}: {error}", .program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A tool has said on standard error why it did not do its part.
    #[error("{program} could not do its part; its own words are above")]
    Tool {
        /// The tool.
        program: String,
    },
    /// A program that is needed is not installed.
    #[error("there is no {program} on this machine: install {what}, and run this command again")]
    Missing {
        /// The program.
        program: &'static str,
        /// What has it.
        what: &'static str,
    },
    /// The module is none that a component can be made of.
    #[error("the module is no plugin: {0}. Does the crate call `hotlist_plugin::export!`?")]
    Encode(String),
    /// A file cannot be read or written.
    #[error("{}: {error}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
}

/// What the plugin in a folder is called: its project's name, without `hotlist-`.
pub fn name(dir: &Path) -> Result<String, BuildError> {
    let name = match Language::of(dir)? {
        Language::Rust => Package::read(dir)?.name,
        Language::JavaScript => javascript::Manifest::read(dir)?.name,
        Language::Python => python::Manifest::read(dir)?.project.name,
    };
    Ok(plugin_name(&name))
}

/// What a plugin is called: `todo`, where its project is `hotlist-todo`.
pub fn plugin_name(project: &str) -> String {
    project.strip_prefix(PROJECT_PREFIX).unwrap_or(project).to_owned()
}

/// Builds the plugin in the folder `dir`.
pub fn build(dir: &Path, options: &Options) -> Result<Built, BuildError> {
    let language = Language::of(dir)?;
    // Tools are run in the folder, so what names it must mean the same there.
    let here = dir.canonicalize().map_err(|error| BuildError::File { path: dir.to_owned(), error })?;
    let mut tools = Tools { dir: &here, spent: Duration::ZERO };
    let (name, mut component) = match language {
        Language::Rust => rust::build(&mut tools, options)?,
        Language::JavaScript => javascript::build(&mut tools)?,
        Language::Python => python::build(&mut tools)?,
    };
    let name = plugin_name(&name);
    let path = options.output.clone().unwrap_or_else(|| dir.join(format!("{name}.wasm")));
    if !options.quick {
        let digest = source_digest(dir).map_err(|error| BuildError::File { path: dir.to_owned(), error })?;
        sources::embed(&mut component, digest);
    }
    write(&path, &component).map_err(|error| BuildError::File { path: path.clone(), error })?;
    Ok(Built { name, path, bytes: component.len(), tools: tools.spent })
}

/// Builds all plugins of Hotlist's own workspace that are in Rust into its `plugins/built`, names
/// ascending.
pub fn build_all(workspace_root: &Path, guest_cargo: Option<&Path>) -> Result<Vec<Built>, BuildError> {
    let built = workspace_root.join("plugins/built");
    let mut results = Vec::new();
    for package in Package::plugins_of(workspace_root)? {
        let output = Some(built.join(format!("{}.wasm", plugin_name(&package.name))));
        let options = Options { output, guest_cargo: guest_cargo.map(Path::to_owned), quick: false };
        results.push(build(&package.dir, &options)?);
    }
    Ok(results)
}

/// The tools of a language, at work on a project.
struct Tools<'a> {
    /// The project's folder.
    dir: &'a Path,
    /// How long they took.
    spent: Duration,
}

impl Tools<'_> {
    /// Runs a tool in the project's folder. What it prints goes to the standard error, as it is.
    fn run(&mut self, command: &mut Command) -> Result<(), BuildError> {
        let program = PathBuf::from(command.get_program());
        command.current_dir(self.dir).stdin(Stdio::null()).stdout(io::stderr());
        let begun = Instant::now();
        let ended = command.status();
        self.spent += begun.elapsed();
        match ended {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => {
                let program = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Err(BuildError::Tool { program })
            }
            Err(error) => Err(BuildError::Run { program, error }),
        }
    }
}

/// The folder for what is made on the way, there when this returns.
fn scratch(dir: &Path) -> Result<PathBuf, BuildError> {
    let scratch = dir.join(SCRATCH);
    fs::create_dir_all(&scratch).map_err(|error| BuildError::File { path: scratch.clone(), error })?;
    Ok(scratch)
}

fn read_text(path: &Path) -> Result<String, BuildError> {
    fs::read_to_string(path).map_err(|error| BuildError::File { path: path.to_owned(), error })
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, BuildError> {
    fs::read(path).map_err(|error| BuildError::File { path: path.to_owned(), error })
}

/// Writes a file so that whoever looks sees the old one or the new one, and nothing in between.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let unfinished = path.with_extension(format!("wasm.{}.tmp", std::process::id()));
    fs::write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, path)).inspect_err(|_| {
        let _ = fs::remove_file(&unfinished); // The first error is the one to report.
    })
}
