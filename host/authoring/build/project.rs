//! The files of a project that its author writes: possible sources of the plugin, and its cases.
//!
//! All other files are built, installed or left behind by programs. A change of these does not change the plugin.

use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use super::digest::{Files, digest};
use super::error::BuildError;
use super::language::Language;
use crate::authoring::cases;

/// Top-level folders of a project that hold built or installed files, or the SDK, which authors do not edit.
const NOT_WRITTEN: [&str; 4] = ["target", "node_modules", "venv", "sdk"];

/// Top-level folders of a project in which each file counts, because a source may include a file of any kind.
const WRITTEN: [&str; 3] = ["src", "wit", cases::FOLDER];

/// Names that programs leave behind in any folder: Python, npm, and vim, which tests whether it can write there.
const LEFT_BEHIND: [&str; 3] = ["__pycache__", "node_modules", "4913"];

/// Endings of names that editors leave behind, of backups and of incomplete files.
const LEFT_BEHIND_ENDINGS: [&str; 9] =
    ["~", ".swp", ".swo", ".swx", ".tmp", ".bak", ".orig", "___jb_tmp___", "___jb_old___"];

/// The project of a plugin.
#[derive(Clone, Debug)]
pub struct Project {
    dir: PathBuf,
    language: Language,
    /// Folders in the project that hold no files of the author.
    ignored: Vec<PathBuf>,
}

impl Project {
    /// Opens the project in a folder.
    pub fn open(dir: &Path) -> Result<Self, BuildError> {
        let language = Language::of(dir)?;
        let dir = dir.canonicalize().map_err(|error| BuildError::File { path: dir.to_owned(), error })?;
        Ok(Self { dir, language, ignored: Vec::new() })
    }

    /// Ignores the files of a folder, which may be anywhere.
    pub fn without(mut self, folder: &Path) -> io::Result<Self> {
        let folder = folder.canonicalize()?;
        // If a folder around the project were ignored, no file would be left.
        if folder != self.dir && folder.starts_with(&self.dir) {
            self.ignored.push(folder);
        }
        Ok(self)
    }

    /// The folder of the project.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether a change of a file may change the plugin or its cases.
    pub fn has(&self, file: &Path) -> bool {
        let counts = |inside: &Path| !is_left_behind(inside) && counts(self.language, inside);
        file.strip_prefix(&self.dir).is_ok_and(counts) && !self.ignores(file)
    }

    /// The top-level folders that may hold files of the author.
    pub fn folders(&self) -> io::Result<Vec<PathBuf>> {
        let mut folders = Vec::new();
        for item in fs::read_dir(&self.dir)? {
            let item = item?;
            let path = item.path();
            let wanted = !is_left_behind(Path::new(&item.file_name())) && !self.ignores(&path);
            folders.extend((wanted && path.is_dir()).then_some(path));
        }
        Ok(folders)
    }

    /// The digest of all files of the author, cases included. Cheaper than the digest of a plugin's sources, because it
    /// runs no tool to find them.
    pub fn digest(&self) -> io::Result<[u8; 32]> {
        let mut files = Files::new();
        self.gather(Path::new(""), &mut files)?;
        Ok(digest(&files))
    }

    fn ignores(&self, path: &Path) -> bool {
        self.ignored.iter().any(|ignored| path.starts_with(ignored))
    }

    /// Reads the files of a folder of the project, and of the folders in it.
    fn gather(&self, folder: &Path, files: &mut Files) -> io::Result<()> {
        for item in fs::read_dir(self.dir.join(folder))? {
            let item = item?;
            let (path, inside) = (item.path(), folder.join(item.file_name()));
            if is_left_behind(&inside) || self.ignores(&path) {
                continue;
            }
            if path.is_dir() {
                self.gather(&inside, files)?;
            } else if counts(self.language, &inside) && path.exists() {
                files.insert(inside.to_string_lossy().into_owned(), fs::read(&path)?);
            }
        }
        Ok(())
    }
}

/// Reads all files of a folder that can be sources of a plugin in a language.
pub(super) fn sources_in(dir: &Path, language: Language) -> io::Result<Files> {
    let mut files = Files::new();
    let ignored = vec![dir.join(cases::FOLDER)];
    Project { dir: dir.to_owned(), language, ignored }.gather(Path::new(""), &mut files)?;
    files.retain(|name, _| !name.ends_with(cases::FILE_SUFFIX));
    Ok(files)
}

/// Whether a program built, installed or left behind a file or folder, by its path in a project.
fn is_left_behind(inside: &Path) -> bool {
    let mut names = inside.components().map(text);
    inside.components().next().is_some_and(|first| NOT_WRITTEN.contains(&text(first).as_ref()))
        || names.any(|name| is_left_over(&name))
}

/// Whether a name is that of a hidden file or of a file that programs leave behind.
pub(super) fn is_left_over(name: &str) -> bool {
    let hidden = name.starts_with('.') || name.starts_with('#');
    hidden || LEFT_BEHIND.contains(&name) || LEFT_BEHIND_ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Whether a file can be a source of a plugin in a language, or hold cases, by its path in a project.
fn counts(language: Language, inside: &Path) -> bool {
    let (named, endings): (&[&str], &[&str]) = match language {
        Language::Rust => (&[], &["rs", "toml", "wit"]),
        Language::JavaScript => {
            (&["package.json", "tsconfig.json"], &["js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx"])
        }
        Language::Python => (&["requirements.txt"], &["py", "pyi", "toml"]),
    };
    let ending = inside.extension().unwrap_or_default().to_string_lossy();
    if endings.contains(&ending.as_ref()) || inside.to_string_lossy().ends_with(cases::FILE_SUFFIX) {
        return true;
    }
    let mut names = inside.components().map(text);
    match (names.next(), names.next()) {
        (Some(file), None) => named.contains(&file.as_ref()),
        (Some(folder), Some(_)) => WRITTEN.contains(&folder.as_ref()) || ending == "json",
        (None, _) => false,
    }
}

fn text(part: Component<'_>) -> Cow<'_, str> {
    part.as_os_str().to_string_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, file: &str) {
        let file = dir.join(file);
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        let text = fs::read_to_string(&file).unwrap_or_default();
        fs::write(&file, format!("{text}more\n")).expect("written");
    }

    fn project(manifest: &str) -> (tempfile::TempDir, Project) {
        let dir = tempfile::tempdir().expect("a folder");
        write(dir.path(), manifest);
        let project = Project::open(dir.path()).expect("a project");
        (dir, project)
    }

    /// Whether writing a file changes the digest. Asserts that `has` says the same of the file.
    fn is_edit(project: &Project, file: &str) -> bool {
        let before = project.digest().expect("a digest");
        write(project.dir(), file);
        let changed = project.digest().expect("a digest") != before;
        assert_eq!(project.has(&project.dir().join(file)), changed, "{file}");
        changed
    }

    #[test]
    fn what_an_author_writes_is_an_edit() {
        for (manifest, files) in [
            ("Cargo.toml", &["src/lib.rs", "src/words.txt", "src/target/mod.rs", "build.rs", "rules/src/lib.rs"][..]),
            ("package.json", &["src/logic.js", "logic.ts", "tsconfig.json", "lib/units.json", "src/target/it.js"]),
            ("pyproject.toml", &["logic.py", "approval/people.py", "requirements.txt", "approval/units.json"]),
        ] {
            let (_dir, project) = project(manifest);
            for file in files.iter().chain(&[manifest, "cases/a.cases.toml", "a.cases.toml", "wit/more.wit"]) {
                assert!(is_edit(&project, file), "{manifest} {file}");
            }
        }
    }

    #[test]
    fn what_programs_leave_in_a_project_is_no_edit() {
        for (manifest, files) in [
            ("Cargo.toml", &["Cargo.lock", "target/debug/build/out/made.rs", "sdk/src/lib.rs", "mine.wasm"][..]),
            ("package.json", &["package-lock.json", "node_modules/a/index.js", "lib/node_modules/a/index.js"]),
            ("pyproject.toml", &["__pycache__/logic.pyc", "approval/__pycache__/x.py", ".venv/a.py", "venv/a.py"]),
        ] {
            let (_dir, project) = project(manifest);
            let left =
                ["src/.lib.rs.swp", "src/deep/#lib.rs#", "src/lib.rs~", "src/.#lib.rs", "src/4913", "cases/4913"];
            let printed =
                ["out", "out.txt", "out.json", "dev.log", "logs/today.txt", "README.md", ".hotlist/module.js"];
            for file in files.iter().chain(&left).chain(&printed) {
                assert!(!is_edit(&project, file), "{manifest} {file}");
            }
        }
    }

    #[test]
    fn what_is_in_an_ignored_folder_is_no_edit() {
        let (_dir, project) = project("Cargo.toml");
        for data in ["data", "src/data"] {
            write(project.dir(), &format!("{data}/logic/rules.toml"));
            let project = project.clone().without(&project.dir().join(data)).expect("it is there");
            assert!(!is_edit(&project, &format!("{data}/logic/rules.toml")));
            assert!(!project.folders().expect("folders").contains(&project.dir().join(data)));
            assert!(is_edit(&project, "src/data.rs"));
        }
    }

    #[test]
    fn ignoring_a_folder_around_the_project_ignores_no_file_of_it() {
        let (dir, project) = project("Cargo.toml");
        let project = project.without(dir.path()).expect("it is there");
        let project = project.without(&dir.path().join("..")).expect("it is there");
        assert!(is_edit(&project, "src/lib.rs"));
    }

    #[test]
    fn cases_are_no_sources_of_a_component() {
        let (dir, project) = project("package.json");
        for file in ["logic.js", "cases/a.cases.toml", "b.cases.toml"] {
            write(project.dir(), file);
        }
        let sources = sources_in(dir.path(), Language::JavaScript).expect("sources");
        assert_eq!(sources.into_keys().collect::<Vec<_>>(), ["logic.js", "package.json"]);
    }
}
