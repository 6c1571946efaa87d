//! A store that stores nothing, and answers at once or from another thread. The cost of a load with it is the cost of
//! the load itself.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use futures_util::FutureExt;
use hotlist::list::name::ListName;
use hotlist::store::receipt_room::{ReceiptLimits, ReceiptRoom};
use hotlist::store::{
    ChangesPage, Commit, Health, HistoryPage, PageLimit, Pending, Store, StoreError, Stored, Summary, WakeUp,
};
use tokio::sync::oneshot;

/// About the time of a durable write, so that as many answers come at once.
const WRITE: Duration = Duration::from_millis(1);

/// The store that stores nothing.
pub(crate) struct Baseline {
    /// The other thread, if there is one.
    writes: Option<SyncSender<oneshot::Sender<()>>>,
    receipt_room: Arc<ReceiptRoom>,
}

impl Baseline {
    /// As the memory store answers.
    pub(crate) fn at_once() -> Self {
        Self { writes: None, receipt_room: ReceiptRoom::new(ReceiptLimits::default()) }
    }

    /// As the embedded store answers.
    pub(crate) fn with_thread() -> Self {
        let (writes, requests) = sync_channel(65_536);
        std::thread::spawn(move || answer(&requests));
        Self { writes: Some(writes), receipt_room: ReceiptRoom::new(ReceiptLimits::default()) }
    }
}

#[expect(clippy::disallowed_methods, reason = "it takes the time that a disk would")]
fn answer(requests: &Receiver<oneshot::Sender<()>>) {
    while let Ok(first) = requests.recv() {
        std::thread::sleep(WRITE);
        for reply in std::iter::once(first).chain(requests.try_iter()) {
            let _ = reply.send(());
        }
    }
}

fn nothing<T: Send + 'static>() -> Pending<T> {
    std::future::ready(Err(StoreError::Closed)).boxed()
}

impl Store for Baseline {
    fn commit(&self, _: Commit) -> Pending<()> {
        let Some(writes) = &self.writes else { return std::future::ready(Ok(())).boxed() };
        let (reply, answer) = oneshot::channel();
        let sent = writes.send(reply);
        async move {
            sent.map_err(|_| StoreError::Closed)?;
            answer.await.map_err(|_| StoreError::Closed)
        }
        .boxed()
    }

    fn load(&self, _: &ListName) -> Pending<Stored> {
        nothing()
    }

    fn page(&self, _: Option<&ListName>, _: usize) -> Pending<Vec<Summary>> {
        nothing()
    }

    fn changes(&self, _: &ListName, _: u64, _: usize, _: PageLimit) -> Pending<Option<ChangesPage>> {
        nothing()
    }

    fn history_page(&self, _: &ListName, _: u64, _: PageLimit) -> Pending<HistoryPage> {
        nothing()
    }

    fn due(&self, _: u64, _: Option<&WakeUp>, _: usize) -> Pending<Vec<WakeUp>> {
        nothing()
    }

    fn next_due(&self) -> Pending<Option<u64>> {
        nothing()
    }

    fn receipt_room(&self) -> &Arc<ReceiptRoom> {
        &self.receipt_room
    }

    fn health(&self) -> Health {
        Health::Healthy
    }

    fn close(&self) -> Pending<()> {
        std::future::ready(Ok(())).boxed()
    }
}
