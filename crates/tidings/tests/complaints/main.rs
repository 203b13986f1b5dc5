//! What users of other servers and clients complain about most, or ask for in vain: one test for each complaint, which shows what
//! they have here. They are numbered by how often they are heard.
//!
//! Number 5 is about several nodes, which come in a later issue: here a user has all sessions of one node
//! (`complaint_08_…`).
#![allow(clippy::unwrap_used, reason = "each file is a module of a test")]

#[path = "../support/mod.rs"]
mod support;

mod applications;
mod messages;
mod security;
mod sessions;

use tidings::AppBuilder;
use tidings::testing::TestApp;

/// The application, under test.
fn test(app: AppBuilder) -> TestApp {
    TestApp::new(app.build().expect("it has no mistakes"))
}
