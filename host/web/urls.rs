//! URLs that an operator gives: the server's own, and the origins of pages that may use it.

use std::fmt;
use std::str::FromStr;

/// Origin of a page, written as browsers write it into `Origin`: scheme and host in lower case, and the port unless it is
/// the scheme's own (RFC 6454, section 6.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PageOrigin(String);

/// URL under which clients reach this server. It has no path, because the server's resources are at its root.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicUrl {
    origin: PageOrigin,
}

/// Why a text is no address of a page or a server.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UrlError {
    /// It has no scheme, no host, or more than these.
    #[error("{0:?} is not an origin; write it as https://todo.example, without a path")]
    Origin(String),
    /// It is not the URL of an HTTP server, or has more than scheme, host and port.
    #[error("{0:?} is not the URL of a server; write it as https://todo.example, without a path, a query or a user")]
    Url(String),
}

impl PageOrigin {
    /// The origin as browsers write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PageOrigin {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let wrong = || UrlError::Origin(text.to_owned());
        let lower = text.to_ascii_lowercase();
        let (scheme, host) = lower.split_once("://").ok_or_else(wrong)?;
        let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:[]".contains(&byte);
        let (name, port) = host.split_at(without_port(host).len());
        let has_port = match port.strip_prefix(':') {
            Some(port) => port.parse::<u16>().is_ok(),
            None => port.is_empty(),
        };
        if scheme.is_empty() || !scheme.bytes().all(is_scheme) || name.is_empty() || !host.bytes().all(is_host) {
            return Err(wrong());
        }
        match (scheme, port) {
            _ if !has_port => Err(wrong()),
            ("http", ":80") | ("https", ":443") => Ok(Self(format!("{scheme}://{name}"))),
            _ => Ok(Self(lower)),
        }
    }
}

impl PublicUrl {
    /// The origin of the URL.
    pub(super) fn origin(&self) -> &PageOrigin {
        &self.origin
    }

    /// The name or address of the server, without a port.
    pub(super) fn host(&self) -> &str {
        without_port(self.origin.0.split_once("://").map_or("", |(_, host)| host))
    }
}

impl FromStr for PublicUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let wrong = || UrlError::Url(text.to_owned());
        // The slash is a path, too, and the only one that means the same as none.
        let origin: PageOrigin = text.strip_suffix('/').unwrap_or(text).parse().map_err(|_| wrong())?;
        let is_http = ["http://", "https://"].iter().any(|scheme| origin.0.starts_with(scheme));
        if is_http { Ok(Self { origin }) } else { Err(wrong()) }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin.0)
    }
}

/// The name or address in a host, without the port.
pub(super) fn without_port(host: &str) -> &str {
    let end = match host.strip_prefix('[') {
        Some(address) => address.find(']').map_or(host.len(), |at| at + 2),
        None => host.find(':').unwrap_or(host.len()),
    };
    match &host[end..] {
        "" => host,
        rest if rest.starts_with(':') => &host[..end],
        // Neither a name nor an address.
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for (given, written) in [
            ("https://todo.example", "https://todo.example"),
            ("HTTPS://Todo.Example:443", "https://todo.example"),
            ("http://localhost:80", "http://localhost"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ] {
            assert_eq!(given.parse::<PageOrigin>().map(|origin| origin.0), Ok(written.to_owned()));
        }
        for wrong in
            ["", "null", "*", "todo.example", "https://", "https://:80", "https://a/b", "https://a/", "https://a:b"]
        {
            assert_eq!(wrong.parse::<PageOrigin>(), Err(UrlError::Origin(wrong.to_owned())));
        }
        for wrong in ["https://a@b", "https://a:99999", "https://a?b", "https://ä", "https://a b", "https://*.example"]
        {
            assert_eq!(wrong.parse::<PageOrigin>(), Err(UrlError::Origin(wrong.to_owned())));
        }
    }

    #[test]
    fn a_public_url_has_an_origin_and_a_host() {
        for (given, url, origin, host) in [
            ("https://todo.example", "https://todo.example", "https://todo.example", "todo.example"),
            ("https://Todo.example:443/", "https://todo.example", "https://todo.example", "todo.example"),
            ("http://[2001:db8::1]:80/", "http://[2001:db8::1]", "http://[2001:db8::1]", "[2001:db8::1]"),
            ("http://host:8080", "http://host:8080", "http://host:8080", "host"),
        ] {
            let parsed: PublicUrl = given.parse().expect("a URL");
            assert_eq!((parsed.to_string().as_str(), parsed.origin().as_str(), parsed.host()), (url, origin, host));
        }
        for wrong in [
            "todo.example",
            "ftp://todo.example",
            "https://",
            "https://a?b",
            "https://a#b",
            "https://a b",
            "https:///x",
            "https://a/b",
            "https://a//",
            "https://a/?b",
            "https://ann@a",
            "https://ann:secret@a",
            "//a",
            "http://::1",
        ] {
            assert_eq!(wrong.parse::<PublicUrl>(), Err(UrlError::Url(wrong.to_owned())));
        }
    }
}
