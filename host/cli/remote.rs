//! Client of a running server over HTTP, for tools of the command line.
//!
//! Every request of a tool goes through `Remote::request`, which is also the place where it says who it comes from.

mod unix;

use std::path::Path;
use std::str::FromStr;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderName, HeaderValue, Method, Request, StatusCode};

use crate::list::excerpt::MAX_EXCERPT_CHARS;
use crate::list::name::ListName;
use crate::list::printable::printable;

/// The address of a server that was started without flags.
const DEFAULT_SERVER: &str = "http://127.0.0.1:8080";

/// The beginning of an address that names a socket file.
const UNIX: &str = "unix:";

/// How long one reply may take. The server compiles and probes a component before it replies to an upload.
const REPLY_TIMEOUT: Duration = Duration::from_secs(600);

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// The most bytes of a reply. A page of a recording holds a revision and the list, of any size that the limits of a list
/// allow.
const MAX_REPLY_BYTES: u64 = 512 << 20;

/// How often a request that only reads is sent to an overloaded server.
pub(super) const MAX_TRIES: usize = 5;

/// The pause before a request to an overloaded server is sent again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The most characters of a problem's detail that an error repeats.
const MAX_DETAIL_CHARS: usize = 5 * MAX_EXCERPT_CHARS;

/// The server of a tool, and what its requests are sent with.
#[derive(Args, Debug)]
pub(super) struct ServerArgs {
    /// The server: http://HOST:PORT, https://HOST, or unix:PATH for a socket file
    #[arg(long, global = true, env = "HOTLIST_SERVER", value_name = "URL", default_value = DEFAULT_SERVER)]
    server: String,
    /// A header for every request to the server, such as one that names the caller; repeatable
    #[arg(long, global = true, env = "HOTLIST_HEADER", hide_env_values = true, value_name = "NAME: VALUE")]
    header: Vec<Header>,
}

impl ServerArgs {
    pub(super) fn connect(&self) -> anyhow::Result<Remote> {
        Remote::new(&self.server, &self.header)
    }
}

/// A header for every request.
#[derive(Clone, Debug)]
pub(super) struct Header(HeaderName, HeaderValue);

impl FromStr for Header {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("{text:?} is not a header; write it as 'Name: value'");
        let (name, value) = text.split_once(':').ok_or_else(form)?;
        let mut value = HeaderValue::from_str(value.trim()).map_err(|_| form())?;
        // The value is often a secret, which an error must not show.
        value.set_sensitive(true);
        Ok(Self(name.trim().parse().map_err(|_| form())?, value))
    }
}

/// A client of one running server.
pub(super) struct Remote {
    agent: Agent,
    /// The address as it was given.
    address: String,
    /// The beginning of the URLs of requests.
    base: String,
    headers: Vec<Header>,
}

/// A reply of the server.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    /// The path of the next page.
    pub(super) next: Option<String>,
    pub(super) body: Vec<u8>,
}

/// A reply that reports a problem.
#[derive(Debug, thiserror::Error)]
#[error("the server replied {status}: {detail}")]
pub(super) struct ServerProblem {
    status: StatusCode,
    detail: String,
}

impl ServerProblem {
    /// Whether the server refused the request, and another time would refuse it again. It changed nothing.
    pub(super) fn is_refusal(&self) -> bool {
        self.status.is_client_error()
    }
}

impl Remote {
    pub(super) fn new(address: &str, headers: &[Header]) -> anyhow::Result<Self> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Headers may hold credentials, which are for this server only.
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(REPLY_TIMEOUT));
        let address = address.trim_end_matches('/').to_owned();
        let (agent, base) = if let Some(path) = address.strip_prefix(UNIX) {
            (unix::agent(Path::new(path), config.proxy(None).build()), unix::URL.to_owned())
        } else if address.starts_with("http://") || address.starts_with("https://") {
            (config.build().new_agent(), address.clone())
        } else {
            anyhow::bail!(
                "--server {address:?} is not the address of a server; write it as https://todo.example or unix:PATH"
            );
        };
        Ok(Self { agent, address, base, headers: headers.to_vec() })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Requests a resource, and again while the server is overloaded.
    pub(super) fn get(&self, path: &str) -> anyhow::Result<Reply> {
        let mut reply = self.send(Method::GET, path, None, Vec::new())?;
        for _ in 1..MAX_TRIES {
            if reply.status != StatusCode::SERVICE_UNAVAILABLE {
                break;
            }
            pause();
            reply = self.send(Method::GET, path, None, Vec::new())?;
        }
        Ok(reply)
    }

    /// Sends a request, once.
    pub(super) fn send(
        &self,
        method: Method,
        path: &str,
        media_type: Option<&str>,
        body: Vec<u8>,
    ) -> anyhow::Result<Reply> {
        let headers: Vec<_> = media_type.map(|media_type| ("content-type", media_type)).into_iter().collect();
        self.request(method, path, &headers, body)
    }

    /// Sends a request, once, that is carried out only if the resource exists.
    pub(super) fn send_if_exists(
        &self,
        method: Method,
        path: &str,
        media_type: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<Reply> {
        self.request(method, path, &[("content-type", media_type), ("if-match", "*")], body)
    }

    fn request(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> anyhow::Result<Reply> {
        let what = || format!("cannot {} {path} at {}", method.as_str().to_lowercase(), printable(&self.address));
        let mut request = Request::builder().method(method.clone()).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        for Header(name, value) in &self.headers {
            request = request.header(name, value);
        }
        let mut response = self.agent.run(request.body(body).with_context(what)?).with_context(what)?;
        let status = response.status();
        let next = response.headers().get("link").and_then(|link| next_page(path, link.to_str().ok()?));
        let body = response.body_mut().with_config().limit(MAX_REPLY_BYTES).read_to_vec().with_context(what)?;
        Ok(Reply { status, next, body })
    }
}

impl Reply {
    /// The reply if it reports success, else its problem as an error.
    pub(super) fn ok(self) -> Result<Self, ServerProblem> {
        if self.status.is_success() { Ok(self) } else { Err(self.problem()) }
    }

    pub(super) fn json(self) -> anyhow::Result<Value> {
        serde_json::from_slice(&self.ok()?.body).context("the server's reply is not JSON; is it Hotlist's address?")
    }

    /// The status and the detail of the problem that the server replied with.
    pub(super) fn problem(&self) -> ServerProblem {
        let problem: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let detail = problem["detail"].as_str().unwrap_or("without a reason");
        let detail: String = printable(detail).chars().take(MAX_DETAIL_CHARS).collect();
        ServerProblem { status: self.status, detail }
    }
}

/// The path of the next page that the `Link` of a page names: the page's path with another query. The rest of the URL is that
/// under which clients of a proxy reach the server, and is not asked.
fn next_page(path: &str, link: &str) -> Option<String> {
    let (url, parameters) = link.strip_prefix('<')?.split_once('>')?;
    let (_, query) = url.split_once('?')?;
    let resource = path.split('?').next().unwrap_or(path);
    (parameters.trim() == r#"; rel="next""#).then(|| format!("{resource}?{query}"))
}

/// The path of a list.
pub(super) fn list_path(name: &ListName) -> String {
    format!("/lists/{}", utf8_percent_encode(name.as_str(), NON_ALPHANUMERIC))
}

/// Waits for [`RETRY_PAUSE`], which a receiver with an idle sender does.
fn pause() {
    let (_sender, receiver) = mpsc::channel::<()>();
    let _ = receiver.recv_timeout(RETRY_PAUSE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_name_and_a_value() {
        let Header(name, value) = "X-Forwarded-User:  ann: b ".parse().unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-forwarded-user", "ann: b"));
        for bad in ["ann", "a b: c", ": c", "a: b\nc"] {
            assert!(bad.parse::<Header>().unwrap_err().contains("'Name: value'"), "{bad}");
        }
    }

    #[test]
    fn only_a_link_to_the_same_server_is_followed() {
        for url in [
            "?after=a&limit=1",
            "http://127.0.0.1:8080/lists?after=a&limit=1",
            "https://evil.example/x?after=a&limit=1",
        ] {
            let next = next_page("/lists?limit=1", &format!("<{url}>; rel=\"next\""));
            assert_eq!(next.as_deref(), Some("/lists?after=a&limit=1"));
        }
        for other in ["<?after=a>; rel=\"prev\"", "<https://evil.example/lists>; rel=\"next\"", "/lists", ""] {
            assert_eq!(next_page("/lists", other), None, "{other}");
        }
    }

    #[test]
    fn the_value_of_a_header_is_not_shown() {
        let header: Header = "Authorization: Bearer secret".parse().unwrap();
        assert!(!format!("{header:?}").contains("secret"));
    }

    #[test]
    fn an_address_without_a_scheme_is_refused() {
        assert!(Remote::new("todo.example", &[]).is_err());
        for address in ["https://todo.example", "unix:/run/hotlist/socket"] {
            assert_eq!(Remote::new(&format!("{address}/"), &[]).unwrap().address(), address);
        }
    }

    #[test]
    fn a_problem_of_the_server_cannot_control_the_terminal() {
        let body = br#"{"detail":"no\u001b[2J"}"#.to_vec();
        let problem = Reply { status: StatusCode::CONFLICT, next: None, body }.ok().err().expect("a problem");
        assert_eq!(problem.to_string(), "the server replied 409 Conflict: no\\u{1b}[2J");
        assert!(problem.is_refusal());
    }
}
