#![allow(unused)]

use tidings::controller;
use tidings::endpoint::SessionState;

struct Rooms;

struct Cart;

#[controller]
impl Rooms {
    #[message_mapping("/rooms")]
    async fn say(&self, cart: SessionState<Cart>) {}
}

fn main() {}
