//! Header fields that are lists of tokens: RFC 9110, section 5.6.

use http::HeaderMap;
use http::header::HeaderName;

/// The elements of a comma-separated list, over all lines of the field; empty elements are skipped.
pub(super) fn elements(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    headers
        .get_all(name)
        .into_iter()
        .flat_map(|line| line.as_bytes().split(|octet| *octet == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

/// Whether one of the elements is `token`, in any case.
pub(super) fn contains(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    elements(headers, name).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}

/// The text of a token, unless it has an octet that tokens may not have.
pub(crate) fn token(octets: &[u8]) -> Option<&str> {
    let is_token = |octet: &u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(octet);
    let valid = !octets.is_empty() && octets.iter().all(is_token);
    std::str::from_utf8(octets).ok().filter(|_| valid)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::CONNECTION;

    use super::*;

    #[test]
    fn a_list_may_span_lines_and_have_empty_elements() {
        let mut headers = HeaderMap::new();
        headers.append(CONNECTION, HeaderValue::from_static("keep-alive, ,\tX"));
        headers.append(CONNECTION, HeaderValue::from_static("UPGRADE,"));
        let found: Vec<_> = elements(&headers, CONNECTION).collect();
        assert_eq!(found, [&b"keep-alive"[..], b"X", b"UPGRADE"]);
        assert!(contains(&headers, CONNECTION, "upgrade"));
        assert!(!contains(&headers, CONNECTION, "grade"));
    }

    #[test]
    fn tokens_have_no_separators_and_no_octets_beyond_ascii() {
        assert_eq!(token(b"v12.stomp"), Some("v12.stomp"));
        for octets in [&b""[..], b"a b", b"a;b", b"\"a\"", b"a/b", b"\xe9", b"a\x7f", b"(a)"] {
            assert_eq!(token(octets), None);
        }
    }
}
