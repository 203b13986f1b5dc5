use std::cmp::Ordering as Order;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::destination::Destination;
use crate::message::Message;
use crate::stomp::expects_ack;
use crate::subscription::{EncodingClass, Subscription};

/// The most subscriptions that are copied to add or remove one.
const SEGMENT_MAX: usize = 256;
/// A segment with fewer joins its neighbour, if there is room.
const SEGMENT_MIN: usize = SEGMENT_MAX / 4;

/// The subscribers of a topic or of a pattern at one moment: a snapshot that never changes.
///
/// They are kept in the order of their encoding class, so that all who get the same octets stand
/// together. A clone copies one reference per segment of up to 256 subscriptions.
#[derive(Debug)]
pub struct Subscribers<S> {
    /// In order, none empty.
    segments: Vec<Arc<Segment<S>>>,
    len: usize,
    /// False while the newest subscriber does not know yet that it has subscribed.
    confirmed: AtomicBool,
}

#[derive(Debug)]
struct Segment<S> {
    /// In order.
    subscriptions: Vec<Arc<Subscription<S>>>,
    /// Where the runs of equal octets end, the last one with the segment.
    run_ends: Vec<usize>,
}

impl<S> Subscribers<S> {
    /// How many subscriptions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no subscription.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The subscriptions, grouped by what their frames look like: one encoding serves a group.
    ///
    /// Two groups may have the same class, when ACK is expected in one and not in the other: see
    /// [`Group::ack`].
    #[must_use]
    pub fn groups(&self) -> Groups<'_, S> {
        Groups { segments: &self.segments, run: 0 }
    }

    /// Those that `keep` is true for.
    pub(crate) fn filter(&self, keep: impl Fn(&Subscription<S>) -> bool) -> Self {
        let all = self.groups().flat_map(|(_, group)| group);
        let kept: Vec<_> = all.filter(|subscription| keep(subscription)).cloned().collect();
        let segments = kept.chunks(SEGMENT_MAX).map(|some| Segment::new(some.to_vec())).collect();
        Self { segments, len: kept.len(), confirmed: AtomicBool::new(true) }
    }

    /// All, and one more. The snapshot counts as unconfirmed.
    pub(crate) fn with(&self, subscription: Arc<Subscription<S>>) -> Self {
        let mut segments = self.segments.clone();
        // The last segment that starts before the new one, or the first.
        let at = self.segment_of(&subscription).unwrap_or(0);
        let place = |segment: &Segment<S>| {
            segment.subscriptions.partition_point(|other| order(other, &subscription).is_lt())
        };
        match segments.get(at) {
            None => segments.push(Segment::new(vec![subscription])),
            Some(segment) if segment.subscriptions.len() < SEGMENT_MAX => {
                let place = place(segment);
                segments[at] = segment.with(place, subscription);
            }
            Some(segment) => {
                let place = place(segment);
                let next = segments.get(at + 1);
                if place < SEGMENT_MAX {
                    let (first, second) = segment.with(place, subscription).halves();
                    segments.splice(at..=at, [first, second]);
                } else if let Some(next) = next.filter(|next| next.has_room()) {
                    segments[at + 1] = next.with(0, subscription);
                } else {
                    segments.insert(at + 1, Segment::new(vec![subscription]));
                }
            }
        }
        Self { segments, len: self.len + 1, confirmed: AtomicBool::new(false) }
    }

    /// All but `subscription`, if it is among them.
    pub(crate) fn without(&self, subscription: &Subscription<S>) -> Option<Self> {
        let at = self.segment_of(subscription)?;
        let segment = &self.segments[at];
        let place =
            segment.subscriptions.binary_search_by(|other| order(other, subscription)).ok()?;
        let mut rest = segment.subscriptions.clone();
        rest.remove(place);
        let mut segments = self.segments.clone();
        if rest.is_empty() {
            segments.remove(at);
        } else {
            segments[at] = Segment::new(rest);
            join_neighbours(&mut segments, at);
        }
        Some(Self { segments, len: self.len - 1, confirmed: AtomicBool::new(true) })
    }

    pub(crate) fn is_confirmed(&self) -> bool {
        self.confirmed.load(Ordering::Acquire)
    }

    pub(crate) fn confirm(&self) {
        self.confirmed.store(true, Ordering::Release);
    }

    /// The only segment that may hold `subscription`.
    fn segment_of(&self, subscription: &Subscription<S>) -> Option<usize> {
        let starts_before =
            |segment: &Arc<Segment<S>>| order(segment.first(), subscription).is_le();
        self.segments.partition_point(starts_before).checked_sub(1)
    }
}

impl<S> Default for Subscribers<S> {
    fn default() -> Self {
        Self { segments: Vec::new(), len: 0, confirmed: AtomicBool::new(true) }
    }
}

impl<S> Clone for Subscribers<S> {
    fn clone(&self) -> Self {
        let confirmed = AtomicBool::new(self.is_confirmed());
        Self { segments: self.segments.clone(), len: self.len, confirmed }
    }
}

impl<S> Segment<S> {
    /// `subscriptions` must be in order and not empty.
    fn new(subscriptions: Vec<Arc<Subscription<S>>>) -> Arc<Self> {
        let changes = subscriptions.windows(2).enumerate();
        let mut run_ends: Vec<usize> = changes
            .filter(|(_, pair)| order_of_octets(&pair[0], &pair[1]).is_ne())
            .map(|(at, _)| at + 1)
            .collect();
        run_ends.push(subscriptions.len());
        Arc::new(Self { subscriptions, run_ends })
    }

    fn with(&self, place: usize, subscription: Arc<Subscription<S>>) -> Arc<Self> {
        let mut subscriptions = Vec::with_capacity(self.subscriptions.len() + 1);
        let (before, after) = self.subscriptions.split_at(place);
        subscriptions.extend_from_slice(before);
        subscriptions.push(subscription);
        subscriptions.extend_from_slice(after);
        Self::new(subscriptions)
    }

    fn halves(&self) -> (Arc<Self>, Arc<Self>) {
        let (first, second) = self.subscriptions.split_at(self.subscriptions.len() / 2);
        (Self::new(first.to_vec()), Self::new(second.to_vec()))
    }

    fn has_room(&self) -> bool {
        self.subscriptions.len() < SEGMENT_MAX
    }

    fn first(&self) -> &Arc<Subscription<S>> {
        &self.subscriptions[0]
    }

    fn run_start(&self, run: usize) -> usize {
        run.checked_sub(1).map_or(0, |before| self.run_ends[before])
    }
}

/// The groups of [`Subscribers::groups`]: each with its encoding class.
#[derive(Debug)]
pub struct Groups<'a, S> {
    /// What is left; the next group starts in the first one.
    segments: &'a [Arc<Segment<S>>],
    /// The run of that segment with which it starts.
    run: usize,
}

impl<'a, S> Iterator for Groups<'a, S> {
    type Item = (&'a EncodingClass, Group<'a, S>);

    fn next(&mut self) -> Option<Self::Item> {
        let segments = self.segments;
        let segment = segments.first()?;
        let start = segment.run_start(self.run);
        let first = segment.subscriptions.get(start)?;
        // A run that ends with its segment may go on in the next one.
        let mut last = 0;
        let mut run = self.run;
        while run + 1 == segments[last].run_ends.len()
            && let Some(next) = segments.get(last + 1)
            && order_of_octets(first, next.first()).is_eq()
        {
            last += 1;
            run = 0;
        }
        let end = segments[last].run_ends[run];
        (self.segments, self.run) = if run + 1 < segments[last].run_ends.len() {
            (&segments[last..], run + 1)
        } else {
            (&segments[last + 1..], 0)
        };
        let group = if last == 0 {
            Group { first, front: segment.subscriptions[start..end].iter(), rest: &[], end }
        } else {
            let front = segment.subscriptions[start..].iter();
            Group { first, front, rest: &segments[1..=last], end }
        };
        Some((&first.class, group))
    }
}

/// Subscriptions whose frames have the same octets.
#[derive(Debug)]
pub struct Group<'a, S> {
    first: &'a Arc<Subscription<S>>,
    front: slice::Iter<'a, Arc<Subscription<S>>>,
    /// Segments that belong to the group, the last one up to `end`.
    rest: &'a [Arc<Segment<S>>],
    end: usize,
}

impl<'a, S> Group<'a, S> {
    /// The one subscription that is left of the group, if it is only one.
    #[must_use]
    pub fn only(&self) -> Option<&'a Arc<Subscription<S>>> {
        match (self.front.as_slice(), self.rest) {
            ([only], []) => Some(only),
            _ => None,
        }
    }

    /// The `destination` header in the frames of this group: see
    /// [`Subscription::destination_of`].
    #[must_use]
    pub fn destination<'m>(&self, message: &'m Message) -> &'m Destination
    where
        'a: 'm,
    {
        self.first.destination_of(message)
    }

    /// The `ack` header that STOMP 1.2 requires in the frames of this group.
    ///
    /// A topic forgets a message once it is sent, and an ACK changes nothing. Yet "if the message is
    /// received from a subscription that requires explicit acknowledgment", the frame must have the
    /// header; it is the message's id.
    #[must_use]
    pub fn ack<'m>(&self, message: &'m Message) -> Option<&'m str> {
        expects_ack(self.first.ack).then(|| message.message_id.as_str())
    }
}

impl<'a, S> Iterator for Group<'a, S> {
    type Item = &'a Arc<Subscription<S>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(subscription) = self.front.next() {
                return Some(subscription);
            }
            let (next, rest) = self.rest.split_first()?;
            let end = if rest.is_empty() { self.end } else { next.subscriptions.len() };
            self.front = next.subscriptions[..end].iter();
            self.rest = rest;
        }
    }
}

fn join_neighbours<S>(segments: &mut Vec<Arc<Segment<S>>>, at: usize) {
    if segments[at].subscriptions.len() >= SEGMENT_MIN {
        return;
    }
    for first in [Some(at), at.checked_sub(1)].into_iter().flatten() {
        let Some([one, two]) = segments.get(first..first + 2) else { continue };
        if one.subscriptions.len() + two.subscriptions.len() <= SEGMENT_MAX - SEGMENT_MIN {
            let joined = [one, two].map(|segment| segment.subscriptions.as_slice()).concat();
            segments.splice(first..first + 2, [Segment::new(joined)]);
            return;
        }
    }
}

/// Equal for subscriptions whose frames have the same octets.
fn order_of_octets<S>(one: &Subscription<S>, two: &Subscription<S>) -> Order {
    let ack = expects_ack(one.ack).cmp(&expects_ack(two.ack));
    one.class.cmp(&two.class).then(ack)
}

fn order<S>(one: &Subscription<S>, two: &Subscription<S>) -> Order {
    order_of_octets(one, two).then(one.serial.cmp(&two.serial))
}

#[cfg(test)]
mod tests;
