//! Tests of an application, without sockets and without waiting.
//!
//! [`TestApp`] takes an [`App`] and connects clients to it in memory: [STOMP clients](TestStomp) and
//! [WebSockets](TestSocket) made for tests, which panic and say what came instead of what was expected; and any client
//! of [this library](crate::client), by whichever door.
//!
//! # Time
//!
//! Everything goes by tokio's clock. In a test that pauses it, an hour passes as soon as nobody has anything left to do:
//! heart-beats, timeouts and expired logins are tested at once, and
//! [silence](TestStomp::assert_silent) is certain. For that, a crate has tokio with its feature `test-util` among
//! its `dev-dependencies`. A [store](crate::AppBuilder::store) works in a thread, which a clock that is paused does not
//! wait for: tests with one leave time as it is.
//!
//! # Examples
//!
//! ```
//! use tidings::testing::TestApp;
//! use tidings::{App, controller};
//!
//! struct Greetings;
//!
//! #[controller]
//! impl Greetings {
//!     #[message_mapping("/hello")]
//!     #[send_to("/topic/greetings")]
//!     fn hello(&self, name: String) -> String {
//!         format!("Hello, {name}!")
//!     }
//! }
//!
//! # #[cfg(any())]
//! #[tokio::test(start_paused = true)]
//! async fn everybody_is_greeted() {
//!     let app = TestApp::new(App::builder().controller(Greetings).build().unwrap());
//!     let mut bob = app.stomp().user("bob").connect().await;
//!     bob.subscribe("/topic/greetings").await;
//!     bob.send("/app/hello", "Spring").await;
//!     assert_eq!(bob.next_text().await, "Hello, Spring!");
//!     bob.assert_silent().await;
//! }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! #     let app = TestApp::new(App::builder().controller(Greetings).build().unwrap());
//! #     let mut bob = app.stomp().user("bob").connect().await;
//! #     bob.subscribe("/topic/greetings").await;
//! #     bob.send("/app/hello", "Spring").await;
//! #     assert_eq!(bob.next_text().await, "Hello, Spring!");
//! # }
//! ```

mod app;
mod failing;
mod socket;
mod stomp;

pub use app::TestApp;
pub use failing::{PATIENCE, SILENCE};
pub use socket::{TestSocket, TestSocketBuilder};
pub use stomp::{TestStomp, TestStompBuilder};

#[cfg(doc)]
use crate::App;
