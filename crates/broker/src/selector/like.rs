/// A pattern of `LIKE`: `_` stands for one character, `%` for any number of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    parts: Box<[Part]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    One(char),
    AnyOne,
    AnyNumber,
}

impl Pattern {
    /// `None` if the escape character is the last one.
    pub(super) fn new(text: &str, escape: Option<char>) -> Option<Self> {
        let mut parts = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let part = match c {
                _ if Some(c) == escape => Part::One(chars.next()?),
                '_' => Part::AnyOne,
                '%' => Part::AnyNumber,
                _ => Part::One(c),
            };
            if part != Part::AnyNumber || parts.last() != Some(&Part::AnyNumber) {
                parts.push(part);
            }
        }
        Some(Self { parts: parts.into() })
    }

    /// Whether the pattern describes the text. It never goes back by more than one `%`, so the work
    /// is at most the length of the text times that of the pattern.
    pub(super) fn matches(&self, text: &str) -> bool {
        let (mut rest, mut at) = (text.chars(), 0);
        // Where to go on if it turns out that the last `%` stands for more.
        let mut retry: Option<(std::str::Chars<'_>, usize)> = None;
        loop {
            let before = rest.clone();
            match (self.parts.get(at), rest.next()) {
                (None, None) => return true,
                (Some(Part::AnyNumber), _) => {
                    at += 1;
                    rest = before.clone();
                    retry = Some((before, at));
                }
                (Some(Part::AnyOne), Some(_)) => at += 1,
                (Some(Part::One(wanted)), Some(c)) if *wanted == c => at += 1,
                _ => {
                    let Some((mut from, behind)) = retry.take() else { return false };
                    if from.next().is_none() {
                        return false;
                    }
                    (rest, at) = (from.clone(), behind);
                    retry = Some((from, behind));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_texts() {
        let check = |pattern: &str, text: &str, expected| {
            let matches = Pattern::new(pattern, Some('\\')).unwrap().matches(text);
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
    }

    #[test]
    fn many_wildcards_take_no_longer_than_few() {
        let pattern = Pattern::new(&"%a".repeat(100), None).unwrap();
        assert!(!pattern.matches(&"ab".repeat(99)));
        assert!(pattern.matches(&"ba".repeat(100)));
    }

    #[test]
    fn an_escape_needs_something_to_escape() {
        assert_eq!(Pattern::new("a!", Some('!')), None);
    }
}
