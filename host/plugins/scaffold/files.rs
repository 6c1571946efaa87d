//! The files of the templates and of the SDKs, which are part of the program.

use super::super::build::Language;

/// Files by their place in the project.
pub(super) type Files = &'static [(&'static str, &'static str)];

/// Names a file of a folder, and takes its text into the program.
macro_rules! files {
    ($folder:literal: $($file:literal),* $(,)?) => { &[$(($file, include_str!(concat!($folder, "/", $file)))),*] };
}

/// The contract, which every SDK holds.
pub(super) const CONTRACT: Files = files!("../../../wit/..": "wit/0.1.0/logic.wit");

/// Where the SDKs lie in Hotlist's own sources.
#[cfg(test)]
pub(super) const SDKS: [(&str, Language); 1] = [("plugins/sdk", Language::Rust)];

/// The template and the SDK for a language.
pub(super) fn of(language: Language) -> (Files, Files) {
    match language {
        Language::Rust => (RUST, RUST_SDK),
        Language::JavaScript => (RUST, RUST_SDK),
        Language::Python => (RUST, RUST_SDK),
    }
}

/// A file whose name in the project is another one than in the template: one that would mean
/// something where the templates lie.
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
