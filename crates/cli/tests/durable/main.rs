//! Durable queues of the real server: crashes, disks that fail, and what operators do.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod crash;
mod failures;
mod queues;
mod server;
mod starting;
