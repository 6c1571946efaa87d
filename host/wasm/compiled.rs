//! The cache of compiled code, in which a damaged file never runs.
//!
//! wasmtime maps a cached file into memory and runs it as it is: a flipped bit may be another instruction. So each file
//! has a *seal*, the SHA-256 of its bytes, and a file that does not match its seal is removed and its component compiled
//! again.
//!
//! The engine that runs components has no compiler. A component is compiled into a directory of its own, and its code is
//! then moved to where that engine looks for it. So no untrusted component is ever compiled in the process of a server,
//! whatever is missing or damaged. Components are compiled beside each other, and the code of one component is loaded
//! while another one is compiled.
//!
//! A file that cannot be removed, such as one in a read-only directory, is left alone. wasmtime finds the file by the
//! component's bytes, so it gets bytes with another section.
//!
//! A file without a seal is removed at the start: the process was killed before it could seal the file, or another program
//! wrote it.

mod seals;

use std::borrow::Cow;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use wasm_encoder::{ComponentSection, CustomSection};
use wasmtime::component::Component;
use wasmtime::{Cache, CacheConfig, Engine, Error};

use super::error::LoadError;
use super::machine::load_error;
use crate::files;
use crate::list::digest::{Digest, hex};
use seals::{Seal, hash_file, open_seals, remove, unsealed, write_seals};

/// The extension that the name of the directory gets for the directory of compilations in progress, which is beside it.
const PROGRESS_EXTENSION: &str = "in-progress";

/// The most seals. Beyond it, the code of the component that was compiled first is removed.
const MAX_SEALS: usize = 4_096;

/// The most bytes of all compiled code. Beyond it, the code of the components that were compiled first is removed.
const MAX_CODE_BYTES: u64 = 1 << 30;

/// How often a component is compiled whose code is removed by another program before it is loaded.
const MAX_TRIES: usize = 3;

/// How often the directory of a compilation is tried to be removed.
const MAX_REMOVALS: usize = 20;

/// The section that a component gets for wasmtime not to find its damaged code. It means nothing to a component.
const ANEW_SECTION: &str = "hotlist:compiled-anew";

/// The cache of one data directory. The process that uses it holds the lock of the data directory.
pub(super) struct CompiledCode {
    cache: Cache,
    directory: PathBuf,
    /// Held while code is moved, sealed or loaded, and not while a component is compiled.
    seals: Mutex<Vec<Seal>>,
    /// The number of components whose damaged code could not be removed.
    compiled_anew: AtomicU64,
    /// The number of compilations.
    compilations: AtomicU64,
    /// Removes a file, which a test makes fail.
    remove: fn(&Path) -> io::Result<()>,
}

/// Compiles a component into an empty directory.
type Compile<'a> = &'a dyn Fn(&[u8], &Path) -> Result<(), LoadError>;

/// What is there of a component.
enum Found {
    /// Its code, which was loaded, or does not fit the engine.
    Code(wasmtime::Result<Component>),
    /// Nothing.
    Nothing,
    /// Damaged code that cannot be removed.
    Damaged,
}

impl CompiledCode {
    /// Opens a directory of compiled code, which is an absolute path. Removes the files that have no seal. `None` if that
    /// is not possible.
    pub(super) fn open(directory: PathBuf) -> Option<Self> {
        let opened = Self::try_open(directory.clone());
        let warn = |error: &Error| {
            let directory = directory.display();
            tracing::warn!(%directory, error = format!("{error:#}"), "cannot use compiled code; every component is compiled at each start. Remove that directory");
        };
        opened.inspect_err(warn).ok()
    }

    fn try_open(directory: PathBuf) -> wasmtime::Result<Self> {
        let mut config = CacheConfig::new();
        config
            .with_directory(&directory)
            // A file that is compressed again has other bytes than those that were sealed.
            .with_optimized_compression_usage_counter_threshold(u64::MAX);
        let cache = Cache::new(config)?;
        let seals = Mutex::new(open_seals(&directory)?);
        let (compiled_anew, compilations) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self { cache, directory, seals, compiled_anew, compilations, remove })
    }

    /// The cache for wasmtime's configuration.
    pub(super) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The number of compilations so far.
    #[cfg(test)]
    pub(super) fn compilations(&self) -> u64 {
        self.compilations.load(Ordering::Relaxed)
    }

    /// Loads the code of a component into an engine without a compiler. Compiles the component if there is no undamaged code
    /// that fits the engine.
    pub(super) fn load(
        &self,
        engine: &Engine,
        component: Digest,
        bytes: &[u8],
        compile: Compile<'_>,
    ) -> Result<Component, LoadError> {
        let mut loaded = None;
        for _ in 0..MAX_TRIES {
            let renamed = match self.find(engine, &component, bytes) {
                Found::Code(code) => {
                    loaded = Some(code);
                    break;
                }
                Found::Nothing => None,
                Found::Damaged => Some(self.renamed(bytes)),
            };
            loaded = self.compile(engine, component, bytes, renamed.as_deref(), compile)?;
            if loaded.is_some() {
                break;
            }
        }
        let missing = || LoadError::Compiler("another program removes its compiled code".into());
        loaded.ok_or_else(missing)?.map_err(|error| load_error(&error))
    }

    /// Loads the code that is there.
    fn find(&self, engine: &Engine, component: &Digest, bytes: &[u8]) -> Found {
        let mut seals = self.seals.lock();
        if let Err(error) = self.remove_damaged(&mut seals, component, &code_name(engine, bytes)) {
            tracing::warn!(%error, component = hex(component), "damaged compiled code stays; its component is compiled each time it is loaded");
            return Found::Damaged;
        }
        let Some(at) = seals.iter().position(|seal| seal.component == *component) else { return Found::Nothing };
        match self.load_file(engine, bytes) {
            Some(loaded) => Found::Code(loaded),
            None => {
                // It is of another processor. What cannot be removed is replaced.
                let _ = (self.remove)(&self.directory.join(seals.remove(at).file));
                Found::Nothing
            }
        }
    }

    /// Compiles a component beside all others, then moves, seals and loads its code. `None` if the code is gone.
    fn compile(
        &self,
        engine: &Engine,
        component: Digest,
        bytes: &[u8],
        renamed: Option<&[u8]>,
        compile: Compile<'_>,
    ) -> Result<Option<wasmtime::Result<Component>>, LoadError> {
        let failed = |error: io::Error| LoadError::Compiler(format!("cannot keep its compiled code: {error}"));
        let progress = self.begin().map_err(failed)?;
        let compiled_bytes = renamed.unwrap_or(bytes);
        self.compilations.fetch_add(1, Ordering::Relaxed);
        compile(compiled_bytes, &progress.0)?;
        let mut seals = self.seals.lock();
        let file = self.move_code(&progress.0, &code_name(engine, compiled_bytes)).map_err(failed)?;
        let sealed = if renamed.is_none() { self.seal(&mut seals, component, file) } else { Ok(()) };
        let loaded = self.load_file(engine, compiled_bytes);
        if let Err(error) = &sealed {
            tracing::warn!(%error, "cannot seal compiled code; the next start compiles its component again");
        }
        if sealed.is_err() || renamed.is_some() {
            self.remove_unsealed(&seals);
        }
        Ok(loaded)
    }

    /// Creates the directory of a compilation.
    fn begin(&self) -> io::Result<Progress> {
        let directory = self.directory.with_added_extension(PROGRESS_EXTENSION);
        files::create_private_directory(&directory)?;
        let created = tempfile::Builder::new().tempdir_in(directory);
        created.map(|directory| Progress(directory.keep()))
    }

    /// Moves the one file that the compiler made to where the engine looks for it. Returns its new path, relative to the
    /// directory.
    fn move_code(&self, progress: &Path, name: &str) -> io::Result<String> {
        let made = unsealed(progress, &[])?;
        let [made] = <[String; 1]>::try_from(made).map_err(|made| {
            io::Error::other(format!("one file was expected from the compiler, and there are {}", made.len()))
        })?;
        let file = Path::new(&made).with_file_name(name);
        let target = self.directory.join(&file);
        files::create_private_directory(target.parent().unwrap_or(&target))?;
        fs::rename(progress.join(made), target)?;
        Ok(file.to_string_lossy().into_owned())
    }

    /// Loads code from its file. `None` if there is none, or none for this processor.
    fn load_file(&self, engine: &Engine, bytes: &[u8]) -> Option<wasmtime::Result<Component>> {
        let hits = self.cache.cache_hits();
        let loaded = Component::new(engine, bytes);
        (self.cache.cache_hits() != hits).then_some(loaded)
    }

    /// The component with a section that gives it another name. Each time another one, because an unsealed file of the last
    /// time may be there and damaged.
    fn renamed(&self, bytes: &[u8]) -> Vec<u8> {
        let number = self.compiled_anew.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        let mut renamed = bytes.to_vec();
        CustomSection { name: ANEW_SECTION.into(), data: (&number).into() }.append_to_component(&mut renamed);
        renamed
    }

    /// Removes the files that have no seal, as far as possible. A file that stays is removed at the next start, or the next
    /// start uses no compiled code at all.
    fn remove_unsealed(&self, seals: &[Seal]) {
        for file in unsealed(&self.directory, seals).unwrap_or_default() {
            let _ = (self.remove)(&self.directory.join(file));
        }
    }

    /// Removes the code of a component if it does not match its seal, or has another name than the engine looks for.
    fn remove_damaged(&self, seals: &mut Vec<Seal>, component: &Digest, name: &str) -> io::Result<()> {
        let Some(at) = seals.iter().position(|seal| seal.component == *component) else { return Ok(()) };
        let path = self.directory.join(&seals[at].file);
        if path.file_name().is_none_or(|file| file != name) {
            // It is of another compiler, and wasmtime does not find it.
            let _ = (self.remove)(&path);
            seals.remove(at);
            return Ok(());
        }
        match hash_file(&path) {
            Ok(code) if code == seals[at].code => return Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Ok(_) | Err(_) => {
                tracing::warn!(
                    file = %path.display(),
                    component = hex(component),
                    "compiled code is damaged; its component is compiled again"
                );
                (self.remove)(&path)?;
            }
        }
        seals.remove(at);
        Ok(())
    }

    /// Seals a new file, and removes the oldest files beyond the limits.
    fn seal(&self, seals: &mut Vec<Seal>, component: Digest, file: String) -> io::Result<()> {
        seals.retain(|seal| seal.component != component && seal.file != file);
        // wasmtime's files have the permissions that the mask of the process leaves.
        if let Err(error) = files::make_private(&self.directory, |_| true) {
            tracing::debug!(%error, "cannot keep other users from opening compiled code");
        }
        let code = hash_file(&self.directory.join(&file))?;
        seals.push(Seal { component, code, file });
        let size = |seal: &Seal| fs::metadata(self.directory.join(&seal.file)).map_or(0, |file| file.len());
        let mut total: u64 = seals.iter().map(size).sum();
        while seals.len() > MAX_SEALS || (total > MAX_CODE_BYTES && seals.len() > 1) {
            total = total.saturating_sub(size(&seals[0]));
            remove(&self.directory.join(seals.remove(0).file))?;
        }
        write_seals(&self.directory, seals)
    }
}

/// The directory of a compilation, which is removed when this is dropped.
struct Progress(PathBuf);

impl Drop for Progress {
    fn drop(&mut self) {
        // What is left is removed at the next start.
        let _ = remove_directory(&self.0);
    }
}

/// Removes the directories of all compilations into a directory of compiled code: those of a process that was killed. The
/// caller holds the lock of the data directory, so no other process compiles, and has not begun to compile itself.
///
/// # Errors
///
/// Something cannot be removed.
pub fn remove_compilations(directory: &Path) -> io::Result<()> {
    remove_directory(&directory.with_added_extension(PROGRESS_EXTENSION))
}

/// Removes a directory if it is there. A thread of wasmtime's cache, or a compiler whose server was killed, may add a file at
/// the same moment. It adds none to a directory that is gone.
fn remove_directory(directory: &Path) -> io::Result<()> {
    let remove = || match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    (1..MAX_REMOVALS).find_map(|_| remove().ok()).map_or_else(remove, Ok)
}

/// The name of the file in which wasmtime's cache looks for the code of a component: the hash of the engine's settings and
/// of the bytes. The engine does not load code under another name, which a test would notice at once.
fn code_name(engine: &Engine, bytes: &[u8]) -> String {
    let mut hash = CacheHasher(Sha256::new());
    let (debugging, intrinsics) = (None::<Cow<'_, [u8]>>, None::<&str>);
    (engine.precompile_compatibility_hash(), Cow::Borrowed(bytes), debugging, intrinsics).hash(&mut hash);
    URL_SAFE_NO_PAD.encode(hash.0.finalize())
}

/// SHA-256 as a hasher.
struct CacheHasher(Sha256);

impl Hasher for CacheHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        unreachable!("only the whole hash is asked for")
    }
}

#[cfg(test)]
mod tests;
