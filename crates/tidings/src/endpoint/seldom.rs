use std::fmt;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tidings_stomp::SubscriptionId;
use tidings_websocket::MessageKind;

use super::codec::CodecSlot;
use super::handlers::Handlers;
use super::{Delivery, Principal, Session, UserProperties, Vitals};

/// What few sessions need: made by the first who asks for it.
#[derive(Debug, Default)]
pub(crate) struct Seldom {
    vitals: Vitals,
    user_properties: OnceLock<UserProperties>,
    principal: Mutex<Option<Principal>>,
    codec: CodecSlot,
    /// Made by the first who needs it.
    of_stomp: OnceLock<Box<OfStomp>>,
    receiving: Mutex<Receiving>,
    /// Whether `receiving` has ever said anything.
    receives_its_own_way: AtomicBool,
    /// Whether `receiving` says something that the connection has not been told.
    changed: AtomicBool,
}

/// What few sessions of STOMP need.
#[derive(Default)]
struct OfStomp {
    /// Subscriptions that the broker has ended, until the session takes note.
    cancelled: Mutex<Vec<SubscriptionId>>,
    after_renewal: OnceLock<AfterRenewal>,
}

/// What is done when the session has a new login.
pub(super) type AfterRenewal = Box<dyn Fn(&Session) + Send + Sync>;

/// How this one session receives, where that is not how its endpoint does.
#[derive(Debug, Default)]
pub(super) struct Receiving {
    text_octets_max: Option<usize>,
    binary_octets_max: Option<usize>,
    /// Of one message of any kind, while it is not known who the peer is.
    stranger_octets_max: Option<NonZeroU32>,
    pub(super) handlers: Handlers,
    /// Whether the session has ended.
    pub(super) is_over: bool,
}

impl OfStomp {
    fn lock(&self) -> MutexGuard<'_, Vec<SubscriptionId>> {
        self.cancelled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for OfStomp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfStomp").field("cancelled", &self.cancelled).finish_non_exhaustive()
    }
}

impl Seldom {
    pub(super) fn vitals(&self) -> &Vitals {
        &self.vitals
    }

    /// The session's own properties, which begin as a copy of the endpoint's.
    pub(super) fn user_properties(&self, of_endpoint: &UserProperties) -> &UserProperties {
        self.user_properties.get_or_init(|| of_endpoint.to_copy())
    }

    pub(super) fn existing_user_properties(&self) -> Option<&UserProperties> {
        self.user_properties.get()
    }

    pub(super) fn set_user_properties(&self, properties: UserProperties) {
        // Set before anyone else knows the session.
        let _ = self.user_properties.set(properties);
    }

    pub(super) fn principal(&self) -> Option<Principal> {
        self.principal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_principal(&self, principal: Principal) {
        *self.principal.lock().unwrap_or_else(PoisonError::into_inner) = Some(principal);
    }

    pub(super) fn codec(&self) -> &CodecSlot {
        &self.codec
    }

    pub(super) fn note_cancelled(&self, id: SubscriptionId) {
        self.of_stomp.get_or_init(Box::default).lock().push(id);
    }

    pub(super) fn has_cancelled(&self, id: &SubscriptionId) -> bool {
        self.of_stomp.get().is_some_and(|of_stomp| of_stomp.lock().contains(id))
    }

    #[inline]
    pub(super) fn take_cancelled(&self) -> Vec<SubscriptionId> {
        let Some(of_stomp) = self.of_stomp.get() else { return Vec::new() };
        std::mem::take(&mut of_stomp.lock())
    }

    /// The first one holds.
    pub(super) fn set_after_renewal(&self, after_renewal: AfterRenewal) {
        let _ = self.of_stomp.get_or_init(Box::default).after_renewal.set(after_renewal);
    }

    pub(super) fn after_renewal(&self) -> Option<&AfterRenewal> {
        self.of_stomp.get()?.after_renewal.get()
    }

    pub(super) fn octets_max(&self, kind: MessageKind) -> Option<usize> {
        let receiving = self.lock();
        match kind {
            MessageKind::Text => receiving.text_octets_max,
            MessageKind::Binary => receiving.binary_octets_max,
        }
    }

    pub(super) fn set_octets_max(&self, kind: MessageKind, octets_max: usize) {
        self.change(|receiving| match kind {
            MessageKind::Text => receiving.text_octets_max = Some(octets_max),
            MessageKind::Binary => receiving.binary_octets_max = Some(octets_max),
        });
    }

    pub(super) fn stranger_octets_max(&self) -> Option<usize> {
        let octets_max = self.lock().stranger_octets_max?;
        usize::try_from(octets_max.get()).ok()
    }

    pub(super) fn set_stranger_octets_max(&self, octets_max: Option<usize>) {
        let counted = |octets_max| u32::try_from(octets_max).unwrap_or(u32::MAX).max(1);
        let octets_max = octets_max.map(counted).and_then(NonZeroU32::new);
        self.lock().stranger_octets_max = octets_max;
        self.changed.store(true, Ordering::Release);
    }

    /// Changes how messages are received, from the next ones on.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut Receiving) -> R) -> R {
        let changed = change(&mut self.lock());
        self.receives_its_own_way.store(true, Ordering::Release);
        self.changed.store(true, Ordering::Release);
        changed
    }

    pub(super) fn receiving(&self) -> MutexGuard<'_, Receiving> {
        self.lock()
    }

    /// Handlers may hold the session that holds them. No more are added.
    pub(super) fn drop_handlers(&self) {
        let mut receiving = self.lock();
        receiving.is_over = true;
        let handlers = std::mem::take(&mut receiving.handlers);
        drop(receiving);
        drop(handlers);
    }

    /// So may properties.
    pub(super) fn drop_user_properties(&self) {
        if let Some(properties) = self.user_properties.get() {
            properties.clear();
        }
    }

    /// Whether messages may have to go another way than to the endpoint, as the door gives them.
    #[inline]
    pub(super) fn receives_its_own_way(&self) -> bool {
        self.receives_its_own_way.load(Ordering::Acquire)
    }

    /// Whether something has changed since the last time.
    #[inline]
    pub(super) fn take_changed(&self) -> bool {
        self.changed.load(Ordering::Acquire) && self.changed.swap(false, Ordering::AcqRel)
    }

    /// How messages of a kind are delivered, if the endpoint wants them so.
    pub(super) fn delivery(&self, kind: MessageKind, wanted: Delivery) -> Delivery {
        let delivery = self.lock().handlers.delivery(kind).unwrap_or(wanted);
        match (delivery, self.octets_max(kind)) {
            (Delivery::Whole { .. }, octets_max @ Some(_)) => Delivery::Whole { octets_max },
            (delivery, _) => delivery,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Receiving> {
        self.receiving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
