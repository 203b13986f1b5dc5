//! What a service answers beside its transports: what it can do, and a page for iframes.

use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use tidings_sockjs::{Cors, IframePage, Info, TransportType, headers, refusal};

use super::SockJsOptions;
use crate::server::websocket::plain;
use crate::server::{AllowedOrigins, Body};

pub(super) fn greeting(method: &Method) -> Response<Body> {
    if method == Method::GET {
        plain(StatusCode::OK, "Welcome to SockJS!\n")
    } else {
        refusal::method_not_allowed("GET").map(Body::from)
    }
}

pub(super) fn info(parts: &Parts, options: &SockJsOptions) -> Response<Body> {
    let mut entropy = [0; 4];
    getrandom::fill(&mut entropy).expect("the operating system provides randomness");
    let info = Info {
        websocket: options.transports.allow(TransportType::WebSocket),
        cookie_needed: options.cookie.is_some(),
        entropy: u32::from_ne_bytes(entropy),
        transports: options.transports,
        base_url: options.base_url.clone(),
        ..Info::default()
    };
    let mut response = Response::new(Body::from(Bytes::from(info.to_json())));
    let fields = response.headers_mut();
    let json = HeaderValue::from_static("application/json; charset=UTF-8");
    fields.insert(CONTENT_TYPE, json);
    headers::no_cache(fields);
    headers::cors(Cors::Applies, &parts.headers, fields);
    response
}

/// The page makes requests in the name of this server, so browsers are told whose pages may hold it.
pub(super) fn iframe(parts: &Parts, page: &IframePage, origins: &AllowedOrigins) -> Response<Body> {
    if parts.method != Method::GET {
        return refusal::method_not_allowed("GET").map(Body::from);
    }
    let known = parts.headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response = if known.is_some_and(|known| page.is_known_to(known)) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let mut response =
            Response::new(Body::from(Bytes::copy_from_slice(page.html().as_bytes())));
        let html = HeaderValue::from_static("text/html; charset=UTF-8");
        response.headers_mut().insert(CONTENT_TYPE, html);
        response
    };
    let fields = response.headers_mut();
    headers::cache_one_year(std::time::SystemTime::now(), fields);
    let etag = HeaderValue::from_str(page.etag()).expect("a quoted hash is a valid header value");
    fields.insert(ETAG, etag);
    if let Some(ancestors) = origins.frame_ancestors() {
        fields.insert(CONTENT_SECURITY_POLICY, ancestors);
    }
    response
}
