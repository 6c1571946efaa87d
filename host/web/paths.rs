//! What a path names, and what the URLs in answers look like.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::problem::{Problem, ProblemKind};
use super::state::Web;
use crate::list::digest::parse_digest;
use crate::list::id::EntryId;
use crate::list::name::{ListName, LogicName};

/// What stands for itself in a path's segment: RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The list that a path is about.
pub(super) struct ListPath(pub(super) ListName);

/// The entry that a path is about.
pub(super) struct EntryPath(pub(super) ListName, pub(super) EntryId);

/// The list, and the command or view of it, that a path is about.
pub(super) struct NamedPath(pub(super) ListName, pub(super) String);

/// The logic that a path is about.
pub(super) struct LogicPath(pub(super) LogicName);

/// A logic's name, and the SHA-256 of one of its versions.
pub(super) struct VersionPath(pub(super) LogicName, pub(super) [u8; 32]);

/// A text as one segment of a path.
pub(super) fn segment(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, SEGMENT)
}

/// Refuses a path in which a percent sign does not begin an escape: what it would mean is anybody's guess.
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

async fn named(parts: &mut Parts) -> Result<RawPathParams, Problem> {
    let refused = |_| Problem::new(ProblemKind::Malformed, "the path does not decode to UTF-8");
    RawPathParams::from_request_parts(parts, &()).await.map_err(refused)
}

fn part<'a>(params: &'a RawPathParams, wanted: &str) -> &'a str {
    params.iter().find(|(name, _)| *name == wanted).map_or("", |(_, value)| value)
}

impl FromRequestParts<Arc<Web>> for ListPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Web>) -> Result<Self, Problem> {
        Ok(Self(ListName::new(part(&named(parts).await?, "list"))?))
    }
}

impl FromRequestParts<Arc<Web>> for EntryPath {
    type Rejection = Problem;

    /// An id that is not written as ids are names no entry: that is a 404 like any other.
    async fn from_request_parts(parts: &mut Parts, _: &Arc<Web>) -> Result<Self, Problem> {
        let params = named(parts).await?;
        let list = ListName::new(part(&params, "list"))?;
        let text = part(&params, "id");
        let id: Option<EntryId> = text.parse().ok();
        let id = id.filter(|id| id.to_string() == text);
        Ok(Self(list, id.ok_or_else(|| Problem::no_entry(&text.chars().take(40).collect::<String>()))?))
    }
}

impl FromRequestParts<Arc<Web>> for NamedPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Web>) -> Result<Self, Problem> {
        let params = named(parts).await?;
        Ok(Self(ListName::new(part(&params, "list"))?, part(&params, "name").to_owned()))
    }
}

impl FromRequestParts<Arc<Web>> for VersionPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Web>) -> Result<Self, Problem> {
        let params = named(parts).await?;
        let text = part(&params, "digest");
        let digest = parse_digest(text.strip_prefix("sha256:").unwrap_or(text));
        let no_digest = || Problem::new(ProblemKind::BadName, "the version is not named by 64 hexadecimal digits");
        Ok(Self(LogicName::new(part(&params, "name"))?, digest.ok_or_else(no_digest)?))
    }
}

impl FromRequestParts<Arc<Web>> for LogicPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Web>) -> Result<Self, Problem> {
        Ok(Self(LogicName::new(part(&named(parts).await?, "name"))?))
    }
}

/// Where this server is, as the client sees it: what URLs in answers begin with.
pub(super) struct Origin(String);

impl Web {
    /// Where a request was sent to.
    pub(super) fn origin(&self, uri: &Uri, headers: &HeaderMap) -> Result<Origin, Problem> {
        if let Some(url) = &self.options.public_url {
            return Ok(Origin(url.clone()));
        }
        Ok(Origin(format!("http://{}", host(uri, headers)?)))
    }
}

impl Web {
    /// Refuses requests that were meant for another host. A page whose name was made to point to
    /// this machine would be of the same origin as this server, and could do everything its reader
    /// can (DNS rebinding); but it cannot choose what its browser writes into `Host`.
    pub(super) fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(ours) = &self.options.hosts else { return Ok(()) };
        let host = host(uri, headers)?;
        let end = match host.strip_prefix('[') {
            Some(address) => address.find(']').map_or(host.len(), |at| at + 2),
            None => host.find(':').unwrap_or(host.len()),
        };
        let name = &host[..end];
        if ours.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
            return Ok(());
        }
        let detail = format!(
            "this server is not {name}; it is told its name with --public-url, or answers to any with --allow-anonymous"
        );
        Err(Problem::new(ProblemKind::Misdirected, detail).with_field("Host"))
    }
}

/// The host that a request was sent to, with its port if it names one.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Result<&'a str, Problem> {
    let wrong = |detail| Problem::new(ProblemKind::BadHeader, detail).with_field("Host");
    // HTTP/2 has it in the URI, HTTP/1 in a header.
    let host = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => {
            let mut hosts = headers.get_all(header::HOST).iter();
            let host = hosts.next().ok_or_else(|| wrong("the request has no Host"))?;
            if hosts.next().is_some() {
                return Err(wrong("the request has two Hosts"));
            }
            host.to_str().map_err(|_| wrong("the Host is not one"))?
        }
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:[]%".contains(&byte);
    if host.is_empty() || !host.bytes().all(fits) {
        return Err(wrong("the Host is not one"));
    }
    Ok(host)
}

impl Origin {
    /// The URL of a list.
    pub(super) fn list(&self, name: &ListName) -> String {
        format!("{}/lists/{}", self.0, segment(name.as_str()))
    }

    /// What the URLs of a list's entries begin with; their id follows.
    pub(super) fn entries(&self, name: &ListName) -> String {
        format!("{}/lists/{}/entries/", self.0, segment(name.as_str()))
    }
}

impl FromRequestParts<Arc<Web>> for Origin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Problem> {
        web.origin(&parts.uri, &parts.headers)
    }
}
