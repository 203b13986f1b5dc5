//! How STOMP sessions are served.

use clap::Args;
use tidings::server::StompOptions;

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct StompSettings {
    /// Refuse what is against the STOMP specification and does no harm, such as CONNECT without host.
    #[arg(long)]
    stomp_strict: bool,
    /// Let STOMP sessions go on after an ERROR, as RabbitMQ and ActiveMQ do.
    #[arg(long)]
    stomp_error_keeps_connection: bool,
    /// Take CR and NUL for the end of a line, which some telnet clients send for Enter.
    #[arg(long)]
    stomp_telnet: bool,
}

impl StompSettings {
    pub(super) fn options(self) -> StompOptions {
        StompOptions {
            strict: self.stomp_strict,
            error_keeps_connection: self.stomp_error_keeps_connection,
            telnet: self.stomp_telnet,
            ..StompOptions::default()
        }
    }
}
