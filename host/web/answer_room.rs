//! The room for answers of a request: an extractor, and the part of the middleware that counts answers.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::Extensions;
use axum::http::request::Parts;
use axum::response::Response;
use hyper::body::Body;

use super::answer_budget::{AnswerRoom, Reservation};
use super::problem::Problem;
use super::state::Web;

impl Web {
    /// The room for the answers on a new connection.
    pub(super) fn new_room(&self) -> AnswerRoom {
        AnswerRoom::of_connection(&self.answers, self.options.max_connection_answer_bytes)
    }

    /// The room for the answers on the connection of a request.
    pub(super) fn room(&self, extensions: &Extensions) -> AnswerRoom {
        extensions.get().cloned().unwrap_or_else(|| self.new_room())
    }
}

impl FromRequestParts<Arc<Web>> for AnswerRoom {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Problem> {
        Ok(web.room(&parts.extensions))
    }
}

/// Counts the body of a response until it is sent or dropped. `write` is what the request reserved before it was carried
/// out.
pub(super) fn count(response: &mut Response, room: &AnswerRoom, write: Option<Reservation>) {
    // The size of a stream is not known. It counts by itself.
    let Some(size) = response.body().size_hint().exact() else { return };
    let made = Reservation::take_from(response).or(write);
    let mut counted = made.unwrap_or_else(|| room.count(0));
    counted.resize(usize::try_from(size).unwrap_or(usize::MAX));
    counted.attach_to(response);
}
