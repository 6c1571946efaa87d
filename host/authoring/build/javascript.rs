//! Builds a plugin in JavaScript: esbuild bundles the sources into a module, componentize-qjs creates a component of it
//! that carries the QuickJS engine.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::error::BuildError;
use super::tools::{Tools, read_bytes, read_text, scratch};

/// The file in which npm records the version and the hash of each package.
const LOCK: &str = "package-lock.json";

/// The files that npm installs, relative to the project.
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
    match tools.run(&mut npm(dir)) {
        Err(BuildError::Run { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(BuildError::Missing { program: "npm", what: "Node.js 18 or later" })
        }
        done => done,
    }
}

/// The command that installs the packages of a project: those of its lock file and no others, if it has one. No package
/// runs a script of its own. What a script downloads has no hash in the lock file.
fn npm(dir: &Path) -> Command {
    let mut npm = Command::new("npm");
    npm.arg(if dir.join(LOCK).is_file() { "ci" } else { "install" });
    npm.args(["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    npm
}

/// A path in the project, relative to the folder in which tools run.
fn relative<'a>(path: &'a Path, dir: &Path) -> &'a Path {
    path.strip_prefix(dir).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn npm_installs_what_the_lock_file_names_and_runs_no_scripts() {
        let dir = tempfile::tempdir().expect("a folder");
        for way in ["install", "ci"] {
            let npm = npm(dir.path());
            let arguments: Vec<_> = npm.get_args().collect();
            assert!(arguments[0] == way && arguments.contains(&"--ignore-scripts".as_ref()), "{arguments:?}");
            std::fs::write(dir.path().join(LOCK), "{}").expect("it is written");
        }
    }
}
