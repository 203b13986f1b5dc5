//! A selector and the headers that it is asked about, and a pattern of `LIKE` beside a plain way to match it.

use tidings_broker::Selector;

use crate::random::Random;
use crate::target::{DECODING, Target};

pub(crate) const TARGET: Target = Target {
    name: "selector",
    check,
    sample,
    allocated_per_octet_max: DECODING,
    dictionary: &[
        b" LIKE '",
        b"a LIKE '%a_b%'",
        b" ESCAPE '!'",
        b"%",
        b"_",
        b"'",
        b"''",
        b"\"",
        b"\n",
        b" AND ",
        b" OR ",
        b"NOT ",
        b" IN ('a','b')",
        b" BETWEEN 1 AND 2",
        b" IS NULL",
        b"(",
        b")",
        b"1e308",
        b"9223372036854775807",
        b"a:1",
    ],
};

/// Characters of pattern and text together with which no evaluation runs out of steps.
const PLAIN_CHARS_MAX: usize = 10_000;

/// The first line is the selector, all others are headers: a name, a colon and a value.
fn check(input: &[u8]) {
    let input = String::from_utf8_lossy(input);
    let (first, rest) = input.split_once('\n').unwrap_or((&input, ""));
    let header = |name: &str| {
        let mut headers = rest.lines().filter_map(|line| line.split_once(':'));
        headers.find(|(candidate, _)| *candidate == name).map(|(_, value)| value)
    };
    let headers = rest.lines().count();
    if let Ok(selector) = Selector::parse(first) {
        let wanted = selector.matches(headers, header);
        let again = Selector::parse(selector.as_str()).expect("what was read is read again");
        assert_eq!(again.matches(headers, header), wanted);
        if let Ok(negated) = Selector::parse(&format!("NOT ({first})")) {
            assert!(
                !(wanted && negated.matches(headers, header)),
                "{first:?} and its opposite hold"
            );
        }
    }
    check_like(first, rest);
}

/// Takes any text for a pattern.
fn check_like(pattern: &str, text: &str) {
    if pattern.chars().count() * text.chars().count() > PLAIN_CHARS_MAX {
        return;
    }
    let quoted = pattern.replace('\'', "''");
    if let Ok(selector) = Selector::parse(&format!("a LIKE '{quoted}'")) {
        let matches = selector.matches(1, |_| Some(text));
        assert_eq!(matches, describes(pattern, text), "{pattern:?} {text:?}");
    }
}

/// Whether a pattern describes a text: for each beginning of the text, whether the pattern so far does.
fn describes(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut fits = vec![false; text.len() + 1];
    fits[0] = true;
    for wanted in pattern.chars() {
        let before = fits.clone();
        for at in 0..fits.len() {
            fits[at] = match (wanted, at.checked_sub(1)) {
                ('%', None) => before[at],
                ('%', Some(last)) => before[at] || fits[last],
                (_, None) => false,
                ('_', Some(last)) => before[last],
                (wanted, Some(last)) => before[last] && text[last] == wanted,
            };
        }
    }
    fits[text.len()]
}

fn sample(random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    if random.one_in(2) {
        let pieces: [&[u8]; 6] = [b"a", b"b", b"ab", b"%", b"_", "\u{f6}".as_bytes()];
        for _ in 0..random.below(12) {
            out.extend_from_slice(random.pick(&pieces));
        }
        out.push(b'\n');
        for _ in 0..random.below(40) {
            let letters: [&[u8]; 3] = [b"a", b"b", "\u{f6}".as_bytes()];
            out.extend_from_slice(random.pick(&letters));
        }
        return out;
    }
    let conditions: [&[u8]; 7] = [
        b"a LIKE '%a_b%'",
        b"b > 2 * 3 - c",
        b"NOT a = 'x'",
        b"a IN ('x', 'y')",
        b"(b BETWEEN 1 AND c)",
        b"\"content-type\" IS NULL",
        b"TRUE",
    ];
    let operators: [&[u8]; 2] = [b" AND ", b" OR "];
    for index in 0..=random.below(4) {
        if index > 0 {
            out.extend_from_slice(random.pick(&operators));
        }
        out.extend_from_slice(random.pick(&conditions));
    }
    out.extend_from_slice(b"\na:xaab\nb:7\nc:1.5\n");
    out
}
