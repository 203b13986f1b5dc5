use std::fmt;
use std::sync::Arc;

/// The headers of a frame, in the order they came in, unescaped.
///
/// Names are case sensitive. A name may occur more than once, and then its first value holds:
/// STOMP 1.2, "Repeated Header Entries". Cloning shares the text.
///
/// Headers are text. Where a peer sends octets that are no UTF-8, U+FFFD takes their place.
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
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Option<Arc<Block>>);

/// All names and values in one string: two allocations per frame instead of two per header.
#[derive(Clone, Default, PartialEq, Eq)]
struct Block {
    text: String,
    ends: Vec<Ends>,
}

/// Where a header ends in the text. It starts where the one before ends.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ends {
    name: usize,
    value: usize,
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

    /// How many headers there are.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |block| block.ends.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Adds a header behind all others. If the name is there already, its value still holds.
    ///
    /// Any text may be given; what a version of STOMP cannot express is dealt with by
    /// [`encode`](crate::encode).
    pub fn push(&mut self, name: &str, value: &str) {
        Arc::make_mut(self.0.get_or_insert_default()).push(name, value);
    }

    /// Removes every header of this name.
    pub fn remove(&mut self, name: &str) {
        self.retain(|candidate, _| candidate != name);
    }

    /// Keeps the headers whose name and value `keep` agrees to.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) {
        let Some(all) = self.0.take() else { return };
        let mut kept = Block {
            text: String::with_capacity(all.text.len()),
            ends: Vec::with_capacity(all.ends.len()),
        };
        for (name, value) in all.iter().filter(|(name, value)| keep(name, value)) {
            kept.push(name, value);
        }
        if !kept.ends.is_empty() {
            self.0 = Some(Arc::new(kept));
        }
    }

    /// The octets of all names and values.
    pub(crate) fn octets(&self) -> usize {
        self.0.as_ref().map_or(0, |block| block.text.len())
    }
}

impl Block {
    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.ends.iter().scan(0, |start, ends| {
            let header = (&self.text[*start..ends.name], &self.text[ends.name..ends.value]);
            *start = ends.value;
            Some(header)
        })
    }

    fn push(&mut self, name: &str, value: &str) {
        self.text.reserve(name.len() + value.len());
        self.text.push_str(name);
        let name = self.text.len();
        self.text.push_str(value);
        self.ends.push(Ends { name, value: self.text.len() });
    }
}

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

impl<'a, const N: usize> From<[(&'a str, &'a str); N]> for Headers {
    fn from(headers: [(&'a str, &'a str); N]) -> Self {
        headers.into_iter().collect()
    }
}

/// Shows everything but the value of `passcode`.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(name, value)| (name, if name == "passcode" { "[hidden]" } else { value });
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
