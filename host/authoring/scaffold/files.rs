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
    file!("Cargo.lock", "rust/Cargo.lock.in"),
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
    "src/schema.rs",
    "src/testing.rs",
    "src/types.rs",
);

const JAVASCRIPT: Files = &[
    file!("package.json", "js/package.json"),
    file!("package-lock.json", "js/package-lock.json"),
    file!("src/logic.js", "js/src/logic.js"),
    file!("test/logic.test.js", "js/test/logic.test.js"),
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
    "src/undeclared.js",
    "src/values.js",
    "testing.d.ts",
    "testing/current-list.js",
    "testing/hooks.js",
    "testing/list.js",
    "testing/log.js",
    "testing/register.js",
);

const PYTHON: Files = &[
    file!("pyproject.toml", "python/pyproject.toml"),
    file!("requirements.txt", "python/requirements.txt"),
    file!("logic.py", "python/logic.py"),
    file!("test_logic.py", "python/test_logic.py"),
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
    "hotlist/undeclared.py",
    "hotlist/values.py",
    "hotlist_testing.py",
);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use serde_json::Value;

    use super::*;

    fn template(files: Files, name: &str) -> &'static str {
        files.iter().find(|(path, _)| *path == name).expect("it is in the template").1
    }

    fn source(path: &str) -> String {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("it can be read")
    }

    fn json(text: &str) -> Value {
        serde_json::from_str(text).expect("it is JSON")
    }

    /// The names, versions and checksums of the crates in a lock file that are from a registry.
    fn locked_crates(lock: &str) -> BTreeSet<[String; 3]> {
        let lock: toml::Table = toml::from_str(lock).expect("it is TOML");
        let packages = lock["package"].as_array().expect("packages");
        let locked = |package: &toml::Value| {
            let member = |name: &str| Some(package.get(name)?.as_str()?.to_owned());
            Some([member("name")?, member("version")?, member("checksum")?])
        };
        packages.iter().filter_map(locked).collect()
    }

    #[test]
    fn a_new_project_in_rust_has_the_crates_that_the_plugins_here_are_tested_with() {
        let (here, new) = (locked_crates(&source("Cargo.lock")), locked_crates(template(RUST, "Cargo.lock")));
        assert!(new.iter().any(|[name, ..]| name == "wit-bindgen"), "{new:?}");
        let others: Vec<_> = new.difference(&here).collect();
        assert!(others.is_empty(), "update templates/rust/Cargo.lock.in as CONTRIBUTING.md says: {others:?}");
    }

    #[test]
    fn a_lock_file_of_npm_pins_every_package_for_every_system_by_its_hash() {
        let here = |file: &str| source(&format!("plugins/shopping/{file}"));
        for (manifest, lock, sdk) in [
            (template(JAVASCRIPT, "package.json"), template(JAVASCRIPT, "package-lock.json"), "sdk"),
            (&here("package.json"), &here("package-lock.json"), "../sdk/js"),
        ] {
            let (manifest, lock) = (json(manifest), json(lock));
            let packages = lock["packages"].as_object().expect("packages");
            for member in ["name", "version", "dependencies", "devDependencies"] {
                assert_eq!(packages[""][member], manifest[member], "npm ci refuses a lock file of another manifest");
            }
            assert_eq!(packages[sdk]["version"], json(template(JAVASCRIPT_SDK, "package.json"))["version"]);
            for (path, package) in
                packages.iter().filter(|(path, package)| path.contains('/') && package["link"] != true)
            {
                let hash = package["integrity"].as_str().unwrap_or_default();
                assert!(*path == sdk || hash.starts_with("sha512-"), "{path} has no hash");
            }
            for tool in ["esbuild", "componentize-qjs"] {
                let systems = packages[&format!("node_modules/{tool}")]["optionalDependencies"].as_object();
                for (system, version) in systems.expect("a package for each system") {
                    assert_eq!(packages[&format!("node_modules/{system}")]["version"], *version);
                }
            }
        }
    }

    #[test]
    fn a_new_project_in_javascript_has_the_packages_of_the_plugin_here() {
        let packages = |lock: &str| {
            let mut lock = json(lock);
            let packages = lock["packages"].as_object_mut().expect("packages");
            packages.retain(|path, _| path.starts_with("node_modules/") && !path.ends_with("/hotlist-plugin"));
            packages.clone()
        };
        let new = template(JAVASCRIPT, "package-lock.json");
        assert_eq!(packages(new), packages(&source("plugins/shopping/package-lock.json")));
    }

    #[test]
    fn pip_installs_only_wheels_whose_hash_is_known() {
        let new = template(PYTHON, "requirements.txt");
        assert_eq!(new, source("plugins/approval/requirements.txt"));
        for requirements in [new, &source(".ci/requirements.txt")] {
            let lines: Vec<_> = requirements.lines().filter(|line| !line.starts_with('#')).collect();
            assert!(lines.starts_with(&["--require-hashes", "--only-binary :all:"]), "{requirements}");
            assert!(lines.iter().any(|line| line.contains("==") && line.ends_with('\\')), "{requirements}");
            let hashes = lines.iter().filter_map(|line| line.trim().strip_prefix("--hash=sha256:"));
            // The wheels for Linux and macOS on x86-64 and ARM, and more.
            assert!(hashes.filter(|hash| hash.trim_end_matches(" \\").len() == 64).count() >= 4, "{requirements}");
        }
    }
}
