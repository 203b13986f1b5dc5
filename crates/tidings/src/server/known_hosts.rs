//! How a server may be called by pages.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{Request, Response, StatusCode};

use super::{Body, plain};

/// Where a page's request comes from: W3C Fetch Metadata. Browsers send it also with the GET of an `EventSource`
/// of the same origin, which has no `Origin`.
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// The names by which pages may call a server. Anybody can have a name of their own mean this machine
/// ("DNS rebinding"): a page of that name would be of the same origin as the server.
#[derive(Clone, Debug)]
pub(crate) struct KnownHosts(Arc<[String]>);

impl KnownHosts {
    /// Those of a listener at `addr`; a Unix socket has none. `further` are names beside those that always mean
    /// this machine. Without any, a server that is not for this machine alone, or that no page reaches but by a
    /// proxy, may be called as one likes: nobody has said what it is called.
    pub(super) fn at(addr: Option<SocketAddr>, further: &[String]) -> Option<Self> {
        let is_local = addr.is_some_and(|addr| addr.ip().is_loopback());
        (is_local || !further.is_empty()).then(|| Self(further.into()))
    }

    /// The answer to a page's request that is meant for another host; none to any other. Programs that are no
    /// browsers may call the server as they like: they are not led by a page.
    pub(crate) fn refusal<B>(request: &Request<B>) -> Option<Response<Body>> {
        let known = request.extensions().get::<Self>()?;
        let headers = request.headers();
        if !headers.contains_key(ORIGIN) && !headers.contains_key(SEC_FETCH_SITE) {
            return None;
        }
        let host = match request.headers().get(HOST) {
            Some(host) => host.to_str().ok().and_then(|host| host.parse().ok()),
            None => match request.uri().authority() {
                Some(authority) => Some(authority.clone()),
                // No browser leaves it out.
                None => return None,
            },
        };
        if host.is_some_and(|host: Authority| known.has(host.host())) {
            return None;
        }
        let text = "This server is not known by this Host; name it in ServerOptions::hosts, or with \
                    --allow-host.\n";
        tracing::info!(host = ?request.headers().get(HOST), "request for an unknown host");
        Some(plain(StatusCode::MISDIRECTED_REQUEST, text))
    }

    fn has(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        // An address means what it says, and only names can be made to mean another one.
        let is_address = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        let is = |name: &str| host.eq_ignore_ascii_case(name);
        is_address || is("localhost") || self.0.iter().any(|name| is(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(addr: &str) -> Option<KnownHosts> {
        KnownHosts::at(Some(addr.parse().unwrap()), &["tidings.example".to_owned()])
    }

    #[test]
    fn only_names_of_this_machine_are_known_and_those_that_were_named() {
        for addr in ["127.0.0.1:80", "[::1]:80", "0.0.0.0:80", "192.0.2.1:80"] {
            let known = at(addr).unwrap();
            let check = |host: Option<&str>, is_known| {
                let mut request = Request::new(());
                request.extensions_mut().insert(known.clone());
                request.headers_mut().insert(SEC_FETCH_SITE, "same-origin".parse().unwrap());
                if let Some(host) = host {
                    request.headers_mut().insert(HOST, host.parse().unwrap());
                }
                assert_eq!(KnownHosts::refusal(&request).is_none(), is_known, "{host:?}");
            };
            for host in
                ["localhost", "LOCALHOST:8080", "localhost.", "127.0.0.1:8080", "[::1]:80", "[::1]"]
            {
                check(Some(host), true);
            }
            check(Some("Tidings.Example:8080"), true);
            check(None, true);
            for host in ["evil.example", "evil.example:8080", "localhost.evil.example", "", "a b"] {
                check(Some(host), false);
            }
            check(Some("127.0.0.1.evil.example"), false);
        }
    }

    #[test]
    fn without_names_a_server_for_others_may_be_called_as_they_like() {
        let at = |addr: &str| KnownHosts::at(Some(addr.parse().unwrap()), &[]);
        assert!(at("127.0.0.1:80").is_some() && at("[::1]:80").is_some());
        assert!(at("0.0.0.0:80").is_none() && at("192.0.2.1:80").is_none());
        assert!(KnownHosts::at(None, &[]).is_none(), "at a Unix socket");
    }

    #[test]
    fn programs_that_are_no_browsers_may_call_it_as_they_like() {
        let mut request = Request::get("/").header(HOST, "broker.example").body(()).unwrap();
        request.extensions_mut().insert(at("127.0.0.1:80").unwrap());
        assert!(KnownHosts::refusal(&request).is_none());
        request.headers_mut().insert(ORIGIN, "http://broker.example".parse().unwrap());
        assert!(KnownHosts::refusal(&request).is_some());
    }

    #[test]
    fn over_http_2_the_host_is_in_the_uri() {
        for (uri, is_known) in [("http://localhost:80/", true), ("http://evil.example/", false)] {
            let request = Request::get(uri).header(ORIGIN, "http://evil.example");
            let mut request = request.body(()).unwrap();
            request.extensions_mut().insert(at("127.0.0.1:80").unwrap());
            assert_eq!(KnownHosts::refusal(&request).is_none(), is_known, "{uri}");
        }
    }
}
