//! Reads recorded lists and components from a running server over HTTP.

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderName, HeaderValue, StatusCode};

use crate::list::List;
use crate::list::digest::{hex, parse_digest};
use crate::list::history::ListHistory;
use crate::list::name::{ListName, LogicName};
use crate::replay::{ReplayItem, Unreadable};
use crate::store::{MAX_PAGE, recording};

/// How long one reply may take.
const REPLY_TIMEOUT: Duration = Duration::from_secs(60);

/// The most bytes of a reply. A page of a recording holds a revision and the list, of any size that the limits of a list
/// allow.
const MAX_REPLY_BYTES: u64 = 512 << 20;

/// How often a request to an overloaded server is sent, and how often a list is read that changes meanwhile.
const MAX_TRIES: usize = 5;

/// The pause before a request to an overloaded server is sent again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The most characters of a problem's detail that an error repeats.
const MAX_DETAIL_CHARS: usize = 300;

/// A header for every request.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Header(HeaderName, HeaderValue);

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
    url: String,
    headers: Vec<Header>,
}

/// A reply of the server.
struct Reply {
    status: StatusCode,
    /// The path of the next page.
    next: Option<String>,
    body: Vec<u8>,
}

impl Remote {
    pub(super) fn new(url: &str, headers: &[Header]) -> anyhow::Result<Self> {
        if url.starts_with("unix:") {
            anyhow::bail!(
                "--server reads over TCP only; read a server that listens on {url} with --data, while it runs"
            );
        }
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            anyhow::bail!("--server {url:?} is not the address of a server; write it as https://todo.example");
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Headers may hold credentials, which are for this server only.
            .max_redirects(0)
            .timeout_global(Some(REPLY_TIMEOUT));
        let agent = config.build().new_agent();
        Ok(Self { agent, url: url.trim_end_matches('/').to_owned(), headers: headers.to_vec() })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The digest of the live version of a logic.
    pub(super) fn live(&self, logic: &LogicName) -> anyhow::Result<[u8; 32]> {
        let reply = self.get(&format!("/logic/{logic}"))?.json()?;
        let digest = reply["live"]["digest"].as_str().and_then(|text| text.strip_prefix("sha256:"));
        digest
            .and_then(parse_digest)
            .with_context(|| format!("no version of {logic} is live on {}; name one with --against", self.url))
    }

    /// The component of one version.
    pub(super) fn component(&self, logic: &LogicName, digest: &[u8; 32]) -> anyhow::Result<Vec<u8>> {
        let reply = self.get(&format!("/logic/{logic}/versions/{}", hex(digest))).and_then(Reply::ok);
        reply.map(|reply| reply.body).with_context(|| {
            format!("cannot download the live version of {logic} from {}; name one with --against", self.url)
        })
    }

    /// The lists that `wanted` selects, ordered by name, each with its history at the time of the request.
    pub(super) fn lists<'a>(
        &'a self,
        wanted: impl Fn(&ListName) -> bool + 'a,
    ) -> impl Iterator<Item = anyhow::Result<ReplayItem>> + 'a {
        let names = Names { remote: self, page: VecDeque::new(), next: Some(format!("/lists?limit={MAX_PAGE}")) };
        names.filter_map(move |name| match name {
            Ok(name) if wanted(&name) => self.recorded(&name).transpose(),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }

    /// A list with its history. `None` if the list was deleted meanwhile.
    fn recorded(&self, name: &ListName) -> anyhow::Result<Option<ReplayItem>> {
        let unreadable =
            |why: String| Ok(Some(ReplayItem::Unreadable(Unreadable { name: name.as_str().to_owned(), why })));
        for _ in 0..MAX_TRIES {
            let mut revisions = Vec::new();
            let mut next = Some(format!("{}/recording?limit={MAX_PAGE}", path_of(name)));
            while let Some(path) = next {
                let reply = self.get(&path)?;
                match reply.status {
                    StatusCode::NOT_FOUND => return Ok(None),
                    StatusCode::INTERNAL_SERVER_ERROR => return unreadable(reply.problem()),
                    _ => {}
                }
                let reply = reply.ok()?;
                // The last page has none. One without the list is not the last: the list was deleted and created again.
                next = reply.next;
                let page = match recording::take(name, &reply.body) {
                    Ok(page) => page,
                    Err(why) => return unreadable(why),
                };
                revisions.extend(page.revisions);
                if let Some(folded) = page.list {
                    let list = List::from(folded);
                    return Ok(Some(ReplayItem::List(Box::new(ListHistory { name: name.clone(), list, revisions }))));
                }
            }
        }
        unreadable(format!("it was deleted and created again during each of {MAX_TRIES} attempts to read it"))
    }

    /// Requests a resource, and again while the server is overloaded.
    fn get(&self, path: &str) -> anyhow::Result<Reply> {
        let mut reply = self.try_get(path)?;
        for _ in 1..MAX_TRIES {
            if reply.status != StatusCode::SERVICE_UNAVAILABLE {
                break;
            }
            pause();
            reply = self.try_get(path)?;
        }
        Ok(reply)
    }

    fn try_get(&self, path: &str) -> anyhow::Result<Reply> {
        let what = || format!("cannot get {path} from {}", self.url);
        let mut request = self.agent.get(format!("{}{path}", self.url));
        for Header(name, value) in &self.headers {
            request = request.header(name, value);
        }
        let mut response = request.call().with_context(what)?;
        let status = response.status();
        let next = response.headers().get("link").and_then(|link| next_page(path, link.to_str().ok()?));
        let body = response.body_mut().with_config().limit(MAX_REPLY_BYTES).read_to_vec().with_context(what)?;
        Ok(Reply { status, next, body })
    }
}

impl Reply {
    /// The reply if its status is 200, else its problem as an error.
    fn ok(self) -> anyhow::Result<Self> {
        match self.status {
            StatusCode::OK => Ok(self),
            _ => Err(anyhow::anyhow!("the server replied {}", self.problem())),
        }
    }

    fn json(self) -> anyhow::Result<Value> {
        serde_json::from_slice(&self.ok()?.body).context("the server's reply is not JSON; is it Hotlist's address?")
    }

    /// The status and the detail of the problem that the server replied with.
    fn problem(&self) -> String {
        let problem: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let detail = problem["detail"].as_str().unwrap_or("without a reason");
        let detail: String = detail.chars().filter(|c| !c.is_control()).take(MAX_DETAIL_CHARS).collect();
        format!("{}: {detail}", self.status)
    }
}

/// The names of a server's lists, in order, a page at a time.
struct Names<'a> {
    remote: &'a Remote,
    page: VecDeque<ListName>,
    /// The path of the next page. `None` at the end.
    next: Option<String>,
}

impl Names<'_> {
    fn refill(&mut self) -> anyhow::Result<()> {
        let Some(path) = self.next.take() else { return Ok(()) };
        let reply = self.remote.get(&path)?;
        let next = reply.next.clone();
        let page = reply.json()?;
        let lists = page.as_array().context("the server's lists are not an array; is it Hotlist's address?")?;
        for list in lists {
            let name = list["name"].as_str().context("a list of the server has no name")?;
            self.page
                .push_back(ListName::new(name).with_context(|| format!("a list of the server has the name {name:?}"))?);
        }
        self.next = next;
        Ok(())
    }
}

impl Iterator for Names<'_> {
    type Item = anyhow::Result<ListName>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.page.is_empty() && self.next.is_some() {
            if let Err(error) = self.refill() {
                return Some(Err(error));
            }
        }
        self.page.pop_front().map(Ok)
    }
}

/// The path of the next page that the `Link` of a page names: the page's path with another query. Other servers are not asked.
fn next_page(path: &str, link: &str) -> Option<String> {
    let (query, parameters) = link.strip_prefix('<')?.split_once('>')?;
    let resource = path.split('?').next().unwrap_or(path);
    (parameters.trim() == r#"; rel="next""# && query.starts_with('?')).then(|| format!("{resource}{query}"))
}

fn path_of(name: &ListName) -> String {
    format!("/lists/{}", escaped(name))
}

fn escaped(name: &ListName) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(name.as_str(), NON_ALPHANUMERIC)
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
        let next = next_page("/lists?limit=1", "<?after=a&limit=1>; rel=\"next\"");
        assert_eq!(next.as_deref(), Some("/lists?after=a&limit=1"));
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
        let of_socket = Remote::new("unix:/run/hotlist/socket", &[]).err().unwrap().to_string();
        assert!(of_socket.contains("--data"), "{of_socket}");
        assert_eq!(Remote::new("https://todo.example/", &[]).unwrap().url(), "https://todo.example");
    }
}
