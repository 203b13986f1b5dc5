use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// How the messages of a subscription are acknowledged: the `ack` header of SUBSCRIBE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AckMode {
    /// A message is consumed once it is on its way; the client sends no ACK. The default.
    #[default]
    Auto,
    /// An ACK covers its message and all earlier ones of the same subscription.
    Client,
    /// An ACK covers one message. Since STOMP 1.1, and harmless in 1.0.
    ClientIndividual,
}

impl AckMode {
    /// The value of the `ack` header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Client => "client",
            Self::ClientIndividual => "client-individual",
        }
    }
}

impl FromStr for AckMode {
    type Err = UnknownAckMode;

    fn from_str(text: &str) -> Result<Self, UnknownAckMode> {
        match text {
            "auto" => Ok(Self::Auto),
            "client" => Ok(Self::Client),
            "client-individual" => Ok(Self::ClientIndividual),
            _ => Err(UnknownAckMode),
        }
    }
}

impl fmt::Display for AckMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The value of an `ack` header is none of the modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAckMode;

impl fmt::Display for UnknownAckMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown ack mode")
    }
}

impl Error for UnknownAckMode {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_read_as_it_is_written() {
        for mode in [AckMode::Auto, AckMode::Client, AckMode::ClientIndividual] {
            assert_eq!(mode.as_str().parse(), Ok(mode));
        }
        for text in ["", "Auto", "client ", "individual"] {
            assert_eq!(text.parse::<AckMode>(), Err(UnknownAckMode));
        }
    }
}
