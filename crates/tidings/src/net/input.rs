use std::cell::RefCell;

/// Octets that one read may take. The buffer belongs to the thread, not to the connection.
pub(super) const READ_OCTETS_MAX: usize = 256 * 1024;

thread_local! {
    static READ_BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Octets that were read and not yet taken.
///
/// While its task runs, a connection uses the thread's read buffer where it is; when the task stops
/// with octets left, it [keeps](Self::keep) a copy of just those. Owns nothing while it is empty.
#[derive(Debug, Default)]
pub(super) struct Input {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    owner: Owner,
}

/// Whose the buffer is.
#[derive(Debug, Default, PartialEq, Eq)]
enum Owner {
    #[default]
    Connection,
    Thread,
}

impl Input {
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Lets `take` have octets off the front.
    #[inline]
    pub(super) fn take_with<T>(&mut self, take: impl FnOnce(&mut &mut [u8]) -> T) -> T {
        let mut rest = &mut self.buffer[self.start..self.end];
        let taken = take(&mut rest);
        self.start = self.end - rest.len();
        if self.start == self.end {
            self.clear();
        }
        taken
    }

    /// Lets `take` have a look at the octets, and drops as many off the front as it says it took.
    #[inline]
    pub(super) fn take_counted<T>(
        &mut self,
        take: impl FnOnce(&mut [u8]) -> Option<(T, usize)>,
    ) -> Option<T> {
        let octets = self.buffer.get_mut(self.start..self.end)?;
        let (taken, len) = take(octets)?;
        self.start += len.min(octets.len());
        if self.start == self.end {
            self.clear();
        }
        Some(taken)
    }

    /// Adds what `read` puts into the buffer it is given. Returns how many octets that were.
    pub(super) fn fill_with<E>(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        // Taken out of its place, so that nothing that happens meanwhile can meet it borrowed.
        let mut buffer = READ_BUFFER.take();
        if buffer.is_empty() {
            buffer = vec![0; READ_OCTETS_MAX];
        }
        let end = match read(&mut buffer) {
            Ok(end) if end > 0 => end,
            nothing => {
                READ_BUFFER.replace(buffer);
                return nothing;
            }
        };
        if self.buffer.is_empty() {
            *self = Self { buffer, start: 0, end, owner: Owner::Thread };
        } else {
            self.keep();
            self.buffer.extend_from_slice(&buffer[..end]);
            self.end = self.buffer.len();
            READ_BUFFER.replace(buffer);
        }
        Ok(end)
    }

    /// Gives the thread's buffer back, and owns what is left.
    pub(super) fn keep(&mut self) {
        if self.owner == Owner::Thread {
            let octets = self.buffer[self.start..self.end].to_vec();
            READ_BUFFER.replace(std::mem::take(&mut self.buffer));
            *self = Self::from(octets);
        }
    }

    fn clear(&mut self) {
        let Self { buffer, owner, .. } = std::mem::take(self);
        if owner == Owner::Thread {
            READ_BUFFER.replace(buffer);
        }
    }
}

impl From<Vec<u8>> for Input {
    fn from(buffer: Vec<u8>) -> Self {
        let end = buffer.len();
        Self { buffer, start: 0, end, owner: Owner::Connection }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn fill(input: &mut Input, octets: &[u8]) {
        let read = |buffer: &mut [u8]| {
            buffer[..octets.len()].copy_from_slice(octets);
            Ok::<_, Infallible>(octets.len())
        };
        assert_eq!(input.fill_with(read), Ok(octets.len()));
    }

    fn take(input: &mut Input, len: usize) -> Vec<u8> {
        input.take_with(|octets| octets.split_off_mut(..len).unwrap().to_vec())
    }

    #[test]
    fn octets_come_out_in_order_wherever_they_lie() {
        let mut input = Input::from(b"ab".to_vec());
        fill(&mut input, b"cd");
        assert_eq!(take(&mut input, 3), b"abc");
        fill(&mut input, b"ef");
        assert_eq!(take(&mut input, 3), b"def");
        assert!(input.is_empty());
        fill(&mut input, b"gh");
        assert_eq!(input.owner, Owner::Thread);
        assert_eq!(take(&mut input, 1), b"g");
        input.keep();
        assert_eq!((&input.owner, input.buffer.capacity()), (&Owner::Connection, 1));
        assert_eq!(take(&mut input, 1), b"h");
        assert!(input.is_empty());
    }

    #[test]
    fn the_buffer_of_the_thread_is_used_again() {
        let mut input = Input::default();
        fill(&mut input, b"a");
        let place = input.buffer.as_ptr();
        take(&mut input, 1);
        fill(&mut input, b"b");
        assert_eq!(input.buffer.as_ptr(), place);
    }

    #[test]
    fn two_connections_of_a_thread_read_into_buffers_of_their_own() {
        let (mut one, mut other) = (Input::default(), Input::default());
        fill(&mut one, b"one");
        fill(&mut other, b"other");
        assert_eq!(take(&mut one, 3), b"one");
        assert_eq!(take(&mut other, 5), b"other");
    }

    #[test]
    fn the_end_leaves_nothing() {
        let mut input = Input::default();
        assert_eq!(input.fill_with(|_| Ok::<_, Infallible>(0)), Ok(0));
        assert_eq!(input.fill_with(|_| Err("broken")), Err("broken"));
        assert!(input.is_empty());
    }
}
