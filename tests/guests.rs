//! The committed components of `plugins/built`: up to date, small, and without any import but the list.

use std::path::{Path, PathBuf};
use std::{fs, io};

use hotlist::plugins::build::{embedded_source_digest, source_digest};
use wasmparser::{ComponentTypeRef, Parser, Payload};

/// The plugins whose components are committed.
const NAMES: [&str; 3] = ["todo", "strict", "hostile"];

/// The most bytes one of them may have.
const MAX_BYTES: usize = 100_000;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn built(name: &str) -> Vec<u8> {
    let path = root().join("plugins/built").join(format!("{name}.wasm"));
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a component imports, by name, and whether it is an instance.
fn imports(wasm: &[u8]) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.expect("a well-formed component") {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import.expect("a well-formed import");
                    let instance = matches!(import.ty, ComponentTypeRef::Instance(_));
                    found.push((import.name.name.to_owned(), instance));
                }
            }
            _ => {}
        }
    }
    found
}

#[test]
fn a_committed_component_was_built_from_the_sources_as_they_are() {
    for name in NAMES {
        let now = source_digest(&root().join("plugins").join(name)).expect("the sources can be read");
        let then = embedded_source_digest(&built(name));
        assert_eq!(then, Some(now), "plugins/built/{name}.wasm is stale; build the plugins again");
    }
}

#[test]
fn a_committed_component_is_small() {
    for name in NAMES {
        let bytes = built(name).len();
        assert!(bytes < MAX_BYTES, "{name} has {bytes} bytes");
    }
}

#[test]
fn a_committed_component_imports_the_list_and_the_types_and_nothing_else() {
    for name in NAMES {
        for (import, instance) in imports(&built(name)) {
            let known = ["hotlist:logic/current-list@0.1.0", "hotlist:logic/types@0.1.0"].contains(&import.as_str());
            assert!(known && instance, "{name} imports {import}");
        }
        let list = ("hotlist:logic/current-list@0.1.0".to_owned(), true);
        assert!(imports(&built(name)).contains(&list), "{name} does not read the list");
    }
}

#[test]
fn no_component_is_committed_that_is_not_looked_after_here() {
    let mut names: Vec<_> = fs::read_dir(root().join("plugins/built"))
        .expect("the folder is there")
        .map(|file| file.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    let mut expected = NAMES;
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[test]
fn a_changed_source_is_noticed_wherever_it_lies() {
    let scratch = tempfile::tempdir().expect("a folder");
    let plugin = scratch.path().join("mine");
    write_crate(&plugin, "mine", "sdk = { path = \"../sdk\" }").expect("written");
    write_crate(&scratch.path().join("sdk"), "sdk", "").expect("written");
    let digest = || source_digest(&plugin).expect("a digest");

    let before = digest();
    assert_eq!(digest(), before);
    fs::create_dir_all(plugin.join("target")).expect("made");
    fs::write(plugin.join("target/left-over"), "x").expect("written");
    assert_eq!(digest(), before, "what was built is no source");
    fs::write(scratch.path().join("sdk/src/lib.rs"), "// changed").expect("written");
    let changed = digest();
    assert_ne!(changed, before, "a crate that is depended upon");
    fs::create_dir_all(plugin.join("src/deep")).expect("made");
    fs::write(plugin.join("src/deep/more.rs"), "").expect("written");
    assert_ne!(digest(), changed, "a new file");
}

#[test]
fn what_is_no_component_has_no_digest() {
    assert_eq!(embedded_source_digest(b""), None);
    assert_eq!(embedded_source_digest(b"not wasm at all"), None);
    assert_eq!(embedded_source_digest(&wat::parse_str("(component)").expect("a component")), None);
}

fn write_crate(dir: &PathBuf, name: &str, dependency: &str) -> io::Result<()> {
    fs::create_dir_all(dir.join("src"))?;
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n{dependency}\n"
    );
    fs::write(dir.join("Cargo.toml"), manifest)?;
    fs::write(dir.join("src/lib.rs"), "")
}
