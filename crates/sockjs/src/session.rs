use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::{Receive, encode_close};

mod options;
mod output;
mod queue;
mod receiver;
#[cfg(test)]
mod tests;

pub use options::SessionOptions;
pub use output::{CloseCause, Closed, Output, ReceiverId, SendError};
use queue::Queue;
use receiver::{Receiver, Response};

/// The server's side of one session over HTTP transports.
///
/// Frames go to the *receiver*, the response to a receive request. At most one is attached at a
/// time; what is sent while there is none waits in a queue that has limits. A session opens when
/// its first receiver is attached. It ends when the application closes it, when a receiver goes
/// away before its response has ended, or when no receiver comes for
/// [`disconnect_delay`](SessionOptions::disconnect_delay).
///
/// After each call the driver does what [`poll_output`](Self::poll_output) says, until it says
/// nothing, and calls [`handle_timeout`](Self::handle_timeout) no later than
/// [`next_deadline`](Self::next_deadline). Messages from the client don't come by here: they are
/// the application's while the session [is open](Self::is_open), and dropped otherwise.
#[derive(Debug)]
pub struct Session {
    options: SessionOptions,
    state: State,
    queue: Queue,
    /// The last receiver that was attached and whose response has ended.
    last_ended: Option<ReceiverId>,
    outputs: VecDeque<Output>,
}

impl Session {
    /// A session that has had no receiver yet. Nothing is due before the first one is attached.
    pub fn new(options: SessionOptions) -> Self {
        Self {
            options,
            state: State::New,
            queue: Queue::default(),
            last_ended: None,
            outputs: VecDeque::new(),
        }
    }

    /// Answers a receive request. `callback` is the function that it names, empty where none is asked for.
    ///
    /// If another receiver is attached, that one stays, and the new one is told code 2010. But a
    /// client that gave up on one response and asks anew at once is not to be refused just because
    /// it overtook the news: while the session [has a receiver](Self::has_receiver), the driver
    /// waits for a moment, such as 100 ms, for
    /// [`handle_receiver_aborted`](Self::handle_receiver_aborted) before it attaches the next.
    ///
    /// A closed session repeats its close frame.
    pub fn attach(
        &mut self,
        now: Instant,
        receiver: ReceiverId,
        receive: &'static Receive,
        callback: &str,
    ) {
        let heartbeat_at = self.options.heartbeat_after(now);
        let limit = self.options.response_limit;
        let receiver =
            Receiver::start(receiver, receive, callback, limit, heartbeat_at, &mut self.outputs);
        match &self.state {
            State::New => {
                self.state = State::Attached(receiver);
                self.write(now, b"o");
                self.outputs.push_back(Output::Opened);
            }
            State::Waiting { .. } => {
                self.state = State::Attached(receiver);
                self.flush(now);
            }
            State::Attached(_) => {
                let contended = close_frame(2010, "Another connection still open");
                receiver.finish(&contended, &mut self.outputs);
            }
            State::Closing { farewell, .. } => {
                let farewell = farewell.clone();
                self.say_farewell(receiver, &farewell);
                let forget_at = now.checked_add(self.options.disconnect_delay);
                self.state = State::Closing { farewell, forget_at };
            }
            State::Removed { farewell } => receiver.finish(farewell, &mut self.outputs),
        }
    }

    /// Takes in that the client went away before it was given the whole response.
    ///
    /// That closes the session at once with code 1002, and removes it: messages may have been lost.
    /// It does so even if the response has ended meanwhile, as long as not all of it was handed
    /// over. Does nothing for a receiver that was only told a close frame.
    pub fn handle_receiver_aborted(&mut self, now: Instant, receiver: ReceiverId) {
        if let State::Attached(attached) = &self.state
            && attached.id() == receiver
        {
            self.detach(now, receiver);
        }
        if self.is_open() && self.last_ended == Some(receiver) {
            self.interrupt(CloseCause::ReceiverAborted);
        }
    }

    /// Takes in that the receiver's response holds as much as the driver wants to keep in memory.
    /// Messages wait in the queue from now on, and heartbeats are left out.
    pub fn handle_blocked(&mut self, receiver: ReceiverId) {
        if let State::Attached(attached) = &mut self.state
            && attached.id() == receiver
        {
            attached.block();
        }
    }

    /// Takes in that the receiver's response has room again.
    pub fn handle_writable(&mut self, now: Instant, receiver: ReceiverId) {
        if let State::Attached(attached) = &mut self.state
            && attached.id() == receiver
        {
            attached.unblock();
            self.flush(now);
        }
    }

    /// Does what is due at `now`: a heartbeat, or giving up on a client that is not coming back.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.next_deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        match &mut self.state {
            State::Attached(receiver) => {
                let next = receiver.heartbeat_at.and_then(|due| self.options.heartbeat_after(due));
                // A driver that was asleep for long does not make up for what it has missed.
                receiver.heartbeat_at =
                    next.filter(|next| now < *next).or(self.options.heartbeat_after(now));
                if receiver.is_writable() {
                    self.write(now, b"h");
                }
            }
            State::Waiting { .. } => self.interrupt(CloseCause::NoReceiver),
            State::Closing { farewell, .. } => {
                let farewell = mem::take(farewell);
                self.remove(farewell);
            }
            State::New | State::Removed { .. } => {}
        }
    }

    /// Sends one message: a JSON string, as [`encode_message`](crate::encode_message) makes it.
    ///
    /// It goes to the attached receiver at once, or waits for the next one.
    ///
    /// # Errors
    ///
    /// [`SendError::QueueFull`] when too much is waiting already; the session stays as it is.
    /// [`SendError::Closed`] when the session is not open.
    pub fn send(&mut self, now: Instant, message: Bytes) -> Result<(), SendError> {
        if !self.is_open() {
            return Err(SendError::Closed);
        }
        if self.queue.is_full(&self.options) {
            return Err(SendError::QueueFull {
                messages: self.queue.messages(),
                octets: self.queue.octets(),
            });
        }
        self.queue.push(message);
        self.flush(now);
        Ok(())
    }

    /// Closes the session, from the application's side. The first call wins.
    ///
    /// What was sent before still goes out, then the close frame, which is repeated to every
    /// receiver until none has come for the disconnect delay. Does nothing unless the session is
    /// open.
    pub fn close(&mut self, now: Instant, code: u16, reason: &str) {
        let farewell = close_frame(code, reason);
        let forget_at = match mem::replace(&mut self.state, State::New) {
            State::Waiting { give_up_at } => give_up_at,
            State::Attached(receiver) => {
                self.say_farewell(receiver, &farewell);
                now.checked_add(self.options.disconnect_delay)
            }
            not_open => {
                self.state = not_open;
                return;
            }
        };
        self.state = State::Closing { farewell, forget_at };
        let cause = CloseCause::Application;
        self.outputs.push_back(Output::Closed(Closed { code, reason: reason.to_owned(), cause }));
    }

    /// Sends no more heartbeats: a protocol inside the session has its own.
    pub fn stop_heartbeats(&mut self) {
        self.options.heartbeat_delay = Duration::ZERO;
        if let State::Attached(receiver) = &mut self.state {
            receiver.heartbeat_at = None;
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has to be called, if nothing else happens.
    pub fn next_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Attached(receiver) => receiver.heartbeat_at,
            State::Waiting { give_up_at: deadline }
            | State::Closing { forget_at: deadline, .. } => *deadline,
            State::New | State::Removed { .. } => None,
        }
    }

    /// What the driver has to do next, in this order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether messages may be sent and received.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Attached(_) | State::Waiting { .. })
    }

    /// Whether the session is over and the id has to be forgotten.
    pub fn is_removed(&self) -> bool {
        matches!(self.state, State::Removed { .. })
    }

    /// Whether a receiver is attached, so that another one would be refused.
    pub fn has_receiver(&self) -> bool {
        matches!(self.state, State::Attached(_))
    }

    /// Whether more than half of what may wait for a receiver does.
    pub fn is_backlogged(&self) -> bool {
        self.queue.is_more_than_half_full(&self.options)
    }

    /// Writes a frame to the attached receiver, and lets go of it if that ends its response.
    fn write(&mut self, now: Instant, frame: &[u8]) {
        let State::Attached(receiver) = &mut self.state else {
            return;
        };
        if receiver.write(frame, &mut self.outputs) == Response::Ended {
            let ended = receiver.id();
            self.detach(now, ended);
        }
    }

    fn detach(&mut self, now: Instant, ended: ReceiverId) {
        self.last_ended = Some(ended);
        let give_up_at = now.checked_add(self.options.disconnect_delay);
        self.state = State::Waiting { give_up_at };
    }

    /// Writes all messages that are waiting as one frame, if there is somebody to read it.
    fn flush(&mut self, now: Instant) {
        if let State::Attached(receiver) = &self.state
            && receiver.is_writable()
            && !self.queue.is_empty()
        {
            let array = self.queue.take_array();
            self.write(now, &array);
        }
    }

    /// Writes what is waiting, and if that leaves the response open, the close frame.
    fn say_farewell(&mut self, mut receiver: Receiver, farewell: &[u8]) {
        if !self.queue.is_empty() {
            let array = self.queue.take_array();
            if receiver.write(&array, &mut self.outputs) == Response::Ended {
                return;
            }
        }
        receiver.finish(farewell, &mut self.outputs);
    }

    /// Closes and removes a session whose client is lost.
    fn interrupt(&mut self, cause: CloseCause) {
        const CODE: u16 = 1002;
        const REASON: &str = "Connection interrupted";

        let farewell = close_frame(CODE, REASON);
        if let State::Attached(receiver) = mem::replace(&mut self.state, State::New) {
            receiver.finish(&farewell, &mut self.outputs);
        }
        let closed = Closed { code: CODE, reason: REASON.to_owned(), cause };
        self.outputs.push_back(Output::Closed(closed));
        self.remove(farewell);
    }

    fn remove(&mut self, farewell: Bytes) {
        self.state = State::Removed { farewell };
        self.queue = Queue::default();
        self.outputs.push_back(Output::Removed);
    }
}

#[derive(Debug)]
enum State {
    New,
    /// Open, and frames can be written.
    Attached(Receiver),
    /// Open, between two receivers.
    Waiting {
        give_up_at: Option<Instant>,
    },
    /// The application has closed it, but the client may not know yet.
    Closing {
        farewell: Bytes,
        forget_at: Option<Instant>,
    },
    Removed {
        farewell: Bytes,
    },
}

fn close_frame(code: u16, reason: &str) -> Bytes {
    let mut frame = Vec::new();
    encode_close(code, reason, &mut frame);
    frame.into()
}
