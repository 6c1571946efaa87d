//! The part of a URL behind the question mark: known names only, each at most once.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;
use utoipa::IntoParams;

use super::problem::{Problem, ProblemKind};
use super::state::Web;
use crate::list::date::Date;
use crate::list::id::EntryId;
use crate::list::name::ListName;

/// Which part of a list of lists is wanted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListsQuery {
    /// Only lists with names behind this one, in the order of the names' bytes.
    #[param(value_type = Option<String>)]
    pub(super) after: Option<ListName>,
    /// At most so many, 1 to 1,000; 100 if absent.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub(super) limit: usize,
}

/// Which entries are wanted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EntriesQuery {
    /// Only entries of that day.
    #[param(value_type = Option<String>, format = Date)]
    pub(super) date: Option<Date>,
    /// Only entries that are completed, or that are not.
    pub(super) completed: Option<bool>,
    /// In the order, and with the computed values, of that view of the list's logic.
    pub(super) view: Option<String>,
    /// Only those behind this entry.
    #[param(value_type = Option<u64>)]
    pub(super) after: Option<EntryId>,
    /// At most so many, 1 to 1,000; 100 if absent.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub(super) limit: usize,
}

/// Which part of a view is wanted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ViewQuery {
    /// Only entries of that day.
    #[param(value_type = Option<String>, format = Date)]
    pub(super) date: Option<Date>,
    /// Only entries that are completed, or that are not.
    pub(super) completed: Option<bool>,
    /// Only rows behind this entry.
    #[param(value_type = Option<u64>)]
    pub(super) after: Option<EntryId>,
    /// At most so many, 1 to 1,000; 100 if absent.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub(super) limit: usize,
}

/// Which part of a history is wanted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryQuery {
    /// Only revisions with higher numbers; 0 if absent.
    #[param(value_type = Option<u64>)]
    pub(super) after: u64,
    /// At most so many, 1 to 1,000; 100 if absent.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub(super) limit: usize,
}

/// What is to become of an uploaded component.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct UploadQuery {
    /// Whether it is to be live; if not, it is only checked and kept. True if absent.
    #[param(value_type = Option<bool>)]
    pub(super) publish: bool,
    /// Whether to take it though it was quarantined before, or fails its gates. False if absent.
    #[param(value_type = Option<bool>)]
    pub(super) force: bool,
}

/// No parameters at all.
pub(super) struct NoQuery;

/// The parameters of a request, to be taken out one by one.
struct QueryParameters<'a>(Vec<(String, String)>, &'a Web);

fn wrong(name: &str, problem: impl std::fmt::Display) -> Problem {
    Problem::new(ProblemKind::BadQuery, format!("{name}: {problem}")).with_field(name)
}

impl<'a> QueryParameters<'a> {
    fn read(query: Option<&str>, known: &[&str], web: &'a Web) -> Result<Self, Problem> {
        let mut given: Vec<(String, String)> = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if !known.contains(&name.as_str()) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(wrong(&name, format!("there is no such parameter; these are: {known}")));
            }
            if given.iter().any(|(earlier, _)| *earlier == name) {
                return Err(wrong(&name, "it is there twice"));
            }
            given.push((name, value));
        }
        Ok(Self(given, web))
    }

    fn text(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(given, _)| given == name)?;
        Some(self.0.swap_remove(at).1)
    }

    fn number(&mut self, name: &str) -> Result<Option<u64>, Problem> {
        let read = |text: String| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok().filter(|_| digits);
            number.ok_or_else(|| wrong(name, "it is not a whole number from 0 to 18446744073709551615"))
        };
        self.text(name).map(read).transpose()
    }

    fn limit(&mut self) -> Result<usize, Problem> {
        let options = &self.1.options;
        let Some(limit) = self.number("limit")? else { return Ok(options.page_size) };
        match usize::try_from(limit) {
            Ok(limit) if (1..=options.max_page_size).contains(&limit) => Ok(limit),
            _ => {
                let problem = wrong("limit", format!("it is not from 1 to {}", options.max_page_size));
                Err(problem.with_limit("max page size", options.max_page_size))
            }
        }
    }

    fn date(&mut self) -> Result<Option<Date>, Problem> {
        self.text("date").map(|text| text.parse().map_err(|error| wrong("date", error))).transpose()
    }

    fn boolean(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        match self.text(name).as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(wrong(name, "it is neither true nor false")),
        }
    }
}

fn decode(text: &str) -> Result<String, Problem> {
    let spaced = text.replace('+', " ");
    let refused = |_| Problem::new(ProblemKind::BadQuery, "a query parameter does not decode to UTF-8");
    percent_decode_str(&spaced).decode_utf8().map(Into::into).map_err(refused)
}

/// Makes a query's type an extractor.
macro_rules! extract {
    ($query:ident, [$($known:literal),*], |$given:ident| $read:expr) => {
        impl FromRequestParts<Arc<Web>> for $query {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Problem> {
                #[allow(unused_mut, unused_variables, reason = "one of them takes no parameters")]
                let mut $given = QueryParameters::read(parts.uri.query(), &[$($known),*], web)?;
                Ok($read)
            }
        }
    };
}

extract!(ListsQuery, ["after", "limit"], |given| Self {
    after: match given.text("after") {
        Some(name) => Some(ListName::new(&name).map_err(|error| wrong("after", error))?),
        None => None,
    },
    limit: given.limit()?,
});
extract!(EntriesQuery, ["date", "completed", "view", "after", "limit"], |given| Self {
    date: given.date()?,
    completed: given.boolean("completed")?,
    view: given.text("view"),
    after: given.number("after")?,
    limit: given.limit()?,
});
extract!(ViewQuery, ["date", "completed", "after", "limit"], |given| Self {
    date: given.date()?,
    completed: given.boolean("completed")?,
    after: given.number("after")?,
    limit: given.limit()?,
});
extract!(HistoryQuery, ["after", "limit"], |given| Self {
    after: given.number("after")?.unwrap_or(0),
    limit: given.limit()?,
});
extract!(UploadQuery, ["publish", "force"], |given| Self {
    publish: given.boolean("publish")?.unwrap_or(true),
    force: given.boolean("force")?.unwrap_or(false),
});
extract!(NoQuery, [], |given| Self);
