use http::header::{HOST, HeaderValue, ORIGIN, REFERER};
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

    /// What is listed and no browser sends, so that it would allow nothing.
    pub(crate) fn unmatchable(&self) -> impl Iterator<Item = String> {
        let listed = if let Self::List(listed) = self { &listed[..] } else { &[] };
        listed.iter().filter(|origin| !is_origin(origin)).cloned()
    }

    /// Whether a request with these headers is let in.
    pub fn allow(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(ORIGIN).iter();
        let Some(origin) = origins.next() else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        if origins.next().is_some() {
            return false;
        }
        self.allow_origin(origin, headers)
    }

    fn allow_origin(&self, origin: &str, headers: &HeaderMap) -> bool {
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

/// What scripts and pages that another page loads tell of it, since they have no `Origin`.
impl AllowedOrigins {
    /// Whether a page may load what such a request is for: Fetch Metadata, and where a browser does not send
    /// that, its `Referer`.
    pub(crate) fn allow_loading(&self, headers: &HeaderMap) -> bool {
        let is_of_this_origin = match headers.get("sec-fetch-site") {
            Some(site) => site == "same-origin" || site == "none",
            None => !headers.contains_key(REFERER),
        };
        *self == Self::Any || is_of_this_origin || {
            let referer = headers.get(REFERER).and_then(|referer| referer.to_str().ok());
            referer.and_then(origin_of).is_some_and(|origin| self.allow_origin(&origin, headers))
        }
    }

    /// Whose pages may hold a page of this server: CSP 3, section 6.4.2. `None` for everybody's.
    pub(crate) fn frame_ancestors(&self) -> Option<HeaderValue> {
        let ancestors = match self {
            Self::Any => return None,
            Self::SameOrigin => "frame-ancestors 'self'".to_owned(),
            Self::List(origins) => {
                // What could be another directive is no origin.
                let is_origin = |origin: &&String| !origin.contains([';', ',', ' ']);
                origins
                    .iter()
                    .filter(is_origin)
                    .fold("frame-ancestors 'self'".to_owned(), |all, one| all + " " + one)
            }
        };
        Some(HeaderValue::from_str(&ancestors).unwrap_or(NOBODY))
    }
}

const NOBODY: HeaderValue = HeaderValue::from_static("frame-ancestors 'none'");

/// The origin of a URL.
fn origin_of(url: &str) -> Option<String> {
    let url: Uri = url.parse().ok()?;
    Some(format!("{}://{}", url.scheme_str()?, url.authority()?))
}

/// Whether a browser may send this, or one like it in place of `*`: RFC 6454, section 6.2.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return text == "null" };
    let own_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => "://",
    };
    let is_outside = |c: char| c.is_whitespace() || "/?#@,;".contains(c);
    !scheme.is_empty() && !host.contains(is_outside) && !host.ends_with(own_port)
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
    fn what_no_browser_sends_is_found_in_a_list() {
        let of_browsers = [
            "https://example.org",
            "http://[::1]:8080",
            "https://*.example.org:8443",
            "http://example.org:443",
            "chrome-extension://abcdefgh",
            "file://",
            "null",
        ];
        let of_nobody = [
            "*",
            "example.org",
            "https://example.org/",
            "https://example.org/page",
            "https://user@example.org",
            "https://example.org:443",
            "http://example.org:80",
            "https://a.org,https://b.org",
            " https://example.org ",
            "",
        ];
        let listed = of_browsers.iter().chain(&of_nobody).map(|origin| (*origin).to_owned());
        let found: Vec<_> = AllowedOrigins::List(listed.collect()).unmatchable().collect();
        assert_eq!(found, of_nobody);
        assert_eq!(AllowedOrigins::Any.unmatchable().count(), 0);
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

    #[test]
    fn pages_of_others_load_nothing_unless_they_are_allowed() {
        let listed = AllowedOrigins::List(vec!["https://example.org".into()]);
        let loads = |origins: &AllowedOrigins, site: Option<&str>, referer: Option<&str>| {
            let mut headers = headers(None, "here");
            let fields = [("sec-fetch-site", site), ("referer", referer)];
            for (name, value) in fields.into_iter().filter_map(|(name, value)| Some((name, value?)))
            {
                headers.insert(name, HeaderValue::from_str(value).unwrap());
            }
            origins.allow_loading(&headers)
        };
        for (site, referer, same, list) in [
            (None, None, true, true),
            (Some("none"), None, true, true),
            (Some("same-origin"), Some("http://here/a"), true, true),
            (Some("same-site"), None, false, false),
            (Some("cross-site"), Some("http://evil/https://example.org"), false, false),
            (Some("cross-site"), Some("https://example.org/a?b"), false, true),
            (None, Some("http://here/page"), true, true),
            (None, Some("http://evil/here"), false, false),
            (None, Some("https://example.org/"), false, true),
            (None, Some("about:blank"), false, false),
        ] {
            let seen = (site, referer);
            assert_eq!(loads(&AllowedOrigins::SameOrigin, site, referer), same, "{seen:?}");
            assert_eq!(loads(&listed, site, referer), list, "{seen:?}");
            assert!(loads(&AllowedOrigins::Any, site, referer), "{seen:?}");
        }
    }

    #[test]
    fn frames_are_for_those_who_are_allowed() {
        let list =
            AllowedOrigins::List(vec!["https://*.example.org".into(), "x; script-src *".into()]);
        assert_eq!(list.frame_ancestors().unwrap(), "frame-ancestors 'self' https://*.example.org");
        let same = AllowedOrigins::SameOrigin.frame_ancestors();
        assert_eq!(same.unwrap(), "frame-ancestors 'self'");
        assert_eq!(AllowedOrigins::Any.frame_ancestors(), None);
    }
}
