//! Idle timeouts and keepalive pings: one coarse wheel for all connections of a door, so that none has
//! a timer of its own and no message costs any work.

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tidings_websocket::Limits;

use super::Outbox;
use super::options::ConnectionOptions;

use crate::clock;

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
    slots: Vec<Slot>,
    /// The slot of the last tick.
    current: usize,
    kept: usize,
    watch: Watch,
}

/// A connection that is looked at when its slot is due.
#[derive(Debug)]
struct Entry {
    outbox: Weak<Outbox>,
    /// Entries of earlier generations are superseded.
    generation: u32,
}

/// What is due at one tick.
#[derive(Debug, Default)]
struct Slot {
    /// The entries of generation 0, which are almost all there are.
    first: Vec<Weak<Outbox>>,
    later: Vec<Entry>,
}

impl Slot {
    fn push(&mut self, entry: Entry) {
        match entry.generation {
            0 => self.first.push(entry.outbox),
            _ => self.later.push(entry),
        }
    }

    fn len(&self) -> usize {
        self.first.len() + self.later.len()
    }

    fn into_entries(self) -> impl Iterator<Item = Entry> {
        let first = self.first.into_iter().map(|outbox| Entry { outbox, generation: 0 });
        first.chain(self.later)
    }
}

/// Whether a task turns the wheel. It ends when the wheel is empty.
#[derive(Debug, PartialEq, Eq)]
enum Watch {
    Idle,
    Running,
}

impl Terms {
    pub(crate) fn new(mut options: ConnectionOptions) -> Arc<Self> {
        // An empty outbox takes a message, or whoever waits for it to be empty would try for ever.
        options.outbox_octets_max = options.outbox_octets_max.max(1);
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
        let Some((deadline, generation)) = outbox.keep_from() else { return };
        let mut wheel = self.lock();
        let entry = Entry { outbox: Arc::downgrade(outbox), generation };
        wheel.insert(entry, deadline, clock::instant());
        if wheel.watch == Watch::Idle {
            wheel.watch = Watch::Running;
            tokio::spawn(watch(Arc::downgrade(self)));
        }
    }

    /// Looks at the connections whose time has come. Whether any are left.
    fn tick(&self) -> Watch {
        let due = self.lock().advance();
        let now = clock::instant();
        for entry in due.into_entries() {
            let Some(outbox) = entry.outbox.upgrade() else { continue };
            if let Some(deadline) = outbox.look_after(entry.generation, now) {
                self.lock().insert(entry, deadline, now);
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
    fn insert(&mut self, entry: Entry, deadline: Instant, now: Instant) {
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, Slot::default);
        }
        let ticks = deadline.saturating_duration_since(now).as_millis() / TICK.as_millis();
        let ticks = usize::try_from(ticks).unwrap_or(SLOTS).clamp(0, SLOTS - 2) + 1;
        let slot = (self.current + ticks) % SLOTS;
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.push(entry);
            self.kept += 1;
        }
    }

    fn advance(&mut self) -> Slot {
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
    use super::super::outbox::Reading;
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
        assert_eq!(outbox.look_after(0, Instant::now() + second() * 1000), None);
        assert!(outbox.is_open());
    }

    #[tokio::test]
    async fn an_idle_session_is_closed_as_timed_out() {
        let outbox = outbox(|options| options.idle_timeout = Some(second()));
        let start = outbox.last_read();
        assert_eq!(outbox.next_deadline(), Some(start + second()));
        assert_eq!(outbox.look_after(0, start), Some(start + second()), "it is not due yet");
        assert_eq!(outbox.look_after(0, start + second()), None);
        assert!(outbox.is_closing());
    }

    #[tokio::test]
    async fn a_silent_peer_is_asked_and_then_given_up() {
        let outbox = outbox(|options| options.keepalive = keepalive());
        let start = outbox.last_read();
        let asked = start + second() * 10;
        assert_eq!(outbox.next_deadline(), Some(asked));
        assert_eq!(outbox.look_after(0, asked), Some(asked + second() * 5));
        assert_eq!(outbox.waiting_octets(), 2, "a ping without payload");
        assert_eq!(outbox.look_after(0, asked + second() * 5), None);
        assert!(outbox.is_closing());
        assert_eq!(outbox.broken().map(|info| info.initiator), Some(CloseInitiator::Timeout));
    }

    #[tokio::test]
    async fn a_peer_that_answers_stays() {
        let at_once = KeepAlive { every: Duration::ZERO, timeout: second() };
        let outbox = outbox(|options| options.keepalive = Some(at_once));
        let asked = Instant::now();
        outbox.look_after(0, asked);
        while outbox.note_read() <= asked {}
        assert!(outbox.look_after(0, asked + second() * 2).is_some(), "it is asked again");
        assert!(outbox.is_open());
    }

    #[tokio::test]
    async fn a_peer_that_is_not_listened_to_is_not_silent() {
        let outbox = outbox(|options| {
            options.keepalive = keepalive();
            options.idle_timeout = Some(second() * 12);
        });
        let start = outbox.last_read();
        outbox.set_reading(Reading::Paused);
        for tens in 1..5 {
            let now = start + second() * 10 * tens;
            assert_eq!(outbox.look_after(0, now), Some(now + second() * 10));
        }
        assert_eq!(outbox.waiting_octets(), 0, "it is not asked");
        outbox.set_reading(Reading::GoesOn);
        outbox.look_after(0, start + second() * 50);
        assert_eq!(outbox.waiting_octets(), 2, "it is");
    }

    #[tokio::test]
    async fn an_outbox_is_in_the_wheel_once_however_often_its_timeout_changes() {
        let outbox = outbox(|options| options.keepalive = keepalive());
        outbox.terms().keep(&outbox);
        for seconds in 1..1_000 {
            outbox.set_max_idle_timeout(Some(second() * seconds));
        }
        let kept = || outbox.terms().lock().kept;
        assert_eq!(kept(), 2, "the first one is superseded");
        outbox.set_max_idle_timeout(Some(second() / 2));
        assert_eq!(kept(), 3, "this is earlier");
        for generation in [0, 1] {
            assert_eq!(outbox.look_after(generation, Instant::now()), None, "superseded");
        }
        assert!(outbox.look_after(2, Instant::now()).is_some());
    }

    #[tokio::test]
    async fn a_timeout_beyond_all_time_is_none() {
        let never = KeepAlive { every: Duration::MAX, timeout: Duration::MAX };
        let outbox = outbox(|options| options.keepalive = Some(never));
        assert_eq!(outbox.next_deadline(), None);
        assert_eq!(outbox.look_after(0, Instant::now()), None);
        assert!(outbox.is_open());
    }

    #[tokio::test]
    async fn the_wheel_finds_what_is_due_and_stops_when_it_is_empty() {
        let outbox = outbox(|options| options.idle_timeout = Some(Duration::from_millis(1)));
        outbox.terms().keep(&outbox);
        outbox.closed().await;
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
