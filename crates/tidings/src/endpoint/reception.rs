use tidings_websocket::{MessageKind, Reception};

/// How an endpoint wants its messages: whole by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receptions {
    /// Text messages.
    pub text: Delivery,
    /// Binary messages.
    pub binary: Delivery,
}

/// How messages of one kind are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Whole, to [`on_message`](super::Endpoint::on_message). A longer message closes the session with
    /// 1009.
    Whole {
        /// The longest message in octets, instead of what the
        /// [connection options](super::ConnectionOptions) say.
        octets_max: Option<usize>,
    },
    /// In parts as they arrive, to [`on_part`](super::Endpoint::on_part): Jakarta WebSocket's partial
    /// messages.
    Parts,
    /// As a stream of its parts, to [`on_stream`](super::Endpoint::on_stream).
    Stream,
}

impl Default for Delivery {
    fn default() -> Self {
        Self::Whole { octets_max: None }
    }
}

impl Receptions {
    /// How messages of `kind` are delivered.
    pub fn of(&self, kind: MessageKind) -> Delivery {
        match kind {
            MessageKind::Text => self.text,
            MessageKind::Binary => self.binary,
        }
    }
}

impl Delivery {
    /// What the connection has to do, if not what it does anyway.
    pub(crate) fn reception(self) -> Option<Reception> {
        match self {
            Self::Whole { octets_max } => {
                octets_max.map(|octets_max| Reception::Whole { octets_max })
            }
            Self::Parts | Self::Stream => Some(Reception::Parts),
        }
    }
}
