/// What a peer may make a [`Decoder`](crate::Decoder) or a [`Server`](crate::Server) hold.
///
/// None of them can be switched off; set a limit higher where it is too low. Going beyond one ends
/// the session with an ERROR frame. STOMP 1.2, "Size Limits".
///
/// # Examples
///
/// ```
/// use tidings_stomp::Limits;
///
/// let limits = Limits { body_octets_max: 64 * 1024, ..Limits::default() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest command line, in octets before its LF. Default: 64.
    pub command_octets_max: usize,

    /// The longest header line, in octets before its LF, as it was sent. Default: 16 KiB.
    pub header_line_octets_max: usize,

    /// The most header lines of one frame. Default: 256.
    pub headers_max: usize,

    /// The longest body, in octets. Default: 16 MiB.
    pub body_octets_max: usize,

    /// The longest frame before the session is open, in octets over all its parts, and how much may wait
    /// behind CONNECT while that is decided on. Default: 8 KiB.
    pub before_login_octets_max: usize,

    /// The most subscriptions that a session may have at a time. Default: 1024.
    pub subscriptions_max: usize,

    /// The most transactions that a session may have open at a time. Default: 16.
    pub transactions_max: usize,

    /// The most frames that one transaction may gather. Default: 1024.
    pub transaction_frames_max: usize,

    /// The most octets, of headers and bodies and 512 for each frame, that the open transactions of a
    /// session may gather together. Default: 32 MiB.
    pub transaction_octets_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            command_octets_max: 64,
            header_line_octets_max: 16 * 1024,
            headers_max: 256,
            body_octets_max: 16 * 1024 * 1024,
            before_login_octets_max: 8 * 1024,
            subscriptions_max: 1024,
            transactions_max: 16,
            transaction_frames_max: 1024,
            transaction_octets_max: 32 * 1024 * 1024,
        }
    }
}
