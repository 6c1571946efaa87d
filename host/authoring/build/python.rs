//! Builds a plugin in Python: componentize-py creates a component that carries CPython.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::error::BuildError;
use super::tools::{Tools, read_bytes, read_text, scratch};

/// The program that pip installs, relative to the project.
const COMPONENTIZER: &str = ".venv/bin/componentize-py";

/// The default folder of the SDK in a project.
const SDK: &str = "sdk";

/// The part of a `pyproject.toml` that is used.
#[derive(Deserialize, Debug)]
pub(super) struct Manifest {
    pub(super) project: Project,
    tool: Tool,
}

#[derive(Deserialize, Debug)]
pub(super) struct Project {
    pub(super) name: String,
}

#[derive(Deserialize, Debug)]
struct Tool {
    hotlist: Settings,
}

#[derive(Deserialize, Debug)]
struct Settings {
    /// The module that exports the logic.
    module: String,
    /// The folder of `hotlist-plugin` for Python.
    sdk: Option<PathBuf>,
}

impl Manifest {
    pub(super) fn read(dir: &Path) -> Result<Self, BuildError> {
        let path = dir.join("pyproject.toml");
        toml::from_str(&read_text(&path)?)
            .map_err(|error| BuildError::Package(format!("{} is not understood: {error}", path.display())))
    }

    /// The folder of the SDK, relative to the project.
    pub(super) fn sdk(&self) -> &Path {
        self.tool.hotlist.sdk.as_deref().unwrap_or(Path::new(SDK))
    }
}

/// Builds the component of a project. Returns the project's name with it.
pub(super) fn build(tools: &mut Tools<'_>) -> Result<(String, Vec<u8>), BuildError> {
    let dir = tools.dir;
    let manifest = Manifest::read(dir)?;
    install(tools)?;
    let component = scratch(dir)?.join("component.wasm");
    let mut componentize = Command::new(dir.join(COMPONENTIZER));
    componentize.arg("--quiet").arg("-d").arg(manifest.sdk().join("wit/0.1.0")).args(["-w", "list-plugin"]);
    componentize.arg("componentize").arg(&manifest.tool.hotlist.module);
    componentize.args(["-p", "."]).arg("-p").arg(manifest.sdk());
    componentize.arg("-o").arg(component.strip_prefix(dir).unwrap_or(&component));
    tools.run(&mut componentize)?;
    Ok((manifest.project.name, read_bytes(&component)?))
}

/// Installs the project's requirements into a virtual environment with pip, if they are not installed.
fn install(tools: &mut Tools<'_>) -> Result<(), BuildError> {
    let dir = tools.dir;
    if dir.join(COMPONENTIZER).exists() {
        return Ok(());
    }
    tracing::info!(folder = %dir.display(), "pip installs the tools of the project into .venv, once");
    match tools.run(Command::new("python3").args(["-m", "venv", ".venv"])) {
        Err(BuildError::Run { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(BuildError::Missing { program: "python3", what: "Python 3.10 or later with its venv module" });
        }
        done => done?,
    }
    let mut pip = Command::new(dir.join(".venv/bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"]);
    tools.run(&mut pip)
}
