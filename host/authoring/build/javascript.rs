//! Builds a plugin in JavaScript: esbuild bundles the sources into a module, componentize-qjs creates a component of it
//! that carries the QuickJS engine.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::error::BuildError;
use super::tools::{Tools, read_bytes, read_text, scratch};

/// The files that `npm install` creates, relative to the project.
const BUNDLER: &str = "node_modules/.bin/esbuild";
const COMPONENTIZER: &str = "node_modules/.bin/componentize-qjs";
const CONTRACT: &str = "node_modules/hotlist-plugin/wit/0.1.0";

/// The part of a `package.json` that is used.
#[derive(Deserialize, Debug)]
pub(super) struct Manifest {
    pub(super) name: String,
    main: String,
}

impl Manifest {
    pub(super) fn read(dir: &Path) -> Result<Self, BuildError> {
        let path = dir.join("package.json");
        serde_json::from_str(&read_text(&path)?)
            .map_err(|error| BuildError::Package(format!("{} is not understood: {error}", path.display())))
    }
}

/// Builds the component of a project. Returns the project's name with it.
pub(super) fn build(tools: &mut Tools<'_>) -> Result<(String, Vec<u8>), BuildError> {
    let dir = tools.dir;
    let manifest = Manifest::read(dir)?;
    install(tools)?;
    let (module, component) = (scratch(dir)?.join("module.js"), scratch(dir)?.join("component.wasm"));
    let mut bundle = Command::new(dir.join(BUNDLER));
    bundle.arg(&manifest.main).args(["--bundle", "--format=esm", "--log-level=warning", "--external:hotlist:*"]);
    let mut outfile = std::ffi::OsString::from("--outfile=");
    outfile.push(relative(&module, dir));
    tools.run(bundle.arg(outfile))?;
    let mut componentize = Command::new(dir.join(COMPONENTIZER));
    componentize.args(["--sync", "--opt-size", "--wit", CONTRACT]);
    componentize.arg("--js").arg(relative(&module, dir)).arg("-o").arg(relative(&component, dir));
    tools.run(&mut componentize)?;
    Ok((manifest.name, read_bytes(&component)?))
}

/// Installs the project's dependencies with npm, if they are not installed.
fn install(tools: &mut Tools<'_>) -> Result<(), BuildError> {
    let dir = tools.dir;
    if dir.join(BUNDLER).exists() && dir.join(COMPONENTIZER).exists() {
        return Ok(());
    }
    tracing::info!(folder = %dir.display(), "npm installs the tools of the project, once");
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--loglevel=error"]);
    match tools.run(&mut npm) {
        Err(BuildError::Run { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(BuildError::Missing { program: "npm", what: "Node.js 18 or later" })
        }
        done => done,
    }
}

/// A path in the project, relative to the folder in which tools run.
fn relative<'a>(path: &'a Path, dir: &Path) -> &'a Path {
    path.strip_prefix(dir).unwrap_or(path)
}
