#![allow(unused)]

use tidings::controller;

struct Rooms;

#[controller]
impl Rooms {
    #[message_mapping("/rooms")]
    #[subscribe_mapping("/rooms")]
    async fn rooms(&self) {}
}

fn main() {}
