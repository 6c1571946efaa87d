//! What of a logic's standing outlives the process.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::shadows::Shadow;
use super::state::{Candidate, Event, RolloutState, VersionRecord, Wanted};
use super::version::{Digest, Version};
use crate::list::digest::{hex, parse_digest};

/// A logic's standing in the form it is stored in.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// The live version.
    #[serde(with = "digits_if_any", default)]
    pub live: Option<Digest>,
    /// Since when it is live: milliseconds since the epoch.
    pub since: u64,
    /// The version to fall back on.
    #[serde(with = "digits_if_any", default, alias = "good")]
    pub last_good: Option<Digest>,
    /// The version on trial.
    #[serde(default)]
    pub candidate: Option<CandidateRecord>,
    /// All that are kept or remembered, the oldest first.
    pub versions: Vec<VersionRecord>,
    /// What happened, the newest last.
    pub events: VecDeque<Event>,
}

/// A version on trial, in the form it is stored in.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CandidateRecord {
    /// Which one.
    #[serde(with = "digits")]
    pub digest: Digest,
    /// For how many lists of a hundred it decides.
    pub percent: u8,
    /// Whether it decides in the shadow of the live one.
    pub shadow: bool,
}

impl Record {
    /// The versions that have to be in memory.
    pub fn wanted(&self) -> Vec<Digest> {
        let candidate = self.candidate.as_ref().map(|candidate| candidate.digest);
        [self.live, self.last_good, candidate].into_iter().flatten().collect()
    }

    /// The standing that was stored, with those of its versions that could be loaded. When the live one
    /// could not, the last good one is live.
    pub fn restore(self, loaded: &[Arc<Version>]) -> RolloutState {
        let all_there = self.wanted().iter().all(|wanted| loaded.iter().any(|version| version.digest() == wanted));
        let wanted = Wanted { live: self.live, last_good: self.last_good, candidate: self.candidate.clone() };
        let find = |wanted: &Digest| loaded.iter().find(|version| version.digest() == wanted).cloned();
        let (mut live, mut last_good) = (self.live.as_ref().and_then(find), self.last_good.as_ref().and_then(find));
        if live.is_none() {
            live = last_good.take();
        }
        let candidate = self.candidate.and_then(|CandidateRecord { digest, percent, shadow }| {
            let version = find(&digest)?;
            let shadow = shadow.then(|| Shadow::start(version.clone()));
            Some(Candidate { version, percent, shadow })
        });
        RolloutState {
            live,
            since: self.since,
            last_good,
            candidate,
            spare: Vec::new(),
            versions: self.versions,
            events: self.events,
            wanted: (!all_there).then_some(wanted),
        }
    }
}

impl RolloutState {
    /// What of it outlives the process.
    pub fn record(&self) -> Record {
        let digest_of = |version: &Option<Arc<Version>>| version.as_ref().map(|version| *version.digest());
        let loaded = || Wanted {
            live: digest_of(&self.live),
            last_good: digest_of(&self.last_good),
            candidate: self.candidate.as_ref().map(|candidate| CandidateRecord {
                digest: *candidate.version.digest(),
                percent: candidate.percent,
                shadow: candidate.shadow.is_some(),
            }),
        };
        let Wanted { live, last_good, candidate } = self.wanted.clone().unwrap_or_else(loaded);
        Record {
            live,
            since: self.since,
            last_good,
            candidate,
            versions: self.versions.clone(),
            events: self.events.clone(),
        }
    }
}

/// A digest as 64 hexadecimal digits, as in files' names.
pub(super) mod digits {
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    use super::{Digest, hex, parse_digest};

    pub(crate) fn serialize<S: Serializer>(bytes: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_digest(&text)
            .ok_or_else(|| D::Error::custom(format!("{text:?} is not a digest of 64 hexadecimal digits")))
    }
}

/// The same, where there may be none.
pub(super) mod digits_if_any {
    use serde::de::{Deserialize, Deserializer};
    use serde::ser::{Serialize, Serializer};

    use super::{Digest, digits};

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Digits(#[serde(with = "digits")] Digest);

    pub(crate) fn serialize<S: Serializer>(bytes: &Option<Digest>, serializer: S) -> Result<S::Ok, S::Error> {
        bytes.map(Digits).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Digest>, D::Error> {
        Ok(Option::<Digits>::deserialize(deserializer)?.map(|digits| digits.0))
    }
}
