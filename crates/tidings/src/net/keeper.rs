//! Idle timeouts and keepalive pings: one coarse wheel for all connections of a door, so that none has
//! a timer of its own and no message costs any work.

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tidings_websocket::Limits;

use super::Outbox;
use super::options::ConnectionOptions;

/// How late a deadline may be noticed.
const TICK: Duration = Duration::from_millis(100);

/// Slots of the wheel. What is due after its last one is looked at again then.
const SLOTS: usize = 512;

/// What a door grants its connections, and who watches over it.
#[derive(Debug)]
pub(crate) struct Terms {
    options: ConnectionOptions,
    limits: Arc<Limits>,
    wheel: Mutex<Wheel>,
}

#[derive(Debug)]
struct Wheel {
    slots: Vec<Vec<Weak<Outbox>>>,
    /// The slot of the last tick.
    current: usize,
    kept: usize,
    watch: Watch,
}

/// Whether a task turns the wheel. It ends when the wheel is empty.
#[derive(Debug, PartialEq, Eq)]
enum Watch {
    Idle,
    Running,
}

impl Terms {
    pub(crate) fn new(options: ConnectionOptions) -> Arc<Self> {
        let wheel = Wheel { slots: Vec::new(), current: 0, kept: 0, watch: Watch::Idle };
        let limits = Arc::new(options.limits);
        Arc::new(Self { options, limits, wheel: Mutex::new(wheel) })
    }

    /// The same for all connections.
    pub(crate) fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits)
    }

    /// Looks after `outbox` from its next deadline on, if it has one. Must be called in a runtime.
    pub(super) fn keep(self: &Arc<Self>, outbox: &Arc<Outbox>) {
        let Some(deadline) = outbox.next_deadline() else { return };
        let mut wheel = self.lock();
        wheel.insert(Arc::downgrade(outbox), deadline, Instant::now());
        if wheel.watch == Watch::Idle {
            wheel.watch = Watch::Running;
            tokio::spawn(watch(Arc::downgrade(self)));
        }
    }

    /// Looks at the connections whose time has come. Whether any are left.
    fn tick(&self) -> Watch {
        let due = self.lock().advance();
        let now = Instant::now();
        for weak in due {
            let Some(outbox) = weak.upgrade() else { continue };
            if let Some(deadline) = outbox.look_after(now) {
                self.lock().insert(weak, deadline, now);
            }
        }
        let mut wheel = self.lock();
        if wheel.kept == 0 {
            wheel.watch = Watch::Idle;
            return Watch::Idle;
        }
        Watch::Running
    }

    fn lock(&self) -> MutexGuard<'_, Wheel> {
        self.wheel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Terms {
    type Target = ConnectionOptions;

    fn deref(&self) -> &ConnectionOptions {
        &self.options
    }
}

impl Wheel {
    fn insert(&mut self, outbox: Weak<Outbox>, deadline: Instant, now: Instant) {
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, Vec::new);
        }
        let ticks = deadline.saturating_duration_since(now).as_millis() / TICK.as_millis();
        let ticks = usize::try_from(ticks).unwrap_or(SLOTS).clamp(0, SLOTS - 2) + 1;
        let slot = (self.current + ticks) % SLOTS;
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.push(outbox);
            self.kept += 1;
        }
    }

    fn advance(&mut self) -> Vec<Weak<Outbox>> {
        self.current = (self.current + 1) % SLOTS;
        let due = self.slots.get_mut(self.current).map(std::mem::take).unwrap_or_default();
        self.kept -= due.len();
        due
    }
}

async fn watch(terms: Weak<Terms>) {
    let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + TICK, TICK);
    loop {
        interval.tick().await;
        match terms.upgrade() {
            Some(terms) if terms.tick() == Watch::Running => {}
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::KeepAlive;
    use super::*;
    use crate::endpoint::CloseInitiator;

    fn second() -> Duration {
        Duration::from_secs(1)
    }

    fn outbox(change: impl FnOnce(&mut ConnectionOptions)) -> Arc<Outbox> {
        let mut options = ConnectionOptions { keepalive: None, ..Default::default() };
        change(&mut options);
        Outbox::new(None, Terms::new(options), None)
    }

    fn keepalive() -> Option<KeepAlive> {
        Some(KeepAlive { every: second() * 10, timeout: second() * 5 })
    }

    #[tokio::test]
    async fn without_timeouts_nothing_is_due() {
        let outbox = outbox(|_| ());
        assert_eq!(outbox.next_deadline(), None);
        assert_eq!(outbox.look_after(Instant::now() + second() * 1000), None);
        assert!(outbox.is_open());
    }

    #[tokio::test]
    async fn an_idle_session_is_closed_as_timed_out() {
        let outbox = outbox(|options| options.idle_timeout = Some(second()));
        let start = outbox.last_read();
        assert_eq!(outbox.next_deadline(), Some(start + second()));
        assert_eq!(outbox.look_after(start), Some(start + second()), "it is not due yet");
        assert_eq!(outbox.look_after(start + second()), None);
        assert!(outbox.is_closing());
    }

    #[tokio::test]
    async fn a_silent_peer_is_asked_and_then_given_up() {
        let outbox = outbox(|options| options.keepalive = keepalive());
        let start = outbox.last_read();
        let asked = start + second() * 10;
        assert_eq!(outbox.next_deadline(), Some(asked));
        assert_eq!(outbox.look_after(asked), Some(asked + second() * 5));
        assert_eq!(outbox.waiting_octets(), 2, "a ping without payload");
        assert_eq!(outbox.look_after(asked + second() * 5), None);
        assert!(outbox.is_closing());
        assert_eq!(outbox.broken().map(|info| info.initiator), Some(CloseInitiator::Timeout));
    }

    #[tokio::test]
    async fn a_peer_that_answers_stays() {
        let at_once = KeepAlive { every: Duration::ZERO, timeout: second() };
        let outbox = outbox(|options| options.keepalive = Some(at_once));
        let asked = Instant::now();
        outbox.look_after(asked);
        while outbox.note_read() <= asked {}
        assert!(outbox.look_after(asked + second() * 2).is_some(), "it is asked again");
        assert!(outbox.is_open());
    }

    #[tokio::test]
    async fn the_wheel_finds_what_is_due_and_stops_when_it_is_empty() {
        let outbox = outbox(|options| options.idle_timeout = Some(Duration::from_millis(1)));
        outbox.terms().keep(&outbox);
        outbox.closed_for_new().await;
        let terms = Arc::clone(outbox.terms());
        tokio::time::timeout(second() * 60, async {
            while terms.lock().watch == Watch::Running {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    }
}
