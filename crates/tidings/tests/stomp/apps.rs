//! Applications that several tests are about.

use std::sync::Arc;

use tidings::App;
use tidings::messaging::{Messenger, SessionEvent};
use tidings::server::StompOptions;
use tokio::sync::Semaphore;

/// One as it comes.
pub fn app() -> App {
    app_with(StompOptions::default())
}

pub fn app_with(options: StompOptions) -> App {
    App::builder().stomp("/stomp").stomp_options(options).build().unwrap()
}

/// One whose sessions outlive refused frames.
pub fn keeping() -> App {
    app_with(StompOptions { error_keeps_connection: true, ..StompOptions::default() })
}

/// One whose listener holds each session at its SUBSCRIBE until it gets a permit.
pub fn holding() -> (App, Arc<Semaphore>) {
    let go_on = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&go_on);
    let listen = move |event: SessionEvent, _: Messenger| {
        let held = Arc::clone(&held);
        async move {
            if let SessionEvent::Subscribed { .. } = event {
                held.acquire().await.unwrap().forget();
            }
        }
    };
    (App::builder().stomp("/stomp").session_listener(listen).build().unwrap(), go_on)
}
