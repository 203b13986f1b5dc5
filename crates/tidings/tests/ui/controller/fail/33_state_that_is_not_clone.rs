#![allow(unused)]

use tidings::controller;
use tidings::endpoint::State;

struct Rooms;

struct Registry;

#[controller]
impl Rooms {
    #[message_mapping("/rooms")]
    async fn say(&self, state: State<Registry>) {}
}

fn main() {}
