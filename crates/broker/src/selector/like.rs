use std::ops::Range;

use memchr::{memchr, memmem};

use super::steps::Steps;

/// What it takes to begin a search.
const SEARCH_STEPS: usize = 32;

/// A pattern of `LIKE`: `_` stands for one character, `%` for any number of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// The text between the wildcards, all of it in one.
    literals: Box<str>,
    /// At least one.
    runs: Box<[Run]>,
}

/// Text without wildcards, and the wildcards before it. Only that of the first and the last one may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    start: Start,
    /// How many characters stand before it, or at least stand there.
    skipped: u16,
    /// Where its text ends among the literals. It starts where the one before ends.
    end: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// Right behind the characters that are skipped.
    Here,
    /// There or further on: `%`.
    Anywhere,
}

impl Pattern {
    /// `None` if the escape character is the last one, or the pattern is longer than a selector may be.
    pub(super) fn new(text: &str, escape: Option<char>) -> Option<Self> {
        u16::try_from(text.len()).ok()?;
        let mut literals = String::new();
        let end = |literals: &String| u16::try_from(literals.len()).unwrap_or(u16::MAX);
        let mut runs = Vec::new();
        let mut run = Run { start: Start::Here, skipped: 0, end: 0 };
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let literal = match c {
                _ if Some(c) == escape => chars.next()?,
                '_' | '%' => {
                    if end(&literals) > run.end || runs.is_empty() {
                        runs.push(Run { end: end(&literals), ..run });
                        run = Run { start: Start::Here, skipped: 0, end: end(&literals) };
                    }
                    match c {
                        '_' => run.skipped += 1,
                        _ => run.start = Start::Anywhere,
                    }
                    continue;
                }
                _ => c,
            };
            literals.push(literal);
        }
        runs.push(Run { end: end(&literals), ..run });
        Some(Self { literals: literals.into(), runs: runs.into() })
    }

    /// Whether the pattern describes the text. Each piece between two `%` is taken where it is found first.
    /// One without `_` is searched for in time that grows with the text alone.
    ///
    /// False, too, once the steps are spent.
    pub(super) fn matches(&self, text: &str, steps: &Steps) -> bool {
        let is_loose = |at: &usize| self.runs[*at].start == Start::Anywhere;
        let next_piece = |at: usize| (at + 1..self.runs.len()).find(is_loose);
        let (mut first, mut position) = (0, 0);
        loop {
            let next = next_piece(first);
            let piece = first..next.unwrap_or(self.runs.len());
            let found = match (self.runs[first].start, next) {
                (Start::Here, _) => self.match_here(text, position, piece, steps),
                (Start::Anywhere, Some(_)) => self.find(text, position, piece, steps),
                (Start::Anywhere, None) => self.match_end(text, position, piece, steps),
            };
            match (found, next) {
                (Some(end), Some(next)) => (first, position) = (next, end),
                (Some(end), None) => return end == text.len(),
                (None, _) => return false,
            }
        }
    }

    /// Where a piece ends that stands at this position.
    fn match_here(
        &self,
        text: &str,
        position: usize,
        piece: Range<usize>,
        steps: &Steps,
    ) -> Option<usize> {
        piece.into_iter().try_fold(position, |position, at| {
            let start = skip(text, position, self.runs[at].skipped, steps)?;
            self.match_text(text, start, at, steps)
        })
    }

    /// Where the first piece ends that stands at this position or further on.
    fn find(
        &self,
        text: &str,
        position: usize,
        piece: Range<usize>,
        steps: &Steps,
    ) -> Option<usize> {
        let wanted = self.text_of(piece.start).as_bytes();
        let mut position = skip(text, position, self.runs[piece.start].skipped, steps)?;
        let rest = piece.start + 1..piece.end;
        if rest.is_empty() {
            let place = memmem::find(&text.as_bytes()[position..], wanted);
            let searched = place.unwrap_or(text.len() - position);
            if !steps.take(SEARCH_STEPS + searched + wanted.len()) {
                return None;
            }
            return place.map(|place| position + place + wanted.len());
        }
        // A `_` follows: it may have to be tried at each place where its first octet stands.
        let first = *wanted.first()?;
        loop {
            let place = memchr(first, &text.as_bytes()[position..])?;
            if !steps.take(place) {
                return None;
            }
            let end = self.match_text(text, position + place, piece.start, steps);
            let end = end.and_then(|end| self.match_here(text, end, rest.clone(), steps));
            if end.is_some() || steps.are_spent() {
                return end;
            }
            position += place + 1;
        }
    }

    /// The end of the text, if the last piece stands there, at this position or further on.
    fn match_end(
        &self,
        text: &str,
        position: usize,
        piece: Range<usize>,
        steps: &Steps,
    ) -> Option<usize> {
        let earliest = skip(text, position, self.runs[piece.start].skipped, steps)?;
        let rest = piece.start + 1..piece.end;
        let skipped: usize = rest.clone().map(|at| usize::from(self.runs[at].skipped)).sum();
        let literal: usize = piece.clone().map(|at| self.text_of(at).chars().count()).sum();
        let chars = skipped + literal;
        if !steps.take(chars) {
            return None;
        }
        let start = match chars {
            0 => text.len(),
            chars => text.char_indices().rev().nth(chars - 1)?.0,
        };
        if start < earliest {
            return None;
        }
        let end = self.match_text(text, start, piece.start, steps)?;
        self.match_here(text, end, rest, steps)
    }

    /// Where the text of a run ends that stands at this position.
    fn match_text(&self, text: &str, position: usize, run: usize, steps: &Steps) -> Option<usize> {
        let wanted = self.text_of(run);
        let stands_here = text.as_bytes()[position..].starts_with(wanted.as_bytes());
        (steps.take(1 + wanted.len()) && stands_here).then_some(position + wanted.len())
    }

    fn text_of(&self, run: usize) -> &str {
        let start = run.checked_sub(1).map_or(0, |before| usize::from(self.runs[before].end));
        &self.literals[start..usize::from(self.runs[run].end)]
    }
}

/// The position so many characters further on, if there are as many.
fn skip(text: &str, position: usize, chars: u16, steps: &Steps) -> Option<usize> {
    let chars = usize::from(chars);
    if chars == 0 {
        return Some(position);
    }
    let rest = &text[position..];
    let (at, last) = steps.take(chars).then(|| rest.char_indices().nth(chars - 1))??;
    Some(position + at + last.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_texts() {
        let check = |pattern: &str, text: &str, expected| {
            let matches =
                Pattern::new(pattern, Some('\\')).unwrap().matches(text, &Steps::default());
            assert_eq!(matches, expected, "{pattern} {text}");
        };
        check("", "", true);
        check("", "a", false);
        check("%", "", true);
        check("%", "anything", true);
        check("12%3", "123", true);
        check("12%3", "12993", true);
        check("12%3", "1234", false);
        check("l_se", "lose", true);
        check("l_se", "loose", false);
        check("\\_%", "_foo", true);
        check("\\_%", "bar", false);
        check("%a%b%", "xxaxxbxx", true);
        check("%a%b", "ab ab a", false);
        check("_%_", "ö", false);
        check("_%_", "öü", true);
        check("__%", "ö", false);
        check("%_%ö_", "xyöü", true);
        check("%a_c%", "abbabcd", true);
        check("%a_c%", "abbabbc", false);
        check("%a_c_", "abcaxcd", true);
        check("a%a", "a", false);
        check("ab%ba", "aba", false);
        check("ab%ba", "abba", true);
        check("%\\%", "50%", true);
        check("%_", "", false);
    }

    /// The steps that it takes to find out that a pattern does not describe a text.
    fn steps(pattern: &str, text: &str) -> usize {
        let steps = Steps::default();
        assert!(!Pattern::new(pattern, None).unwrap().matches(text, &steps), "{pattern}");
        steps.taken()
    }

    #[test]
    fn the_work_grows_with_the_text_and_not_with_the_pattern_times_the_text() {
        let text = "a".repeat(16_000);
        let one = steps("%b", &text);
        assert!(one < 100, "{one}");
        for pattern in
            ["%ab%", &format!("%{}b%", "a".repeat(250)), &format!("%b%{}", "%a".repeat(100))]
        {
            let steps = steps(pattern, &text);
            assert!(steps < 17_000, "{steps} for {pattern}");
        }
        let few = "ab".repeat(99);
        let steps = steps(&"%a".repeat(100), &few);
        assert!(steps < 100 * (SEARCH_STEPS + 10), "{steps}");
        assert!(
            Pattern::new(&"%a".repeat(100), None)
                .unwrap()
                .matches(&"ba".repeat(100), &Steps::default())
        );
    }

    #[test]
    fn what_takes_too_many_steps_is_given_up() {
        let pattern = format!("%{}b%", "a_".repeat(100));
        let steps = steps(&pattern, &"a".repeat(16_000));
        let max = super::super::Selector::STEPS_MAX;
        assert!((max..max + 1_000).contains(&steps), "{steps}");
    }

    #[test]
    fn an_escape_needs_something_to_escape() {
        assert_eq!(Pattern::new("a!", Some('!')), None);
    }
}
