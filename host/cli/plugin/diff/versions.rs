//! The two versions to compare: the new one from a file, the old one from a file or the live one.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::place::Place;
use crate::cli::plugin::component::{logic_of, read};
use crate::list::digest::{Digest, digest_of, hex};
use crate::list::name::LogicName;
use crate::logic::Logic;
use crate::plugins::builtin::BUILTIN;
use crate::rollout::{LOGIC_DIRECTORY, RECORD_KIND, RolloutState, StateFiles, decode_state, has_state_files};
use crate::store::embedded;
use crate::store::records::RecordKind;
use crate::wasm::{self, Engine, Isolation, Settings};

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
            let source = format!("version sha256:{} of {}", hex(&digest), server.address());
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

/// Why a server quarantined a version, if it did.
pub(super) fn quarantine_of(place: &Place, name: &LogicName, digest: &Digest) -> anyhow::Result<Option<String>> {
    match place {
        Place::Directory(data) => {
            let state = state_in(data, &data.join(LOGIC_DIRECTORY).join(name.as_str()), name)?;
            Ok(state.and_then(|state| state.quarantine_of(digest).map(|quarantine| quarantine.why.clone())))
        }
        Place::Server(server) => server.quarantine_of(name, digest),
    }
}

fn live_in(data: &Path, name: &LogicName) -> anyhow::Result<(Vec<u8>, String)> {
    let folder = data.join(LOGIC_DIRECTORY).join(name.as_str());
    let Some(state) = state_in(data, &folder, name)? else {
        let bytes = built_in(name)
            .with_context(|| format!("there is no version of {name} in {}; name one with --against", data.display()))?;
        return Ok((bytes.to_vec(), format!("the built-in {name}")));
    };
    let digest = state.live.with_context(|| {
        format!("the rollout state of {name} in {} names no live version; name one with --against", data.display())
    })?;
    let file = folder.join(format!("{}.wasm", hex(&digest)));
    Ok((read(&file)?, file.display().to_string()))
}

/// The rollout state of a logic, or `None` if it has none.
fn state_in(data: &Path, folder: &Path, name: &LogicName) -> anyhow::Result<Option<RolloutState>> {
    let unreadable = |why: String| anyhow::anyhow!("cannot read the rollout state of {name}: {why}");
    // The next start imports the state of an earlier version.
    if has_state_files(folder) {
        let stored = StateFiles::read(folder)?.state().map_err(unreadable)?;
        return Ok(stored.map(|stored| stored.state));
    }
    let records = embedded::observe_records(data, &RecordKind::new(RECORD_KIND)?);
    let records = records.with_context(|| format!("cannot read the rollout states in {}", data.display()))?;
    let Some(record) = records.into_iter().find(|record| record.key.as_str() == name.as_str()) else { return Ok(None) };
    decode_state(&record.present?.value).map(Some).map_err(unreadable)
}

fn built_in(name: &LogicName) -> Option<&'static [u8]> {
    BUILTIN.iter().find(|(built_in, _)| *built_in == name.as_str()).map(|(_, bytes)| *bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::store::embedded::{EmbeddedStore, Options};
    use crate::store::records::{RecordChange, RecordKey, Records};

    #[tokio::test]
    async fn a_data_directory_names_the_live_version() {
        let data = tempfile::tempdir().unwrap();
        let todo = LogicName::new("todo").unwrap();
        let store = EmbeddedStore::open(data.path(), Options::default()).unwrap();
        let (bytes, source) = live_in(data.path(), &todo).unwrap();
        assert_eq!((bytes.as_slice(), source.as_str()), (built_in(&todo).unwrap(), "the built-in todo"));
        let other = live_in(data.path(), &LogicName::new("mine").unwrap()).unwrap_err().to_string();
        assert!(other.contains("--against"), "{other}");

        let (kind, key) = (RecordKind::new(RECORD_KIND).unwrap(), RecordKey::new("todo").unwrap());
        let digits = "ab".repeat(32);
        let state = format!(r#"{{"live":"{digits}","since":1,"versions":[],"events":[]}}"#);
        let first = store.put(RecordChange::new(&kind, &key, state, None)).await.unwrap();
        assert!(live_in(data.path(), &todo).is_err(), "its component is not there");
        let folder = data.path().join("logic/todo");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{digits}.wasm")), b"component").unwrap();
        assert_eq!(live_in(data.path(), &todo).unwrap().0, b"component");
        let record = format!(
            r#"{{"version":"1.0.0","digest":"{digits}","source":"upload","accepted":1,"quarantine":{{"time":2,"why":"it failed"}}}}"#
        );
        let state = format!(r#"{{"live":null,"since":1,"versions":[{record}],"events":[]}}"#);
        let first = store.put(RecordChange::new(&kind, &key, state, Some(first))).await.unwrap();
        let place = Place::Directory(data.path().to_owned());
        assert_eq!(quarantine_of(&place, &todo, &[0xab; 32]).unwrap().as_deref(), Some("it failed"));
        assert_eq!(quarantine_of(&place, &todo, &[0xac; 32]).unwrap(), None);
        store.put(RecordChange::new(&kind, &key, "{", Some(first))).await.unwrap();
        let unreadable = live_in(data.path(), &todo).unwrap_err().to_string();
        assert!(unreadable.contains("cannot read the rollout state of todo"), "{unreadable}");
        store.close().await.unwrap();
    }
}
