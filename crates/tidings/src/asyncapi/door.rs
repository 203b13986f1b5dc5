//! Where the document is served.

use http::header::{ALLOW, CONTENT_TYPE, HOST, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts as RequestParts;
use http::{Method, Response, StatusCode};

use super::AsyncApi;
use crate::App;
use crate::server::{Body, plain};

/// The path of a document.
pub(crate) struct DocumentDoor {
    pub(crate) path: String,
    pub(crate) info: AsyncApi,
}

impl DocumentDoor {
    /// Answers a request to the path.
    pub(crate) fn respond(&self, request: &RequestParts, app: &App) -> Response<Body> {
        if !matches!(request.method, Method::GET | Method::HEAD) {
            let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "Only GET is for this.\n");
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        let named = request.headers.get(HOST).and_then(|host| host.to_str().ok());
        let asked_for = request.uri.authority().map(http::uri::Authority::as_str).or(named);
        let document = self.info.document(&app.described(), asked_for);
        let mut response = Response::new(Body::from(format!("{document:#}\n")));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }
}
