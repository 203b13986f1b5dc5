//! How frames are written into responses.

use std::fmt;

use bytes::Bytes;

use crate::{TransportType, json};

/// How the responses of a transport bring frames.
pub struct Receive {
    /// What it is to applications.
    pub transport_type: TransportType,
    /// The `Content-Type` of the response.
    pub content_type: &'static str,
    /// Whether the request has to name a function of the page, and how long that name may be.
    pub callback: Callback,
    /// What a response begins with, as a chunk of its own.
    pub prelude: Prelude,
    /// When a response ends.
    pub ends: ResponseEnds,
    /// Appends a frame as the chunk that it is in this transport. `callback` is empty where none
    /// is asked for.
    pub write_frame: fn(frame: &[u8], callback: &str, chunk: &mut Vec<u8>),
}

impl fmt::Debug for Receive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receive")
            .field("content_type", &self.content_type)
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

/// Whether a request has to name a function, as [`callback`](crate::callback()) reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callback {
    /// It need not.
    Unused,
    /// It has to.
    Required {
        /// The most octets of the name.
        octets_max: usize,
    },
}

/// What a response begins with.
#[derive(Clone, Copy, Debug)]
pub enum Prelude {
    /// The first frame.
    None,
    /// Always the same octets.
    Fixed(&'static [u8]),
    /// A page that calls this function of its parent.
    Page(fn(callback: &str) -> Vec<u8>),
}

impl Prelude {
    /// The octets. `callback` is empty where none is asked for.
    pub fn chunk(self, callback: &str) -> Option<Bytes> {
        match self {
            Self::None => None,
            Self::Fixed(octets) => Some(Bytes::from_static(octets)),
            Self::Page(page) => Some(page(callback).into()),
        }
    }
}

/// When the server ends a response that brings frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResponseEnds {
    /// After one frame: polling.
    AfterOneFrame,
    /// Once it holds [`response_limit`](crate::SessionOptions::response_limit) octets: streaming.
    AtResponseLimit,
}

const JAVASCRIPT: &str = "application/javascript; charset=UTF-8";

/// Octets that the name of a callback may have: as many as the reference has for `jsonp`.
const CALLBACK_OCTETS_MAX: usize = 32;

/// The same where the reference has no limit.
const PAGE_CALLBACK_OCTETS_MAX: usize = 1024;

/// Octets before which some browsers do not begin to work on a page.
const PAGE_OCTETS_MIN: usize = 1024;

pub(crate) static XHR_STREAMING_RECEIVE: Receive = Receive {
    transport_type: TransportType::XhrStreaming,
    content_type: JAVASCRIPT,
    callback: Callback::Unused,
    prelude: Prelude::Fixed(&XHR_STREAMING_PRELUDE),
    ends: ResponseEnds::AtResponseLimit,
    write_frame: write_line,
};

pub(crate) static XHR_RECEIVE: Receive = Receive {
    transport_type: TransportType::XhrPolling,
    content_type: JAVASCRIPT,
    callback: Callback::Unused,
    prelude: Prelude::None,
    ends: ResponseEnds::AfterOneFrame,
    write_frame: write_line,
};

pub(crate) static EVENTSOURCE_RECEIVE: Receive = Receive {
    transport_type: TransportType::EventSource,
    content_type: "text/event-stream",
    callback: Callback::Unused,
    prelude: Prelude::Fixed(b"\r\n"),
    ends: ResponseEnds::AtResponseLimit,
    write_frame: write_event,
};

pub(crate) static HTMLFILE_RECEIVE: Receive = Receive {
    transport_type: TransportType::HtmlFile,
    content_type: "text/html; charset=UTF-8",
    callback: Callback::Required { octets_max: PAGE_CALLBACK_OCTETS_MAX },
    prelude: Prelude::Page(htmlfile_page),
    ends: ResponseEnds::AtResponseLimit,
    write_frame: write_script,
};

pub(crate) static JSONP_RECEIVE: Receive = Receive {
    transport_type: TransportType::JsonpPolling,
    content_type: JAVASCRIPT,
    callback: Callback::Required { octets_max: CALLBACK_OCTETS_MAX },
    prelude: Prelude::None,
    ends: ResponseEnds::AfterOneFrame,
    write_frame: write_call,
};

/// Makes browsers hand out what follows at once: some hold back the first 2 KiB of a response.
static XHR_STREAMING_PRELUDE: [u8; 2049] = {
    let mut prelude = [b'h'; 2049];
    prelude[2048] = b'\n';
    prelude
};

fn write_line(frame: &[u8], _: &str, chunk: &mut Vec<u8>) {
    chunk.reserve_exact(frame.len() + 1);
    chunk.extend_from_slice(frame);
    chunk.push(b'\n');
}

/// Clients decode what is percent-encoded, so a percent sign has to be.
fn write_event(frame: &[u8], _: &str, chunk: &mut Vec<u8>) {
    chunk.reserve(frame.len() + 10);
    chunk.extend_from_slice(b"data: ");
    let mut rest = frame;
    while let Some(at) = rest.iter().position(|octet| matches!(octet, b'%' | b'\r' | b'\n' | 0)) {
        chunk.extend_from_slice(&rest[..at]);
        chunk.extend_from_slice(match rest[at] {
            b'%' => b"%25",
            b'\r' => b"%0D",
            b'\n' => b"%0A",
            _ => b"%00",
        });
        rest = &rest[at + 1..];
    }
    chunk.extend_from_slice(rest);
    chunk.extend_from_slice(b"\r\n\r\n");
}

fn write_script(frame: &[u8], _: &str, chunk: &mut Vec<u8>) {
    chunk.reserve(frame.len() + 32);
    chunk.extend_from_slice(b"<script>\np(");
    // A message must not end the script that it is in.
    json::write_literal(frame, json::Inside::Script, chunk);
    chunk.extend_from_slice(b");\n</script>\r\n");
}

/// What comes before the name keeps a name from being something else to a plug-in: CVE-2014-4671.
fn write_call(frame: &[u8], callback: &str, chunk: &mut Vec<u8>) {
    chunk.reserve(frame.len() + callback.len() + 16);
    chunk.extend_from_slice(b"/**/");
    chunk.extend_from_slice(callback.as_bytes());
    chunk.push(b'(');
    json::write_literal(frame, json::Inside::Text, chunk);
    chunk.extend_from_slice(b");\r\n");
}

fn htmlfile_page(callback: &str) -> Vec<u8> {
    let mut page = format!(
        "<!doctype html>\n\
         <html><head>\n\
         \x20 <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\" />\n\
         \x20 <meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\" />\n\
         </head><body><h2>Don't panic!</h2>\n\
         \x20 <script>\n\
         \x20   document.domain = document.domain;\n\
         \x20   var c = parent.{callback};\n\
         \x20   c.start();\n\
         \x20   function p(d) {{c.message(d);}};\n\
         \x20   window.onload = function() {{c.stop();}};\n\
         \x20 </script>\n"
    )
    .into_bytes();
    page.resize(page.len().max(PAGE_OCTETS_MIN), b' ');
    page.extend_from_slice(b"\r\n\r\n");
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk_of(receive: &Receive, frame: &str) -> String {
        let mut chunk = Vec::new();
        (receive.write_frame)(frame.as_bytes(), "_jp.a1", &mut chunk);
        String::from_utf8(chunk).unwrap()
    }

    #[test]
    fn frames_of_xhr_are_lines() {
        assert_eq!(chunk_of(&XHR_RECEIVE, "a[\"x\"]"), "a[\"x\"]\n");
        assert_eq!(chunk_of(&XHR_STREAMING_RECEIVE, "a[\"x\"]"), "a[\"x\"]\n");
    }

    #[test]
    fn streaming_begins_with_2048_letters_and_a_line_feed() {
        let prelude = XHR_STREAMING_RECEIVE.prelude.chunk("").unwrap();
        assert_eq!(prelude, "h".repeat(2048) + "\n");
        assert!(XHR_RECEIVE.prelude.chunk("").is_none());
    }

    #[test]
    fn frames_of_eventsource_are_data_with_percent_signs_encoded() {
        assert_eq!(EVENTSOURCE_RECEIVE.prelude.chunk("").unwrap(), "\r\n");
        assert_eq!(chunk_of(&EVENTSOURCE_RECEIVE, "o"), "data: o\r\n\r\n");
        let chunk = chunk_of(&EVENTSOURCE_RECEIVE, "a[\"100% %41\"]");
        assert_eq!(chunk, "data: a[\"100%25 %2541\"]\r\n\r\n");
        assert_eq!(chunk_of(&EVENTSOURCE_RECEIVE, "\r\n\0"), "data: %0D%0A%00\r\n\r\n");
    }

    #[test]
    fn frames_of_htmlfile_are_scripts_that_no_message_ends() {
        let chunk = chunk_of(&HTMLFILE_RECEIVE, "a[\"</script>\"]");
        assert_eq!(chunk, "<script>\np(\"a[\\\"\\u003c/script>\\\"]\");\n</script>\r\n");
    }

    #[test]
    fn the_page_of_htmlfile_is_longer_than_browsers_wait_for() {
        for callback in ["_jp.a1".to_owned(), "c".repeat(PAGE_CALLBACK_OCTETS_MAX)] {
            let page = HTMLFILE_RECEIVE.prelude.chunk(&callback).unwrap();
            assert!(page.len() > PAGE_OCTETS_MIN);
            let page = str::from_utf8(&page).unwrap();
            assert!(page.contains(&format!("    var c = parent.{callback};\n    c.start();\n")));
            assert!(page.ends_with("\r\n\r\n"));
        }
    }

    #[test]
    fn frames_of_jsonp_are_calls() {
        let chunk = chunk_of(&JSONP_RECEIVE, "a[\"x\\u2028\"]");
        assert_eq!(chunk, "/**/_jp.a1(\"a[\\\"x\\\\u2028\\\"]\");\r\n");
    }
}
