#![allow(unused)]

use tidings::client_endpoint;
use tidings::endpoint::{Json, Part};

struct Visitor;

#[client_endpoint]
impl Visitor {
    #[on_message]
    fn said(&self, text: String) {}

    #[on_message]
    fn counted(&self, numbers: Json<Vec<u8>>) {}

    #[on_message(max_size = 5)]
    fn sent(&self, octets: Part<bytes::Bytes>, number: i32) {}
}

fn main() {}
