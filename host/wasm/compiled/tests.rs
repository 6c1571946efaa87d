use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::seals::{Seal, hash_file, read_seals, remove, seals_file};
use super::*;
use crate::list::digest::digest_of;
use crate::list::name::LogicName;
use crate::wasm::compile::{CompileIn, code_file};
use crate::wasm::{Engine, Isolation, Settings, load};

const COMPONENT: &[u8] = include_bytes!("../../../plugins/built/strict.wasm");
const OTHER: &[u8] = include_bytes!("../../../plugins/built/todo.wasm");

fn start(folder: &Path) -> Engine {
    Engine::new(Settings { cache: Some(code(folder)), ..Settings::default() }).expect("an engine")
}

fn code(folder: &Path) -> PathBuf {
    folder.join("compiled")
}

fn compile(engine: &Engine, bytes: &[u8]) {
    let logic = load(engine, LogicName::new("rules").unwrap(), bytes, Isolation::Shared).expect("it loads");
    assert_eq!(logic.id().digest, digest_of(bytes));
}

/// A directory with the sealed code of one component, and the file of the code.
fn compiled_once() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    compile(&start(folder.path()), COMPONENT);
    let [seal] = <[Seal; 1]>::try_from(read_seals(&code(folder.path()))).expect("one seal");
    let file = code(folder.path()).join(seal.file);
    assert_eq!((seal.component, seal.code), (digest_of(COMPONENT), hash_file(&file).unwrap()));
    (folder, file)
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

/// How often the engine had a component compiled.
fn compilations(engine: &Engine) -> u64 {
    engine.compiled().expect("it has a cache").compilations()
}

#[test]
fn sealed_code_is_used_again_after_a_restart() {
    let (folder, file) = compiled_once();
    let engine = start(folder.path());
    compile(&engine, COMPONENT);
    compile(&engine, OTHER);
    compile(&engine, COMPONENT);
    assert_eq!(compilations(&engine), 1, "only the other component was compiled");
    assert!(file.exists());
    let engine = start(folder.path());
    compile(&engine, OTHER);
    compile(&engine, COMPONENT);
    assert_eq!(compilations(&engine), 0);
}

#[test]
fn damaged_code_does_not_run_and_its_component_is_compiled_again_wherever_the_damage_is() {
    let (folder, file) = compiled_once();
    let sound = fs::read(&file).unwrap();
    for at in (0..40).map(|step| step * (sound.len() - 1) / 39) {
        flip(&file, at);
        compile(&start(folder.path()), COMPONENT);
        assert!(fs::read(&file).unwrap() == sound, "byte {at} of {} is as it was", sound.len());
    }
    fs::write(&file, &sound[..sound.len() / 2]).unwrap();
    compile(&start(folder.path()), COMPONENT);
    assert!(fs::read(&file).unwrap() == sound, "the whole file is back");
}

#[test]
fn code_that_is_damaged_while_the_server_runs_is_compiled_again_when_it_is_next_loaded() {
    let (folder, file) = compiled_once();
    let sound = fs::read(&file).unwrap();
    let engine = start(folder.path());
    compile(&engine, COMPONENT);
    flip(&file, sound.len() / 2);
    compile(&engine, COMPONENT);
    assert!(fs::read(&file).unwrap() == sound);
}

/// An engine that runs compiled code, with other settings if the test wants it.
fn runs(compiled: &CompiledCode, configure_more: impl FnOnce(&mut wasmtime::Config)) -> wasmtime::Engine {
    let mut config = wasmtime::Config::new();
    code_file::configure(&mut config);
    configure_more(config.enable_compiler(false).cache(Some(compiled.cache().clone())));
    wasmtime::Engine::new(&config).expect("an engine")
}

/// Loads the component, and compiles it in this process if that is needed.
fn load_code(compiled: &CompiledCode, engine: &wasmtime::Engine) -> Result<Component, LoadError> {
    compiled.load(engine, digest_of(COMPONENT), COMPONENT, &|bytes, directory| {
        CompileIn::ThisProcess.compile(bytes, directory, &|| false)
    })
}

#[test]
fn damaged_code_that_cannot_be_removed_does_not_run_and_its_component_is_compiled_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut compiled = CompiledCode::open(code(folder.path())).unwrap();
    let engine = runs(&compiled, |_| {});
    let compile = |compiled: &CompiledCode| {
        load_code(compiled, &engine).expect("it compiles");
        compiled.compilations()
    };
    assert_eq!(compile(&compiled), 1);
    let [seal] = <[Seal; 1]>::try_from(read_seals(&code(folder.path()))).expect("one seal");
    let file = code(folder.path()).join(&seal.file);
    flip(&file, fs::read(&file).unwrap().len() / 2);
    let damaged = fs::read(&file).unwrap();
    compiled.remove = |_| Err(ErrorKind::PermissionDenied.into());
    assert_eq!([compile(&compiled), compile(&compiled)], [2, 3], "it is compiled each time");
    assert!(fs::read(&file).unwrap() == damaged && read_seals(&code(folder.path())) == [seal], "nothing is changed");
    compiled.remove = remove;
    assert_eq!([(); 3].map(|()| compile(&compiled)), [4, 4, 4]);
    assert!(fs::read(&file).unwrap() != damaged, "it is replaced once it can be removed");
}

#[test]
fn an_engine_that_runs_code_compiles_nothing_itself() {
    let folder = tempfile::tempdir().unwrap();
    let compiled = CompiledCode::open(code(folder.path())).unwrap();
    let engine = runs(&compiled, |_| {});
    let error = Component::new(&engine, COMPONENT).expect_err("it has no compiler").to_string();
    assert!(error.contains("compiler"), "{error}");
    let refused = compiled.load(&engine, digest_of(COMPONENT), COMPONENT, &|_, _| Err(LoadError::Cancelled));
    assert!(matches!(refused, Err(LoadError::Cancelled)));
    let removed = compiled.load(&engine, digest_of(COMPONENT), COMPONENT, &|bytes, directory| {
        CompileIn::ThisProcess.compile(bytes, directory, &|| false)?;
        fs::remove_dir_all(directory.join(code_file::CODE_DIRECTORY)).expect("it is removed");
        Ok(())
    });
    let error = removed.expect_err("there is no code").to_string();
    assert!(error.contains("one file was expected"), "{error}");
}

#[test]
fn the_directory_of_a_compilation_is_removed_with_it_or_at_the_next_start() {
    let (folder, _) = compiled_once();
    let progress = code(folder.path()).with_added_extension(PROGRESS_EXTENSION);
    assert_eq!(fs::read_dir(&progress).expect("a directory").count(), 0);
    // In a container, each start of a server has the same process number.
    for name in [format!("{}-killed", std::process::id()), "killed".into()] {
        fs::create_dir_all(progress.join(name).join("modules")).unwrap();
    }
    remove_compilations(&code(folder.path())).unwrap();
    assert!(!progress.exists());
    remove_compilations(&code(folder.path())).unwrap();
    compile(&start(folder.path()), OTHER);
}

#[test]
fn code_without_a_seal_is_removed_at_the_start() {
    let (folder, file) = compiled_once();
    let other = file.with_file_name("of-another-program");
    let statistics = file.with_file_name("of-another-program.stats");
    fs::write(&other, b"code").unwrap();
    fs::write(&statistics, b"statistics").unwrap();
    fs::create_dir(file.with_file_name("directory")).unwrap();
    let engine = start(folder.path());
    assert_eq!([&file, &other, &statistics].map(|file| file.exists()), [true, false, true]);
    drop(engine);
    fs::remove_file(seals_file(&code(folder.path()))).unwrap();
    start(folder.path());
    assert!(!file.exists());
}

#[test]
fn code_whose_seals_are_damaged_is_removed_at_the_start_and_sealed_anew() {
    let (folder, file) = compiled_once();
    let seals = seals_file(&code(folder.path()));
    let sound = fs::read(&seals).unwrap();
    // The digest of the seals, a digest of a component, a digest of code, and a name.
    for at in [3, 70, 140, sound.len() - 5] {
        flip(&seals, at);
        let engine = start(folder.path());
        assert!(!file.exists(), "byte {at}");
        compile(&engine, COMPONENT);
        assert_eq!(fs::read(&seals).unwrap(), sound);
    }
    fs::write(&seals, b"\xff").unwrap();
    start(folder.path());
    assert!(!file.exists());
}

#[test]
fn code_that_was_evicted_is_compiled_again() {
    let (folder, file) = compiled_once();
    fs::remove_file(&file).unwrap();
    let engine = start(folder.path());
    compile(&engine, COMPONENT);
    assert_eq!((compilations(&engine), file.exists()), (1, true));
}

#[test]
fn the_code_of_an_engine_with_other_settings_is_replaced() {
    let (folder, file) = compiled_once();
    let compiled = CompiledCode::open(code(folder.path())).unwrap();
    let other = runs(&compiled, |config| {
        config.consume_fuel(false);
    });
    // This process compiles with fuel, so the code does not fit.
    load_code(&compiled, &other).expect_err("it does not run without");
    assert!(!file.exists(), "the code that nothing uses any more is gone");
    load_code(&compiled, &runs(&compiled, |_| {})).expect("it fits");
    assert!(file.exists());
}

#[test]
fn a_directory_that_cannot_be_read_does_not_keep_components_from_being_loaded() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(code(folder.path())).unwrap();
    fs::write(code(folder.path()).join(code_file::CODE_DIRECTORY), b"a file").unwrap();
    let engine = start(folder.path());
    assert!(engine.compiled().is_none());
    compile(&engine, COMPONENT);
}
