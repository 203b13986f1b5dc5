#![allow(unused)]

use tidings::controller;

struct Rooms;

#[controller]
impl Rooms {
    #[subscribe_mapping("/rooms", reply = none)]
    async fn rooms(&self) -> String {
        "lobby".to_owned()
    }
}

fn main() {}
