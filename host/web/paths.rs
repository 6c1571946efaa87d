//! Parameters of paths, and the URLs in responses.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::host::host;
use super::problem::{Problem, ProblemKind};
use super::state::Web;
use crate::list::digest::parse_digest;
use crate::list::id::{EntryId, LogicId};
use crate::list::name::{ListName, LogicName};

/// Characters that are not escaped in a path segment: RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Extractor of the list that a path names.
pub(super) struct ListPath(pub(super) ListName);

/// Extractor of the entry that a path names.
pub(super) struct EntryPath(pub(super) ListName, pub(super) EntryId);

/// Extractor of the list and the number of a revision that a path names.
pub(super) struct RevisionPath(pub(super) ListName, pub(super) u64);

/// Extractor of the list and the command or view that a path names.
pub(super) struct NamedPath(pub(super) ListName, pub(super) String);

/// Extractor of the logic that a path names.
pub(super) struct LogicPath(pub(super) LogicName);

/// Extractor of a logic's name and the SHA-256 of one of its versions.
pub(super) struct VersionPath(pub(super) LogicName, pub(super) [u8; 32]);

/// Escapes a text as one segment of a path.
pub(super) fn segment(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, SEGMENT)
}

/// Refuses a path in which a percent sign does not begin an escape, because its meaning would be ambiguous.
pub(super) fn check(uri: &Uri) -> Result<(), Problem> {
    let mut rest = uri.path();
    while let Some((_, after)) = rest.split_once('%') {
        let escape = after.as_bytes().get(..2);
        if !escape.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            let detail = "a % in the path is not followed by two hexadecimal digits";
            return Err(Problem::new(ProblemKind::Malformed, detail));
        }
        rest = after;
    }
    Ok(())
}

async fn raw_params(parts: &mut Parts) -> Result<RawPathParams, Problem> {
    let refused = |_| Problem::new(ProblemKind::Malformed, "the path does not decode to UTF-8");
    RawPathParams::from_request_parts(parts, &()).await.map_err(refused)
}

fn param<'a>(params: &'a RawPathParams, wanted: &str) -> &'a str {
    params.iter().find(|(name, _)| *name == wanted).map_or("", |(_, value)| value)
}

/// A number in a path. `None` if it is not written as the server writes it, such as with leading zeros.
fn canonical(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

impl FromRequestParts<Arc<Web>> for ListPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Web>) -> Result<Self, Problem> {
        Ok(Self(ListName::new(param(&raw_params(parts).await?, "list"))?))
    }
}

impl FromRequestParts<Arc<Web>> for EntryPath {
    type Rejection = Problem;

    /// An id that is not in canonical form names no entry, so it is a 404.
    async fn from_request_parts(parts: &mut Parts, _: &Arc<Web>) -> Result<Self, Problem> {
        let params = raw_params(parts).await?;
        let list = ListName::new(param(&params, "list"))?;
        let text = param(&params, "id");
        let id: Option<EntryId> = canonical(text);
        Ok(Self(list, id.ok_or_else(|| Problem::no_entry(&text.chars().take(40).collect::<String>()))?))
    }
}

impl FromRequestParts<Arc<Web>> for RevisionPath {
    type Rejection = Problem;

    /// A number that is not in canonical form names no revision, so it is a 404.
    async fn from_request_parts(parts: &mut Parts, _: &Arc<Web>) -> Result<Self, Problem> {
        let params = raw_params(parts).await?;
        let list = ListName::new(param(&params, "list"))?;
        let text = param(&params, "revision");
        let number = canonical(text);
        let text: String = text.chars().take(40).collect();
        let absent = || Problem::new(ProblemKind::NoRevision, format!("the list has no revision {text}"));
        Ok(Self(list, number.ok_or_else(absent)?))
    }
}

impl FromRequestParts<Arc<Web>> for NamedPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Web>) -> Result<Self, Problem> {
        let params = raw_params(parts).await?;
        Ok(Self(ListName::new(param(&params, "list"))?, param(&params, "name").to_owned()))
    }
}

impl FromRequestParts<Arc<Web>> for VersionPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Web>) -> Result<Self, Problem> {
        let params = raw_params(parts).await?;
        let text = param(&params, "digest");
        let digest = parse_digest(text.strip_prefix("sha256:").unwrap_or(text));
        let no_digest = || Problem::new(ProblemKind::BadName, "the version is not 64 hexadecimal digits");
        Ok(Self(LogicName::new(param(&params, "name"))?, digest.ok_or_else(no_digest)?))
    }
}

impl FromRequestParts<Arc<Web>> for LogicPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Web>) -> Result<Self, Problem> {
        Ok(Self(LogicName::new(param(&raw_params(parts).await?, "name"))?))
    }
}

/// Origin of this server as the client sees it: what URLs in responses begin with.
#[derive(Clone)]
pub(super) struct Origin(String);

impl Web {
    /// The origin that a request was sent to.
    pub(super) fn origin(&self, uri: &Uri, headers: &HeaderMap) -> Result<Origin, Problem> {
        match &self.options.public_url {
            Some(url) => Ok(Origin(url.to_string())),
            None => Ok(Origin(format!("http://{}", host(uri, headers)?))),
        }
    }
}

impl Origin {
    /// The URL of a list.
    pub(super) fn list(&self, name: &ListName) -> String {
        format!("{}/lists/{}", self.0, segment(name.as_str()))
    }

    /// The URL of a logic.
    pub(super) fn logic(&self, name: &LogicName) -> String {
        format!("{}/logic/{name}", self.0)
    }

    /// The URL of the description that a version gives of itself.
    pub(super) fn description(&self, version: &LogicId) -> String {
        format!("{}/versions/{}/description", self.logic(&version.name), version.digest_text())
    }

    /// What the URLs of a list's entries begin with; their id follows.
    pub(super) fn entries(&self, name: &ListName) -> String {
        format!("{}/lists/{}/entries/", self.0, segment(name.as_str()))
    }
}

/// URL of the requested resource, without its query. The pages of an answer are the same resource with other queries.
pub(super) struct PagedResource {
    pub(super) origin: Origin,
    path: String,
}

impl PagedResource {
    /// The URL of a page.
    pub(super) fn page(&self, query: &str) -> String {
        format!("{}{}?{query}", self.origin.0, self.path)
    }
}

impl FromRequestParts<Arc<Web>> for PagedResource {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Problem> {
        let origin = web.origin(&parts.uri, &parts.headers)?;
        Ok(Self { origin, path: parts.uri.path().to_owned() })
    }
}

impl FromRequestParts<Arc<Web>> for Origin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Problem> {
        web.origin(&parts.uri, &parts.headers)
    }
}
