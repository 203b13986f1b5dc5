//! Selectors: which messages a subscriber wants, by their headers.
//!
//! The grammar is that of JMS, a part of SQL-92: literals, header names, `= <> < <= > >=`, `AND`,
//! `OR`, `NOT`, `BETWEEN`, `IN`, `LIKE` with `ESCAPE`, `IS NULL`, `+ - * /` and parentheses. A name
//! that is no identifier, such as `"content-type"`, stands in double quotes.

mod expression;
mod lexer;
mod like;
mod parser;
mod steps;
mod value;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use self::expression::{Expression, Message};
use self::parser::Parser;
use self::steps::Steps;

/// Which messages a subscriber wants: the `selector` header of SUBSCRIBE.
///
/// Headers are text. One that is compared with a number is read as a number, one that stands for a
/// truth value is read as `true` or `false`. A header that is missing, or cannot be read so, is
/// unknown, and what follows from something unknown is unknown too, unless it does not depend on it;
/// only what is known to be true is delivered. Text of more than 64 octets is not read as a number.
///
/// Evaluating takes time in proportion to the length of the selector and of the headers that it names, with
/// the exception of `LIKE` with `_` behind `%`. It takes no more than [`STEPS_MAX`](Self::STEPS_MAX) steps:
/// what has not come to an end by then is unknown as a whole.
///
/// ```
/// use tidings_broker::Selector;
///
/// let selector = Selector::parse("price > 10 AND \"content-type\" LIKE 'text/%'")?;
/// let headers = |name: &str| match name {
///     "price" => Some("12.5"),
///     "content-type" => Some("text/plain"),
///     _ => None,
/// };
/// assert!(selector.matches(2, headers));
/// assert!(!selector.matches(0, |_| None));
/// # Ok::<(), tidings_broker::SelectorError>(())
/// ```
#[derive(Clone)]
pub struct Selector(Arc<Parsed>);

struct Parsed {
    text: Box<str>,
    expression: Expression,
}

/// A text that is no selector.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SelectorError {
    /// It is longer than [`Selector::OCTETS_MAX`].
    TooLong {
        /// Its length.
        octets: usize,
        /// The most that is allowed.
        octets_max: usize,
    },
    /// Parentheses, `NOT` and signs are nested more deeply than [`Selector::DEPTH_MAX`].
    TooDeep {
        /// The most that is allowed.
        depth_max: usize,
    },
    /// Something else should stand there.
    Unexpected {
        /// Where, in octets from the start.
        at: usize,
        /// What stands there.
        found: Box<str>,
        /// What should.
        expected: &'static str,
    },
    /// A text or a quoted name does not end.
    Unterminated {
        /// Where it begins, in octets from the start.
        at: usize,
    },
    /// A pattern of `LIKE` is longer than [`Selector::LIKE_OCTETS_MAX`], or ends with its escape
    /// character.
    InvalidPattern {
        /// Where it stands, in octets from the start.
        at: usize,
    },
    /// It is a number or a text, or puts one where a condition should be.
    NoCondition,
}

impl Selector {
    /// The longest selector in octets.
    pub const OCTETS_MAX: usize = 4096;
    /// How deeply expressions may be nested.
    pub const DEPTH_MAX: usize = 32;
    /// The longest pattern of `LIKE` in octets.
    pub const LIKE_OCTETS_MAX: usize = 256;

    /// What evaluating may take, in steps: comparing or searching one octet is one, finding a header is 64 and
    /// one for each 16 octets of its name and each header of the message. A message for which it takes more is
    /// not delivered.
    pub const STEPS_MAX: usize = 64 * 1024;

    /// Takes a selector as a peer wrote it.
    ///
    /// # Errors
    ///
    /// [`SelectorError`] says where the text is no selector, and what should stand there.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let selector = Self::read(text)?;
        let is_condition = selector.0.expression.is_condition();
        is_condition.then_some(selector).ok_or(SelectorError::NoCondition)
    }

    /// Takes a selector as it was stored, which may be older than what peers may write now.
    pub(crate) fn read(text: &str) -> Result<Self, SelectorError> {
        if text.len() > Self::OCTETS_MAX {
            let octets_max = Self::OCTETS_MAX;
            return Err(SelectorError::TooLong { octets: text.len(), octets_max });
        }
        let expression = Parser::new(text)?.parse()?;
        Ok(Self(Arc::new(Parsed { text: text.into(), expression })))
    }

    /// Whether a message with so many headers is wanted. `header` gives the value of a header, if the
    /// message has it.
    pub fn matches<'a>(&self, headers: usize, header: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.matches_within(&Message { headers, header }, &Steps::default())
    }

    fn matches_within<'a>(
        &self,
        message: &Message<impl Fn(&str) -> Option<&'a str>>,
        steps: &Steps,
    ) -> bool {
        let header = |name: &str| (message.header)(name);
        let value =
            self.0.expression.evaluate(&Message { headers: message.headers, header }, steps);
        value.truth() == Some(true) && !steps.are_spent()
    }

    /// The selector as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }
}

impl PartialEq for Selector {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Selector {}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Selector").field(&self.as_str()).finish()
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { octets, octets_max } => {
                write!(f, "it has {octets} octets, at most {octets_max} are allowed")
            }
            Self::TooDeep { depth_max } => write!(f, "it is nested more than {depth_max} deep"),
            Self::Unexpected { at, found, expected } => {
                write!(f, "expected {expected} at octet {at}, found {found}")
            }
            Self::Unterminated { at } => {
                write!(f, "what begins at octet {at} has no closing quote")
            }
            Self::InvalidPattern { at } => write!(
                f,
                "the pattern at octet {at} ends with its escape character or is longer than {} octets",
                Selector::LIKE_OCTETS_MAX
            ),
            Self::NoCondition => f.write_str(
                "a number or a text is no condition: compare it with a header, as in colour = 'blue'",
            ),
        }
    }
}

impl Error for SelectorError {}

#[cfg(test)]
mod tests;
