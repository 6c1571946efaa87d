//! Event of a rollout: what happened to a logic, when, and who did it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::digest::{Digest, optional_digits};
use crate::list::digest::hex;
use crate::list::printable::printable;

/// The source of changes that an operator requests.
pub(super) const REQUEST: &str = "request";

/// The source of components that an operator uploads.
pub const UPLOAD: &str = "upload";

/// The source of components that are part of the program.
pub(super) const BUILT_IN: &str = "built in";

/// The source of what the failures of a version cause.
pub(super) const FAILURES: &str = "failures";

/// The source of what the end of a canary causes.
pub(super) const CANARY: &str = "end of canary";

/// The bytes of a digest that a sentence shows.
const SHOWN_BYTES: usize = 4;

/// What causes a change of a rollout, and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cause<'a> {
    /// See [`Event::source`].
    pub source: &'a str,
    /// See [`Event::client`].
    pub client: Option<&'a str>,
    /// Milliseconds since the epoch.
    pub time: u64,
}

/// Something that happened to a logic.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Milliseconds since the epoch.
    pub time: u64,
    /// What happened.
    pub step: Step,
    /// What caused the event, such as `built in`, `upload`, the name of a file, `request` or `failures`.
    pub source: String,
    /// The client whose request caused the event. `None` for what the server does by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The SHA-256 of the component, if the component could be read.
    #[serde(with = "optional_digits", default)]
    pub digest: Option<Digest>,
    /// The version number, if it is known.
    #[serde(default)]
    pub version: Option<semver::Version>,
    /// The reason or the details. May be empty.
    #[serde(default)]
    pub why: String,
}

/// The kind of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// A version became live.
    Published,
    /// A component was checked and stored. It decides nothing yet.
    #[serde(alias = "kept")]
    Stored,
    /// A component was refused.
    Refused,
    /// A version became the candidate, or its percentage or shadow changed.
    Candidate,
    /// A canary that would end by itself was stopped before.
    Stopped,
    /// The candidate was withdrawn.
    Withdrawn,
    /// A version failed too often.
    Quarantined,
    /// A quarantined version may decide again.
    Released,
    /// Lists may share instances of a version.
    Shared,
    /// Lists may not share instances of a version any more.
    Isolated,
    /// A version that nothing uses was deleted.
    Deleted,
    /// Another thing happens to commands at which the live version fails.
    OnFault,
}

impl<'a> Cause<'a> {
    /// A cause without a client.
    pub fn new(source: &'a str, time: u64) -> Self {
        Self { source, client: None, time }
    }

    /// A request of a client.
    pub(super) fn request(client: Option<&'a str>, time: u64) -> Self {
        Self { source: REQUEST, client, time }
    }
}

impl Event {
    /// An event that is about no version.
    pub fn new(step: Step, cause: Cause<'_>, why: impl Into<String>) -> Self {
        let Cause { source, client, time } = cause;
        let (digest, version) = (None, None);
        Self { time, step, source: source.into(), client: client.map(Into::into), digest, version, why: why.into() }
    }

    /// The version as a sentence names it.
    fn subject(&self) -> String {
        let digest = self.digest.map(|digest| format!("sha256:{}", hex(&digest[..SHOWN_BYTES])));
        match (&self.version, digest) {
            (Some(version), Some(digest)) => format!("{version} ({digest})"),
            (None, Some(digest)) => format!("the component {digest}"),
            (Some(version), None) => version.to_string(),
            (None, None) => "a component".into(),
        }
    }

    /// Who or what caused the event, as the end of a sentence.
    fn origin(&self) -> String {
        let by = self.client.as_deref().map(|client| format!(" by {}", printable(client))).unwrap_or_default();
        match self.source.as_str() {
            REQUEST | FAILURES => by,
            UPLOAD => format!(", uploaded{by}"),
            CANARY => format!(" at the end of its canary{by}"),
            BUILT_IN => format!(", part of the program{by}"),
            source => format!(", from {}{by}", printable(source)),
        }
    }
}

impl fmt::Display for Event {
    /// Writes the event as a sentence for people, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (subject, origin, why) = (self.subject(), self.origin(), printable(&self.why));
        let because = if why.is_empty() { String::new() } else { format!(", because {why}") };
        match self.step {
            Step::Published => write!(f, "{subject} became live{origin}"),
            Step::Stored => write!(f, "{subject} was checked and stored{origin}"),
            Step::Refused => write!(f, "{subject} was refused{origin}: {why}"),
            Step::Candidate => write!(f, "{subject} became the candidate{origin}: {why}"),
            Step::Stopped => write!(f, "the canary of {subject} was stopped{origin}{because}"),
            Step::Withdrawn => write!(f, "{subject} is no longer the candidate{origin}{because}"),
            Step::Quarantined => write!(f, "{subject} was quarantined{origin}{because}"),
            Step::Released => write!(f, "{subject} may decide again{origin}; {why}"),
            Step::Shared => write!(f, "lists may share instances of {subject}{origin}"),
            Step::Isolated => write!(f, "lists no longer share instances of {subject}{origin}"),
            Step::Deleted => write!(
                f,
                "{subject} was deleted{origin}{}",
                if why.is_empty() { String::new() } else { format!("; {why}") }
            ),
            Step::OnFault => write!(f, "a command at which the live version fails follows {why} from now on{origin}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(step: Step, source: &str, client: Option<&str>, why: &str) -> String {
        let event = Event {
            digest: Some([0xab; 32]),
            version: Some(semver::Version::new(1, 1, 0)),
            ..Event::new(step, Cause { source, client, time: 1 }, why)
        };
        event.to_string()
    }

    #[test]
    fn an_event_is_a_sentence_that_says_who_did_it() {
        let subject = "1.1.0 (sha256:abababab)";
        for (step, source, client, why, expected) in [
            (Step::Published, REQUEST, Some("ann"), "", "became live by ann"),
            (Step::Published, UPLOAD, Some("127.0.0.1"), "", "became live, uploaded by 127.0.0.1"),
            (Step::Stored, "file rules.wasm", None, "", "was checked and stored, from file rules.wasm"),
            (Step::Published, BUILT_IN, None, "", "became live, part of the program"),
            (Step::Quarantined, FAILURES, None, "it failed", "was quarantined, because it failed"),
            (Step::Candidate, REQUEST, Some("ann"), "in shadow", "became the candidate by ann: in shadow"),
            (Step::Withdrawn, REQUEST, None, "", "is no longer the candidate"),
            (Step::Released, REQUEST, Some("a\nb"), "it was bad", "may decide again by a\\nb; it was bad"),
        ] {
            assert_eq!(sentence(step, source, client, why), format!("{subject} {expected}"));
        }
        let unread = Event::new(Step::Refused, Cause::new("file x.wasm", 1), "it is a text");
        assert_eq!(unread.to_string(), "a component was refused, from file x.wasm: it is a text");
    }
}
