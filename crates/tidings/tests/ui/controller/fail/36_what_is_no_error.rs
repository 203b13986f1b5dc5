#![allow(unused)]

use tidings::controller;

struct Rooms;

struct Letter;

#[controller]
impl Rooms {
    #[message_exception_handler]
    async fn failed(&self, error: &Letter) {}
}

fn main() {}
