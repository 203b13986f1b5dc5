//! Clients that take the port of STOMP for another.

use bytes::Bytes;

use crate::DecodeError;

/// What a client hears that does not speak STOMP, if it has begun with another protocol. Empty where
/// there is nothing that it would understand.
pub(super) fn answer(error: DecodeError) -> Option<Bytes> {
    match error {
        // An ERROR frame is no record of TLS, and clients say that the server's version was wrong.
        DecodeError::TlsClientHello => Some(Bytes::new()),
        DecodeError::HttpRequest => {
            let body = format!("This port speaks STOMP. {}\n", error.advice());
            let len = body.len();
            Some(Bytes::from(format!(
                "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\
                 Content-Length: {len}\r\nConnection: close\r\n\r\n{body}"
            )))
        }
        _ => None,
    }
}
