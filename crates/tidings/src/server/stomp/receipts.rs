use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tidings_broker::HeldBack;
use tidings_stomp::{Error, ReceiptId, Version, encode};
use tidings_websocket::{CloseCode, CloseReason};
use tokio::sync::Notify;

use super::outgoing::message_for;
use super::session::StompSession;
use crate::endpoint::Session;
use crate::store::{Awaiting, BatchNumber, Journal, StoreError, Waits};

/// Frames of one session that must not leave before something is stored: RECEIPTs, and whatever the
/// session has said since.
pub(super) struct HeldFrames {
    session: Session,
    version: Version,
    held: Mutex<Held>,
    /// Told when nothing is held any more.
    released: Notify,
}

#[derive(Default)]
struct Held {
    frames: HeldBack<Bytes>,
    registration: Registration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Registration {
    #[default]
    None,
    /// The journal tells of what is stored.
    WithJournal,
}

impl HeldFrames {
    pub(super) fn new(session: Session, version: Version) -> Arc<Self> {
        let held = Mutex::default();
        Arc::new(Self { session, version, held, released: Notify::new() })
    }

    /// Holds a frame back until a batch is stored, and all that were held back before it have left.
    pub(super) fn hold(self: &Arc<Self>, journal: &Journal, number: BatchNumber, frame: Bytes) {
        let mut held = self.lock();
        held.frames.hold(number, frame);
        if held.registration == Registration::WithJournal {
            return;
        }
        held.registration = Registration::WithJournal;
        drop(held);
        // It is the only one that is held then, so nothing waits for more.
        if let Err(committed) = journal.wait_for(number, Arc::clone(self) as _) {
            self.committed(committed);
        }
    }

    /// Sees to it that the session is told if a batch cannot be stored.
    pub(super) fn watch(self: &Arc<Self>, journal: &Journal, number: BatchNumber) {
        let is_watched = self.lock().frames.waits_for(number);
        if !is_watched {
            self.hold(journal, number, Bytes::new());
        }
    }

    /// Holds a frame back that waits for nothing itself, if others are held back. Returns it if not.
    pub(super) fn hold_behind(&self, frame: Bytes) -> Option<Bytes> {
        self.lock().frames.hold_behind(frame)
    }

    /// Waits until nothing is held back.
    pub(super) async fn released(&self) {
        loop {
            let released = self.released.notified();
            if self.lock().frames.is_empty() || !self.session.is_open() {
                return;
            }
            released.await;
        }
    }

    fn send(&self, frame: Bytes) {
        // Somebody waits for a batch, and has nothing to say.
        if frame.is_empty() {
            return;
        }
        if self.session.try_send(message_for(&self.session, frame)).is_err() {
            let reason = "no room for a receipt";
            self.session.close(CloseReason::truncated(CloseCode::TRY_AGAIN_LATER, reason));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Awaiting for HeldFrames {
    fn committed(&self, number: BatchNumber) -> Waits {
        let mut held = self.lock();
        while let Some(frame) = held.frames.release(number) {
            self.send(frame);
        }
        if held.frames.is_empty() {
            *held = Held::default();
            self.released.notify_waiters();
            return Waits::NoLonger;
        }
        Waits::ForMore
    }

    fn failed(&self, error: &StoreError) {
        *self.lock() = Held::default();
        let advice = "It may still be stored later. Send it again once the server can store.";
        let body = format!("What you sent is not stored: {}. {advice}\n", error.public());
        let mut frame = Vec::new();
        encode(&Error::new("cannot store", body).to_frame(), self.version, &mut frame);
        self.send(frame.into());
        self.session.close(CloseReason::truncated(CloseCode::PROTOCOL_ERROR, "cannot store"));
        self.released.notify_waiters();
    }
}

impl StompSession {
    /// Waits until no frame waits for the store.
    pub(super) async fn released(&self) {
        if let Some(held) = &self.held {
            held.released().await;
        }
    }

    /// Gives a receipt once a batch is stored, and those before it are given.
    pub(super) fn receipt_after(
        &mut self,
        session: &Session,
        batch: Option<BatchNumber>,
        receipt: Option<ReceiptId>,
    ) {
        let Some(receipt) = receipt else { return };
        let (Some(batch), Some(journal)) = (batch, self.shared.hub.journal()) else {
            return self.server.receipt(receipt);
        };
        let Some(version) = self.server.version() else { return };
        let held = self.held.get_or_insert_with(|| HeldFrames::new(session.clone(), version));
        // Nothing else is left to transmit: it was, before this event was taken.
        self.server.receipt(receipt);
        while let Some(frame) = self.server.poll_transmit() {
            held.hold(journal, batch, frame);
        }
    }

    /// The broker has taken what the client has sent: gives the receipt once that is stored. Without a
    /// receipt the client is told only if it cannot be stored.
    pub(super) fn sent(
        &mut self,
        session: &Session,
        batch: Option<BatchNumber>,
        receipt: Option<ReceiptId>,
    ) {
        if receipt.is_some() {
            return self.receipt_after(session, batch, receipt);
        }
        let (Some(batch), Some(journal)) = (batch, self.shared.hub.journal()) else { return };
        let Some(version) = self.server.version() else { return };
        let held = self.held.get_or_insert_with(|| HeldFrames::new(session.clone(), version));
        held.watch(journal, batch);
    }

    pub(super) fn acknowledge_receipt(&mut self, receipt: Option<ReceiptId>) {
        if let Some(receipt) = receipt {
            self.server.receipt(receipt);
        }
    }
}
