use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tidings_broker::HeldBack;
use tidings_stomp::{Error, ErrorFrames, ReceiptId, Version, encode};
use tidings_websocket::{CloseCode, CloseReason};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::outgoing::message_for;
use super::session::StompSession;
use crate::endpoint::{SendError, Session};
use crate::net::TurnGuard;
use crate::store::{Awaiting, BatchNumber, Journal, StoreError, Waits};

/// Frames of one session that must not leave before something is stored: RECEIPTs, and whatever the
/// session has said since.
///
/// They leave as the client reads: what finds no room in the outbox stays here, and a task of its own
/// sends it when there is some.
pub(super) struct HeldFrames {
    session: Session,
    version: Version,
    errors: ErrorFrames,
    held: Mutex<Held>,
    /// Told when frames have left, or never will.
    changed: Notify,
    /// That of the session: the journal's thread has none.
    runtime: Handle,
}

#[derive(Default)]
struct Held {
    frames: HeldBack<Bytes>,
    registration: Registration,
    release: Release,
    life: Life,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Registration {
    #[default]
    None,
    /// The journal tells of what is stored.
    WithJournal,
}

/// Who sends what may leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Release {
    /// Whoever says that it is stored.
    #[default]
    AtOnce,
    /// A task, as the client reads.
    WhenThereIsRoom,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Life {
    #[default]
    Running,
    /// The session ends without what was held.
    Over,
}

/// The session is over: nothing that is held leaves any more.
#[derive(Debug)]
pub(super) struct Over;

impl HeldFrames {
    /// To be called on the runtime of the session.
    fn new(session: Session, version: Version, errors: ErrorFrames) -> Arc<Self> {
        let (held, changed, runtime) = (Mutex::default(), Notify::new(), Handle::current());
        Arc::new(Self { session, version, errors, held, changed, runtime })
    }

    /// Holds a frame back until a batch is stored, and all that were held back before it have left.
    pub(super) fn hold(self: &Arc<Self>, journal: &Journal, number: BatchNumber, frame: Bytes) {
        let mut held = self.lock();
        if held.life == Life::Over {
            return;
        }
        held.frames.hold(number, frame);
        if held.registration == Registration::WithJournal {
            return;
        }
        held.registration = Registration::WithJournal;
        drop(held);
        // What is held before it is stored already, so nothing waits for more.
        if let Err(committed) = journal.wait_for(number, Arc::clone(self) as _) {
            Arc::clone(self).committed(committed);
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
    pub(super) async fn released(&self) -> Result<(), Over> {
        self.until(|frames| frames.is_empty()).await
    }

    /// Whether more than that is held back.
    pub(super) fn exceeds(&self, octets_max: usize) -> bool {
        self.lock().frames.octets() > octets_max
    }

    /// Waits until no more than that is held back.
    pub(super) async fn shrunk_to(&self, octets_max: usize) -> Result<(), Over> {
        self.until(|frames| frames.octets() <= octets_max).await
    }

    async fn until(&self, holds: impl Fn(&HeldBack<Bytes>) -> bool) -> Result<(), Over> {
        loop {
            let changed = self.changed.notified();
            {
                let mut held = self.lock();
                if held.life == Life::Over || !self.session.is_open() {
                    *held = Held { life: Life::Over, ..Held::default() };
                    return Err(Over);
                }
                if holds(&held.frames) {
                    return Ok(());
                }
            }
            changed.await;
        }
    }

    /// Sends what may leave, if nobody does so already.
    fn release(self: &Arc<Self>, held: &mut Held) {
        if held.release == Release::WhenThereIsRoom {
            return;
        }
        self.send_what_fits(held);
        if held.frames.first().is_some() {
            held.release = Release::WhenThereIsRoom;
            self.runtime.spawn(Arc::clone(self).send_when_there_is_room());
        }
    }

    /// A client that does not read at all is given up by its door, which ends this too.
    async fn send_when_there_is_room(self: Arc<Self>) {
        loop {
            self.session.link().drained().await;
            let _turn = TurnGuard::enter();
            let mut held = self.lock();
            if !self.session.is_open() {
                *held = Held { life: Life::Over, ..Held::default() };
                return self.changed.notify_waiters();
            }
            self.send_what_fits(&mut held);
            if held.frames.first().is_none() {
                held.release = Release::AtOnce;
                return;
            }
        }
    }

    /// Leaves half of the outbox to others: whoever finds it full takes the client for a slow one.
    fn send_what_fits(&self, held: &mut Held) {
        let link = self.session.link();
        while let Some(frame) = held.frames.first() {
            if link.is_backlogged() {
                // Perhaps only because nobody has offered the client what there is.
                link.flush();
                if link.is_backlogged() {
                    break;
                }
            }
            if self.send(frame.clone()) == Err(SendError::Full) {
                break;
            }
            held.frames.release();
        }
        self.changed.notify_waiters();
    }

    fn send(&self, frame: Bytes) -> Result<(), SendError> {
        // Somebody waits for a batch, and has nothing to say.
        if frame.is_empty() {
            return Ok(());
        }
        self.session.try_send(message_for(&self.session, frame))
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Awaiting for HeldFrames {
    fn committed(self: Arc<Self>, number: BatchNumber) -> Waits {
        let mut held = self.lock();
        held.frames.handle_stored(number);
        self.release(&mut held);
        if held.frames.waits() {
            return Waits::ForMore;
        }
        held.registration = Registration::None;
        Waits::NoLonger
    }

    fn failed(self: Arc<Self>, error: &StoreError) {
        // Nobody goes on as if it were stored, from now on.
        *self.lock() = Held { life: Life::Over, ..Held::default() };
        let advice = "It may still be stored later. Send it again once the server can store.";
        let body = format!("What you sent is not stored: {}. {advice}\n", error.public());
        let mut frame = Vec::new();
        encode(&self.errors.frame(&Error::new("cannot store", body)), self.version, &mut frame);
        // A client that does not read is closed without a word.
        let _ = self.send(frame.into());
        self.session.close(CloseReason::truncated(CloseCode::PROTOCOL_ERROR, "cannot store"));
        self.changed.notify_waiters();
    }
}

impl StompSession {
    /// The frames that wait for the store.
    pub(super) fn held(&mut self, session: &Session, version: Version) -> &Arc<HeldFrames> {
        let errors = &self.shared.options.errors;
        let new = || HeldFrames::new(session.clone(), version, errors.clone());
        self.held.get_or_insert_with(new)
    }

    /// Waits until no frame waits for the store.
    pub(super) async fn released(&self) -> Result<(), Over> {
        match &self.held {
            Some(held) => held.released().await,
            None => Ok(()),
        }
    }

    /// Whether so little waits for the store that more may come.
    pub(super) fn has_room_to_hold(&self) -> bool {
        self.held.as_ref().is_none_or(|held| !held.exceeds(self.shared.held_octets_max))
    }

    /// Waits until so little waits for the store that more may come.
    pub(super) async fn room_to_hold(&self) -> Result<(), Over> {
        match &self.held {
            Some(held) => held.shrunk_to(self.shared.held_octets_max).await,
            None => Ok(()),
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
        let (Some(batch), Some(journal)) = (batch, self.shared.hub.journal().cloned()) else {
            return self.server.receipt(receipt);
        };
        let Some(version) = self.server.version() else { return };
        let held = Arc::clone(self.held(session, version));
        // Nothing else is left to transmit: it was, before this event was taken.
        self.server.receipt(receipt);
        while let Some(frame) = self.server.poll_transmit() {
            held.hold(&journal, batch, frame);
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
        let (Some(batch), Some(journal)) = (batch, self.shared.hub.journal().cloned()) else {
            return;
        };
        let Some(version) = self.server.version() else { return };
        let held = Arc::clone(self.held(session, version));
        held.watch(&journal, batch);
    }

    pub(super) fn acknowledge_receipt(&mut self, receipt: Option<ReceiptId>) {
        if let Some(receipt) = receipt {
            self.server.receipt(receipt);
        }
    }
}
