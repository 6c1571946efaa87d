//! Creates the project of a new plugin: `hotlist plugin new`.
//!
//! A project contains the SDK and the contract of this program. It needs nothing else but the tools of its language, so
//! it builds anywhere and does not break when the SDK changes. A contract never changes.

mod files;

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::build::{Language, PROJECT_PREFIX, plugin_name};
use crate::list::name::LogicName;

/// The placeholder of the plugin's name in a template.
const NAME: &str = "{{name}}";

/// The placeholder of the plugin's title in a template.
const TITLE: &str = "{{title}}";

/// The lock file of cargo.
const CARGO_LOCK: &str = "Cargo.lock";

/// Why no project was created. After an error no file is left.
#[derive(Debug, thiserror::Error)]
pub enum ScaffoldError {
    /// There is a file or folder with the name of the project.
    #[error("{} exists already: choose another name, or remove it first", .0.display())]
    Exists(PathBuf),
    /// The plugin would have another name than its project.
    #[error(
        "{0} is no name for a plugin, because a plugin's name does not contain the prefix {PROJECT_PREFIX}: leave that out"
    )]
    Prefixed(LogicName),
    /// A file cannot be written.
    #[error("cannot write {}: {error}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
}

/// Creates the project of a new plugin in a folder of its name in `parent`, whole or not at all.
pub fn new(parent: &Path, name: &LogicName, language: Language) -> Result<PathBuf, ScaffoldError> {
    if plugin_name(name.as_str()) != name.as_str() {
        return Err(ScaffoldError::Prefixed(name.clone()));
    }
    let project = parent.join(name.as_str());
    if project.symlink_metadata().is_ok() {
        return Err(ScaffoldError::Exists(project));
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
        let mut text = text.replace(NAME, name.as_str()).replace(TITLE, &title);
        if *path == CARGO_LOCK {
            text = sort_packages(&text);
        }
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

/// Sorts the packages of cargo's lock file by name. Otherwise cargo would write the file again, because the name of the
/// project is not in its place.
fn sort_packages(lock: &str) -> String {
    const PACKAGE: &str = "\n[[package]]\n";
    let mut parts: Vec<_> = lock.split(PACKAGE).collect();
    // A package begins with its name. Those of the same name are in the order of their versions already.
    parts[1..].sort_by_key(|package| package.lines().next());
    parts.join(PACKAGE)
}

/// The title for a name: `Release train` for `release-train`.
fn title(name: &str) -> String {
    let words = name.replace('-', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
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
    fn the_packages_of_a_lock_file_are_in_the_order_of_cargo() {
        for project in ["a", "release-train", "wit", "zz"] {
            let parent = tempfile::tempdir().expect("a folder");
            let project = new(parent.path(), &name(project), Language::Rust).expect("it is written");
            let lock = fs::read_to_string(project.join(CARGO_LOCK)).expect("it is there");
            let lock: toml::Table = toml::from_str(&lock).expect("it is TOML");
            let names: Vec<_> = lock["package"].as_array().expect("packages").iter().map(|it| &it["name"]).collect();
            assert!(names.is_sorted_by_key(|name| name.as_str()), "{names:?}");
        }
    }

    #[test]
    fn an_existing_file_is_left_alone() {
        let parent = tempfile::tempdir().expect("a folder");
        fs::write(parent.path().join("mine"), "precious").expect("written");
        let refused = new(parent.path(), &name("mine"), Language::Rust).expect_err("it exists");
        assert!(matches!(refused, ScaffoldError::Exists(_)), "{refused}");
        assert_eq!(fs::read_to_string(parent.path().join("mine")).expect("it is there"), "precious");
        assert_eq!(fs::read_dir(parent.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_name_with_the_prefix_is_refused() {
        let parent = tempfile::tempdir().expect("a folder");
        for refused in ["hotlist-mine", "hotlist-", "hotlist-7"] {
            let error = new(parent.path(), &name(refused), Language::Rust).expect_err("it is refused").to_string();
            assert!(error.starts_with(refused) && error.ends_with("leave that out"), "{error}");
        }
        assert_eq!(fs::read_dir(parent.path()).expect("a folder").count(), 0);
        assert!(new(parent.path(), &name("hotlist"), Language::Rust).is_ok());
    }

    #[test]
    fn a_project_contains_the_whole_sdk() {
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
