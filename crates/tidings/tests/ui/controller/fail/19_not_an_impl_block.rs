#![allow(unused)]

use tidings::controller;

#[controller]
struct Rooms;

fn main() {}
