use std::error::Error;
use std::fmt;

use crate::{Extension, Role};

const NAME: &str = "permessage-deflate";
const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// The largest window, and the one that holds unless another is agreed on.
const WINDOW_BITS_MAX: u8 = 15;

/// The smallest window that can be compressed with: eight bits are legal, but no implementation of
/// deflate at hand can do it.
const WINDOW_BITS_MIN: u8 = 9;

/// How one end wants messages to be compressed: RFC 7692.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateOptions {
    /// Whose context what this end sends is compressed in. Default: [`DeflateMode::Shared`].
    pub mode: DeflateMode,

    /// How hard to try, from 1, the fastest, to 9, the smallest. Default: 1.
    pub level: u8,

    /// Shorter messages are sent as they are, in octets. Default: `None`, which is 512 for
    /// [`DeflateMode::Shared`], in which short messages do not get shorter, and 32 for the others.
    pub threshold_octets: Option<usize>,

    /// The window of what this end sends is at most two to the power of this, from 9 to 15. Default:
    /// 15, or 12 for [`DeflateMode::Dedicated`].
    pub window_bits: Option<u8>,

    /// What the peer is asked to keep its own window to, from 9 to 15. Default: 15.
    pub peer_window_bits: u8,

    /// Whether the peer may refer to earlier messages, which takes some 48 KiB for each connection that
    /// does. Default: [`ContextTakeover::Refuse`].
    pub peer_context_takeover: ContextTakeover,
}

impl Default for DeflateOptions {
    fn default() -> Self {
        Self {
            mode: DeflateMode::Shared,
            level: 1,
            threshold_octets: None,
            window_bits: None,
            peer_window_bits: WINDOW_BITS_MAX,
            peer_context_takeover: ContextTakeover::Refuse,
        }
    }
}

/// Whose context a message is compressed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeflateMode {
    /// In none: each message by itself, by compressors that all connections of a thread share. A
    /// connection needs no memory for it, and a broadcast is compressed once.
    Shared,
    /// In that of the last messages of the connection, as many octets of them as are given here, by
    /// shared compressors. 1,024 are enough for messages that resemble each other.
    History {
        /// Octets of plain text kept for each connection, at most 32,506.
        octets: usize,
    },
    /// In that of all earlier messages, by a compressor of the connection's own: some 160 KiB for each
    /// connection that sends.
    Dedicated,
}

/// Whether a message may refer to earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContextTakeover {
    /// It may.
    Allow,
    /// Each message stands by itself.
    Refuse,
}

impl DeflateOptions {
    pub(super) fn threshold(&self) -> usize {
        self.threshold_octets.unwrap_or(match self.mode {
            DeflateMode::Shared => 512,
            DeflateMode::History { .. } | DeflateMode::Dedicated => 32,
        })
    }

    fn window(&self) -> u8 {
        let default = match self.mode {
            DeflateMode::Dedicated => 12,
            DeflateMode::Shared | DeflateMode::History { .. } => WINDOW_BITS_MAX,
        };
        self.window_bits.unwrap_or(default).clamp(WINDOW_BITS_MIN, WINDOW_BITS_MAX)
    }

    fn peer_window(&self) -> u8 {
        self.peer_window_bits.clamp(WINDOW_BITS_MIN, WINDOW_BITS_MAX)
    }

    /// The server's side of the negotiation: what is agreed on, and the extension to answer with. `None`
    /// if no offer can be accepted.
    pub fn accept(&self, offered: &[Extension]) -> Option<(PerMessageDeflate, Extension)> {
        offered.iter().filter(|offer| offer.name() == NAME).find_map(|offer| self.accept_one(offer))
    }

    fn accept_one(&self, offer: &Extension) -> Option<(PerMessageDeflate, Extension)> {
        let offer = Params::parse(offer).ok()?;
        let mut agreed = PerMessageDeflate {
            server_no_context_takeover: offer.server_no_context_takeover
                || self.mode == DeflateMode::Shared,
            client_no_context_takeover: offer.client_no_context_takeover
                || self.peer_context_takeover == ContextTakeover::Refuse,
            server_max_window_bits: self.window(),
            client_max_window_bits: WINDOW_BITS_MAX,
        };
        if let Some(bits) = offer.server_max_window_bits {
            // Without a value it is no offer: RFC 7692, section 7.1.2.1.
            let bits = bits.filter(|bits| *bits >= WINDOW_BITS_MIN)?;
            agreed.server_max_window_bits = agreed.server_max_window_bits.min(bits);
        }
        let mut answer = agreed.answer();
        if offer.server_max_window_bits.is_some() || agreed.server_max_window_bits < WINDOW_BITS_MAX
        {
            answer = answer.with_value(SERVER_MAX_WINDOW_BITS, agreed.server_max_window_bits);
        }
        if let Some(bits) = offer.client_max_window_bits {
            let bits = bits.unwrap_or(WINDOW_BITS_MAX);
            agreed.client_max_window_bits = bits.min(self.peer_window());
            if agreed.client_max_window_bits < bits {
                answer = answer.with_value(CLIENT_MAX_WINDOW_BITS, agreed.client_max_window_bits);
            }
        }
        Some((agreed, answer))
    }

    /// The client's offer.
    pub fn offer(&self) -> Extension {
        let mut offer = Extension::new(NAME);
        if self.peer_context_takeover == ContextTakeover::Refuse {
            offer = offer.with_param(SERVER_NO_CONTEXT_TAKEOVER);
        }
        if self.mode == DeflateMode::Shared {
            offer = offer.with_param(CLIENT_NO_CONTEXT_TAKEOVER);
        }
        if self.peer_window() < WINDOW_BITS_MAX {
            offer = offer.with_value(SERVER_MAX_WINDOW_BITS, self.peer_window());
        }
        match self.window() {
            WINDOW_BITS_MAX => offer.with_param(CLIENT_MAX_WINDOW_BITS),
            bits => offer.with_value(CLIENT_MAX_WINDOW_BITS, bits),
        }
    }

    /// The client's side: what the server's answer to [`offer`](Self::offer) agrees on; `None` if that
    /// the messages are not compressed.
    ///
    /// # Errors
    ///
    /// [`DeflateAnswerError`] when the answer is no answer to that offer; the client must fail the
    /// connection.
    pub fn agree(
        &self,
        answered: &[Extension],
    ) -> Result<Option<PerMessageDeflate>, DeflateAnswerError> {
        let mut answers = answered.iter();
        let Some(answer) = answers.next() else { return Ok(None) };
        if answer.name() != NAME || answers.next().is_some() {
            return Err(DeflateAnswerError);
        }
        let answer = Params::parse(answer)?;
        let refused = self.peer_context_takeover == ContextTakeover::Refuse;
        if refused && !answer.server_no_context_takeover {
            return Err(DeflateAnswerError);
        }
        let server_max_window_bits = match answer.server_max_window_bits {
            Some(bits) => bits.ok_or(DeflateAnswerError)?,
            None => WINDOW_BITS_MAX,
        };
        if server_max_window_bits > self.peer_window() {
            return Err(DeflateAnswerError);
        }
        let client_max_window_bits = match answer.client_max_window_bits {
            // It may be greater than that of the offer, which is a promise: RFC 7692, section 7.1.2.2.
            Some(bits) => bits.ok_or(DeflateAnswerError)?.min(self.window()),
            None => self.window(),
        };
        Ok(Some(PerMessageDeflate {
            server_no_context_takeover: answer.server_no_context_takeover,
            client_no_context_takeover: answer.client_no_context_takeover
                || self.mode == DeflateMode::Shared,
            server_max_window_bits,
            client_max_window_bits,
        }))
    }
}

/// The parameters that both ends have agreed on: RFC 7692, section 7.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerMessageDeflate {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: u8,
    client_max_window_bits: u8,
}

impl PerMessageDeflate {
    fn answer(self) -> Extension {
        let mut answer = Extension::new(NAME);
        if self.server_no_context_takeover {
            answer = answer.with_param(SERVER_NO_CONTEXT_TAKEOVER);
        }
        if self.client_no_context_takeover {
            answer = answer.with_param(CLIENT_NO_CONTEXT_TAKEOVER);
        }
        answer
    }

    /// The extension with the parameters that limit something.
    pub fn extension(self) -> Extension {
        let windows = [
            (SERVER_MAX_WINDOW_BITS, self.server_max_window_bits),
            (CLIENT_MAX_WINDOW_BITS, self.client_max_window_bits),
        ];
        let limited = windows.into_iter().filter(|(_, bits)| *bits < WINDOW_BITS_MAX);
        limited.fold(self.answer(), |extension, (name, bits)| extension.with_value(name, bits))
    }

    /// Whether messages that `sender` sends may refer to earlier ones.
    pub fn context_takeover(&self, sender: Role) -> ContextTakeover {
        let refused = match sender {
            Role::Server => self.server_no_context_takeover,
            Role::Client => self.client_no_context_takeover,
        };
        if refused { ContextTakeover::Refuse } else { ContextTakeover::Allow }
    }

    /// The window of what `sender` sends is at most two to the power of this.
    pub fn max_window_bits(&self, sender: Role) -> u8 {
        match sender {
            Role::Server => self.server_max_window_bits,
            Role::Client => self.client_max_window_bits,
        }
    }
}

/// The parameters of one offer or answer: each at most once, and none that is unknown.
#[derive(Default)]
struct Params {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<Option<u8>>,
    client_max_window_bits: Option<Option<u8>>,
}

impl Params {
    fn parse(extension: &Extension) -> Result<Self, DeflateAnswerError> {
        let mut params = Self::default();
        for (name, value) in extension.params() {
            match (name, value) {
                (SERVER_NO_CONTEXT_TAKEOVER, None) if !params.server_no_context_takeover => {
                    params.server_no_context_takeover = true;
                }
                (CLIENT_NO_CONTEXT_TAKEOVER, None) if !params.client_no_context_takeover => {
                    params.client_no_context_takeover = true;
                }
                (SERVER_MAX_WINDOW_BITS, value) if params.server_max_window_bits.is_none() => {
                    params.server_max_window_bits = Some(window_bits(value)?);
                }
                (CLIENT_MAX_WINDOW_BITS, value) if params.client_max_window_bits.is_none() => {
                    params.client_max_window_bits = Some(window_bits(value)?);
                }
                _ => return Err(DeflateAnswerError),
            }
        }
        Ok(params)
    }
}

/// From 8 to 15, without leading zeros: RFC 7692, section 7.1.2.
fn window_bits(value: Option<&str>) -> Result<Option<u8>, DeflateAnswerError> {
    let Some(value) = value else { return Ok(None) };
    let bits = value.parse().ok().filter(|bits| (8..=WINDOW_BITS_MAX).contains(bits));
    let bits = bits.filter(|_| !value.starts_with(['0', '+']));
    bits.map(Some).ok_or(DeflateAnswerError)
}

/// The server's answer does not fit the client's offer of permessage-deflate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateAnswerError;

impl fmt::Display for DeflateAnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("answer does not fit the offer of permessage-deflate")
    }
}

impl Error for DeflateAnswerError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(options: &DeflateOptions, offer: &str) -> Option<String> {
        let offered = Extension::parse_list(offer).unwrap();
        options.accept(&offered).map(|(_, answer)| answer.to_string())
    }

    fn dedicated() -> DeflateOptions {
        DeflateOptions {
            mode: DeflateMode::Dedicated,
            window_bits: Some(15),
            peer_context_takeover: ContextTakeover::Allow,
            ..DeflateOptions::default()
        }
    }

    #[test]
    fn a_server_answers_what_it_can_do() {
        let check = |offer, expected: &str| {
            assert_eq!(accept(&dedicated(), offer).as_deref(), Some(expected), "{offer}");
        };
        check("permessage-deflate", "permessage-deflate");
        check(
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        );
        check(
            "permessage-deflate; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits=10",
        );
        check("permessage-deflate; client_max_window_bits", "permessage-deflate");
        check("x-webkit-deflate-frame, permessage-deflate", "permessage-deflate");
    }

    #[test]
    fn a_server_without_contexts_says_so() {
        let without = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        let answer = accept(&DeflateOptions::default(), "permessage-deflate");
        assert_eq!(answer.as_deref(), Some(without));
    }

    #[test]
    fn a_server_limits_the_clients_window_only_if_it_may() {
        let options = DeflateOptions { peer_window_bits: 10, ..dedicated() };
        assert_eq!(accept(&options, "permessage-deflate").as_deref(), Some("permessage-deflate"));
        let limited = Some("permessage-deflate; client_max_window_bits=10");
        let offer = "permessage-deflate; client_max_window_bits";
        assert_eq!(accept(&options, offer).as_deref(), limited);
        let smaller = accept(&options, "permessage-deflate; client_max_window_bits=9");
        assert_eq!(smaller.as_deref(), Some("permessage-deflate"));
    }

    #[test]
    fn an_offer_that_cannot_be_met_is_passed_over_for_the_next() {
        let bad = [
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=010",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; unknown",
        ];
        for offer in bad {
            assert_eq!(accept(&dedicated(), offer), None, "{offer}");
            let second = accept(&dedicated(), &format!("{offer}, permessage-deflate"));
            assert_eq!(second.as_deref(), Some("permessage-deflate"), "{offer}");
        }
    }

    #[test]
    fn what_was_agreed_on_has_the_parameters_that_limit_something() {
        let extension = |options: &DeflateOptions, offer: &str| {
            let offered = Extension::parse_list(offer).unwrap();
            options.accept(&offered).unwrap().0.extension().to_string()
        };
        let options = DeflateOptions {
            mode: DeflateMode::Dedicated,
            window_bits: Some(WINDOW_BITS_MAX),
            peer_context_takeover: ContextTakeover::Allow,
            ..DeflateOptions::default()
        };
        assert_eq!(extension(&options, "permessage-deflate"), "permessage-deflate");
        let offer = "permessage-deflate; server_max_window_bits=15; client_max_window_bits=10; \
             server_no_context_takeover";
        assert_eq!(
            extension(&options, offer),
            "permessage-deflate; server_no_context_takeover; client_max_window_bits=10"
        );
    }

    fn agree(options: &DeflateOptions, answer: &str) -> Result<Option<PerMessageDeflate>, ()> {
        options.agree(&Extension::parse_list(answer).unwrap()).map_err(|_| ())
    }

    #[test]
    fn a_client_takes_an_answer_to_its_offer() {
        assert_eq!(agree(&dedicated(), ""), Ok(None));
        let agreed = agree(&dedicated(), "permessage-deflate; client_max_window_bits=10");
        let agreed = agreed.unwrap().unwrap();
        assert_eq!(agreed.max_window_bits(Role::Client), 10);
        assert_eq!(agreed.max_window_bits(Role::Server), 15);
        assert_eq!(agreed.context_takeover(Role::Server), ContextTakeover::Allow);
        let promises_12 = DeflateOptions { window_bits: Some(12), ..dedicated() };
        let agreed = agree(&promises_12, "permessage-deflate; client_max_window_bits=13");
        assert_eq!(agreed.unwrap().unwrap().max_window_bits(Role::Client), 12);
    }

    #[test]
    fn a_client_refuses_an_answer_to_something_else() {
        for answer in [
            "x-other",
            "permessage-deflate, permessage-deflate",
            "permessage-deflate; unknown",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=16",
        ] {
            assert_eq!(agree(&dedicated(), answer), Err(()), "{answer}");
        }
        let with_context = agree(&DeflateOptions::default(), "permessage-deflate");
        assert_eq!(with_context, Err(()), "the offer refused contexts");
        let small = DeflateOptions { peer_window_bits: 10, ..dedicated() };
        assert_eq!(agree(&small, "permessage-deflate; server_max_window_bits=11"), Err(()));
        assert_eq!(agree(&small, "permessage-deflate"), Err(()), "it must limit itself");
    }

    #[test]
    fn what_a_client_offers_a_server_accepts_and_the_client_agrees() {
        let modes =
            [DeflateMode::Shared, DeflateMode::History { octets: 1024 }, DeflateMode::Dedicated];
        let takeovers = [ContextTakeover::Allow, ContextTakeover::Refuse];
        let all = modes.into_iter().flat_map(|mode| {
            takeovers.into_iter().flat_map(move |peer_context_takeover| {
                [9, 12, 15].into_iter().map(move |bits| DeflateOptions {
                    mode,
                    peer_context_takeover,
                    window_bits: Some(bits),
                    peer_window_bits: 24 - bits,
                    ..DeflateOptions::default()
                })
            })
        });
        let all: Vec<_> = all.collect();
        for client in &all {
            for server in &all {
                let (agreed, answer) = server.accept(&[client.offer()]).unwrap();
                let at_client = client.agree(&[answer]).unwrap().unwrap();
                assert_eq!(agreed.server_max_window_bits, at_client.server_max_window_bits);
                assert_eq!(agreed.server_no_context_takeover, at_client.server_no_context_takeover);
                assert!(at_client.client_max_window_bits <= agreed.client_max_window_bits);
            }
        }
    }
}
