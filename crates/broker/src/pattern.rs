use std::fmt;

use crate::destination::{Destination, DestinationError};

/// What a subscription listens to: one destination, or all that match a pattern.
///
/// `.` and `/` both end a word. A word `*` stands for exactly one word; `**` and `#`, and `>` as the
/// last word, stand for any number of words, none included. Anything else is literal, also a
/// wildcard with other characters beside it. A pattern compares words, not what separates them:
/// `/topic/price.*` also matches `/topic/price/eur`. Without wildcards the text is one
/// [`Destination`], and matches nothing else.
///
/// ```
/// use tidings_broker::{Destination, DestinationPattern};
///
/// let pattern = DestinationPattern::parse("/topic/price.*")?;
/// assert!(!pattern.is_exact());
/// assert!(pattern.matches(&Destination::parse("/topic/price.eur")?));
/// assert!(!pattern.matches(&Destination::parse("/topic/price.eur.today")?));
/// # Ok::<(), tidings_broker::DestinationError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DestinationPattern {
    text: Destination,
    form: Form,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Form {
    Exact,
    Words(Box<[Word]>),
}

/// One word of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Word {
    Literal(Box<str>),
    /// `*`
    One,
    /// `**`, `#` or a final `>`; never twice in a row.
    Any,
}

impl DestinationPattern {
    /// How many words a pattern with wildcards may have. It bounds the memory that a pattern takes.
    pub const WORDS_MAX: usize = 32;

    /// How many wildcards for any number of words one pattern may have. It bounds the work of
    /// finding the patterns that match a message.
    pub const ANY_WORDS_MAX: usize = 4;

    /// Takes a destination as a peer wrote it into SUBSCRIBE.
    ///
    /// # Errors
    ///
    /// [`DestinationError`] for a text that could be no [`Destination`], and for wildcards among too
    /// many words or other wildcards.
    pub fn parse(text: &str) -> Result<Self, DestinationError> {
        Self::of(Destination::parse(text)?)
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// Whether it has no wildcards.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        matches!(self.form, Form::Exact)
    }

    /// Whether a message sent to `destination` is one that it listens to.
    #[must_use]
    pub fn matches(&self, destination: &Destination) -> bool {
        let Form::Words(pattern) = &self.form else { return self.text == *destination };
        // matched[i]: the words so far match the first i words of the pattern.
        let mut matched = vec![false; pattern.len() + 1];
        matched[0] = true;
        skip_any(pattern, &mut matched);
        for word in words_of(destination.as_str()) {
            let mut next = vec![false; pattern.len() + 1];
            for (i, wanted) in pattern.iter().enumerate() {
                match wanted {
                    Word::Literal(literal) => next[i + 1] |= matched[i] && **literal == *word,
                    Word::One => next[i + 1] |= matched[i],
                    Word::Any => next[i + 1] |= matched[i + 1],
                }
            }
            skip_any(pattern, &mut next);
            matched = next;
        }
        matched[pattern.len()]
    }

    /// The destination of this name, wildcards or not.
    #[must_use]
    pub fn exact(name: Destination) -> Self {
        Self { text: name, form: Form::Exact }
    }

    /// The same text, where a pattern may stand.
    ///
    /// # Errors
    ///
    /// [`DestinationError`] for wildcards among too many words or other wildcards.
    pub(crate) fn of(text: Destination) -> Result<Self, DestinationError> {
        if !words_of(text.as_str()).any(is_wildcard) {
            return Ok(Self { text, form: Form::Exact });
        }
        let words = parse_words(text.as_str());
        if words.iter().all(|word| matches!(word, Word::Literal(_))) {
            return Ok(Self { text, form: Form::Exact });
        }
        if words.len() > Self::WORDS_MAX {
            return Err(DestinationError::TooManyWords { words_max: Self::WORDS_MAX });
        }
        let any_words = words.iter().filter(|word| **word == Word::Any).count();
        if any_words > Self::ANY_WORDS_MAX {
            let any_words_max = Self::ANY_WORDS_MAX;
            return Err(DestinationError::TooManyWildcards { any_words_max });
        }
        Ok(Self { text, form: Form::Words(words.into()) })
    }

    /// Whether a wildcard stands in it where it is a character as any other: `*` beside others, `>` before the end.
    pub(crate) fn has_idle_wildcard(&self) -> bool {
        let mut words = words_of(self.as_str()).peekable();
        while let Some(word) = words.next() {
            let is_idle = match word {
                "*" | "**" => false,
                ">" => words.peek().is_some(),
                word => word.contains('*'),
            };
            if is_idle {
                return true;
            }
        }
        false
    }

    /// The text as the name of a destination, which it is if the pattern is exact.
    pub(crate) fn name(&self) -> &Destination {
        &self.text
    }

    /// The words of a pattern with wildcards.
    pub(crate) fn words(&self) -> Option<&[Word]> {
        match &self.form {
            Form::Exact => None,
            Form::Words(words) => Some(words),
        }
    }
}

impl fmt::Debug for DestinationPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for DestinationPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The words of a destination or of a pattern.
pub(crate) fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(['/', '.'])
}

/// Whether a word stands for others, at least at the end.
pub(crate) fn is_wildcard(word: &str) -> bool {
    matches!(word, "*" | "**" | "#" | ">")
}

fn parse_words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut parts = words_of(text).peekable();
    while let Some(part) = parts.next() {
        let word = match part {
            "*" => Word::One,
            "**" | "#" => Word::Any,
            ">" if parts.peek().is_none() => Word::Any,
            literal => Word::Literal(literal.into()),
        };
        if word != Word::Any || words.last() != Some(&Word::Any) {
            words.push(word);
        }
    }
    words
}

/// A wildcard for any number of words also matches none.
fn skip_any(pattern: &[Word], matched: &mut [bool]) {
    for (i, wanted) in pattern.iter().enumerate() {
        if *wanted == Word::Any && matched[i] {
            matched[i + 1] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let pattern = DestinationPattern::parse(pattern).unwrap();
        let matches = |name: &&str| pattern.matches(&Destination::parse(name).unwrap());
        for name in matching {
            assert!(matches(name), "{pattern} should match {name}");
        }
        for name in others {
            assert!(!matches(name), "{pattern} should not match {name}");
        }
    }

    #[test]
    fn a_text_without_wildcards_matches_itself_only() {
        check("/topic/a.b", &["/topic/a.b"], &["/topic/a/b", "/topic/a", "/topic/a.b.c"]);
        assert!(DestinationPattern::parse("/topic/a.b").unwrap().is_exact());
    }

    #[test]
    fn a_star_stands_for_one_word() {
        check("/topic/*", &["/topic/a", "/topic/"], &["/topic/a.b", "/topic/a/b", "/topic"]);
        check("/topic/a.*.c", &["/topic/a.b.c", "/topic/a.b/c"], &["/topic/a.c", "/topic/a.b.b.c"]);
    }

    #[test]
    fn two_stars_and_a_hash_stand_for_any_number_of_words() {
        for wildcard in ["**", "#"] {
            check(
                &format!("/topic/a.{wildcard}"),
                &["/topic/a", "/topic/a.b", "/topic/a/b/c"],
                &["/topic/ab", "/topic/b.a"],
            );
            check(
                &format!("/topic/{wildcard}.b"),
                &["/topic/b", "/topic/a.b", "/topic/b.b"],
                &["/topic/b.a"],
            );
            check(
                &format!("/topic/a.{wildcard}.b"),
                &["/topic/a.b", "/topic/a.x.y.b"],
                &["/topic/a.b.c"],
            );
        }
    }

    #[test]
    fn a_greater_than_sign_is_a_wildcard_at_the_end_only() {
        check("/topic/a.>", &["/topic/a", "/topic/a.b", "/topic/a.b.c"], &["/topic/b"]);
        check("/topic/>.a", &["/topic/>.a"], &["/topic/b.a"]);
        assert!(DestinationPattern::parse("/topic/>.a").unwrap().is_exact());
    }

    #[test]
    fn a_wildcard_beside_other_characters_is_literal() {
        for text in ["/topic/a*", "/topic/*a.b", "/topic/a#", "/topic/***", "/topic/?"] {
            assert!(DestinationPattern::parse(text).unwrap().is_exact(), "{text}");
        }
    }

    #[test]
    fn words_beside_a_wildcard_are_limited() {
        let pattern = |words: usize| format!("*{}", ".a".repeat(words - 1));
        let words_max = DestinationPattern::WORDS_MAX;
        assert!(DestinationPattern::parse(&pattern(words_max)).is_ok());
        let refused = DestinationPattern::parse(&pattern(words_max + 1));
        assert_eq!(refused, Err(DestinationError::TooManyWords { words_max }));
        assert!(DestinationPattern::parse(&"a.".repeat(100)).is_ok(), "a name may have more");
    }

    #[test]
    fn wildcards_for_any_number_of_words_are_limited() {
        let pattern = |any_words| format!("/topic{}", "/**.a".repeat(any_words));
        let any_words_max = DestinationPattern::ANY_WORDS_MAX;
        assert!(DestinationPattern::parse(&pattern(any_words_max)).is_ok());
        let refused = DestinationPattern::parse(&pattern(any_words_max + 1));
        assert_eq!(refused, Err(DestinationError::TooManyWildcards { any_words_max }));
        let repeated = format!("/topic{}", "/**".repeat(50));
        assert!(DestinationPattern::parse(&repeated).is_ok(), "repeated wildcards are one");
    }
}
