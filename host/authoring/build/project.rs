//! Which files of a project are its author's: what can be a part of the plugin, and its cases.
//!
//! Everything else in the folder is made, installed or left there by some program, and that it
//! changes says nothing of the plugin.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use super::sources::digest;
use super::{BuildError, Language};
use crate::authoring::cases;

/// Files by their places in a project.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// Folders directly in a project that hold what is built or installed, or the SDK, which its author
/// leaves as it is.
const NOT_WRITTEN: [&str; 4] = ["target", "node_modules", "venv", "sdk"];

/// Folders directly in a project whose every file counts: a source may take in a file of any kind.
const WRITTEN: [&str; 3] = ["src", "wit", cases::FOLDER];

/// What may be left in any folder: by Python, by npm, and by vim, which tries whether it can write there.
const LEFT_BEHIND: [&str; 3] = ["__pycache__", "node_modules", "4913"];

/// How the names end of what editors leave, of copies as of files that are not complete yet.
const LEFT_BEHIND_ENDINGS: [&str; 9] =
    ["~", ".swp", ".swo", ".swx", ".tmp", ".bak", ".orig", "___jb_tmp___", "___jb_old___"];

/// The project of a plugin.
#[derive(Clone, Debug)]
pub struct Project {
    dir: PathBuf,
    language: Language,
    /// Folders in it that are not its author's.
    ignored: Vec<PathBuf>,
}

impl Project {
    /// The project in a folder.
    pub fn open(dir: &Path) -> Result<Self, BuildError> {
        let language = Language::of(dir)?;
        let dir = dir.canonicalize().map_err(|error| BuildError::File { path: dir.to_owned(), error })?;
        Ok(Self { dir, language, ignored: Vec::new() })
    }

    /// The same without what is in a folder, which may lie anywhere.
    pub fn without(mut self, folder: &Path) -> io::Result<Self> {
        let folder = folder.canonicalize()?;
        // Without a folder that it lies in, nothing of it would be left.
        if folder != self.dir && folder.starts_with(&self.dir) {
            self.ignored.push(folder);
        }
        Ok(self)
    }

    /// Where it lies.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether a change of that file may change the plugin or its cases.
    pub fn has(&self, file: &Path) -> bool {
        let counts = |inside: &Path| !is_left_behind(inside) && counts(self.language, inside);
        file.strip_prefix(&self.dir).is_ok_and(counts) && !self.ignores(file)
    }

    /// The folders directly in it that may hold files of its author.
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

    /// The digest of all that its author writes, cases and all. Cheaper than that of a plugin's sources:
    /// no tool is asked what belongs to it.
    pub fn digest(&self) -> io::Result<[u8; 32]> {
        let mut files = Files::new();
        self.gather(Path::new(""), &mut files)?;
        Ok(digest(&files))
    }

    fn ignores(&self, path: &Path) -> bool {
        self.ignored.iter().any(|ignored| path.starts_with(ignored))
    }

    /// Reads the files of the folder at that place in the project, and of those in it.
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

/// Reads all of a folder that can be a part of a plugin in that language.
pub(super) fn sources_in(dir: &Path, language: Language) -> io::Result<Files> {
    let mut files = Files::new();
    let ignored = vec![dir.join(cases::FOLDER)];
    Project { dir: dir.to_owned(), language, ignored }.gather(Path::new(""), &mut files)?;
    files.retain(|name, _| !name.ends_with(cases::FILE_SUFFIX));
    Ok(files)
}

/// Whether a file or folder at that place in a project was made, installed or left there by a program.
fn is_left_behind(inside: &Path) -> bool {
    let mut names = inside.components().map(text);
    inside.components().next().is_some_and(|first| NOT_WRITTEN.contains(&text(first).as_ref()))
        || names.any(|name| is_left_over(&name))
}

/// Whether a name is one that programs give to what they leave behind, or hide.
pub(super) fn is_left_over(name: &str) -> bool {
    let hidden = name.starts_with('.') || name.starts_with('#');
    hidden || LEFT_BEHIND.contains(&name) || LEFT_BEHIND_ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Whether a file at that place in a project can be a part of a plugin in that language, or a case.
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

    /// Whether writing a file changes the digest, which has to be what is said of the file.
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
    fn a_folder_around_the_project_takes_nothing_away_from_it() {
        let (dir, project) = project("Cargo.toml");
        let project = project.without(dir.path()).expect("it is there");
        let project = project.without(&dir.path().join("..")).expect("it is there");
        assert!(is_edit(&project, "src/lib.rs"));
    }

    #[test]
    fn cases_are_no_part_of_what_a_component_is_made_of() {
        let (dir, project) = project("package.json");
        for file in ["logic.js", "cases/a.cases.toml", "b.cases.toml"] {
            write(project.dir(), file);
        }
        let sources = sources_in(dir.path(), Language::JavaScript).expect("sources");
        assert_eq!(sources.into_keys().collect::<Vec<_>>(), ["logic.js", "package.json"]);
    }
}
