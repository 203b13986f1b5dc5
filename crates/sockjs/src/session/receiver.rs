use std::collections::VecDeque;
use std::time::Instant;

use super::{Output, ReceiverId};
use crate::{Receive, ResponseEnds};

/// A response that frames are written to.
#[derive(Debug)]
pub(super) struct Receiver {
    id: ReceiverId,
    receive: &'static Receive,
    /// The function of the page that frames are handed to, or nothing.
    callback: Box<str>,
    /// Octets of frames that it may still get before it ends.
    room: usize,
    flow: Flow,
    pub(super) heartbeat_at: Option<Instant>,
}

#[derive(Debug, PartialEq, Eq)]
enum Flow {
    Writable,
    Blocked,
}

/// What has become of a response by writing to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Response {
    Continues,
    Ended,
}

impl Receiver {
    /// Begins the response, with the prelude of its transport.
    pub(super) fn start(
        id: ReceiverId,
        receive: &'static Receive,
        callback: &str,
        response_limit: usize,
        heartbeat_at: Option<Instant>,
        outputs: &mut VecDeque<Output>,
    ) -> Self {
        if let Some(chunk) = receive.prelude.chunk(callback) {
            outputs.push_back(Output::Write { receiver: id, chunk });
        }
        let room = match receive.ends {
            ResponseEnds::AfterOneFrame => 1,
            ResponseEnds::AtResponseLimit => response_limit,
        };
        Self { id, receive, callback: callback.into(), room, flow: Flow::Writable, heartbeat_at }
    }

    pub(super) fn id(&self) -> ReceiverId {
        self.id
    }

    pub(super) fn is_writable(&self) -> bool {
        self.flow == Flow::Writable
    }

    pub(super) fn block(&mut self) {
        self.flow = Flow::Blocked;
    }

    pub(super) fn unblock(&mut self) {
        self.flow = Flow::Writable;
    }

    /// Writes a frame, and ends the response once it holds enough.
    pub(super) fn write(&mut self, frame: &[u8], outputs: &mut VecDeque<Output>) -> Response {
        let mut chunk = Vec::new();
        (self.receive.write_frame)(frame, &self.callback, &mut chunk);
        self.room = self.room.saturating_sub(chunk.len());
        outputs.push_back(Output::Write { receiver: self.id, chunk: chunk.into() });
        if self.room > 0 {
            return Response::Continues;
        }
        outputs.push_back(Output::End { receiver: self.id });
        Response::Ended
    }

    /// Writes the last frame, and ends the response.
    pub(super) fn finish(mut self, frame: &[u8], outputs: &mut VecDeque<Output>) {
        if self.write(frame, outputs) == Response::Continues {
            outputs.push_back(Output::End { receiver: self.id });
        }
    }
}
