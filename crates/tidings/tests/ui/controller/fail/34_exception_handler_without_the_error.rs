#![allow(unused)]

use tidings::controller;

struct Rooms;

#[controller]
impl Rooms {
    #[message_exception_handler]
    async fn failed(&self) {}
}

fn main() {}
