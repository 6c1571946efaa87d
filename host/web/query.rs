//! Query parameters: known names only, each at most once unless it names one of several lists.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::followed::Position;
use super::problem::{Problem, ProblemKind};
use super::schemas;
use super::state::Web;
use crate::cache::MAX_STARTS;
use crate::list::date::Date;
use crate::list::id::EntryId;
use crate::list::name::{ListName, LogicName, identifier};

/// The most fields by which entries are filtered.
const MAX_FIELD_FILTERS: usize = 8;

/// The most characters of a text by which entries are filtered.
const MAX_TEXT_CHARACTERS: usize = 1_000;

/// The most seconds that a request waits for a change. Proxies often end a request without a response after a minute.
const MAX_WAIT_SECONDS: u64 = 60;

/// Which page of the lists to return.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListsQuery {
    /// Only lists whose names come after this one, in the order of the names' bytes.
    #[param(value_type = Option<ListName>)]
    pub(super) after: Option<ListName>,
    /// Only lists of this logic. A page may then have fewer items than there are.
    #[param(value_type = Option<LogicName>)]
    pub(super) logic: Option<LogicName>,
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
    /// Only entries whose title contains this text, whatever the case of its letters. Not with a view.
    #[param(max_length = 1000)]
    pub(super) text: Option<String>,
    /// Only entries whose custom field has this value, as in `points:3`. Of a field with several values, one has to be this. At most
    /// 8 times. Not with a view.
    #[param(value_type = Option<Vec<schemas::FieldFilter>>, explode = true, max_items = 8)]
    pub(super) field: Vec<(String, String)>,
    /// Only entries after this one.
    #[param(value_type = Option<schemas::EntryId>)]
    pub(super) after: Option<EntryId>,
    /// Entries before `after` in the view, the nearest first, separated by commas. If `after` is not in the view any more, the page
    /// goes on after the first of these that is, or begins at the start. Links to next pages have it.
    #[param(value_type = Option<schemas::EntryIds>, rename = "or-after")]
    pub(super) or_after: Option<Vec<EntryId>>,
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
    /// Entries before `after` in the list, the nearest first, separated by commas. If `after` is not in the list any more, the page
    /// goes on after the first of these that is, or begins at the start. Links to next pages have it.
    #[param(value_type = Option<schemas::EntryIds>, rename = "or-after")]
    pub(super) or_after: Option<Vec<EntryId>>,
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
    /// Entries before `after` in the view, the nearest first, separated by commas. If `after` is not in the view any more, the page
    /// goes on after the first of these that is, or begins at the start. Links to next pages have it.
    #[param(value_type = Option<schemas::EntryIds>, rename = "or-after")]
    pub(super) or_after: Option<Vec<EntryId>>,
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
    /// Only revisions with lower numbers.
    #[param(value_type = Option<schemas::RevisionNumber>)]
    pub(super) before: Option<u64>,
    /// Only revisions from this day on, in the server's time zone.
    #[param(value_type = Option<String>, format = Date)]
    pub(super) from: Option<Date>,
    /// Only revisions up to this day.
    #[param(value_type = Option<String>, format = Date)]
    pub(super) to: Option<Date>,
    /// Whether the oldest revisions come first or the newest.
    #[param(value_type = Option<Order>, default = "asc")]
    pub(super) order: Order,
    /// The largest number of items.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    pub(super) limit: usize,
}

/// Which lists of a logic to return.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LogicListsQuery {
    /// Only lists in this state.
    pub(super) state: Option<ListState>,
    /// Only lists whose names come after this one, in the order of the names' bytes.
    #[param(value_type = Option<ListName>)]
    pub(super) after: Option<ListName>,
    /// The largest number of items. A page may have fewer, because it also ends after 100 lists were read, whatever their state.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    pub(super) limit: usize,
}

/// What is special about the version that decides about a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ListState {
    /// The candidate decides.
    Canary,
    /// The list is pinned to a version.
    Pinned,
    /// The list has yet to be migrated to the version that would decide, or that version could not migrate it.
    NotMigrated,
}

/// Order of revisions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum Order {
    /// The oldest first.
    Asc,
    /// The newest first.
    Desc,
}

/// Which page of a recording to return.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RecordingQuery {
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

/// Which lists to follow.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// A list, once for each list, at most 32, whose names have at most 8192 bytes in all, percent-encoded. After the last colon
    /// may be the last revision of it that the client knows, as in `groceries:12`. Without a revision the list is followed from
    /// now on. A name that ends like a revision, or with a colon, is written with a colon behind it.
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

    /// The part of a title by which entries are filtered.
    fn title_part(&mut self) -> Result<Option<String>, Problem> {
        let text = self.text("text");
        if text.as_ref().is_some_and(|text| text.chars().nth(MAX_TEXT_CHARACTERS).is_some()) {
            let problem = invalid("text", format!("it has more than {MAX_TEXT_CHARACTERS} characters"));
            return Err(problem.with_limit("text characters", MAX_TEXT_CHARACTERS));
        }
        Ok(text)
    }

    fn list_name(&mut self, name: &str) -> Result<Option<ListName>, Problem> {
        self.text(name).map(|text| ListName::new(&text).map_err(|error| invalid(name, error))).transpose()
    }

    /// The lists to follow.
    fn positions(&mut self) -> Result<Vec<Position>, Problem> {
        let (lists, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.unread).into_iter().partition(|(name, _)| name == "list");
        self.unread = others;
        Position::read_all(lists.into_iter().map(|(_, text)| text))
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

    fn entry_ids(&mut self, name: &str) -> Result<Option<Vec<EntryId>>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let wrong = || invalid(name, "it is not a list of entries' ids, such as 3,2,1");
        let ids = text.split(',').take(MAX_STARTS + 1).map(|id| id.parse().map_err(|_| wrong()));
        let ids: Vec<_> = ids.collect::<Result<_, _>>()?;
        if ids.len() > MAX_STARTS {
            return Err(invalid(name, format!("there are more than {MAX_STARTS} ids")).with_limit("ids", MAX_STARTS));
        }
        Ok(Some(ids))
    }

    fn field_filters(&mut self) -> Result<Vec<(String, String)>, Problem> {
        let (filters, others): (Vec<_>, _) =
            std::mem::take(&mut self.unread).into_iter().partition(|(name, _)| name == "field");
        self.unread = others;
        if filters.len() > MAX_FIELD_FILTERS {
            let problem = invalid("field", format!("it is there more than {MAX_FIELD_FILTERS} times"));
            return Err(problem.with_limit("field filters", MAX_FIELD_FILTERS));
        }
        let split = |(_, text): (String, String)| {
            let wrong = || invalid("field", "it is not a name and a value, such as points:3");
            let (name, value) = text.split_once(':').ok_or_else(wrong)?;
            identifier(name).map_err(|error| invalid("field", error))?;
            Ok((name.to_owned(), value.to_owned()))
        };
        filters.into_iter().map(split).collect()
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

    fn date(&mut self, name: &str) -> Result<Option<Date>, Problem> {
        self.text(name).map(|text| text.parse().map_err(|error| invalid(name, error))).transpose()
    }

    fn list_state(&mut self) -> Result<Option<ListState>, Problem> {
        match self.text("state").as_deref() {
            None => Ok(None),
            Some("canary") => Ok(Some(ListState::Canary)),
            Some("pinned") => Ok(Some(ListState::Pinned)),
            Some("not-migrated") => Ok(Some(ListState::NotMigrated)),
            Some(_) => Err(invalid("state", "it is neither canary nor pinned nor not-migrated")),
        }
    }

    fn order(&mut self) -> Result<Order, Problem> {
        match self.text("order").as_deref() {
            None | Some("asc") => Ok(Order::Asc),
            Some("desc") => Ok(Order::Desc),
            Some(_) => Err(invalid("order", "it is neither asc nor desc")),
        }
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

extract!(ListsQuery, ["after", "logic", "limit"], |parameters| Self {
    after: parameters.list_name("after")?,
    logic: match parameters.text("logic") {
        Some(name) => Some(LogicName::new(&name).map_err(|error| invalid("logic", error))?),
        None => None,
    },
    limit: parameters.limit()?,
});
extract!(
    EntriesQuery,
    ["date", "completed", "view", "text", "field", "after", "or-after", "limit"],
    Some("field"),
    |parameters| Self {
        date: parameters.date("date")?,
        completed: parameters.boolean("completed")?,
        view: parameters.text("view"),
        text: parameters.title_part()?,
        field: parameters.field_filters()?,
        after: parameters.number("after")?,
        or_after: parameters.entry_ids("or-after")?,
        limit: parameters.limit()?,
    }
);
extract!(ViewQuery, ["date", "completed", "after", "or-after", "limit"], |parameters| Self {
    date: parameters.date("date")?,
    completed: parameters.boolean("completed")?,
    after: parameters.number("after")?,
    or_after: parameters.entry_ids("or-after")?,
    limit: parameters.limit()?,
});
extract!(PlainQuery, ["after", "or-after", "limit"], |parameters| Self {
    after: parameters.number("after")?,
    or_after: parameters.entry_ids("or-after")?,
    limit: parameters.limit()?,
});
extract!(HistoryQuery, ["after", "before", "from", "to", "order", "limit"], |parameters| Self {
    after: parameters.number("after")?.unwrap_or(0),
    before: parameters.number("before")?,
    from: parameters.date("from")?,
    to: parameters.date("to")?,
    order: parameters.order()?,
    limit: parameters.limit()?,
});
extract!(LogicListsQuery, ["state", "after", "limit"], |parameters| Self {
    state: parameters.list_state()?,
    after: parameters.list_name("after")?,
    limit: parameters.limit()?,
});
extract!(RecordingQuery, ["after", "limit"], |parameters| Self {
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
