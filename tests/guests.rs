//! Tests of the committed components in `plugins/built`: each is up to date, is small, and imports only the contract.

use std::path::Path;
use std::{fs, io};

use hotlist::authoring::build::{embedded_source_digest, source_digest};
use wasmparser::{ComponentTypeRef, Parser, Payload};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Engine, ResourceLimiter, Store};

/// The plugins whose components are committed.
const NAMES: [&str; 6] = ["todo", "strict", "kanban", "chores", "blocked-by", "hostile"];

/// The most bytes of a committed component.
const MAX_BYTES: usize = 100_000;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn built(name: &str) -> Vec<u8> {
    let path = root().join("plugins/built").join(format!("{name}.wasm"));
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The imports of a component: each name, and whether it is an instance.
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
fn a_committed_component_was_built_from_the_current_sources() {
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
fn a_committed_component_imports_only_the_contract() {
    for name in NAMES {
        for (import, instance) in imports(&built(name)) {
            let known = ["current-list", "types", "log"].map(|known| format!("hotlist:logic/{known}@0.1.0"));
            assert!(known.contains(&import) && instance, "{name} imports {import}");
        }
        let list = ("hotlist:logic/current-list@0.1.0".to_owned(), true);
        assert!(imports(&built(name)).contains(&list), "{name} does not read the list");
    }
}

#[test]
fn every_committed_component_is_tested_here() {
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
fn a_changed_source_changes_the_digest_in_every_directory_of_a_crate() {
    let scratch = tempfile::tempdir().expect("a folder");
    let plugin = scratch.path().join("mine");
    write_crate(&plugin, "mine", "sdk = { path = \"../sdk\" }").expect("written");
    write_crate(&scratch.path().join("sdk"), "sdk", "").expect("written");
    let digest = || source_digest(&plugin).expect("a digest");

    let before = digest();
    assert_eq!(digest(), before);
    fs::create_dir_all(plugin.join("target")).expect("made");
    fs::write(plugin.join("target/left-over"), "x").expect("written");
    assert_eq!(digest(), before, "a build output is not a source");
    fs::write(scratch.path().join("sdk/src/lib.rs"), "// changed").expect("written");
    let changed = digest();
    assert_ne!(changed, before, "a source of a dependency");
    fs::create_dir_all(plugin.join("src/deep")).expect("made");
    fs::write(plugin.join("src/deep/more.rs"), "").expect("written");
    assert_ne!(digest(), changed, "a new file");
}

#[test]
fn bytes_without_an_embedded_digest_have_none() {
    assert_eq!(embedded_source_digest(b""), None);
    assert_eq!(embedded_source_digest(b"not wasm at all"), None);
    assert_eq!(embedded_source_digest(&wat::parse_str("(component)").expect("a component")), None);
}

#[test]
fn a_hundred_thousand_calls_of_one_instance_need_no_more_memory_than_one() -> wasmtime::Result<()> {
    use contract::ListPlugin;
    use contract::hotlist::logic::types;

    let engine = Engine::new(Config::new().concurrency_support(false))?;
    let mut linker = Linker::new(&engine);
    ListPlugin::add_to_linker::<_, HasSelf<EmptyList>>(&mut linker, |list| list)?;
    let date = types::Date { year: 2026, month: 11, day: 23 };
    let cx = types::Context { now: 1, today: date, utc_offset: 0, caller: "anonymous".into(), seed: 7 };
    let fields = vec![types::Field { name: "texts".into(), value: types::Value::Texts(vec!["text".repeat(50); 20]) }];
    let new = types::Draft { title: "a".repeat(900), date: None, completed: false, order: None, fields };
    // All plugins use the allocator of the SDK, so one plugin is enough.
    let component = Component::new(&engine, built("todo"))?;
    let mut store = Store::new(&engine, EmptyList::default());
    store.limiter(|list| list);
    let plugin = ListPlugin::instantiate(&mut store, &component, &linker)?;
    let logic = plugin.hotlist_logic_todo_list_logic();
    let add = |store: &mut _| logic.call_add_entry(store, &cx, &new).map(|answer| assert!(answer.is_ok()));
    add(&mut store)?;
    let memory = store.data().memory;
    for _ in 0..100_000 {
        add(&mut store)?;
    }
    assert_eq!(store.data().memory, memory);
    Ok(())
}

/// The contract as the host sees it.
mod contract {
    wasmtime::component::bindgen!({ path: "wit/0.1.0", world: "list-plugin" });
}

/// A list without entries, and the largest memory of the instance that reads it.
#[derive(Default)]
struct EmptyList {
    memory: usize,
}

impl ResourceLimiter for EmptyList {
    fn memory_growing(&mut self, _: usize, wanted: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.memory = self.memory.max(wanted);
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

impl contract::hotlist::logic::types::Host for EmptyList {}

impl contract::hotlist::logic::log::Host for EmptyList {
    fn note(&mut self, _: String) {}
}

impl contract::hotlist::logic::current_list::Host for EmptyList {
    fn get(&mut self, _: u64) -> Option<contract::hotlist::logic::types::Entry> {
        None
    }

    fn on_date(&mut self, _: contract::hotlist::logic::types::Date) -> Vec<contract::hotlist::logic::types::Entry> {
        Vec::new()
    }

    fn scan(&mut self, _: u64, _: u32) -> Vec<contract::hotlist::logic::types::Entry> {
        Vec::new()
    }

    fn count(&mut self) -> u64 {
        0
    }

    fn count_open(&mut self) -> u64 {
        0
    }

    fn next_id(&mut self) -> u64 {
        1
    }

    fn settings(&mut self) -> Vec<contract::hotlist::logic::types::Field> {
        Vec::new()
    }

    fn setting(&mut self, _: String) -> Option<contract::hotlist::logic::types::Value> {
        None
    }
}

fn write_crate(dir: &Path, name: &str, dependency: &str) -> io::Result<()> {
    fs::create_dir_all(dir.join("src"))?;
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n{dependency}\n"
    );
    fs::write(dir.join("Cargo.toml"), manifest)?;
    fs::write(dir.join("src/lib.rs"), "")
}
