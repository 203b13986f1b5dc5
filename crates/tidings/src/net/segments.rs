use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::Bytes;
use tidings_websocket::{Opcode, encode_frame, encode_header};

use super::outbox::Written;
use super::shared_batch::Stretch;
use super::shared_message::{SharedFrames, SharedOctets};
use super::turn;

/// Payloads from this size up are written from where they are; smaller ones are copied into the
/// batch, which costs less than another element of a vectored write.
pub(crate) const COPIED_OCTETS_MAX: usize = 8 * 1024;

/// Segments given to one vectored write.
const SLICES_MAX: usize = 64;

/// Octets waiting to be written, in order. Owns no allocation while empty.
#[derive(Debug, Default)]
pub(super) struct Segments {
    /// What comes before the tail. Never empty.
    queue: Option<Box<Queue>>,
    /// Takes what is appended.
    tail: Tail,
    /// Octets of the first segment, or of the tail if it is the first, that are already written.
    written: usize,
}

#[derive(Debug)]
enum Tail {
    Own(Vec<u8>),
    /// Of what goes to many. Becomes a copy as soon as something else is appended, or it cannot be written at
    /// once.
    Shared(Stretch),
}

impl Default for Tail {
    fn default() -> Self {
        Self::Own(Vec::new())
    }
}

impl Tail {
    fn len(&self) -> usize {
        match self {
            Self::Own(octets) => octets.len(),
            Self::Shared(stretch) => stretch.len(),
        }
    }

    /// As octets of its own, with a buffer of the thread if it has none.
    #[inline]
    fn own(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Own(octets) => {
                if octets.capacity() == 0 {
                    *octets = turn::take_buffer();
                }
                octets
            }
            Self::Shared(stretch) => {
                let mut octets = turn::take_buffer();
                stretch.look(|shared| octets.extend_from_slice(shared));
                *self = Self::Own(octets);
                self.own()
            }
        }
    }
}

#[derive(Debug, Default)]
struct Queue {
    segments: VecDeque<Segment>,
    /// In all segments, those of the first included that are already written.
    octets: usize,
}

impl Queue {
    fn push(&mut self, segment: Segment) {
        self.octets += segment.as_slice().len();
        self.segments.push_back(segment);
    }

    fn pop(&mut self) -> Option<Segment> {
        let segment = self.segments.pop_front()?;
        self.octets -= segment.as_slice().len();
        Some(segment)
    }
}

#[derive(Debug)]
enum Segment {
    Batch(Vec<u8>),
    Shared(Bytes),
    /// What is before it has been written.
    Ticket(Written),
}

impl Segment {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Batch(octets) => octets,
            Self::Shared(octets) => octets,
            Self::Ticket(_) => &[],
        }
    }
}

impl Segments {
    #[inline]
    pub(super) fn octets(&self) -> usize {
        let queued = self.queue.as_ref().map_or(0, |queue| queue.octets);
        queued + self.tail.len() - self.written
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.octets() == 0
    }

    /// Octets of memory that are held for the segments beside their own octets.
    pub(super) fn overhead(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.segments.len() * size_of::<Segment>())
    }

    /// Appends what `encode` writes.
    #[inline]
    pub(super) fn append(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        encode(self.tail.own());
    }

    /// Appends a frame that goes to many, of which it keeps no copy as long as there is nothing else.
    pub(super) fn append_for_many(
        &mut self,
        opcode: Opcode,
        payload: &Bytes,
        frames: &SharedFrames,
    ) {
        let is_short = payload.len() < COPIED_OCTETS_MAX;
        let Some(stretch) = is_short.then(|| frames.stretch(opcode, payload)).flatten() else {
            return self.append_shared(frames.plain(opcode, payload));
        };
        self.append_stretch(stretch);
    }

    /// Appends octets that go to many as they are, of which it keeps no copy as long as there is nothing else.
    pub(super) fn append_octets_for_many(&mut self, octets: &Bytes, shared: &SharedOctets) {
        let is_short = octets.len() < COPIED_OCTETS_MAX;
        match is_short.then(|| shared.stretch(octets)).flatten() {
            Some(stretch) => self.append_stretch(stretch),
            None => self.append_shared(octets),
        }
    }

    fn append_stretch(&mut self, stretch: &Stretch) {
        let is_taken = match &mut self.tail {
            Tail::Shared(before) => before.extend(stretch),
            Tail::Own(octets) => {
                octets.is_empty() && {
                    self.tail = Tail::Shared(stretch.clone());
                    true
                }
            }
        };
        if !is_taken {
            let octets = self.tail.own();
            stretch.look(|shared| octets.extend_from_slice(shared));
        }
    }

    /// Keeps a copy of what is shared with others.
    pub(super) fn own(&mut self) {
        if let Tail::Shared(_) = self.tail {
            self.tail.own();
        }
    }

    /// Appends octets, by reference where they are many.
    pub(super) fn append_shared(&mut self, octets: &Bytes) {
        if octets.len() < COPIED_OCTETS_MAX {
            return self.append(|batch| batch.extend_from_slice(octets));
        }
        self.seal();
        self.queue.get_or_insert_default().push(Segment::Shared(octets.clone()));
    }

    /// Appends a frame with a copy of its payload, if that is short enough. Whether it was.
    #[inline]
    pub(super) fn append_short_frame(&mut self, opcode: Opcode, payload: &[u8]) -> bool {
        let is_short = payload.len() < COPIED_OCTETS_MAX;
        if is_short {
            self.append(|batch| encode_frame(opcode, payload, None, batch));
        }
        is_short
    }

    /// Appends a frame, whose payload is not copied if it is large.
    pub(super) fn append_frame(&mut self, opcode: Opcode, payload: &Bytes) {
        if self.append_short_frame(opcode, payload) {
            return;
        }
        let header = encode_header(opcode, payload.len(), None);
        self.append(|batch| batch.extend_from_slice(&header));
        self.append_shared(payload);
    }

    /// Completes `ticket` when everything before it is written.
    pub(super) fn append_ticket(&mut self, ticket: Written) {
        self.seal();
        self.queue.get_or_insert_default().push(Segment::Ticket(ticket));
        self.advance(0);
    }

    /// Has what is appended next come after a segment.
    fn seal(&mut self) {
        if self.tail.len() > 0 {
            let batch = std::mem::take(self.tail.own());
            self.queue.get_or_insert_default().push(Segment::Batch(batch));
        }
    }

    /// Offers the octets to `write` once, as slices, and drops as many as it took. Returns how many
    /// those were.
    pub(super) fn write_once(
        &mut self,
        write: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let taken = match (&self.queue, &mut self.tail) {
            (Some(queue), tail) => write_queue(queue, tail.own(), self.written, write),
            (None, Tail::Own(octets)) => write(&[IoSlice::new(&octets[self.written..])]),
            (None, Tail::Shared(stretch)) => {
                stretch.look(|octets| write(&[IoSlice::new(&octets[self.written..])]))
            }
        };
        let taken = match taken {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            taken => taken,
        };
        self.advance(*taken.as_ref().unwrap_or(&0));
        // What is left may stay for long.
        self.own();
        taken
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn advance(&mut self, taken: usize) {
        self.written += taken;
        while let Some(queue) = &mut self.queue {
            let len = queue.segments.front().map_or(0, |first| first.as_slice().len());
            if self.written < len {
                return;
            }
            self.written -= len;
            match queue.pop() {
                Some(Segment::Batch(batch)) => turn::recycle_buffer(batch),
                // Nobody may be waiting any more.
                Some(Segment::Ticket(ticket)) => drop(ticket.send(())),
                Some(Segment::Shared(_)) | None => {}
            }
            if queue.segments.is_empty() {
                self.queue = None;
            }
        }
        if self.written == self.tail.len() {
            self.written = 0;
            if let Tail::Own(octets) = std::mem::take(&mut self.tail) {
                turn::recycle_buffer(octets);
            }
        }
    }
}

fn write_queue(
    queue: &Queue,
    tail: &[u8],
    written: usize,
    write: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
    let segments = queue.segments.iter().map(Segment::as_slice).chain([tail]);
    let mut used = 0;
    for (slice, octets) in slices.iter_mut().zip(segments) {
        let start = if used == 0 { written } else { 0 };
        *slice = IoSlice::new(&octets[start..]);
        used += 1;
    }
    write(&slices[..used])
}

#[cfg(test)]
mod tests {
    use super::super::turn::TurnGuard;
    use super::*;

    #[test]
    fn octets_leave_in_order_however_little_each_write_takes() {
        let large = Bytes::from(vec![7_u8; COPIED_OCTETS_MAX]);
        let mut expected = b"abc".to_vec();
        expected.extend_from_slice(&large);
        expected.extend_from_slice(b"def");

        for step in [1, 2, 3, 4, 5, 1000, usize::MAX] {
            let mut segments = Segments::default();
            segments.append(|batch| batch.extend_from_slice(b"abc"));
            segments.append_shared(&large);
            segments.append_shared(&Bytes::from_static(b"def"));
            assert_eq!(segments.octets(), expected.len());

            assert_eq!(write_all(&mut segments, step), expected);
            assert!(segments.queue.is_none(), "empty, they own no allocation");
            assert!(matches!(&segments.tail, Tail::Own(octets) if octets.capacity() == 0));
        }
    }

    /// Writes everything, so many octets at a time.
    fn write_all(segments: &mut Segments, step: usize) -> Vec<u8> {
        let mut written = Vec::new();
        while !segments.is_empty() {
            let take = |slices: &[IoSlice<'_>]| {
                let all: Vec<u8> = slices.iter().flat_map(|s| s.iter().copied()).collect();
                let taken = all.len().min(step);
                written.extend_from_slice(&all[..taken]);
                Ok(taken)
            };
            segments.write_once(take).unwrap();
        }
        written
    }

    #[test]
    fn what_goes_to_many_is_in_its_place_among_the_rest() {
        let many = || (0..5).map(|number| (Bytes::from(vec![number; 3]), SharedFrames::default()));
        // Each bit says whether something that goes to one only comes before a message.
        for mixture in 0..64_u32 {
            for step in [1, 4, 7, usize::MAX] {
                let turn = TurnGuard::enter();
                let (mut one, mut other) = (Segments::default(), Segments::default());
                let mut expected = Vec::new();
                for (index, (payload, frames)) in many().enumerate() {
                    other.append_for_many(Opcode::Binary, &payload, &frames);
                    if mixture >> index & 1 == 1 {
                        one.append(|batch| batch.push(b'x'));
                        expected.push(b'x');
                    }
                    one.append_for_many(Opcode::Binary, &payload, &frames);
                    encode_frame(Opcode::Binary, &payload, None, &mut expected);
                }
                assert!(matches!(other.tail, Tail::Shared(_)), "it holds no copy");
                let blocked = one.write_once(|_| Err(io::ErrorKind::WouldBlock.into()));
                assert_eq!(blocked.unwrap_err().kind(), io::ErrorKind::WouldBlock);
                drop(turn);
                if mixture >> 5 == 1 {
                    one.append_ticket(tokio::sync::oneshot::channel().0);
                }
                one.append_shared(&Bytes::from_static(b"end"));
                expected.extend_from_slice(b"end");
                assert_eq!(one.octets(), expected.len());
                assert_eq!(write_all(&mut one, step), expected, "{mixture:b}");
            }
        }
    }

    #[test]
    fn more_segments_than_one_write_takes_leave_in_order() {
        let mut segments = Segments::default();
        let mut expected = Vec::new();
        for number in 0..3 * SLICES_MAX {
            let octets = number.to_string().into_bytes();
            segments.append(|batch| batch.extend_from_slice(&octets));
            segments.append_ticket(tokio::sync::oneshot::channel().0);
            expected.extend_from_slice(&octets);
        }
        segments.append(|batch| batch.extend_from_slice(b"end"));
        expected.extend_from_slice(b"end");
        assert_eq!(write_all(&mut segments, usize::MAX), expected);
    }

    #[test]
    fn a_writer_that_takes_nothing_is_an_error() {
        let mut segments = Segments::default();
        segments.append(|batch| batch.push(1));
        let error = segments.write_once(|_| Ok(0)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    }
}
