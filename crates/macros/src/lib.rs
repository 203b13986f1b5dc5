//! The attribute macros of [`tidings`](https://docs.rs/tidings), which re-exports them.
//!
//! Each turns an `impl` block with annotated methods into an implementation of a trait of `tidings`:
//! what they generate can be written by hand.

mod argument;
mod controller;
mod diagnostics;
mod operation;
mod server_endpoint;
mod template;

use proc_macro::TokenStream;

/// Makes a WebSocket endpoint of an `impl` block, as Jakarta WebSocket's `@ServerEndpoint` does of a
/// class: `#[server_endpoint("/chat/{room}")]`.
///
/// The path is a level-1 URI template whose variables are whole segments (Jakarta WebSocket 3.1.1). After
/// it may come, in any order:
///
/// | option | |
/// |---|---|
/// | `subprotocols = ["chat.v2", "chat.v1"]` | the subprotocols that it speaks |
/// | `shared` | one value of the type serves all sessions, and all methods take `&self`; otherwise each session has a value of its own, and methods may take `&mut self` |
/// | `strict` | a message that no method takes closes the session with 1003; otherwise it is ignored |
/// | `configurator = value` | a `Configurator`, which has a say in opening handshakes |
/// | `codec = Type` | each session has a `Type` that decodes arguments and encodes replies: see `Decoder` |
/// | `max_text = "64KiB"`, `max_binary = "64KiB"` | the longest messages, unless a method says something else |
/// | `require_tls`, `require_roles = ["admin"]` | who may come: clients over TLS, users who have one of these roles |
/// | `challenge = "Bearer"` | what a client that is answered with status 401 is asked for, in `WWW-Authenticate` |
/// | `sessions_max = 1000` | how many sessions there may be at a time |
/// | `path_errors = "on_error"` | a path parameter that does not convert is told to `#[on_error]` at each call that needs it; otherwise it is answered with status 400 before the upgrade |
///
/// Methods, each with `&mut self` or `&self`, async or not, all optional:
///
/// | attribute | called | may also take | may return |
/// |---|---|---|---|
/// | `#[on_handshake]` (without `self`) | before the upgrade | `&mut HandshakeResponse` | `()`, `Result<(), Reject>`, or `Result<P, Reject>` with the user that `User<P>` gives |
/// | `#[on_open]` | once, before any message | | a reply |
/// | `#[on_message]` | for each message; at most one method for text, one for binary, one for pongs | exactly one of: a whole message (`String`, `&str`, `Bytes`, `Vec<u8>`, `Message`, `Json<T>`, `Either<A, B>`, a number, `bool`, `char`), a part of one as it arrives (`Part<String>`, `Part<Bytes>`), a message to read while it arrives (`TextStream`, `BinaryStream`), `Pong` | a reply |
/// | `#[on_close]` | once, at the end | `&CloseReason`, `&CloseInfo` | `()` or `Result<(), E>` |
/// | `#[on_error]` | when another method fails | `EndpointError`, which is mandatory | `()` or `Flow`, or a `Result` of one of these |
///
/// Every method may take, in any order, `Session` or `&Session` (not `#[on_handshake]`), `&Handshake`, and
/// `#[path_param] name: T` for the variable `{name}`, converted by `FromStr`; all path parameters as
/// `Path<T>`, the query as `Query<T>`, both by serde; `State<S>`, which the application was given; `User<P>`;
/// `EndpointConfig` and `UserProperties`. A reply is `()`, text, octets, `Json<T>`, a number, what implements
/// `IntoMessage`, or an `Option`, `Result`, `Several`, `Broadcast` or `Close` of these; an `Err` goes to
/// `#[on_error]`. Without that method the error is logged as a warning, by the crate `tracing`, and the session
/// goes on.
///
/// `#[on_message(max_size = "64KiB")]` limits the whole messages of one method; a longer one closes the
/// session with 1009, as soon as it is announced.
#[proc_macro_attribute]
pub fn server_endpoint(arguments: TokenStream, item: TokenStream) -> TokenStream {
    server_endpoint::expand(arguments.into(), item.into()).into()
}

/// Makes a WebSocket endpoint for clients of an `impl` block, as Jakarta WebSocket's `@ClientEndpoint`
/// does of a class: `#[client_endpoint]`, or with the subprotocols to offer, the favourite first,
/// `#[client_endpoint(subprotocols = ["chat.v2", "chat.v1"])]`. The options `strict` and `codec` are those
/// of [`server_endpoint`](macro@server_endpoint).
///
/// Its methods are those of [`server_endpoint`](macro@server_endpoint), but there are no path
/// parameters and no `#[on_handshake]`.
#[proc_macro_attribute]
pub fn client_endpoint(arguments: TokenStream, item: TokenStream) -> TokenStream {
    server_endpoint::expand_client(arguments.into(), item.into()).into()
}

/// Makes message handlers of an `impl` block, as Spring's `@Controller` does of a class. The optional
/// argument is a prefix of all its mappings: `#[controller("/chat/{room}")]`. With a prefix, the mapping
/// `"/"` is the prefix itself.
///
/// Methods, each with `&self`, async or not:
///
/// - `#[message_mapping("/hello")]` handles messages sent to that application destination. Its reply
///   goes to the destinations of `#[send_to("/topic/a", "/queue/b")]`, or by default to `/topic`
///   followed by the message's destination. With `reply = none` it goes nowhere.
/// - `#[subscribe_mapping("/state")]` answers a subscription, with one message to the subscriber alone, or where
///   `#[send_to]` says. A method that returns `impl Stream<Item = T>`, or a type whose name ends in `Stream`, sends each item,
///   when the client has room for it, until the client unsubscribes or is gone.
/// - `#[message_exception_handler]` handles the errors of the other methods, and what keeps them from being called. It
///   takes the error first, `error: &MyError`, or `error: &HandlerError` for any; the one for what is nearest to the error
///   is called. `AppBuilder::controller_advice` has those that are for all controllers. By default its reply goes to
///   `/user/queue/errors` of the session.
///
/// `#[send_to_user("/queue/a")]`, alone or beside `#[send_to]`, sends the reply to all sessions of the user, or with
/// `#[send_to_user("/queue/a", session_only)]` to the one that has sent the message.
///
/// A mapping may have several patterns: `#[message_mapping("/hello", "/hello/{name}")]`. `#[send_to]` on the `impl`
/// block, after `#[controller]`, holds for all `#[message_mapping]`s that say nothing else.
///
/// A pattern's segments are literal, a variable `{name}`, `*` for any one, or `**` at the end for any
/// number. The most specific pattern wins: one without `**`, then the longer, then the one with fewer
/// variables and wildcards, then the one whose literals come earlier. Two mappings for the same
/// destinations do not compile, or in two controllers, do not build.
///
/// Arguments are made as those of [`server_endpoint`](macro@server_endpoint)s, by the trait `Extract`, in any order
/// but for the payload, which stands last: `#[destination_variable] name: T` for the variable `{name}` (an
/// `Option<T>` where not all patterns have it), `#[header("name")] value: T` (or `Option<T>`, or with a default
/// `#[header("name", default = "1")]`), `Session`, `&Handshake`, `Messenger`, `Headers`, `MessageParts`, `State<S>`,
/// `User<P>`, `SessionState<T>` and so on; then `Json<T>`, `String`, `&str`, `Bytes`, `Vec<u8>`, whatever implements
/// `FromPayload`, an `Option` of these, which is `None` when the body is empty, or a `Valid` of these.
#[proc_macro_attribute]
pub fn controller(arguments: TokenStream, item: TokenStream) -> TokenStream {
    controller::expand(arguments.into(), item.into()).into()
}
