//! The two versions to compare: the new one from a file, the old one from a file or the live one.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use super::place::Place;
use crate::cli::plugin::component::{logic_of, read};
use crate::list::digest::{digest_of, hex, parse_digest};
use crate::list::name::LogicName;
use crate::logic::Logic;
use crate::plugins::builtin::BUILTIN;
use crate::wasm::{self, Engine, Isolation, Settings};

/// The folder of a data directory that holds the components of each logic.
const LOGIC_FOLDER: &str = "logic";

/// The file beside a logic's components that says which one is live.
const STANDING_FILE: &str = "standing.json";

/// The wall-clock deadline of one command, longer than a server's. On a busy machine a server's deadline would cause
/// differences. A command that never ends runs out of fuel, which is the same on every machine.
const DEADLINE: Duration = Duration::from_secs(10);

/// Two versions of a logic, loaded.
pub(super) struct Versions {
    pub(super) old: Box<dyn Logic>,
    pub(super) new: Box<dyn Logic>,
}

impl Versions {
    /// Loads both under the same name, as a server would under the default limits.
    pub(super) fn load(
        new: &Path,
        against: Option<&Path>,
        logic: Option<LogicName>,
        place: &Place,
    ) -> anyhow::Result<Self> {
        let name = logic.map_or_else(|| logic_of(new).context("name the logic with --logic"), Ok)?;
        let new_bytes = read(new)?;
        let (old_bytes, old_source) = match against {
            Some(file) => (read(file)?, file.display().to_string()),
            None => live(place, &name)?,
        };
        // Each version decides each command once. Whether a logic keeps state is checked by `plugin check`.
        let (deadline, heavy_deadline) = (DEADLINE, DEADLINE);
        let engine = Engine::new(Settings { check_every: u64::MAX, deadline, heavy_deadline, ..Settings::default() })?;
        let load = |bytes: &[u8], source: &str| {
            wasm::load(&engine, name.clone(), bytes, Isolation::Shared)
                .with_context(|| format!("no server accepts {source} as logic {name}"))
        };
        Ok(Self { old: load(&old_bytes, &old_source)?, new: load(&new_bytes, &new.display().to_string())? })
    }
}

/// The component of a logic's live version, and where it was found.
fn live(place: &Place, name: &LogicName) -> anyhow::Result<(Vec<u8>, String)> {
    let (bytes, source) = match place {
        Place::Directory(data) => live_in(data, name)?,
        Place::Server(server) => {
            let digest = server.live(name)?;
            let source = format!("version sha256:{} of {}", hex(&digest), server.url());
            let own = built_in(name).filter(|bytes| digest_of(bytes) == digest);
            let bytes = own.map_or_else(|| server.component(name, &digest), |bytes| Ok(bytes.to_vec()))?;
            if digest_of(&bytes) != digest {
                anyhow::bail!("{source} has other bytes than its digest says; name a component with --against");
            }
            (bytes, source)
        }
    };
    Ok((bytes, source))
}

fn live_in(data: &Path, name: &LogicName) -> anyhow::Result<(Vec<u8>, String)> {
    let folder = data.join(LOGIC_FOLDER).join(name.as_str());
    let standing = folder.join(STANDING_FILE);
    let text = match std::fs::read(&standing) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let bytes = built_in(name).with_context(|| {
                format!("there is no version of {name} in {}; name one with --against", data.display())
            })?;
            return Ok((bytes.to_vec(), format!("the built-in {name}")));
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", standing.display())),
    };
    let digest = live_digest(&text).with_context(|| {
        format!("{} does not say which version is live; name one with --against", standing.display())
    })?;
    let file = folder.join(format!("{}.wasm", hex(&digest)));
    Ok((read(&file)?, file.display().to_string()))
}

/// The digest that a logic's standing names as the live one's.
fn live_digest(standing: &[u8]) -> Option<[u8; 32]> {
    let standing: Value = serde_json::from_slice(standing).ok()?;
    parse_digest(standing["live"].as_str()?)
}

fn built_in(name: &LogicName) -> Option<&'static [u8]> {
    BUILTIN.iter().find(|(built_in, _)| *built_in == name.as_str()).map(|(_, bytes)| *bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_directory_names_the_live_version() {
        let data = tempfile::tempdir().unwrap();
        let todo = LogicName::new("todo").unwrap();
        let (bytes, source) = live_in(data.path(), &todo).unwrap();
        assert_eq!((bytes.as_slice(), source.as_str()), (built_in(&todo).unwrap(), "the built-in todo"));
        let other = live_in(data.path(), &LogicName::new("mine").unwrap()).unwrap_err().to_string();
        assert!(other.contains("--against"), "{other}");

        let folder = data.path().join("logic/todo");
        std::fs::create_dir_all(&folder).unwrap();
        let digits = "ab".repeat(32);
        std::fs::write(folder.join("standing.json"), format!(r#"{{"canary":null,"live":"{digits}"}}"#)).unwrap();
        assert!(live_in(data.path(), &todo).is_err(), "its component is not there");
        std::fs::write(folder.join(format!("{digits}.wasm")), b"component").unwrap();
        assert_eq!(live_in(data.path(), &todo).unwrap().0, b"component");
        std::fs::write(folder.join("standing.json"), "{").unwrap();
        assert!(live_in(data.path(), &todo).unwrap_err().to_string().contains("standing.json"));
    }
}
