/// What a peer may make a [`Connection`](crate::Connection) hold.
///
/// None of them can be switched off; set a limit higher where it is too low.
///
/// # Examples
///
/// ```
/// # use tidings_websocket::Limits;
///
/// let limits = Limits { message_octets_max: 16 * 1024, ..Limits::default() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest message taken in, in octets, over all its fragments. Default: 1 MiB.
    ///
    /// A longer one fails the connection with close code 1009, as soon as the frame header that
    /// announces it has arrived. [`set_reception`](crate::Connection::set_reception) overrides it
    /// for one kind of message.
    pub message_octets_max: usize,

    /// The longest frame taken in, in octets of payload. Default: 64 MiB.
    ///
    /// Bounds what is read [in parts](crate::Reception::Parts); whole messages meet the limit on
    /// messages first, unless that is higher. A longer one fails the connection with close code 1009.
    pub frame_octets_max: usize,

    /// The most frames that one message may come in. Default: 131,072.
    ///
    /// Fragments may be empty, so the limit on octets does not bound them. One more fails the
    /// connection with close code 1008. A message in a single frame is always taken.
    pub fragments_max: usize,

    /// The most octets of pong frames that wait for
    /// [`poll_transmit`](crate::Connection::poll_transmit). Default: 8 KiB, some 64 of the longest.
    ///
    /// Pings beyond that make the waiting pongs be forgotten for the newest, which RFC 6455,
    /// section 5.5.3, allows.
    pub pong_octets_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_octets_max: 1024 * 1024,
            frame_octets_max: 64 * 1024 * 1024,
            fragments_max: 131_072,
            pong_octets_max: 8 * 1024,
        }
    }
}
