//! Header fields from octets.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::random::Random;

/// The most fields that are read.
const FIELDS_MAX: usize = 100;

/// The fields that a parser of HTTP lets through, or `None` where it would refuse the message.
pub(super) fn fields(block: &[u8]) -> Option<HeaderMap> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let Ok(httparse::Status::Complete((_, fields))) = httparse::parse_headers(block, &mut fields)
    else {
        return None;
    };
    let mut headers = HeaderMap::new();
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_bytes(field.value).ok()?);
    }
    Some(headers)
}

/// Appends each of the lines, but now and then one not at all or twice, and the empty line.
pub(super) fn write_lines(lines: &[&str], random: &mut Random, out: &mut Vec<u8>) {
    for line in lines {
        let times = match random.below(32) {
            0 => 0,
            1 => 2,
            _ => 1,
        };
        for _ in 0..times {
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(b"\r\n");
}
