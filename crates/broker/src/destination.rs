use std::cmp::Ordering;
use std::error::Error;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, LazyLock};

/// Where a message is sent to, as in the `destination` header of SEND: a name, never a pattern.
///
/// It is not empty, holds no control characters, and has at most
/// [`OCTETS_MAX`](Self::OCTETS_MAX) octets. Cloning it copies no text.
///
/// ```
/// use tidings_broker::Destination;
///
/// let destination = Destination::parse("/topic/price.eur")?;
/// assert_eq!(destination.as_str(), "/topic/price.eur");
/// assert!(Destination::parse("").is_err());
/// # Ok::<(), tidings_broker::DestinationError>(())
/// ```
#[derive(Clone)]
pub struct Destination {
    name: Arc<str>,
    /// Of the name: it is looked for again and again.
    hash: u64,
}

/// Keyed at random, or a peer could choose names that all have one hash.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl Destination {
    /// The longest name in octets.
    pub const OCTETS_MAX: usize = 1024;

    /// Takes a name as a peer wrote it.
    ///
    /// # Errors
    ///
    /// [`DestinationError`] for a name that is empty, too long, or holds control characters.
    pub fn parse(text: &str) -> Result<Self, DestinationError> {
        if text.is_empty() {
            return Err(DestinationError::Empty);
        }
        if text.len() > Self::OCTETS_MAX {
            let octets_max = Self::OCTETS_MAX;
            return Err(DestinationError::TooLong { octets: text.len(), octets_max });
        }
        // Most names are ASCII, of which many octets are looked at at a time.
        let is_plain = text.bytes().fold(true, |plain, octet| plain & matches!(octet, b' '..=b'~'));
        if !is_plain && let Some(at) = text.find(char::is_control) {
            return Err(DestinationError::ControlCharacter { at });
        }
        Ok(Self { name: text.into(), hash: HASHER.hash_one(text) })
    }

    /// The same for equal names, for as long as the process lives.
    pub(crate) fn hash_of_name(&self) -> u64 {
        self.hash
    }

    /// Whether it stands for several destinations, separated by commas.
    #[must_use]
    pub fn is_composite(&self) -> bool {
        self.as_str().contains(',') && split_first(self.as_str()).is_some()
    }

    /// Takes one of several names.
    pub(crate) fn parse_part(text: &str) -> Result<Self, DestinationError> {
        Self::parse(text).map_err(|error| match error {
            DestinationError::Empty => DestinationError::EmptyPart,
            error => error,
        })
    }

    /// The destinations that it stands for, some of which may be empty. Blanks around those of several do not
    /// count.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &str> {
        let is_composite = self.is_composite();
        let mut rest = Some(self.as_str());
        std::iter::from_fn(move || {
            let text = rest?;
            let (part, behind) = match split_first(text) {
                Some((part, behind)) => (part, Some(behind)),
                None => (text, None),
            };
            rest = behind;
            Some(if is_composite { part.trim_matches(' ') } else { part })
        })
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

impl PartialEq for Destination {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.name, &other.name) || self.as_str() == other.as_str()
    }
}

impl Eq for Destination {}

impl PartialOrd for Destination {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Destination {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Destination {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Splits several destinations at the first comma that separates two: that before a slash, or before nothing.
/// Others are part of a name.
fn split_first(text: &str) -> Option<(&str, &str)> {
    text.match_indices(',').find_map(|(at, _)| {
        let behind = text[at + 1..].trim_start_matches(' ');
        let separates = behind.is_empty() || behind.starts_with(['/', ',']);
        separates.then(|| (&text[..at], behind))
    })
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text names no destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DestinationError {
    /// It is empty.
    Empty,
    /// One of several, between commas, is empty.
    EmptyPart,
    /// It is longer than [`Destination::OCTETS_MAX`].
    TooLong {
        /// Its length.
        octets: usize,
        /// The most that is allowed.
        octets_max: usize,
    },
    /// It holds a control character.
    ControlCharacter {
        /// Where, in octets from the start.
        at: usize,
    },
    /// A pattern has more words than
    /// [`DestinationPattern::WORDS_MAX`](crate::DestinationPattern::WORDS_MAX).
    TooManyWords {
        /// The most that is allowed.
        words_max: usize,
    },
    /// A pattern has more wildcards for any number of words than
    /// [`DestinationPattern::ANY_WORDS_MAX`](crate::DestinationPattern::ANY_WORDS_MAX).
    TooManyWildcards {
        /// The most that is allowed.
        any_words_max: usize,
    },
}

impl fmt::Display for DestinationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the destination is empty"),
            Self::EmptyPart => f.write_str(
                "a name beside a comma is empty: several destinations are written /queue/a,/queue/b",
            ),
            Self::TooLong { octets, octets_max } => {
                write!(f, "the destination has {octets} octets, at most {octets_max} are allowed")
            }
            Self::ControlCharacter { at } => {
                write!(f, "the destination has a control character at octet {at}")
            }
            Self::TooManyWords { words_max } => {
                write!(f, "the pattern has more than {words_max} words")
            }
            Self::TooManyWildcards { any_words_max } => {
                write!(f, "the pattern has more than {any_words_max} wildcards for several words")
            }
        }
    }
}

impl Error for DestinationError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_literally() {
        for name in ["/topic/a", "/topic/a.*", "/queue/größe", "x", "/topic/a b"] {
            assert_eq!(Destination::parse(name).map(|d| d.to_string()).as_deref(), Ok(name));
        }
    }

    #[test]
    fn a_comma_before_a_slash_separates_destinations() {
        let check = |text: &str, expected: &[&str]| {
            let destination = Destination::parse(text).unwrap();
            assert_eq!(destination.parts().collect::<Vec<_>>(), expected, "{text}");
            assert_eq!(destination.is_composite(), expected.len() > 1, "{text}");
        };
        check("/queue/a", &["/queue/a"]);
        check("/queue/a,b", &["/queue/a,b"]);
        check("/queue/a,/topic/b,/queue/c,d", &["/queue/a", "/topic/b", "/queue/c,d"]);
        check("/queue/a, /topic/b ,/queue/c ", &["/queue/a", "/topic/b", "/queue/c"]);
        check("/queue/a, b", &["/queue/a, b"]);
        check("/queue/a ", &["/queue/a "]);
        check("/queue/a,", &["/queue/a", ""]);
        check("/queue/a, ,,/queue/b", &["/queue/a", "", "", "/queue/b"]);
        check(",/queue/a", &["", "/queue/a"]);
    }

    #[test]
    fn empty_and_unprintable_names_are_refused() {
        assert_eq!(Destination::parse(""), Err(DestinationError::Empty));
        for (name, at) in [("a\nb", 1), ("\0", 0), ("ab\u{85}", 2), ("\x7f", 0)] {
            assert_eq!(Destination::parse(name), Err(DestinationError::ControlCharacter { at }));
        }
    }

    #[test]
    fn the_longest_name_is_allowed_and_the_next_is_not() {
        let octets_max = Destination::OCTETS_MAX;
        assert!(Destination::parse(&"x".repeat(octets_max)).is_ok());
        let octets = octets_max + 1;
        let refused = Destination::parse(&"x".repeat(octets));
        assert_eq!(refused, Err(DestinationError::TooLong { octets, octets_max }));
    }
}
