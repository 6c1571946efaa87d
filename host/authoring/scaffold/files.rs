//! The files of the templates and the SDKs, which are compiled into the program.

use crate::authoring::build::Language;

/// The texts of files, by their paths in a project.
pub(super) type Files = &'static [(&'static str, &'static str)];

/// The paths of files in a folder with their texts.
macro_rules! files {
    ($folder:literal: $($file:literal),* $(,)?) => { &[$(($file, include_str!(concat!($folder, "/", $file)))),*] };
}

/// The contract, which each SDK contains.
pub(super) const CONTRACT: Files = files!("../../../wit/..": "wit/0.1.0/logic.wit");

/// The folders of the SDKs in Hotlist's sources.
#[cfg(test)]
pub(super) const SDKS: [(&str, Language); 3] = [
    ("plugins/sdk", Language::Rust),
    ("plugins/sdk/js", Language::JavaScript),
    ("plugins/sdk/python", Language::Python),
];

/// The template and the SDK for a language.
pub(super) fn of(language: Language) -> (Files, Files) {
    match language {
        Language::Rust => (RUST, RUST_SDK),
        Language::JavaScript => (JAVASCRIPT, JAVASCRIPT_SDK),
        Language::Python => (PYTHON, PYTHON_SDK),
    }
}

/// A file with another name in the template than in the project. Under the name in the project, tools would use the
/// template itself.
macro_rules! file {
    ($name:literal, $file:literal) => {
        ($name, include_str!(concat!("../templates/", $file)))
    };
}

const RUST: Files = &[
    file!("Cargo.toml", "rust/Cargo.toml.in"),
    file!("rust-toolchain.toml", "rust/rust-toolchain.toml"),
    file!("rustfmt.toml", "rust/rustfmt.toml.in"),
    file!("src/lib.rs", "rust/src/lib.rs"),
    file!("cases/{{name}}.cases.toml", "rust/cases.toml"),
    file!("README.md", "rust/README.md"),
    file!(".gitignore", "rust/gitignore"),
];

const RUST_SDK: Files = files!("../../../plugins/sdk":
    "Cargo.toml",
    "src/bindings.rs",
    "src/component.rs",
    "src/date.rs",
    "src/describe.rs",
    "src/heap.rs",
    "src/lib.rs",
    "src/list.rs",
    "src/logic.rs",
    "src/note.rs",
    "src/page.rs",
    "src/testing.rs",
    "src/types.rs",
);

const JAVASCRIPT: Files = &[
    file!("package.json", "js/package.json"),
    file!("src/logic.js", "js/src/logic.js"),
    file!("cases/{{name}}.cases.toml", "js/cases.toml"),
    file!("README.md", "js/README.md"),
    file!(".gitignore", "js/gitignore"),
];

const JAVASCRIPT_SDK: Files = files!("../../../plugins/sdk/js":
    "README.md",
    "hotlist.d.ts",
    "hotlist.js",
    "package.json",
    "src/changes.js",
    "src/console.js",
    "src/contract.js",
    "src/dates.js",
    "src/globals.js",
    "src/list.js",
    "src/logic.js",
    "src/page.js",
    "src/values.js",
);

const PYTHON: Files = &[
    file!("pyproject.toml", "python/pyproject.toml"),
    file!("requirements.txt", "python/requirements.txt"),
    file!("logic.py", "python/logic.py"),
    file!("cases/{{name}}.cases.toml", "python/cases.toml"),
    file!("README.md", "python/README.md"),
    file!(".gitignore", "python/gitignore"),
];

const PYTHON_SDK: Files = files!("../../../plugins/sdk/python":
    "README.md",
    "hotlist/__init__.py",
    "hotlist/answers.py",
    "hotlist/days.py",
    "hotlist/export.py",
    "hotlist/lifting.py",
    "hotlist/logic.py",
    "hotlist/lowering.py",
    "hotlist/randomness.py",
    "hotlist/reading.py",
    "hotlist/values.py",
);
