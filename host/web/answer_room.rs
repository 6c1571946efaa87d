//! The room for answers of a request: an extractor, and the part of the middleware that counts answers.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{Extensions, Method};
use axum::response::Response;
use hyper::body::Body;

use super::answer_budget::{AnswerRoom, Reservation};
use super::peer::Peer;
use super::problem::Problem;
use super::slots::Holder;
use super::state::Web;

impl Web {
    /// The room for the answers on a new connection.
    pub(super) fn new_room(&self, peer: Peer) -> AnswerRoom {
        match self.holder(peer) {
            Holder::Proxy => AnswerRoom::of_proxy(&self.answers),
            Holder::Client { .. } | Holder::Caller(_) => self.room_of_connection(),
        }
    }

    fn room_of_connection(&self) -> AnswerRoom {
        AnswerRoom::of_connection(&self.answers, self.options.max_connection_answer_bytes)
    }

    /// The room for the answer to a request.
    pub(super) fn room(&self, extensions: &Extensions) -> AnswerRoom {
        extensions.get().cloned().unwrap_or_else(|| self.room_of_connection())
    }

    /// Gives a request the room of its caller, if it has that of a proxy's connection and names a caller.
    pub(super) fn give_room_of_caller(&self, room: &mut AnswerRoom, request: &mut Request) {
        if !room.is_of_proxy() || self.options.caller_header.is_none() {
            return;
        }
        // Probes name no caller.
        if let Ok(caller) = self.caller(request.headers(), request.extensions()) {
            let limit = self.options.max_connection_answer_bytes;
            *room = AnswerRoom::of_caller(&self.answers, &self.caller_answers, &caller, limit);
            request.extensions_mut().insert(room.clone());
        }
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
