use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Uri};

use crate::endpoint::OriginVerdict;

/// Which origins may open a session: RFC 6455 10.2, RFC 6454.
///
/// A request without `Origin` comes from no browser and is let in, whatever is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// The origin's host and port must be those that the request was sent to. The default.
    #[default]
    SameOrigin,
    /// Every origin: any page on the web may connect in the name of its visitor.
    Any,
    /// The same origin, and these, written as a browser sends them: `https://example.org`. Where the host
    /// begins with `*.`, as in `https://*.example.org`, the origins of all hosts beneath it are allowed.
    List(Vec<String>),
}

impl AllowedOrigins {
    pub(crate) fn verdict(&self, headers: &HeaderMap) -> OriginVerdict {
        if self.allow(headers) { OriginVerdict::Allowed } else { OriginVerdict::Refused }
    }

    /// Whether a request with these headers is let in.
    pub fn allow(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(ORIGIN).iter();
        let Some(origin) = origins.next() else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        if origins.next().is_some() {
            return false;
        }
        match self {
            Self::Any => true,
            Self::SameOrigin => is_same_origin(origin, headers),
            Self::List(allowed) => {
                allowed.iter().any(|allowed| is_listed(origin, allowed))
                    || is_same_origin(origin, headers)
            }
        }
    }
}

/// Whether the origin is the one that is listed, or beneath it.
fn is_listed(origin: &str, listed: &str) -> bool {
    let Some((scheme, parent)) = listed.split_once("://*.") else {
        return listed.eq_ignore_ascii_case(origin);
    };
    let Some((scheme_of_origin, host)) = origin.split_once("://") else { return false };
    let Some(beneath) = host.len().checked_sub(parent.len()) else { return false };
    let Some((name, end)) = host.split_at_checked(beneath) else { return false };
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || b"-.".contains(&c))
    };
    scheme.eq_ignore_ascii_case(scheme_of_origin)
        && end.eq_ignore_ascii_case(parent)
        && name.strip_suffix('.').is_some_and(is_name)
}

/// The scheme is left out of the comparison: behind a proxy that ends TLS, the server cannot know
/// it. A missing port is the default port of the origin's scheme.
fn is_same_origin(origin: &str, headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else { return false };
    let Ok(host) = host.parse::<Authority>() else { return false };
    let Ok(origin) = origin.parse::<Uri>() else { return false };
    let default_port = match origin.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return false,
    };
    let Some(authority) = origin.authority() else { return false };
    let has_user_info = |authority: &Authority| authority.as_str().contains('@');
    if has_user_info(authority) || has_user_info(&host) || origin.path() != "/" {
        return false;
    }
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default_port);
    authority.host().eq_ignore_ascii_case(host.host()) && port(authority) == port(&host)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(origin: Option<&str>, host: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(origin) = origin {
            headers.insert(ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        headers.insert(HOST, HeaderValue::from_str(host).unwrap());
        headers
    }

    #[test]
    fn the_same_origin_is_the_same_host_and_port() {
        let cases = [
            (None, "example.org", true),
            (Some("http://example.org"), "example.org", true),
            (Some("https://example.org"), "example.org", true),
            (Some("http://EXAMPLE.org"), "example.ORG", true),
            (Some("http://example.org:80"), "example.org", true),
            (Some("https://example.org"), "example.org:443", true),
            (Some("http://127.0.0.1:8080"), "127.0.0.1:8080", true),
            (Some("http://[::1]:8080"), "[::1]:8080", true),
            (Some("http://example.org:8080"), "example.org", false),
            (Some("https://example.org"), "example.org:80", false),
            (Some("http://any-example.org"), "example.org", false),
            (Some("http://example.org.evil"), "example.org", false),
            (Some("http://example.org@evil"), "evil", false),
            (Some("http://sub.example.org"), "example.org", false),
            (Some("null"), "example.org", false),
            (Some("file://"), "example.org", false),
            (Some(""), "example.org", false),
        ];
        for (origin, host, allowed) in cases {
            let allow = AllowedOrigins::SameOrigin.allow(&headers(origin, host));
            assert_eq!(allow, allowed, "{origin:?} at {host}");
        }
    }

    #[test]
    fn a_list_adds_exactly_its_origins() {
        let origins = AllowedOrigins::List(vec!["https://example.org".into()]);
        let allow = |origin| origins.allow(&headers(Some(origin), "here:8080"));
        assert!(allow("https://example.org"));
        assert!(allow("http://here:8080"));
        assert!(!allow("http://example.org"));
        assert!(!allow("https://example.org:8443"));
    }

    #[test]
    fn a_star_in_the_list_stands_for_every_host_beneath() {
        let origins = AllowedOrigins::List(vec!["https://*.example.org:8443".into()]);
        let cases = [
            ("https://a.example.org:8443", true),
            ("HTTPS://a.b.Example.org:8443", true),
            ("https://example.org:8443", false),
            ("https://.example.org:8443", false),
            ("https://a.example.org", false),
            ("http://a.example.org:8443", false),
            ("https://aexample.org:8443", false),
            ("https://evil/.example.org:8443", false),
            ("https://evil@a.example.org:8443", false),
            ("https://evil?.example.org:8443", false),
            ("https://\u{f6}.example.org:8443", false),
            ("https://*.example.org:8443", false),
            ("null", false),
        ];
        for (origin, allowed) in cases {
            assert_eq!(is_listed(origin, "https://*.example.org:8443"), allowed, "{origin}");
        }
        assert!(origins.allow(&headers(Some("https://a.example.org:8443"), "here:8080")));
    }

    #[test]
    fn two_origins_or_one_that_is_no_text_are_refused() {
        let mut twice = headers(Some("http://example.org"), "example.org");
        twice.append(ORIGIN, HeaderValue::from_static("http://evil"));
        assert!(!AllowedOrigins::Any.allow(&twice));
        let mut binary = headers(None, "example.org");
        binary.insert(ORIGIN, HeaderValue::from_bytes(&[0xff]).unwrap());
        assert!(!AllowedOrigins::Any.allow(&binary));
    }
}
