//! Lists and entries as plain pages, for browsers without JavaScript. The page leads there by itself.

use std::fmt::{self, Write};

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;

use super::answer_budget::AnswerRoom;
use super::client::Client;
use super::lists::{Found, name_of, page_behind, select};
use super::openapi::{AbsentProblem, ReadProblems, ViewProblems};
use super::pages::page_after;
use super::paths::{ListPath, segment};
use super::problem::HandlerResult;
use super::query::{ListsQuery, PlainQuery};
use super::representations::sized;
use super::state::Shared;
use super::tagged_content::set_policies;
use crate::cache::{EntryFilter, ViewOptions};
use crate::list::command::Query;
use crate::list::name::ListName;

/// A text as HTML.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// A page that ends at a number of bytes.
struct PlainPage {
    html: String,
    limit: usize,
}

impl PlainPage {
    fn new(title: &str, limit: usize) -> Self {
        let title = Escaped(title);
        let html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
             <title>{title}</title>\n<link rel=\"stylesheet\" href=\"/style.css\">\n<body class=\"plain\">\n<main>\n<h1>{title}</h1>\n<ul>\n"
        );
        Self { html, limit }
    }

    /// Adds an item, unless the page is full. Returns whether it was added.
    fn push(&mut self, item: &str) -> bool {
        let fits = self.html.len() + item.len() <= self.limit;
        if fits {
            self.html.push_str("<li>");
            self.html.push_str(item);
            self.html.push_str("</li>\n");
        }
        fits
    }

    /// Ends the page with links: the query of the next page, and where to go from here.
    fn into_response(self, next: Option<String>, back: &str) -> Response {
        let mut html = self.html;
        html.push_str("</ul>\n");
        if let Some(next) = next {
            html.push_str(&format!("<p><a rel=\"next\" href=\"?{}\">More</a></p>\n", Escaped(&next)));
        }
        html.push_str(back);
        html.push_str("\n</main>\n</html>\n");
        let mut response = Response::new(sized(html.into_bytes()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        set_policies(headers);
        // It holds data of users, unlike the files of the page.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// Shows the lists as a page without scripts.
#[utoipa::path(get, path = "/plain", tag = "page", operation_id = "getPlainLists", params(ListsQuery), responses(
    (status = 200, description = "The lists", body = String, content_type = "text/html"), ReadProblems))]
pub(super) async fn lists(State(web): Shared, room: AnswerRoom, query: ListsQuery) -> HandlerResult {
    let reserved = room.reserve(web.options.page_bytes)?;
    let Found { lists, mut next } = select(&web, &query).await?;
    let mut page = PlainPage::new("Lists", web.options.page_bytes);
    let mut last = None;
    for list in &lists {
        let name = name_of(list);
        let count = list
            .as_ref()
            .map_or_else(|_| "unreadable".to_owned(), |list| format!("{} open of {}", list.open, list.entries));
        let link = format!("<a href=\"/plain/{}\">{}</a> ({count})", segment(name.as_str()), Escaped(name.as_str()));
        if !page.push(&link) {
            next = last;
            break;
        }
        last = Some(name.clone());
    }
    let next = next.map(|next| page_behind(&next, &query));
    let mut response =
        page.into_response(next, "<p>Changes need JavaScript, or <a href=\"/openapi.json\">the API</a>.</p>");
    reserved.attach_to(&mut response);
    Ok(response)
}

/// Shows the entries of a list as a page without scripts.
#[utoipa::path(get, path = "/plain/{list}", tag = "page", operation_id = "getPlainList",
    params(("list" = ListName, Path, description = "The list's name"), PlainQuery), responses(
    (status = 200, description = "The entries", body = String, content_type = "text/html"), ReadProblems, AbsentProblem, ViewProblems))]
pub(super) async fn list(
    State(web): Shared,
    ListPath(name): ListPath,
    room: AnswerRoom,
    Client { caller, client, .. }: Client,
    PlainQuery { after, or_after, limit }: PlainQuery,
) -> HandlerResult {
    web.existing(&name).await?;
    let reserved = room.reserve(web.options.page_bytes)?;
    let query = Query { view: None, date: None, completed: None, after, limit };
    let options = ViewOptions { or_after, filter: EntryFilter::default() };
    let view = web.cache().view_with(&name, caller, &client, &query, &options).await?;
    let mut page = PlainPage::new(name.as_str(), web.options.page_bytes);
    let (mut shown, mut more) = (Vec::new(), view.page.more);
    for row in view.page.groups.iter().flat_map(|group| &group.rows) {
        let Some(entry) = view.list.get(row.id) else { continue };
        let tick = if entry.completed { "\u{2611}" } else { "\u{2610}" };
        let date = entry.date.map(|date| format!(" <small>{date}</small>")).unwrap_or_default();
        if !page.push(&format!("{tick} {}{date}", Escaped(&entry.title))) {
            more = true;
            break;
        }
        shown.push(entry.id);
    }
    let next = page_after(&shown, &query, view.logic.is_some()).filter(|_| more);
    let mut response = page.into_response(next, "<p><a href=\"/plain\">All lists</a></p>");
    reserved.attach_to(&mut response);
    Ok(response)
}
