use std::fmt;
use std::time::Duration;

use crate::{Headers, Limits, Version};

/// How a [`Client`](crate::Client) opens its session.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientOptions {
    /// The versions to offer in `accept-version`. Default: all of them.
    pub versions: Vec<Version>,
    /// The virtual host: the `host` header. Default: `/`.
    pub host: String,
    /// Who to log in as. Default: nobody.
    pub login: Option<String>,
    /// The passcode that goes with the login. Never shown by `Debug`.
    pub passcode: Option<String>,
    /// Further headers of CONNECT. Those that the session gives itself are left out.
    pub headers: Headers,
    /// How often to send heart-beats and how often to receive them; zero for never. Default: 10 s
    /// each.
    pub heart_beat: (Duration, Duration),
    /// How long the server may be silent, in percent of the interval that it promised, before it is
    /// taken for dead. ActiveMQ looks once an interval if it has sent anything since it last looked, so
    /// it may be silent for almost two. Default: 300.
    pub heart_beat_margin_percent: u32,
    /// How long the server may take to answer CONNECT. Default: 10 s.
    pub connect_timeout: Duration,
    /// What a server may make the client hold. Those on frames apply; CONNECTED, or ERROR in its
    /// place, may have [`before_login_octets_max`](Limits::before_login_octets_max) octets.
    pub limits: Limits,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            versions: Version::ALL.to_vec(),
            host: "/".into(),
            login: None,
            passcode: None,
            headers: Headers::default(),
            heart_beat: (Duration::from_secs(10), Duration::from_secs(10)),
            heart_beat_margin_percent: 300,
            connect_timeout: Duration::from_secs(10),
            limits: Limits::default(),
        }
    }
}

/// Leaves out the values of the headers too: brokers take tokens there.
impl fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientOptions")
            .field("versions", &self.versions)
            .field("host", &self.host)
            .field("login", &self.login)
            .field("heart_beat", &self.heart_beat)
            .field("heart_beat_margin_percent", &self.heart_beat_margin_percent)
            .field("connect_timeout", &self.connect_timeout)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
