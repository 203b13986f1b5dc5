#![allow(unused)]

use tidings::controller;

struct Rooms;

#[controller]
impl Rooms {
    #[message_mapping("/**/say")]
    async fn say(&self) {}
}

fn main() {}
