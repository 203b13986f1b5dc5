use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::Bytes;
use tidings_websocket::{Opcode, encode_frame, encode_header};

use super::outbox::Written;
use super::turn;

/// Payloads from this size up are written from where they are; smaller ones are copied into the
/// batch, which costs less than another element of a vectored write.
const COPIED_OCTETS_MAX: usize = 8 * 1024;

/// Segments given to one vectored write.
const SLICES_MAX: usize = 64;

/// Octets waiting to be written, in order. Owns no allocation while empty.
#[derive(Debug, Default)]
pub(super) struct Segments {
    /// What comes before the tail. Never empty.
    queue: Option<Box<Queue>>,
    /// Takes what is appended.
    tail: Vec<u8>,
    /// Octets of the first segment, or of the tail if it is the first, that are already written.
    written: usize,
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

    /// Appends what `encode` writes.
    #[inline]
    pub(super) fn append(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        if self.tail.capacity() == 0 {
            self.tail = turn::take_buffer();
        }
        encode(&mut self.tail);
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
        if !self.tail.is_empty() {
            let batch = std::mem::take(&mut self.tail);
            self.queue.get_or_insert_default().push(Segment::Batch(batch));
        }
    }

    /// Offers the octets to `write` once, as slices, and drops as many as it took. Returns how many
    /// those were.
    pub(super) fn write_once(
        &mut self,
        write: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let taken = if let Some(queue) = &self.queue {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let segments = queue.segments.iter().map(Segment::as_slice).chain([&self.tail[..]]);
            let mut used = 0;
            for (slice, octets) in slices.iter_mut().zip(segments) {
                let start = if used == 0 { self.written } else { 0 };
                *slice = IoSlice::new(&octets[start..]);
                used += 1;
            }
            write(&slices[..used])?
        } else {
            write(&[IoSlice::new(&self.tail[self.written..])])?
        };
        if taken == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.advance(taken);
        Ok(taken)
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
            turn::recycle_buffer(std::mem::take(&mut self.tail));
        }
    }
}

#[cfg(test)]
mod tests {
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
            assert_eq!(written, expected);
            assert!(segments.queue.is_none(), "empty, they own no allocation");
            assert_eq!(segments.tail.capacity(), 0);
        }
    }

    #[test]
    fn a_writer_that_takes_nothing_is_an_error() {
        let mut segments = Segments::default();
        segments.append(|batch| batch.push(1));
        let error = segments.write_once(|_| Ok(0)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    }
}
