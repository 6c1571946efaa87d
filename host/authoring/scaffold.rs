//! A project to start from: what `hotlist plugin new` writes.
//!
//! A project holds all that it is built with but the language's own tools: the SDK, and in it the
//! contract, as this program has them. So it builds anywhere, and goes on building when the SDK has
//! moved on; a contract never changes.

mod files;

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::build::{Language, PROJECT_PREFIX, plugin_name};
use crate::list::name::LogicName;

/// What stands for the plugin's name in the text of a template.
const NAME: &str = "{{name}}";

/// What stands for the name as people write it.
const TITLE: &str = "{{title}}";

/// Why no project was written. Where one of these is the answer, nothing was.
#[derive(Debug, thiserror::Error)]
pub enum ScaffoldError {
    /// There is something of that name already.
    #[error("{} is there already; choose another name, or remove it first", .0.display())]
    Taken(PathBuf),
    /// The plugin would be called otherwise than its project.
    #[error(
        "{0} is no name for a plugin, as {PROJECT_PREFIX} in front of a project's name is no part of it; leave that out"
    )]
    Prefixed(LogicName),
    /// A file cannot be written.
    #[error("cannot write {}: {error}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
}

/// Writes the project of a new plugin into a folder of its name in `parent`: all of it, or nothing.
pub fn new(parent: &Path, name: &LogicName, language: Language) -> Result<PathBuf, ScaffoldError> {
    if plugin_name(name.as_str()) != name.as_str() {
        return Err(ScaffoldError::Prefixed(name.clone()));
    }
    let project = parent.join(name.as_str());
    if project.symlink_metadata().is_ok() {
        return Err(ScaffoldError::Taken(project));
    }
    let unfinished = parent.join(format!(".{name}.{}.tmp", std::process::id()));
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| ScaffoldError::File { path, error }
    };
    let written = write_all(&unfinished, name, language)
        .and_then(|()| fs::rename(&unfinished, &project).map_err(failed(&project)));
    if written.is_err() {
        let _ = fs::remove_dir_all(&unfinished); // The first error is the one to report.
    }
    written.map(|()| project)
}

fn write_all(project: &Path, name: &LogicName, language: Language) -> Result<(), ScaffoldError> {
    let (template, sdk) = files::of(language);
    let title = title(name.as_str());
    for (path, text) in template {
        let text = text.replace(NAME, name.as_str()).replace(TITLE, &title);
        write(&project.join(path.replace(NAME, name.as_str())), &text)?;
    }
    for (path, text) in sdk.iter().chain(files::CONTRACT) {
        write(&project.join("sdk").join(path), text)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), ScaffoldError> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| ScaffoldError::File { path: path.to_owned(), error })
}

/// A name as people write it: `release-train` as `Release train`.
fn title(name: &str) -> String {
    let words = name.replace('-', " ");
    let mut messages = words.chars();
    messages.next().map(|first| first.to_uppercase().chain(messages).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> LogicName {
        LogicName::new(name).expect("a name")
    }

    #[test]
    fn a_project_is_named_throughout() {
        let parent = tempfile::tempdir().expect("a folder");
        let project = new(parent.path(), &name("release-train"), Language::Rust).expect("it is written");
        let manifest = fs::read_to_string(project.join("Cargo.toml")).expect("it is there");
        assert!(manifest.contains("name = \"release-train\""), "{manifest}");
        let logic = fs::read_to_string(project.join("src/lib.rs")).expect("it is there");
        assert!(logic.contains("\"Release train\"") && !logic.contains("{{"), "{logic}");
        assert!(project.join("cases/release-train.cases.toml").is_file());
    }

    #[test]
    fn what_is_there_is_left_alone() {
        let parent = tempfile::tempdir().expect("a folder");
        fs::write(parent.path().join("mine"), "precious").expect("written");
        let refused = new(parent.path(), &name("mine"), Language::Rust).expect_err("it is taken");
        assert!(matches!(refused, ScaffoldError::Taken(_)), "{refused}");
        assert_eq!(fs::read_to_string(parent.path().join("mine")).expect("it is there"), "precious");
        assert_eq!(fs::read_dir(parent.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_name_that_the_plugin_would_not_keep_is_refused() {
        let parent = tempfile::tempdir().expect("a folder");
        for refused in ["hotlist-mine", "hotlist-", "hotlist-7"] {
            let error = new(parent.path(), &name(refused), Language::Rust).expect_err("it is refused").to_string();
            assert!(error.starts_with(refused) && error.ends_with("leave that out"), "{error}");
        }
        assert_eq!(fs::read_dir(parent.path()).expect("a folder").count(), 0);
        assert!(new(parent.path(), &name("hotlist"), Language::Rust).is_ok());
    }

    #[test]
    fn the_whole_of_the_sdk_comes_along() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for (folder, language) in files::SDKS {
            let mut embedded: Vec<_> = files::of(language).1.iter().map(|(path, _)| (*path).to_owned()).collect();
            embedded.extend(files::CONTRACT.iter().map(|(path, _)| (*path).to_owned()));
            embedded.sort();
            assert_eq!(embedded, files_in(&root.join(folder), ""), "{folder}");
        }
    }

    /// The files of an SDK, without those of another one in it.
    fn files_in(folder: &Path, prefix: &str) -> Vec<String> {
        let mut found = Vec::new();
        for item in fs::read_dir(folder).expect("a folder") {
            let path = item.expect("an item").path();
            let file = path.file_name().expect("a name").to_string_lossy();
            let name = format!("{prefix}{file}");
            if path.is_dir() && !["js", "python", "node_modules", "__pycache__"].contains(&&*file) {
                found.extend(files_in(&path, &format!("{name}/")));
            } else if path.is_file() {
                found.push(name);
            }
        }
        found.sort();
        found
    }
}
