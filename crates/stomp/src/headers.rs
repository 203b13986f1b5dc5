use std::fmt;
use std::sync::Arc;

/// The headers of a frame, in the order they came in, unescaped.
///
/// Names are case sensitive. A name may occur more than once, and then its first value holds:
/// STOMP 1.2, "Repeated Header Entries". Cloning shares the text.
///
/// Headers are text. What a peer sends that is no UTF-8 is kept, and passed on as it is; as text it
/// reads with U+FFFD in place of the octets that are none.
///
/// # Examples
///
/// ```
/// use tidings_stomp::Headers;
///
/// let mut headers = Headers::default();
/// headers.push("content-type", "text/plain");
/// headers.push("content-type", "text/html");
/// assert_eq!(headers.get("content-type"), Some("text/plain"));
/// assert_eq!(headers.get("Content-Type"), None);
/// ```
#[derive(Clone, Default)]
pub struct Headers(Option<Arc<Block>>);

/// All names and values in one string: two allocations per frame instead of two per header.
#[derive(Clone, Default)]
struct Block {
    /// Each name with a colon behind it, and each value with a line end.
    text: String,
    len: usize,
    /// Those of the first headers; most frames have no more.
    few: [Ends; FEW],
    more: Vec<Ends>,
    /// Those that are no UTF-8, in order. Very few frames have any.
    not_text: Vec<NotText>,
}

/// A header as it came, where that is no UTF-8.
#[derive(Clone)]
struct NotText {
    /// The place of the header among all.
    index: usize,
    name: Box<[u8]>,
    value: Box<[u8]>,
}

/// Headers whose ends need no allocation of their own.
const FEW: usize = 8;

/// Where the name and the value of a header end in the text. It starts behind the line end of the one before.
#[derive(Clone, Copy, Default)]
struct Ends {
    name: u32,
    value: u32,
}

impl Headers {
    /// The first value of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| value)
    }

    /// The names and values in order, later values of a name included.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|block| block.iter())
    }

    /// As [`iter`](Self::iter), with the very octets that a peer sent.
    pub fn iter_octets(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().flat_map(|block| block.iter_octets())
    }

    /// The names, as text, of the headers that are no UTF-8.
    pub fn not_text(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|block| block.not_text_names())
    }

    /// How many headers there are.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |block| block.len)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a header behind all others. If the name is there already, its value still holds.
    ///
    /// Any text may be given; what a version of STOMP cannot express is dealt with by
    /// [`encode`](crate::encode).
    ///
    /// # Panics
    ///
    /// If all names and values together have 4 GiB.
    pub fn push(&mut self, name: &str, value: &str) {
        Arc::make_mut(self.0.get_or_insert_default()).push(name, value);
    }

    /// Adds a header of any octets behind all others.
    pub fn push_octets(&mut self, name: &[u8], value: &[u8]) {
        Arc::make_mut(self.0.get_or_insert_default()).push_octets(name, value);
    }

    /// Removes every header of this name.
    pub fn remove(&mut self, name: &str) {
        self.retain(|candidate, _| candidate != name);
    }

    /// Keeps the headers whose name and value `keep` agrees to.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) {
        let Some(all) = self.0.take() else { return };
        let mut kept: Option<Block> = None;
        let mut left = all.text.len();
        let mut not_text = all.not_text.iter().peekable();
        for (index, (name, value)) in all.iter().enumerate() {
            let octets = not_text.next_if(|header| header.index == index);
            if keep(name, value) {
                let kept = kept.get_or_insert_with(|| Block::with_capacity(left));
                match octets {
                    None => kept.push(name, value),
                    Some(NotText { name, value, .. }) => kept.push_not_text(name, value),
                }
            }
            left -= name.len() + value.len() + SEPARATORS;
        }
        self.0 = kept.map(Arc::new);
    }

    /// What they count against limits on what is kept: the octets of names and values, those of headers
    /// that are no UTF-8 once more, and what it takes to find the ones beyond the first eight.
    pub fn kept_octets(&self) -> usize {
        self.0.as_ref().map_or(0, |block| block.kept_octets())
    }

    /// The octets of their lines, each with its colon and its line end, where nothing has to be escaped.
    pub(crate) fn line_octets(&self) -> usize {
        self.0.as_ref().map_or(0, |block| block.text.len())
    }
}

impl Block {
    fn with_capacity(octets: usize) -> Self {
        Self { text: String::with_capacity(octets), ..Self::default() }
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let few = &self.few[..self.len.min(FEW)];
        few.iter().chain(&self.more).scan(0, |start, ends| {
            let (name, value) = (ends.name as usize, ends.value as usize);
            let header = (&self.text[*start..name], &self.text[name + 1..value]);
            *start = value + 1;
            Some(header)
        })
    }

    fn iter_octets(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut not_text = self.not_text.iter().peekable();
        self.iter().enumerate().map(move |(index, (name, value))| {
            match not_text.next_if(|header| header.index == index) {
                Some(NotText { name, value, .. }) => (&**name, &**value),
                None => (name.as_bytes(), value.as_bytes()),
            }
        })
    }

    fn kept_octets(&self) -> usize {
        let octets =
            |header: &NotText| size_of::<NotText>() + header.name.len() + header.value.len();
        let not_text = self.not_text.iter().map(octets).sum::<usize>();
        self.text.len() - SEPARATORS * self.len + size_of_val(&self.more[..]) + not_text
    }

    fn not_text_names(&self) -> impl Iterator<Item = &str> {
        let all = self.not_text.iter();
        all.filter_map(|header| self.iter().nth(header.index).map(|(name, _)| name))
    }

    fn push_octets(&mut self, name: &[u8], value: &[u8]) {
        match (str::from_utf8(name), str::from_utf8(value)) {
            (Ok(name), Ok(value)) => self.push(name, value),
            _ => self.push_not_text(name, value),
        }
    }

    fn push_not_text(&mut self, name: &[u8], value: &[u8]) {
        let header = NotText { index: self.len, name: name.into(), value: value.into() };
        self.not_text.push(header);
        self.push(&String::from_utf8_lossy(name), &String::from_utf8_lossy(value));
    }

    fn push(&mut self, name: &str, value: &str) {
        self.text.reserve(name.len() + value.len() + SEPARATORS);
        self.text.push_str(name);
        let name_end = self.text.len();
        self.text.push(':');
        self.text.push_str(value);
        self.push_ends(name_end, self.text.len());
        self.text.push('\n');
    }

    fn push_ends(&mut self, name: usize, value: usize) {
        let end = |end| u32::try_from(end).expect("headers have less than 4 GiB");
        let ends = Ends { name: end(name), value: end(value) };
        match self.few.get_mut(self.len) {
            Some(place) => *place = ends,
            None => self.more.push(ends),
        }
        self.len += 1;
    }
}

/// The octets of a colon and a line end.
const SEPARATORS: usize = 2;

/// Headers that nobody shares yet.
#[derive(Default)]
pub(crate) struct HeadersBuilder(Block);

/// Octets of names and values that are enough for most frames.
const OCTETS_USUAL: usize = 128;

impl HeadersBuilder {
    pub(crate) fn len(&self) -> usize {
        self.0.len
    }

    /// As [`Headers::push_octets`].
    pub(crate) fn push_octets(&mut self, name: &[u8], value: &[u8]) {
        self.0.push_octets(name, value);
    }

    /// Notes where the name and the value of the next header end in [lines](Self::of_lines) to come.
    pub(crate) fn push_ends(&mut self, name: usize, value: usize) {
        self.0.push_ends(name, value);
    }

    /// The headers whose ends have been noted, and no others, given their lines.
    pub(crate) fn of_lines(mut self, lines: &str) -> Headers {
        self.0.text = lines.to_owned();
        self.into()
    }
}

impl From<Headers> for HeadersBuilder {
    fn from(headers: Headers) -> Self {
        Self(headers.0.map_or_else(|| Block::with_capacity(OCTETS_USUAL), Arc::unwrap_or_clone))
    }
}

impl From<HeadersBuilder> for Headers {
    fn from(headers: HeadersBuilder) -> Self {
        Self((headers.0.len > 0).then(|| Arc::new(headers.0)))
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.iter_octets().eq(other.iter_octets())
    }
}

impl Eq for Headers {}

impl<'a> FromIterator<(&'a str, &'a str)> for Headers {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(iter: I) -> Self {
        let mut headers = Self::default();
        headers.extend(iter);
        headers
    }
}

impl<'a> Extend<(&'a str, &'a str)> for Headers {
    fn extend<I: IntoIterator<Item = (&'a str, &'a str)>>(&mut self, iter: I) {
        for (name, value) in iter {
            self.push(name, value);
        }
    }
}

impl<'a> Extend<(&'a [u8], &'a [u8])> for Headers {
    fn extend<I: IntoIterator<Item = (&'a [u8], &'a [u8])>>(&mut self, iter: I) {
        for (name, value) in iter {
            self.push_octets(name, value);
        }
    }
}

impl<'a, const N: usize> From<[(&'a str, &'a str); N]> for Headers {
    fn from(headers: [(&'a str, &'a str); N]) -> Self {
        headers.into_iter().collect()
    }
}

/// Headers that prove who somebody is.
const SECRET: [&str; 5] = ["passcode", "authorization", "cookie", "x-csrf-token", "x-xsrf-token"];

/// Shows no values that are secret, such as that of `passcode`.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_secret = |name: &str| SECRET.iter().any(|it| name.eq_ignore_ascii_case(it));
        let shown = |(name, value)| (name, if is_secret(name) { "[hidden]" } else { value });
        f.debug_map().entries(self.iter().map(shown)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_occurrence_of_a_name_wins() {
        let headers = Headers::from([("foo", "1"), ("bar", ""), ("foo", "2")]);
        assert_eq!(headers.get("foo"), Some("1"));
        assert_eq!(headers.get("bar"), Some(""));
        assert_eq!(headers.get("baz"), None);
        let all: Vec<_> = headers.iter().collect();
        assert_eq!(all, [("foo", "1"), ("bar", ""), ("foo", "2")]);
    }

    #[test]
    fn removing_takes_every_occurrence() {
        let mut headers = Headers::from([("foo", "1"), ("bar", "2"), ("foo", "3")]);
        headers.remove("foo");
        assert_eq!(headers, Headers::from([("bar", "2")]));
        headers.remove("bar");
        assert_eq!(headers, Headers::default());
        assert!(headers.is_empty());
        assert_eq!(headers.len(), 0);
    }

    #[test]
    fn many_headers_are_kept_in_order() {
        let pairs: Vec<(String, String)> =
            (0..3 * FEW).map(|n| (format!("name-{n}"), format!("value-{n}"))).collect();
        let mut headers = Headers::default();
        for (name, value) in &pairs {
            headers.push(name, value);
        }
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        assert_eq!(headers.iter().map(owned).collect::<Vec<_>>(), pairs);
        headers.retain(|name, _| name.ends_with('9'));
        assert_eq!(headers, Headers::from([("name-9", "value-9"), ("name-19", "value-19")]));
    }

    #[test]
    fn what_is_no_text_is_kept_as_it_is() {
        let mut headers = Headers::from([("a", "1")]);
        headers.push_octets(b"b", b"\xff:x");
        headers.push_octets(b"c", b"3");
        headers.push_octets(b"\xfe", b"4");
        let all = |headers: &Headers| {
            let octets = |(name, value): (&[u8], &[u8])| (name.to_vec(), value.to_vec());
            headers.iter_octets().map(octets).collect::<Vec<_>>()
        };
        let pair = |name: &[u8], value: &[u8]| (name.to_vec(), value.to_vec());
        let [a, b, c] = [pair(b"a", b"1"), pair(b"b", b"\xff:x"), pair(b"c", b"3")];
        assert_eq!(all(&headers), [a.clone(), b.clone(), c, pair(b"\xfe", b"4")]);
        assert_eq!(headers.get("b"), Some("\u{fffd}:x"));
        assert_eq!(headers.not_text().collect::<Vec<_>>(), ["b", "\u{fffd}"]);
        headers.retain(|name, _| matches!(name, "a" | "b"));
        assert_eq!(all(&headers), [a, b]);
        assert_ne!(headers, Headers::from([("a", "1"), ("b", "\u{fffd}:x")]));
    }

    #[test]
    fn what_is_kept_beside_the_text_counts() {
        let pushed = |count: usize, value: &[u8]| {
            let mut headers = Headers::default();
            for _ in 0..count {
                headers.push_octets(b"a", value);
            }
            headers.kept_octets()
        };
        assert_eq!(pushed(0, b""), 0);
        assert_eq!(pushed(FEW, b"12"), 3 * FEW);
        assert_eq!(pushed(FEW + 1, b"12") - pushed(FEW, b"12"), 3 + size_of::<Ends>());
        let as_text = "a\u{fffd}".len();
        assert_eq!(pushed(1, b"\xff"), as_text + size_of::<NotText>() + 2);
    }

    #[test]
    fn a_clone_is_independent() {
        let headers = Headers::from([("foo", "1")]);
        let mut changed = headers.clone();
        changed.push("bar", "2");
        assert_eq!((headers.len(), changed.len()), (1, 2));
    }

    #[test]
    fn a_passcode_is_not_shown() {
        let shown = format!("{:?}", Headers::from([("login", "ann"), ("passcode", "secret")]));
        assert!(shown.contains("ann") && !shown.contains("secret"), "{shown}");
    }
}
