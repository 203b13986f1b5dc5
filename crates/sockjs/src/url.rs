use crate::iframe::is_iframe;
use crate::{Transport, transport};

/// What a request asks a SockJS service for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Route<'a> {
    /// The prefix itself: a text for people who try it in a browser.
    Greeting,
    /// `/info`: what the service can do, as [`Info`](crate::Info).
    Info,
    /// `/iframe*.html`: the page of [`IframePage`](crate::IframePage).
    Iframe,
    /// `/websocket`: a WebSocket without the framing of SockJS.
    RawWebSocket,
    /// `/{server}/{session}/{transport}`.
    Session {
        /// Chosen by the client so that a load balancer may tell servers apart. Means nothing here.
        server_id: &'a str,
        /// Chosen by the client: the name of the session, still percent-encoded. To know it is no
        /// proof of anything, yet it must be kept secret.
        session_id: &'a str,
        /// How messages travel.
        transport: &'static Transport,
    },
}

/// The route of a path, given from where the prefix of the service ends. `None` stands for 404.
///
/// The path is taken as it is in the request: not decoded, without the query, and with dot segments
/// and repeated slashes in it, which match nothing. One slash at its end is ignored.
///
/// # Examples
///
/// ```
/// use tidings_sockjs::{Route, route};
///
/// let Some(Route::Session { session_id, transport, .. }) = route("/000/k3wq2p1x/xhr_streaming")
/// else {
///     panic!("it is the URL of a session");
/// };
/// assert_eq!(session_id, "k3wq2p1x");
/// assert_eq!(transport.path, "xhr_streaming");
///
/// assert!(route("/000/../xhr_streaming").is_none());
/// ```
pub fn route(path_after_prefix: &str) -> Option<Route<'_>> {
    let path = path_after_prefix.strip_suffix('/').unwrap_or(path_after_prefix);
    if path.is_empty() {
        return Some(Route::Greeting);
    }
    let mut segments = path.strip_prefix('/')?.split('/');
    let first = segments.next()?;
    match (segments.next(), segments.next(), segments.next()) {
        (None, ..) => match first {
            "info" => Some(Route::Info),
            "websocket" => Some(Route::RawWebSocket),
            _ if is_iframe(first) => Some(Route::Iframe),
            _ => None,
        },
        (Some(session_id), Some(path), None) if is_id(first) && is_id(session_id) => {
            Some(Route::Session { server_id: first, session_id, transport: transport(path)? })
        }
        _ => None,
    }
}

fn is_id(segment: &str) -> bool {
    !segment.is_empty() && !segment.contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TRANSPORTS;

    fn session(path: &str) -> Option<(&str, &str, &str)> {
        match route(path)? {
            Route::Session { server_id, session_id, transport } => {
                Some((server_id, session_id, transport.path))
            }
            route => panic!("{route:?}"),
        }
    }

    #[test]
    fn one_slash_at_the_end_is_ignored() {
        assert!(matches!(route(""), Some(Route::Greeting)));
        assert!(matches!(route("/"), Some(Route::Greeting)));
        assert!(matches!(route("/info"), Some(Route::Info)));
        assert!(matches!(route("/info/"), Some(Route::Info)));
        assert!(matches!(route("/websocket"), Some(Route::RawWebSocket)));
        assert!(matches!(route("/websocket/"), Some(Route::RawWebSocket)));
        assert_eq!(session("/a/b/xhr/"), Some(("a", "b", "xhr")));
    }

    #[test]
    fn the_page_of_the_iframe_has_many_names() {
        for path in ["/iframe.html", "/iframe-1.6.1.html", "/iframe.html/"] {
            assert!(matches!(route(path), Some(Route::Iframe)), "{path}");
        }
        for path in ["/iframe-/.html", "/iframe", "/a/iframe.html"] {
            assert!(route(path).is_none(), "{path}");
        }
    }

    #[test]
    fn every_transport_has_its_url() {
        for transport in TRANSPORTS {
            let path = format!("/000/abc/{}", transport.path);
            assert_eq!(session(&path), Some(("000", "abc", transport.path)));
        }
    }

    #[test]
    fn ids_are_anything_without_dots_and_are_not_decoded() {
        for (server_id, session_id) in [
            ("a", "a"),
            ("_", "_"),
            ("1", "1"),
            ("abcdefgh_i-j%20", "abcdefg_i-j%20"),
            ("é", "%2e"),
        ] {
            let path = format!("/{server_id}/{session_id}/xhr_send");
            assert_eq!(session(&path), Some((server_id, session_id, "xhr_send")));
        }
    }

    #[test]
    fn everything_else_is_not_found() {
        for path in [
            "//",
            "///",
            "a",
            "info",
            "/a",
            "/a.html",
            "/a/",
            "/a/a",
            "/a/a/",
            "/a//",
            "//a",
            "/.",
            "/..",
            "/info//",
            "//info",
            "/INFO",
            "/info.html",
            "/Websocket",
            "/websocket/websocket",
            "/./.",
            "/a./a",
            "/a/a.",
            "///",
            "//xhr",
            "///xhr",
            "/a//xhr",
            "//a/xhr",
            "/././xhr",
            "/a/../xhr",
            "/a./a/xhr",
            "/a/a./xhr",
            "/.a/a/xhr",
            "/a/a/xhr//",
            "/a/a/",
            "/a/a/a",
            "/a/a/xhr/a",
            "/a/a/a/xhr",
            "/a/a/XHR",
            "/a/a/xhr.",
            "/a/xhr",
            "/xhr",
            "/a/a/xhr?",
            "/a/a/info",
            "?t=1",
        ] {
            assert!(route(path).is_none(), "{path}");
        }
    }
}
