#![allow(unused)]

use std::net::TcpStream;

use tidings::client_endpoint;
use tidings::endpoint::{CloseReason, EndpointError, Part, Pong, TextStream};

struct Visitor;

#[client_endpoint]
impl Visitor {
    #[on_open]
    fn opened(&self, reason: &CloseReason) {}

    #[on_message]
    fn said(&self, text: Part<TextStream>) {}

    #[on_message]
    fn ponged(&self, part: Part<Pong>) {}

    #[on_close]
    fn closed(&self, text: String) {}

    #[on_error]
    fn failed(&self, error: EndpointError, stream: TcpStream) {}
}

fn main() {}
