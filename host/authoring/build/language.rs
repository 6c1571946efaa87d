//! The languages of plugins.

use std::path::Path;

use super::error::BuildError;

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
    /// All languages, each with the file that identifies a project in it.
    const ALL: [(Self, &str); 3] =
        [(Self::Rust, "Cargo.toml"), (Self::JavaScript, "package.json"), (Self::Python, "pyproject.toml")];

    /// The language of the plugin in a folder.
    pub fn of(dir: &Path) -> Result<Self, BuildError> {
        let found = Self::ALL.into_iter().find(|(_, file)| dir.join(file).is_file());
        found.map(|(language, _)| language).ok_or_else(|| {
            let what = if dir.is_dir() { "holds none of" } else { "is not a folder, so it holds none of" };
            let files = Self::ALL.map(|(_, file)| file).join(", ");
            BuildError::Package(format!("{} {what} {files}: there is no plugin to build", dir.display()))
        })
    }
}
