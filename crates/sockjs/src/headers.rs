//! The header fields that answers have in common.

use std::time::{Duration, SystemTime};

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    CACHE_CONTROL, EXPIRES, HeaderMap, HeaderValue, LAST_MODIFIED, ORIGIN, VARY,
};

use crate::Cors;

const YEAR: Duration = Duration::from_secs(31_536_000);

/// Forbids caching and recompression: for `/info` and every HTTP transport, refusals included.
pub fn no_cache(response: &mut HeaderMap) {
    let directives = "no-store, no-cache, no-transform, must-revalidate, max-age=0";
    response.insert(CACHE_CONTROL, HeaderValue::from_static(directives));
    response.remove(EXPIRES);
    response.remove(LAST_MODIFIED);
}

/// Lets everybody cache the answer for one year from `now`.
pub fn cache_one_year(now: SystemTime, response: &mut HeaderMap) {
    response.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000"));
    // There are no dates before that, whatever the clock says.
    let expires = now.checked_add(YEAR).unwrap_or(now).max(SystemTime::UNIX_EPOCH);
    let expires = httpdate::fmt_http_date(expires);
    let expires = HeaderValue::try_from(expires).expect("a date is a valid header value");
    response.insert(EXPIRES, expires);
}

/// Lets scripts of the request's origin read the answer: the CORS protocol of the Fetch standard.
///
/// Any origin that asks is allowed, with credentials. Whether it may ask at all is for the caller
/// to decide beforehand.
pub fn cors(policy: Cors, request: &HeaderMap, response: &mut HeaderMap) {
    let origin = match policy {
        Cors::Applies => request.get(ORIGIN),
        Cors::WithoutPreflight => request.get(ORIGIN).filter(|origin| *origin != "null"),
        Cors::Omitted => return,
    };
    match origin {
        Some(origin) => {
            response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            let credentials = HeaderValue::from_static("true");
            response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, credentials);
        }
        None => {
            response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
    }
    response.append(VARY, HeaderValue::from_static("Origin"));
    let requested = request.get(ACCESS_CONTROL_REQUEST_HEADERS);
    if let Some(requested) = requested.filter(|requested| !requested.is_empty()) {
        response.insert(ACCESS_CONTROL_ALLOW_HEADERS, requested.clone());
    }
}

/// Answers an `OPTIONS` request, with status 204 and no body: what [`cors`] and [`cache_one_year`]
/// say, and that the methods in the list `allow` may be used.
pub fn preflight(
    request: &HeaderMap,
    allow: &'static str,
    now: SystemTime,
    response: &mut HeaderMap,
) {
    cors(Cors::Applies, request, response);
    cache_one_year(now, response);
    response.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(allow));
    response.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(YEAR.as_secs()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map<const N: usize>(fields: [(&'static str, &'static str); N]) -> HeaderMap {
        let fields = fields.into_iter();
        fields.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn cors_answer<const N: usize>(request: [(&'static str, &'static str); N]) -> HeaderMap {
        let mut response = HeaderMap::new();
        cors(Cors::Applies, &map(request), &mut response);
        response
    }

    #[test]
    fn what_must_not_be_cached_has_no_dates() {
        let mut response = map([("expires", "0"), ("last-modified", "0"), ("etag", "\"1\"")]);
        no_cache(&mut response);
        let directives = "no-store, no-cache, no-transform, must-revalidate, max-age=0";
        assert_eq!(response, map([("etag", "\"1\""), ("cache-control", directives)]));
    }

    #[test]
    fn without_an_origin_everybody_may_read_but_not_with_credentials() {
        let expected = map([("access-control-allow-origin", "*"), ("vary", "Origin")]);
        assert_eq!(cors_answer([]), expected);
    }

    #[test]
    fn the_origin_is_echoed_even_if_it_is_null() {
        for origin in ["https://example.org:8443", "null"] {
            let expected = map([
                ("access-control-allow-origin", origin),
                ("access-control-allow-credentials", "true"),
                ("vary", "Origin"),
            ]);
            assert_eq!(cors_answer([("origin", origin)]), expected);
        }
    }

    #[test]
    fn a_page_without_an_origin_is_anybody_to_eventsource() {
        let answer = |policy| {
            let mut response = HeaderMap::new();
            cors(policy, &map([("origin", "null")]), &mut response);
            response
        };
        let anybody = map([("access-control-allow-origin", "*"), ("vary", "Origin")]);
        assert_eq!(answer(Cors::WithoutPreflight), anybody);
        assert_eq!(answer(Cors::Omitted), HeaderMap::new());
    }

    #[test]
    fn requested_headers_are_allowed_unless_there_are_none() {
        let answer = cors_answer([("access-control-request-headers", "a, b,c")]);
        assert_eq!(answer["access-control-allow-headers"], "a, b,c");
        let answer = cors_answer([("access-control-request-headers", "")]);
        assert!(!answer.contains_key("access-control-allow-headers"));
    }

    #[test]
    fn a_preflight_is_cached_for_a_year() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let mut response = HeaderMap::new();
        preflight(&map([("origin", "null")]), "OPTIONS, POST", now, &mut response);
        let expected = map([
            ("access-control-allow-origin", "null"),
            ("access-control-allow-credentials", "true"),
            ("vary", "Origin"),
            ("cache-control", "public, max-age=31536000"),
            ("expires", "Mon, 06 Nov 1995 08:49:37 GMT"),
            ("access-control-allow-methods", "OPTIONS, POST"),
            ("access-control-max-age", "31536000"),
        ]);
        assert_eq!(response, expected);
    }
}
