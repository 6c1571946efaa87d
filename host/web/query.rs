//! Query parameters: known names only, each at most once unless it names one of several lists.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;
use utoipa::IntoParams;

use super::problem::{Problem, ProblemKind};
use super::schemas;
use super::state::Web;
use crate::list::date::Date;
use crate::list::id::EntryId;
use crate::list::name::ListName;

/// The most seconds that a request waits for a change. Proxies often end a request without a response after a minute.
const MAX_WAIT_SECONDS: u64 = 60;

/// Which page of the lists to return.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListsQuery {
    /// Only lists whose names come after this one, in the order of the names' bytes.
    #[param(value_type = Option<ListName>)]
    pub(super) after: Option<ListName>,
    /// The largest number of items.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    pub(super) limit: usize,
}

/// Which entries to return.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EntriesQuery {
    /// Only entries of this day.
    #[param(value_type = Option<String>, format = Date)]
    pub(super) date: Option<Date>,
    /// Only entries that are completed, or only entries that are not.
    pub(super) completed: Option<bool>,
    /// The view of the list's logic that orders the entries and computes values for them.
    #[param(value_type = Option<schemas::Identifier>)]
    pub(super) view: Option<String>,
    /// Only entries after this one.
    #[param(value_type = Option<schemas::EntryId>)]
    pub(super) after: Option<EntryId>,
    /// The largest number of items.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    pub(super) limit: usize,
}

/// Which page of a plain list to return.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PlainQuery {
    /// Only entries after this one.
    #[param(value_type = Option<schemas::EntryId>)]
    pub(super) after: Option<EntryId>,
    /// The largest number of items.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    pub(super) limit: usize,
}

/// Which rows of a view to return.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ViewQuery {
    /// Only entries of this day.
    #[param(value_type = Option<String>, format = Date)]
    pub(super) date: Option<Date>,
    /// Only entries that are completed, or only entries that are not.
    pub(super) completed: Option<bool>,
    /// Only rows after this entry.
    #[param(value_type = Option<schemas::EntryId>)]
    pub(super) after: Option<EntryId>,
    /// The largest number of items.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    pub(super) limit: usize,
}

/// Which page of a history to return.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryQuery {
    /// Only revisions with higher numbers.
    #[param(value_type = Option<schemas::RevisionNumber>, default = 0)]
    pub(super) after: u64,
    /// The largest number of items.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    pub(super) limit: usize,
}

/// Which page of the changes of a revision to return.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ChangesQuery {
    /// How many changes to leave out from the beginning.
    #[param(value_type = Option<u64>, default = 0)]
    pub(super) after: usize,
    /// The largest number of items.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    pub(super) limit: usize,
}

/// The most lists that one event stream follows.
pub(super) const MAX_FOLLOWED: usize = 32;

/// A list to follow, and where to go on.
#[derive(Debug)]
pub(super) struct Position {
    pub(super) list: ListName,
    /// The last revision that the client knows, or `None` to follow the list from now on.
    pub(super) after: Option<u64>,
}

/// Which lists to follow.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// A list, once for each list, at most 32. After the last colon may be the last revision of it that the client knows, as in
    /// `groceries:12`. Without a revision the list is followed from now on. A name that ends like a revision is written with
    /// a colon behind it.
    #[param(value_type = Option<Vec<String>>, explode = true, max_items = 32)]
    pub(super) list: Vec<Position>,
    /// Whether `list` events are about all lists, and not only about the followed ones.
    #[param(value_type = Option<bool>, default = false)]
    pub(super) overview: bool,
}

/// Whether to wait for a change.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WaitQuery {
    /// How many seconds to wait for a change, if one of the tags in `If-None-Match` is the current one. The request counts as an
    /// event stream while it waits.
    #[param(value_type = Option<u32>, maximum = 60, default = 0)]
    pub(super) wait: Duration,
}

/// What to do with an uploaded component.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct UploadQuery {
    /// Whether to make it live. If not, it is only checked and stored.
    #[param(value_type = Option<bool>, default = true)]
    pub(super) publish: bool,
    /// Whether to accept it although it is quarantined or fails its gates.
    #[param(value_type = Option<bool>, default = false)]
    pub(super) force: bool,
    /// Whether to check it only, as `publish` and `force` have it, and to change nothing.
    #[param(value_type = Option<bool>, rename = "dry-run", default = false)]
    pub(super) dry_run: bool,
}

/// How to delete a version.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DeleteQuery {
    /// Whether to delete it although it is quarantined, or a list is or was pinned to it. False if absent.
    #[param(value_type = Option<bool>)]
    pub(super) force: bool,
}

/// No parameters.
pub(super) struct NoQuery;

/// Parameters of a request that are not read yet.
struct QueryParameters<'a> {
    unread: Vec<(String, String)>,
    web: &'a Web,
}

fn invalid(name: &str, problem: impl std::fmt::Display) -> Problem {
    Problem::new(ProblemKind::BadQuery, format!("{name}: {problem}")).with_field(name)
}

impl<'a> QueryParameters<'a> {
    /// Reads parameters of which each is there once at most, except for the one that is `repeated`.
    fn read(query: Option<&str>, known: &[&str], repeated: Option<&str>, web: &'a Web) -> Result<Self, Problem> {
        let query = query.unwrap_or_default();
        // The parser below would replace what is not UTF-8, which could then pass for another value.
        if percent_decode_str(query).decode_utf8().is_err() {
            return Err(Problem::new(ProblemKind::BadQuery, "a query parameter does not decode to UTF-8"));
        }
        let mut unread: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if !known.contains(&&*name) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(invalid(&name, format!("there is no such parameter; these are: {known}")));
            }
            if repeated != Some(&*name) && unread.iter().any(|(earlier, _)| *earlier == name) {
                return Err(invalid(&name, "it is there twice"));
            }
            unread.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self { unread, web })
    }

    fn text(&mut self, name: &str) -> Option<String> {
        let at = self.unread.iter().position(|(given, _)| given == name)?;
        Some(self.unread.swap_remove(at).1)
    }

    /// The lists to follow, each once.
    fn positions(&mut self) -> Result<Vec<Position>, Problem> {
        let mut positions: Vec<Position> = Vec::new();
        let (lists, others) = std::mem::take(&mut self.unread).into_iter().partition(|(name, _)| name == "list");
        self.unread = others;
        for (_, text) in lists {
            let position = Position::read(&text)?;
            if positions.iter().any(|earlier| earlier.list == position.list) {
                return Err(invalid("list", format!("{} is there twice", position.list.as_str())));
            }
            if positions.len() == MAX_FOLLOWED {
                let problem = invalid("list", format!("there are more than {MAX_FOLLOWED} lists"));
                return Err(problem.with_limit("max followed lists", MAX_FOLLOWED));
            }
            positions.push(position);
        }
        Ok(positions)
    }

    fn number(&mut self, name: &str) -> Result<Option<u64>, Problem> {
        let read = |text: String| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok().filter(|_| digits);
            number.ok_or_else(|| invalid(name, "it is not a whole number from 0 to 18446744073709551615"))
        };
        self.text(name).map(read).transpose()
    }

    fn limit(&mut self) -> Result<usize, Problem> {
        let options = &self.web.options;
        let Some(limit) = self.number("limit")? else { return Ok(options.page_size) };
        match usize::try_from(limit) {
            Ok(limit) if (1..=options.max_page_size).contains(&limit) => Ok(limit),
            _ => {
                let problem = invalid("limit", format!("it is not from 1 to {}", options.max_page_size));
                Err(problem.with_limit("max page size", options.max_page_size))
            }
        }
    }

    fn wait(&mut self) -> Result<Duration, Problem> {
        match self.number("wait")?.unwrap_or(0) {
            seconds if seconds <= MAX_WAIT_SECONDS => Ok(Duration::from_secs(seconds)),
            _ => {
                let problem = invalid("wait", format!("it is over {MAX_WAIT_SECONDS} seconds"));
                Err(problem.with_limit("wait seconds", usize::try_from(MAX_WAIT_SECONDS).unwrap_or(usize::MAX)))
            }
        }
    }

    fn date(&mut self) -> Result<Option<Date>, Problem> {
        self.text("date").map(|text| text.parse().map_err(|error| invalid("date", error))).transpose()
    }

    fn boolean(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        match self.text(name).as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(invalid(name, "it is neither true nor false")),
        }
    }
}

impl Position {
    fn read(text: &str) -> Result<Self, Problem> {
        let (name, revision) = match text.rsplit_once(':') {
            Some((name, "")) => (name, None),
            Some((name, digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => (name, Some(digits)),
            _ => (text, None),
        };
        let list = ListName::new(name).map_err(|error| invalid("list", error))?;
        let too_large = || invalid("list", format!("the revision of {name} is larger than 18446744073709551615"));
        let after = revision.map(|digits| digits.parse().map_err(|_| too_large())).transpose()?;
        Ok(Self { list, after })
    }
}

/// Makes a type of query parameters an extractor.
macro_rules! extract {
    ($query:ident, [$($known:literal),*], |$parameters:ident| $read:expr) => {
        extract!($query, [$($known),*], None, |$parameters| $read);
    };
    ($query:ident, [$($known:literal),*], $repeated:expr, |$parameters:ident| $read:expr) => {
        impl FromRequestParts<Arc<Web>> for $query {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Problem> {
                #[allow(unused_mut, unused_variables, reason = "NoQuery has no parameters")]
                let mut $parameters = QueryParameters::read(parts.uri.query(), &[$($known),*], $repeated, web)?;
                Ok($read)
            }
        }
    };
}

extract!(ListsQuery, ["after", "limit"], |parameters| Self {
    after: match parameters.text("after") {
        Some(name) => Some(ListName::new(&name).map_err(|error| invalid("after", error))?),
        None => None,
    },
    limit: parameters.limit()?,
});
extract!(EntriesQuery, ["date", "completed", "view", "after", "limit"], |parameters| Self {
    date: parameters.date()?,
    completed: parameters.boolean("completed")?,
    view: parameters.text("view"),
    after: parameters.number("after")?,
    limit: parameters.limit()?,
});
extract!(ViewQuery, ["date", "completed", "after", "limit"], |parameters| Self {
    date: parameters.date()?,
    completed: parameters.boolean("completed")?,
    after: parameters.number("after")?,
    limit: parameters.limit()?,
});
extract!(PlainQuery, ["after", "limit"], |parameters| Self {
    after: parameters.number("after")?,
    limit: parameters.limit()?,
});
extract!(HistoryQuery, ["after", "limit"], |parameters| Self {
    after: parameters.number("after")?.unwrap_or(0),
    limit: parameters.limit()?,
});
extract!(ChangesQuery, ["after", "limit"], |parameters| Self {
    after: usize::try_from(parameters.number("after")?.unwrap_or(0)).unwrap_or(usize::MAX),
    limit: parameters.limit()?,
});
extract!(EventsQuery, ["list", "overview"], Some("list"), |parameters| Self {
    list: parameters.positions()?,
    overview: parameters.boolean("overview")?.unwrap_or(false),
});
extract!(WaitQuery, ["wait"], |parameters| Self { wait: parameters.wait()? });
extract!(UploadQuery, ["publish", "force", "dry-run"], |parameters| Self {
    publish: parameters.boolean("publish")?.unwrap_or(true),
    force: parameters.boolean("force")?.unwrap_or(false),
    dry_run: parameters.boolean("dry-run")?.unwrap_or(false),
});
extract!(DeleteQuery, ["force"], |parameters| Self { force: parameters.boolean("force")?.unwrap_or(false) });
extract!(NoQuery, [], |parameters| Self);
