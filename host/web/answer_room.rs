//! The room for answers of a request: an extractor, and the part of the middleware that counts answers.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, Method};
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

/// The bytes up to which an answer is given without room: that of a probe, and a problem. The connection and its stream take
/// more.
const SMALL_BYTES: usize = 1 << 10;

/// Counts the body of a response until it is sent or dropped. `write` is what a request that writes reserved before it was
/// carried out.
///
/// # Errors
///
/// The request only reads, nothing is reserved for its answer, and there is no room for it.
pub(super) fn count(
    response: &mut Response,
    room: &AnswerRoom,
    method: &Method,
    write: Option<Arc<Reservation>>,
) -> Result<(), Problem> {
    // The size of a stream is not known. It counts by itself.
    let Some(size) = response.body().size_hint().exact() else { return Ok(()) };
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let counted = match Reservation::take_from(response).or_else(|| write.and_then(Arc::into_inner)) {
        None if method.is_safe() && size > SMALL_BYTES => room.reserve(size)?,
        reserved => reserved.unwrap_or_else(|| room.count(0)),
    };
    counted.resize(size);
    counted.attach_to(response);
    Ok(())
}
