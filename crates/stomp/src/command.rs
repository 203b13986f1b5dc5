use std::fmt;

/// The command of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Opens a session.
    Connect,
    /// Opens a session, like [`Connect`](Self::Connect); tells STOMP from HTTP on a shared port.
    Stomp,
    /// The server has opened the session.
    Connected,
    /// Sends a message to a destination.
    Send,
    /// Asks for the messages of a destination.
    Subscribe,
    /// Ends a subscription.
    Unsubscribe,
    /// A message has been consumed.
    Ack,
    /// A message has not been consumed. Since STOMP 1.1.
    Nack,
    /// Starts a transaction.
    Begin,
    /// Makes all of a transaction take effect.
    Commit,
    /// Makes nothing of a transaction take effect.
    Abort,
    /// Ends the session.
    Disconnect,
    /// Brings a message to a subscriber.
    Message,
    /// A frame that asked for a receipt has been processed.
    Receipt,
    /// Something went wrong.
    Error,
}

impl Command {
    /// Every command.
    pub const ALL: [Self; 15] = [
        Self::Connect,
        Self::Stomp,
        Self::Connected,
        Self::Send,
        Self::Subscribe,
        Self::Unsubscribe,
        Self::Ack,
        Self::Nack,
        Self::Begin,
        Self::Commit,
        Self::Abort,
        Self::Disconnect,
        Self::Message,
        Self::Receipt,
        Self::Error,
    ];

    /// The command as it is written in a frame.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Stomp => "STOMP",
            Self::Connected => "CONNECTED",
            Self::Send => "SEND",
            Self::Subscribe => "SUBSCRIBE",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::Ack => "ACK",
            Self::Nack => "NACK",
            Self::Begin => "BEGIN",
            Self::Commit => "COMMIT",
            Self::Abort => "ABORT",
            Self::Disconnect => "DISCONNECT",
            Self::Message => "MESSAGE",
            Self::Receipt => "RECEIPT",
            Self::Error => "ERROR",
        }
    }

    /// Whether headers of this command are never escaped, in any version.
    ///
    /// STOMP 1.2, "Value Encoding", names CONNECT and CONNECTED. A STOMP frame means the same as
    /// CONNECT, so it is read the same way.
    pub(crate) const fn opens_session(self) -> bool {
        matches!(self, Self::Connect | Self::Stomp | Self::Connected)
    }

    /// The command that this is, exactly.
    pub(crate) fn from_octets(octets: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|command| command.as_str().as_bytes() == octets)
    }

    /// The command that this would be in upper case.
    pub(crate) fn in_any_case(octets: &[u8]) -> Option<Self> {
        let matches = |command: &Self| command.as_str().as_bytes().eq_ignore_ascii_case(octets);
        Self::ALL.into_iter().find(matches)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_case_sensitive() {
        for command in Command::ALL {
            let text = command.as_str();
            assert_eq!(Command::from_octets(text.as_bytes()), Some(command));
            let lower = text.to_ascii_lowercase();
            assert_eq!(Command::from_octets(lower.as_bytes()), None);
            assert_eq!(Command::in_any_case(lower.as_bytes()), Some(command));
        }
        assert_eq!(Command::from_octets(b"SUB"), None);
        assert_eq!(Command::from_octets(b"SEND "), None);
    }
}
