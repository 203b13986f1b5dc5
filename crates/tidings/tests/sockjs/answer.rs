//! Requests, and their answers taken apart.

use super::support::{Running, http};

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    /// As it came, chunks and all.
    body: String,
}

impl Answer {
    pub fn parse(octets: &str) -> Self {
        let (head, body) = octets.split_once("\r\n\r\n").expect("an answer has a head");
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Self { status, headers: headers.collect(), body: body.to_owned() }
    }

    /// The one header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is there twice: {self:?}");
        value
    }

    /// All headers in order of their names, but for what differs between any two answers.
    pub fn lasting_headers(&self) -> Vec<(String, String)> {
        let is_lasting = |name: &str| !["date", "connection"].contains(&name);
        let mut headers = self.headers.clone();
        headers.retain(|(name, _)| is_lasting(name));
        headers.sort();
        headers
    }

    pub fn is_chunked(&self) -> bool {
        self.header("transfer-encoding") == Some("chunked")
    }

    /// The body in the pieces that it was written in.
    pub fn chunks(&self) -> Vec<String> {
        assert!(self.is_chunked(), "{self:?}");
        let (mut chunks, mut rest) = (Vec::new(), &self.body[..]);
        loop {
            let (size, after) = rest.split_once("\r\n").expect("a chunk has a size");
            let size = usize::from_str_radix(size, 16).unwrap();
            if size == 0 {
                return chunks;
            }
            chunks.push(after[..size].to_owned());
            rest = after[size..].strip_prefix("\r\n").expect("a chunk ends");
        }
    }

    pub fn body(&self) -> String {
        if self.is_chunked() { self.chunks().concat() } else { self.body.clone() }
    }

    /// Both have to be there, and belong together.
    pub fn expect(&self, status: u16, body: &str) {
        assert_eq!((self.status, self.body().as_str()), (status, body), "{self:?}");
    }

    pub fn expect_no_cache(&self) {
        let directives = "no-store, no-cache, no-transform, must-revalidate, max-age=0";
        assert_eq!(self.header("cache-control"), Some(directives), "{self:?}");
        assert_eq!(self.header("expires"), None, "{self:?}");
        assert_eq!(self.header("last-modified"), None, "{self:?}");
    }
}

/// A request that is not made yet.
pub struct Request {
    method: &'static str,
    path: String,
    headers: String,
    body: String,
}

pub fn get(path: impl Into<String>) -> Request {
    request("GET", path)
}

pub fn post(path: impl Into<String>) -> Request {
    request("POST", path)
}

pub fn request(method: &'static str, path: impl Into<String>) -> Request {
    Request { method, path: path.into(), headers: String::new(), body: String::new() }
}

impl Request {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers += &format!("{name}: {value}\r\n");
        self
    }

    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.body = body.into();
        self
    }

    /// The octets, for a connection that goes on.
    pub fn octets(&self) -> String {
        let Self { method, path, headers, body } = self;
        let length = body.len();
        format!(
            "{method} {path} HTTP/1.1\r\nHost: here\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        )
    }

    /// Makes the request on a connection of its own, and waits for the end of the answer.
    pub async fn send(self, server: &Running) -> Answer {
        let request = self.header("Connection", "close");
        Answer::parse(&http(server.http, &request.octets()).await)
    }
}
