//! Host that a request is for, and the names that are this server's.
//!
//! The check is the defence against DNS rebinding. An attacker can make the name of their page resolve to this machine,
//! or to the proxy before it. The page then has the same origin as this server and could do everything that its reader
//! can. But it cannot choose what the browser writes into `Host`, and an attacker cannot make an address or `localhost`
//! their own. So these are this server's without being named.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::extract::Request;
use axum::http::{HeaderMap, Uri, Version, header};

use super::problem::{Problem, ProblemKind};
use super::state::Web;
use super::urls::without_port;

/// The most bytes of a host with its port, which is that of a name in DNS. Every URL in a response begins with it.
const MAX_BYTES: usize = 255;

impl Web {
    /// Refuses requests for another host.
    pub(super) fn check_host(&self, request: &Request) -> Result<(), Problem> {
        let (uri, headers) = (request.uri(), request.headers());
        // HTTP/1.0 has no Host, and some probes still send it. Browsers do not.
        if request.version() == Version::HTTP_10 && uri.authority().is_none() && !headers.contains_key(header::HOST) {
            return Ok(());
        }
        let name = without_port(host(uri, headers)?);
        let is_public = || self.options.public_url.as_ref().is_some_and(|url| url.host().eq_ignore_ascii_case(name));
        if is_local(name) || is_public() {
            return Ok(());
        }
        let detail = format!("this server is not {name}; give the name that clients use with --public-url");
        Err(Problem::new(ProblemKind::Misdirected, detail).with_field("Host"))
    }
}

/// Whether a name is one that no attacker can make the name of their page.
pub(super) fn is_local(name: &str) -> bool {
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let is_address = match address {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => name.parse::<Ipv4Addr>().is_ok(),
    };
    let last = name.rsplit('.').next().unwrap_or(name);
    is_address || last.eq_ignore_ascii_case("localhost")
}

/// The host of a request, with its port if there is one.
pub(super) fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Result<&'a str, Problem> {
    let wrong = |detail| Problem::new(ProblemKind::BadHeader, detail).with_field("Host");
    // HTTP/2 sends it in the URI, HTTP/1 in a header.
    let host = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => {
            let mut hosts = headers.get_all(header::HOST).iter();
            let host = hosts.next().ok_or_else(|| wrong("the request has no Host"))?;
            if hosts.next().is_some() {
                return Err(wrong("the request has two Hosts"));
            }
            host.to_str().map_err(|_| wrong("the Host is not a valid host"))?
        }
    };
    if host.len() > MAX_BYTES {
        return Err(wrong("the Host has over 255 bytes").with_limit("host bytes", MAX_BYTES));
    }
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:[]%".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_allowed) {
        return Err(wrong("the Host is not a valid host"));
    }
    Ok(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_localhost_are_local_and_names_that_look_like_them_are_not() {
        let is_local = |host| is_local(without_port(host));
        for local in
            ["127.0.0.1", "127.0.0.1:80", "192.0.2.7", "[::1]", "[2001:db8::1]:80", "localhost:8080", "LOCALHOST"]
        {
            assert!(is_local(local), "{local}");
        }
        assert!(is_local("todo.localhost"));
        for other in ["", ":80", "127.0.0.1.evil.example", "127.1", "0x7f000001", "[::1", "[::1]x", "[127.0.0.1]"] {
            assert!(!is_local(other), "{other}");
        }
        for other in ["localhost.evil.example", "notlocalhost", "localhost.", "evil.example", "::1"] {
            assert!(!is_local(other), "{other}");
        }
    }
}
