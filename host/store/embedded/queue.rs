//! The queue of the writer, and the batches that the writer takes from it.

use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::options::Options;
use super::record_change::QueuedChange;
use super::staging::EncodedCommit;
use crate::list::name::ListName;
use crate::store::error::StoreError;

/// The reply to a request that is no commit.
pub(super) type Reply = oneshot::Sender<Result<(), StoreError>>;

/// A request to the writer.
pub(super) enum WriterRequest {
    /// Write a commit.
    Commit(EncodedCommit),
    /// Change a record.
    Change(QueuedChange),
    /// Compact everything, end all threads, give the directory back.
    Close(Reply),
    /// Remove a list that cannot be read.
    Discard(ListName, Reply),
    /// End all threads.
    Stop,
    /// Read all rows at once.
    #[cfg(test)]
    Scrub(oneshot::Sender<()>),
    /// Panic, with the commits of the batch in flight.
    #[cfg(test)]
    Panic,
}

/// What was taken from the queue at once, besides the commits.
#[derive(Default)]
pub(super) struct Taken {
    /// The changes of records.
    pub(super) changes: Vec<QueuedChange>,
    /// The requests to remove lists.
    pub(super) discards: Vec<(ListName, Reply)>,
    /// The requests of tests to read all rows.
    #[cfg(test)]
    pub(super) scrubs: Vec<oneshot::Sender<()>>,
    /// The request that ends the writer, if it came.
    pub(super) end: Option<WriterRequest>,
}

/// Takes what is in the queue until the batch is full. Waits at most `timeout` while the queue is empty.
pub(super) fn take(
    requests: &Receiver<WriterRequest>,
    timeout: Duration,
    options: &Options,
    batch: &mut Vec<EncodedCommit>,
) -> Taken {
    let mut taken = Taken::default();
    let mut bytes = 0;
    let mut next = requests.recv_timeout(timeout).map_err(|error| match error {
        RecvTimeoutError::Timeout => TryRecvError::Empty,
        RecvTimeoutError::Disconnected => TryRecvError::Disconnected,
    });
    loop {
        match next {
            Ok(WriterRequest::Commit(commit)) => {
                bytes += commit.frame.len();
                batch.push(commit);
            }
            Ok(WriterRequest::Change(change)) => {
                bytes += change.bytes();
                taken.changes.push(change);
            }
            Ok(WriterRequest::Discard(name, reply)) => taken.discards.push((name, reply)),
            #[cfg(test)]
            Ok(WriterRequest::Scrub(done)) => taken.scrubs.push(done),
            #[cfg(test)]
            Ok(WriterRequest::Panic) => panic!("a test asks for it"),
            Err(TryRecvError::Empty) => return taken,
            end => {
                // A store that is gone asks for nothing more.
                taken.end = Some(end.unwrap_or(WriterRequest::Stop));
                return taken;
            }
        }
        if batch.len() + taken.changes.len() >= options.batch || bytes >= options.batch_bytes {
            return taken;
        }
        next = requests.try_recv();
    }
}
