use std::time::Duration;

use crate::Limits;

/// How a [`Server`](super::Server) behaves. One value serves all sessions of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerOptions {
    /// What a client may make the session hold.
    pub limits: Limits,

    /// How often the server can send heart-beats, and how often it wants to receive them. Zero
    /// switches a direction off. Default: 10 s each.
    ///
    /// CONNECTED gives whole milliseconds. Never announce what the transport cannot do.
    pub heart_beat: (Duration, Duration),

    /// The `server` header of CONNECTED, a name and a version such as `tidings/0.1.0`. Empty for
    /// none. Default: none.
    pub server_name: String,

    /// How long a client has until its CONNECT frame is complete. Default: 10 s.
    pub connect_timeout: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        let ten_seconds = Duration::from_secs(10);
        Self {
            limits: Limits::default(),
            heart_beat: (ten_seconds, ten_seconds),
            server_name: String::new(),
            connect_timeout: ten_seconds,
        }
    }
}
