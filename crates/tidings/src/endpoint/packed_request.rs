use std::fmt;

use http::{HeaderMap, Uri};

/// Names that a browser's request has: one octet instead of the name.
///
/// At most 128.
const COMMON_NAMES: &[&str] = &[
    "accept",
    "accept-encoding",
    "accept-language",
    "authorization",
    "cache-control",
    "connection",
    "cookie",
    "forwarded",
    "host",
    "origin",
    "pragma",
    "referer",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "upgrade",
    "user-agent",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
];

/// No name begins with an octet as great as this.
const COMMON: u8 = 0x80;

/// The target and the headers of a request, in one block of octets: lines, of which the first is the
/// target. None of them can hold a line feed.
#[derive(Clone, Default)]
pub(super) struct PackedRequest(Box<[u8]>);

/// Without values and the query, which may hold secrets.
impl fmt::Debug for PackedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.uri().split('?').next();
        let names: Vec<_> = self.headers().map(|(name, _)| name).collect();
        f.debug_struct("Request").field("path", &path).field("headers", &names).finish()
    }
}

impl PackedRequest {
    pub(super) fn new(uri: &Uri, headers: &HeaderMap) -> Self {
        let mut block = uri.to_string().into_bytes();
        for (name, value) in headers {
            block.push(b'\n');
            match COMMON_NAMES.binary_search(&name.as_str()) {
                Ok(index) => block.extend(u8::try_from(index).map(|index| COMMON | index)),
                Err(_) => {
                    block.extend_from_slice(name.as_str().as_bytes());
                    block.push(b':');
                }
            }
            block.extend_from_slice(value.as_bytes());
        }
        Self(block.into())
    }

    pub(super) fn uri(&self) -> &str {
        let uri = self.lines().next().unwrap_or_default();
        std::str::from_utf8(uri).unwrap_or_default()
    }

    pub(super) fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.lines().skip(1).filter_map(|line| {
            let (first, value) = line.split_first()?;
            if *first >= COMMON {
                return Some((*COMMON_NAMES.get(usize::from(first ^ COMMON))?, value));
            }
            let colon = line.iter().position(|octet| *octet == b':')?;
            let name = std::str::from_utf8(&line[..colon]).ok()?;
            Some((name, &line[colon + 1..]))
        })
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|octet| *octet == b'\n')
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn packed(headers: &[(&'static str, &[u8])]) -> PackedRequest {
        let headers = headers.iter().map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap())
        });
        PackedRequest::new(&"/chat?room=1".parse().unwrap(), &headers.collect())
    }

    #[test]
    fn what_was_packed_is_told_whole_and_in_order() {
        let headers: &[(_, &[u8])] = &[
            ("host", b"example.org"),
            ("x-odd", &[0xff, b':', b' ']),
            ("x-empty", b""),
            ("upgrade", b""),
            ("cookie", &[0x80, b':']),
        ];
        let packed = packed(headers);
        assert_eq!(packed.uri(), "/chat?room=1");
        assert_eq!(packed.headers().collect::<Vec<_>>(), headers);
    }

    #[test]
    fn every_common_name_is_told() {
        assert!(COMMON_NAMES.is_sorted() && COMMON_NAMES.len() <= 128);
        for &name in COMMON_NAMES {
            let headers: &[(_, &[u8])] = &[(name, b"value")];
            assert_eq!(packed(headers).headers().collect::<Vec<_>>(), headers);
        }
    }

    #[test]
    fn without_a_request_there_is_neither_target_nor_header() {
        let nothing = PackedRequest::default();
        assert_eq!(nothing.uri(), "");
        assert_eq!(nothing.headers().count(), 0);
    }
}
