//! Answers to requests that are refused.
//!
//! What an HTTP transport answers carries the header fields of [`headers`](crate::headers) too,
//! which the caller adds.

use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

use crate::{CallbackError, SendBodyError};

/// 404: there is no such URL, no such session, or the transport is off.
pub fn not_found() -> Response<&'static str> {
    text(StatusCode::NOT_FOUND, "404 Error: Page not found\n")
}

/// 405: the URL is there, but answers only the methods in the list `allow`. Has neither a body nor
/// a `Content-Type`.
pub fn method_not_allowed(allow: &'static str) -> Response<&'static str> {
    let mut response = Response::new("");
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

/// 400: a WebSocket's URL was requested without the upgrade to one.
pub fn not_a_websocket_request() -> Response<&'static str> {
    text(StatusCode::BAD_REQUEST, "Not a valid websocket request")
}

/// 500, or 413: the body of an `xhr_send` or `jsonp_send` request brings no messages.
pub fn send_body(error: &SendBodyError) -> Response<&'static str> {
    text(error.status(), error.text())
}

/// 500: a request by `htmlfile` or `jsonp` does not name the function to call.
pub fn callback(error: CallbackError) -> Response<&'static str> {
    text(StatusCode::INTERNAL_SERVER_ERROR, error.text())
}

/// 500: the server failed, for reasons that are not the client's business.
pub fn internal_server_error() -> Response<&'static str> {
    text(StatusCode::INTERNAL_SERVER_ERROR, "500 - Internal Server Error")
}

fn text(status: StatusCode, body: &'static str) -> Response<&'static str> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=UTF-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_plain() {
        for (response, status, body) in [
            (not_found(), 404, "404 Error: Page not found\n"),
            (not_a_websocket_request(), 400, "Not a valid websocket request"),
            (send_body(&SendBodyError::PayloadExpected), 500, "Payload expected."),
            (send_body(&SendBodyError::BrokenJson), 500, "Broken JSON encoding."),
            (send_body(&SendBodyError::TooManyMessages), 413, "Too many messages."),
            (callback(CallbackError::Required), 500, "\"callback\" parameter required"),
            (callback(CallbackError::Invalid), 500, "invalid \"callback\" parameter"),
            (internal_server_error(), 500, "500 - Internal Server Error"),
        ] {
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(*response.body(), body);
            assert_eq!(response.headers()["content-type"], "text/plain; charset=UTF-8");
        }
    }

    #[test]
    fn a_method_that_is_not_allowed_hears_which_ones_are() {
        let response = method_not_allowed("OPTIONS, GET");
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()["allow"], "OPTIONS, GET");
        assert!(!response.headers().contains_key("content-type"));
        assert_eq!(*response.body(), "");
    }
}
