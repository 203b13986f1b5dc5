use std::borrow::Cow;
use std::fmt;

/// Which destinations a rule is about: words, of which some may be variables (`{name}`) or `*`, for any one word, or
/// `**`, `#` and a final `>`, for any number of words.
///
/// `.` and `/` both end a word in names of the broker, as in its own patterns; in names of users only `/` does, and so it does
/// in those of the application, unless dots [stand between](super::Separator) their segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RulePattern {
    /// An error where the pattern makes no sense between these separators.
    by_dots_and_slashes: Parsed,
    by_slashes: Parsed,
}

type Parsed = Result<Box<[Word]>, RulePatternError>;

/// What ends the words of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Separators {
    DotsAndSlashes,
    Slashes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Literal(Box<str>),
    Variable(Box<str>),
    One,
    Any,
}

/// One word of what a rule is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked<'a> {
    Literal(&'a str),
    One,
    Any,
}

/// One name that a rule is asked about, in which nothing is a wildcard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name<'a> {
    text: &'a str,
    /// What comes behind the text and a slash, if anything.
    rest: Option<&'a str>,
    separators: Separators,
}

/// The words of a pattern that a rule is asked about.
#[derive(Clone, Debug)]
pub(super) struct Words<'a>(Vec<Asked<'a>>);

/// What a pattern of a rule has to do with all the destinations that another one matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// It matches none of them.
    None,
    /// It may match some of them.
    Some,
    /// It matches all of them.
    All,
}

/// Why a text is no pattern of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RulePatternError {
    Empty,
    Braces,
    /// A variable or a wildcard beside a dot, where only slashes count.
    Dots,
    SameVariable,
    AnyTwice,
}

impl RulePattern {
    pub(super) fn parse(text: &str) -> Result<Self, RulePatternError> {
        if text.is_empty() {
            return Err(RulePatternError::Empty);
        }
        let by_dots_and_slashes = parse_words(text, Separators::DotsAndSlashes);
        let by_slashes = parse_words(text, Separators::Slashes);
        if let (Err(error), Err(_)) = (&by_dots_and_slashes, &by_slashes) {
            return Err(*error);
        }
        Ok(Self { by_dots_and_slashes, by_slashes })
    }

    /// Whether it may match some of the names that are asked about.
    ///
    /// # Errors
    ///
    /// Why it matches none of them, though its author means some.
    pub(super) fn reaches(
        &self,
        text: &str,
        words: &Words<'_>,
        separators: Separators,
    ) -> Result<bool, RulePatternError> {
        let meant = meet(&meant_words(text, separators), &words.0);
        match self.words(separators) {
            Err(error) if meant => Err(*error),
            _ => Ok(meant),
        }
    }

    /// Whether it is only about names of the broker that begin with these words.
    pub(super) fn begins_with(&self, words: &[&str]) -> bool {
        let Ok(own) = &self.by_dots_and_slashes else { return false };
        let is_it =
            |(own, word): (&Word, &&str)| matches!(own, Word::Literal(it) if **it == **word);
        own.len() >= words.len() && own.iter().zip(words).all(is_it)
    }

    fn words(&self, separators: Separators) -> &Parsed {
        match separators {
            Separators::DotsAndSlashes => &self.by_dots_and_slashes,
            Separators::Slashes => &self.by_slashes,
        }
    }

    /// Whether it matches a name. `see` gets the values of its variables, also of the first ones where it does not.
    pub(super) fn matches<'a>(
        &self,
        name: Name<'a>,
        mut see: impl FnMut(&Box<str>, &'a str),
    ) -> bool {
        let Ok(pattern) = self.words(name.separators) else { return false };
        let (start, any, end) = around_any(pattern);
        let mut words = name.words();
        let mut fits = |wanted: &Word, word: Option<&'a str>| match (wanted, word) {
            (Word::Literal(literal), Some(word)) => **literal == *word,
            (Word::Variable(name), Some(word)) => {
                see(name, word);
                true
            }
            (Word::One, Some(_)) => true,
            (_, None) | (Word::Any, _) => false,
        };
        start.iter().all(|wanted| fits(wanted, words.next()))
            && end.iter().rev().all(|wanted| fits(wanted, words.next_back()))
            && (any.is_some() || words.next().is_none())
    }

    /// What it has to do with the destinations of a pattern.
    pub(super) fn relation(&self, words: &Words<'_>, separators: Separators) -> Relation {
        match self.words(separators) {
            Ok(pattern) if covers(pattern, &words.0) => Relation::All,
            Ok(pattern) if meet(pattern, &words.0) => Relation::Some,
            _ => Relation::None,
        }
    }
}

impl<'a> Name<'a> {
    pub(super) fn new(text: &'a str, separators: Separators) -> Self {
        Self { text, rest: None, separators }
    }

    /// The name that a prefix makes with what is behind it, and begins with a slash.
    pub(super) fn behind(prefix: &'a str, rest: &'a str, separators: Separators) -> Self {
        Self { text: prefix, rest: rest.strip_prefix('/'), separators }
    }

    fn words(self) -> impl DoubleEndedIterator<Item = &'a str> {
        let rest = self.rest.map(|rest| split(rest, self.separators));
        split(self.text, self.separators).chain(rest.into_iter().flatten())
    }
}

impl<'a> Words<'a> {
    /// Those of a pattern that a client may write.
    pub(super) fn of_pattern(pattern: &'a str, separators: Separators) -> Self {
        let mut words = split(pattern, separators).peekable();
        let mut asked = Vec::new();
        while let Some(word) = words.next() {
            asked.push(match word {
                "*" => Asked::One,
                "**" | "#" => Asked::Any,
                ">" if words.peek().is_none() => Asked::Any,
                // Where only slashes count, other words may still be in it.
                word if separators == Separators::Slashes && has_wildcard(word) => Asked::Any,
                word => Asked::Literal(word),
            });
        }
        Self(asked)
    }
}

fn split(text: &str, separators: Separators) -> impl DoubleEndedIterator<Item = &str> {
    text.split(move |c| c == '/' || (c == '.' && separators == Separators::DotsAndSlashes))
}

fn has_wildcard(segment: &str) -> bool {
    segment.split('.').any(|word| matches!(word, "*" | "**" | "#" | ">"))
}

/// The words of a pattern as whoever wrote it may have meant them.
fn meant_words(text: &str, separators: Separators) -> Vec<Word> {
    let text = match separators {
        Separators::DotsAndSlashes => Cow::Borrowed(text),
        Separators::Slashes => Cow::Owned(with_slashes(text)),
    };
    let mut words = split(&text, separators).peekable();
    let mut meant = Vec::new();
    while let Some(word) = words.next() {
        let is_last = words.peek().is_none();
        meant.push(match word {
            "*" => Word::One,
            "**" | "#" => Word::Any,
            ">" if is_last => Word::Any,
            word if word.contains(['{', '}']) => Word::One,
            word => Word::Literal(word.into()),
        });
    }
    meant
}

/// Whether dots are meant to separate variables or wildcards in it.
fn has_dotted_part(word: &str) -> bool {
    let is_variable = |part: &str| part.starts_with('{') && part.ends_with('}');
    word.contains('.') && (has_wildcard(word) || word.split('.').any(is_variable))
}

/// A pattern that means the same where only slashes end a word.
pub(super) fn with_slashes(text: &str) -> String {
    let slashed = |word: &str| {
        if has_dotted_part(word) { word.replace('.', "/") } else { word.to_owned() }
    };
    text.split('/').map(slashed).collect::<Vec<_>>().join("/")
}

fn parse_words(text: &str, separators: Separators) -> Parsed {
    let mut words: Vec<Word> = Vec::new();
    let mut rest = split(text, separators).peekable();
    while let Some(word) = rest.next() {
        let variable = word.strip_prefix('{').and_then(|word| word.strip_suffix('}'));
        let word = match (word, variable) {
            (word, _) if separators == Separators::Slashes && has_dotted_part(word) => {
                return Err(RulePatternError::Dots);
            }
            ("*", _) => Word::One,
            ("**" | "#", _) => Word::Any,
            (">", _) if rest.peek().is_none() => Word::Any,
            (_, Some(name)) if !name.is_empty() && !name.contains(['{', '}']) => {
                Word::Variable(name.into())
            }
            (literal, _) if literal.contains(['{', '}']) => return Err(RulePatternError::Braces),
            (literal, _) => Word::Literal(literal.into()),
        };
        if matches!(word, Word::Variable(_)) && words.contains(&word) {
            return Err(RulePatternError::SameVariable);
        }
        if word == Word::Any && words.contains(&Word::Any) {
            return Err(RulePatternError::AnyTwice);
        }
        words.push(word);
    }
    Ok(words.into())
}

/// The words before the one that stands for any number of them, that one, and those behind it: there is one at most, so all
/// others have their places.
fn around_any(pattern: &[Word]) -> (&[Word], Option<&Word>, &[Word]) {
    match pattern.iter().position(|word| *word == Word::Any) {
        Some(any) => (&pattern[..any], Some(&pattern[any]), &pattern[any + 1..]),
        None => (pattern, None, &[]),
    }
}

/// Whether a pattern matches all that is asked about. It may miss that, and then says no.
fn covers(pattern: &[Word], asked: &[Asked<'_>]) -> bool {
    let (start, any, end) = around_any(pattern);
    let fixed = start.len() + end.len();
    if asked.len() < fixed || (any.is_none() && asked.len() > fixed) {
        return false;
    }
    let (at_start, rest) = asked.split_at(start.len());
    let at_end = &rest[rest.len() - end.len()..];
    let mut placed = start.iter().chain(end).zip(at_start.iter().chain(at_end));
    placed.all(|(word, asked)| match (word, asked) {
        (Word::Literal(literal), Asked::Literal(word)) => **literal == **word,
        (Word::Variable(_) | Word::One, Asked::Literal(_) | Asked::One) => true,
        _ => false,
    })
}

/// Whether there is a name that both match.
fn meet(pattern: &[Word], asked: &[Asked<'_>]) -> bool {
    // met[i]: what is asked so far, and the first i words of the pattern, match a name in common.
    let mut met = vec![false; pattern.len() + 1];
    met[0] = true;
    skip_any(pattern, &mut met);
    for word in asked {
        let mut next = vec![false; pattern.len() + 1];
        for (i, wanted) in pattern.iter().enumerate() {
            let fits = match (wanted, word) {
                (Word::Literal(literal), Asked::Literal(word)) => **literal == **word,
                _ => true,
            };
            if *wanted == Word::Any {
                next[i + 1] |= met[i + 1];
            } else if fits && *word != Asked::Any {
                next[i + 1] |= met[i];
            }
        }
        if *word == Asked::Any {
            // It stands for none, or for as many words of the pattern as one likes.
            let mut reached = false;
            for (next, met) in next.iter_mut().zip(&met) {
                reached |= *met;
                *next |= reached;
            }
        }
        skip_any(pattern, &mut next);
        met = next;
    }
    met[pattern.len()]
}

/// A word for any number of words also matches none.
fn skip_any(pattern: &[Word], met: &mut [bool]) {
    for (i, wanted) in pattern.iter().enumerate() {
        if *wanted == Word::Any && met[i] {
            met[i + 1] = true;
        }
    }
}

impl fmt::Display for RulePatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is empty; `**` is for every destination",
            Self::Braces => {
                "a variable is a whole word, as in /topic/rooms/{room}; in names of topics and queues `.` ends a word"
            }
            Self::Dots => "in names of the application and of users only `/` ends a word",
            Self::SameVariable => "it has one variable twice",
            Self::AnyTwice => "it has `**`, `#` or `>` more than once",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation(pattern: &str, asked: &str) -> Relation {
        let pattern = RulePattern::parse(pattern).unwrap();
        let separators = Separators::DotsAndSlashes;
        let relation = pattern.relation(&Words::of_pattern(asked, separators), separators);
        // What is no pattern is a name, of which the same is known without its words in a row.
        if !split(asked, separators).any(has_wildcard) {
            let matches = pattern.matches(Name::new(asked, separators), |_, _| {});
            let expected = if matches { Relation::All } else { Relation::None };
            assert_eq!(relation, expected, "{asked}");
        }
        relation
    }

    /// The values of the variables, if a pattern matches a name.
    fn variables(pattern: &str, name: Name<'_>) -> Option<Vec<(String, String)>> {
        let mut variables = Vec::new();
        let pattern = RulePattern::parse(pattern).unwrap();
        let matches = pattern.matches(name, |name, value| {
            variables.push((name.to_string(), value.to_owned()));
        });
        matches.then_some(variables)
    }

    fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Option<Vec<(String, String)>> {
        Some(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec())
    }

    #[track_caller]
    fn check(pattern: &str, all: &[&str], some: &[&str], none: &[&str]) {
        for asked in all {
            let relation = relation(pattern, asked);
            assert_eq!(relation, Relation::All, "{pattern} {asked}");
        }
        for asked in some {
            assert_eq!(relation(pattern, asked), Relation::Some, "{pattern} {asked}");
        }
        for asked in none {
            assert_eq!(relation(pattern, asked), Relation::None, "{pattern} {asked}");
        }
    }

    #[test]
    fn a_pattern_matches_names_and_what_patterns_stand_for() {
        check(
            "/topic/a",
            &["/topic/a", "/topic.a"],
            &["/topic/*", "/topic/#", "/**", "/*/a", "/topic.>", "/topic/a.**"],
            &["/topic/b", "/topic", "/topic/a.b", "/topic/*.b", "/queue/*", "/topic/a/*"],
        );
        check(
            "/topic/*.x",
            &["/topic/a.x", "/topic/*.x"],
            &["/topic/**", "/topic/**.x", "/topic/*.*", "/**/x"],
            &["/topic/x", "/topic/a.y", "/topic/*.y", "/topic/a.b.x"],
        );
        check(
            "/topic/**",
            &["/topic", "/topic/a", "/topic/a.b", "/topic/*", "/topic/**", "/topic/**.x"],
            &["/**", "/*/a", "#"],
            &["/queue/a", "/queue/**", "/queue/topic/*"],
        );
        check(
            "/topic/**.x",
            &["/topic/x", "/topic/a.b.x", "/topic/**.x", "/topic/*.x"],
            &["/topic/**", "/topic/a.*", "/topic/#.*"],
            &["/topic/a", "/topic/**.y", "/topic/x.y", "/queue/**.x"],
        );
        check("**", &["/topic/a", "/**", "a", ""], &[], &[]);
        check("/topic/>", &["/topic/a.b"], &[], &["/queue/a"]);
        check("/topic/>/a", &["/topic/>/a"], &["/topic/*/a"], &["/topic/b/a"]);
    }

    #[test]
    fn variables_have_the_values_of_their_words() {
        let name = Name::new("/topic/rooms/7.a.b/c", Separators::DotsAndSlashes);
        let expected = pairs([("kind", "topic"), ("room", "7"), ("last", "c")]);
        assert_eq!(variables("/{kind}/rooms.{room}.**.{last}", name), expected);
    }

    #[test]
    fn a_name_may_come_in_two_parts() {
        let name = Name::behind("/api/v1", "/rooms/7", Separators::Slashes);
        assert_eq!(variables("/api/v1/rooms/{room}", name), pairs([("room", "7")]));
        assert_eq!(variables("/api/**/{last}", name), pairs([("last", "7")]));
        for other in ["/api/v1/rooms", "/api/rooms/{room}", "/api/v1/rooms/7/{more}"] {
            assert_eq!(variables(other, name), None, "{other}");
        }
        let empty = Name::behind("/app", "/", Separators::Slashes);
        assert_eq!(variables("/app/{it}", empty), pairs([("it", "")]));
    }

    #[test]
    fn where_only_slashes_count_a_dot_is_part_of_a_word() {
        let slashes = Separators::Slashes;
        let name = Name::new("/user/ann@x.org/queue/a", slashes);
        assert_eq!(variables("/user/{who}/queue/a", name), pairs([("who", "ann@x.org")]));
        assert_eq!(variables("/user/{who}", name), None);
        let relation = |pattern: &str, asked: &Words<'_>| {
            RulePattern::parse(pattern).unwrap().relation(asked, slashes)
        };
        for pattern in ["/user/queue/a.*", "/user/queue/>.a", "/user/queue/#"] {
            let asked = Words::of_pattern(pattern, slashes);
            assert_eq!(relation("/user/queue/a.b", &asked), Relation::Some, "{pattern}");
            assert_eq!(relation("/user/queue/*", &asked), Relation::Some, "{pattern}");
            assert_eq!(relation("/user/queue/**", &asked), Relation::All, "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        let error = |pattern| RulePattern::parse(pattern).unwrap_err();
        assert_eq!(error(""), RulePatternError::Empty);
        assert_eq!(error("/topic/x{a}"), RulePatternError::Braces);
        assert_eq!(error("/topic/{}"), RulePatternError::Braces);
        assert_eq!(error("/{a}/{a}"), RulePatternError::SameVariable);
        assert_eq!(error("/**/a/**"), RulePatternError::AnyTwice);
        assert!(RulePattern::parse("/topic/room.{room}").is_ok());
        assert!(RulePattern::parse("/app/{room}").is_ok());
    }
}
