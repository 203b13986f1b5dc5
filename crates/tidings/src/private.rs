//! What the code of the macros calls.

use std::any::type_name;
use std::borrow::Cow;
use std::error::Error;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};

pub use bytes::Bytes;
pub use futures_util::future::Either;
pub use http::HeaderValue;

pub use crate::asyncapi::described::{Described, Undescribed};
pub use crate::asyncapi::{OperationDescription, PayloadDescription, ReplyTo};
pub use crate::server::Admission;

use http::StatusCode;

use crate::endpoint::{
    AppState, BoxError, Call, CloseCode, CloseReason, Decoder, Encoder, EndpointError, Extract,
    Flow, Handshake, IntoReply, MissingState, OnMessage, PathParamError, PathParams, Payload,
    PayloadKind, Reject, Reply, SendError, SendOrWait, Session,
};
use crate::messaging::{ExceptionHandler, HandlerError, MessageParts, Target, Uncallable};

/// What a path parameter, a destination variable or a header can be an argument as.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from text",
    label = "does not implement `FromStr`",
    note = "path parameters, destination variables and headers are converted by `std::str::FromStr`"
)]
pub trait FromText: Sized {
    fn path_param(params: &PathParams, name: &str) -> Result<Self, PathParamError>;
    fn destination_variable(parts: &MessageParts, name: &'static str)
    -> Result<Self, HandlerError>;
    /// `None` if the pattern that matches has no such variable.
    fn optional_variable(
        parts: &MessageParts,
        name: &'static str,
    ) -> Result<Option<Self>, HandlerError>;
    fn header(parts: &MessageParts, name: &'static str) -> Result<Self, HandlerError>;
    fn optional_header(
        parts: &MessageParts,
        name: &'static str,
    ) -> Result<Option<Self>, HandlerError>;
    /// What a header is if a message has none of this name.
    fn header_default(name: &'static str, default: &str) -> Result<Self, HandlerError>;
}

impl<T: FromStr> FromText for T {
    fn path_param(params: &PathParams, name: &str) -> Result<T, PathParamError> {
        params.parse(name)
    }

    fn destination_variable(parts: &MessageParts, name: &'static str) -> Result<T, HandlerError> {
        let expected = type_name::<T>();
        let unconvertible = |_| HandlerError::DestinationVariable { name, expected };
        parts.variables.parse(name).map_err(unconvertible)
    }

    fn optional_variable(
        parts: &MessageParts,
        name: &'static str,
    ) -> Result<Option<T>, HandlerError> {
        let value = parts.variables.get(name);
        value.map(|_| Self::destination_variable(parts, name)).transpose()
    }

    fn header(parts: &MessageParts, name: &'static str) -> Result<T, HandlerError> {
        Self::optional_header(parts, name)?.ok_or(HandlerError::MissingHeader { name })
    }

    fn optional_header(
        parts: &MessageParts,
        name: &'static str,
    ) -> Result<Option<T>, HandlerError> {
        let Some(value) = parts.headers.get(name) else { return Ok(None) };
        let expected = type_name::<T>();
        value.parse().map(Some).map_err(|_| HandlerError::Header { name, expected })
    }

    fn header_default(name: &'static str, default: &str) -> Result<T, HandlerError> {
        let expected = type_name::<T>();
        default.parse().map_err(|_| HandlerError::HeaderDefault { name, expected })
    }
}

/// What an exception handler can take.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no error",
    label = "does not implement `std::error::Error`",
    note = "an exception handler takes the error first: `error: &MyError`, or `error: &HandlerError` for any"
)]
pub trait HandledError: Sized {
    const HANDLER: ExceptionHandler;

    fn taken_from(error: &HandlerError) -> Result<&Self, HandlerError>;
}

impl<E: Error + 'static> HandledError for E {
    const HANDLER: ExceptionHandler = ExceptionHandler::of::<E>();

    fn taken_from(error: &HandlerError) -> Result<&E, HandlerError> {
        error.cause().ok_or_else(|| HandlerError::new("the error is of another type"))
    }
}

/// Notes that a method could never be called, if that is so.
pub fn note_uncallable<T, E: Into<HandlerError>>(
    uncallable: &mut Vec<Uncallable>,
    method: &'static str,
    checked: Result<T, E>,
) {
    uncallable.extend(checked.err().map(|reason| Uncallable { method, reason: reason.into() }));
}

/// What the first message argument of a method takes, if there is one.
pub const fn first_payload(payloads: &[Option<PayloadKind>]) -> Option<PayloadKind> {
    let mut index = 0;
    while index < payloads.len() {
        if payloads[index].is_some() {
            return payloads[index];
        }
        index += 1;
    }
    None
}

/// Whether this argument of a method takes a message, and one before it does too.
pub const fn is_second_payload(payloads: &[Option<PayloadKind>], index: usize) -> bool {
    let (before, _) = payloads.split_at(index);
    payloads[index].is_some() && first_payload(before).is_some()
}

/// Whether two methods would both be called for some message.
pub const fn overlap(first: &[Option<PayloadKind>], second: &[Option<PayloadKind>]) -> bool {
    match (first_payload(first), first_payload(second)) {
        (Some(first), Some(second)) => first.overlaps(second),
        _ => false,
    }
}

/// Calls a method that is not async, and sends what it returned.
#[inline]
pub fn reply_now(
    session: &Session,
    call: impl FnOnce() -> Result<Reply, EndpointError>,
) -> Replying {
    send_reply(session, call())
}

/// Sends what a method returned, if that is a message.
#[inline]
pub fn send_reply(session: &Session, reply: Result<Reply, EndpointError>) -> Replying {
    match reply {
        Ok(Reply::Message(message)) => match session.send_or_wait(message) {
            Ok(()) => Replying::default(),
            Err(SendOrWait::Refused(error)) => Unsent::Failed(error.into()).into(),
            Err(SendOrWait::Wait(waiting)) => Unsent::Waiting(waiting).into(),
        },
        Ok(Reply::Nothing) => Replying::default(),
        Ok(reply) => {
            let session = session.clone();
            Unsent::Waiting(Box::pin(async move { send_all(&session, reply).await })).into()
        }
        Err(error) => Unsent::Failed(error).into(),
    }
}

async fn send_all(session: &Session, reply: Reply) -> Result<(), SendError> {
    match reply {
        Reply::Nothing => {}
        Reply::Message(message) => session.send(message).await?,
        Reply::Several(replies) => {
            for reply in replies {
                Box::pin(send_all(session, reply)).await?;
            }
        }
        Reply::Broadcast(message) => {
            session.peers().broadcast(message);
        }
        Reply::Close(reason) => session.close(reason),
    }
    Ok(())
}

/// What [`send_reply`] gives: a future of one word, because every handler's future holds one.
#[derive(Default)]
pub struct Replying(Option<Box<Unsent>>);

enum Unsent {
    Failed(EndpointError),
    /// The outbox had no room.
    Waiting(Pin<Box<dyn Future<Output = Result<(), SendError>> + Send>>),
}

impl From<Unsent> for Replying {
    fn from(unsent: Unsent) -> Self {
        Self(Some(Box::new(unsent)))
    }
}

impl Future for Replying {
    type Output = Result<(), EndpointError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let unsent = &mut self.get_mut().0;
        if let Some(Unsent::Waiting(waiting)) = unsent.as_deref_mut() {
            return waiting.as_mut().poll(cx).map_err(EndpointError::from);
        }
        match unsent.take().map(|unsent| *unsent) {
            Some(Unsent::Failed(error)) => Poll::Ready(Err(error)),
            Some(Unsent::Waiting(_)) | None => Poll::Ready(Ok(())),
        }
    }
}

/// What an `#[on_close]` method may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned by an `#[on_close]` method",
    label = "the peer is gone and takes no reply",
    note = "return `()` or `Result<(), E>`"
)]
pub trait Ended {
    fn ended(self) -> Result<(), EndpointError>;
}

impl Ended for () {
    fn ended(self) -> Result<(), EndpointError> {
        Ok(())
    }
}

impl<E: Into<BoxError>> Ended for Result<(), E> {
    fn ended(self) -> Result<(), EndpointError> {
        self.map_err(EndpointError::from_handler)
    }
}

/// A message that no method takes.
pub fn ignore(session: &Session, payload: &Payload) {
    if !matches!(payload, Payload::Pong(_)) {
        tracing::debug!(session = %session.log_id(), "no method for this kind of message");
    }
}

/// A message that no method takes, of an endpoint that refuses what it does not know.
pub fn refuse(session: &Session, payload: &Payload) {
    if !matches!(payload, Payload::Pong(_)) {
        let reason = "no method for this kind of message";
        session.close(CloseReason::truncated(CloseCode::UNSUPPORTED_DATA, reason));
    }
}

/// What comes of `#[on_error]`, which may itself have failed.
pub fn flow(session: &Session, handled: Result<Flow, EndpointError>) -> Flow {
    handled.unwrap_or_else(|error| {
        tracing::error!(session = %session.log_id(), %error, "on_error failed");
        Flow::Close(CloseReason::truncated(CloseCode::INTERNAL_ERROR, "internal error"))
    })
}

/// The answer to a client whose handshake does not have what `#[on_handshake]` asks for.
pub fn reject(error: EndpointError) -> Reject {
    match &error {
        EndpointError::PathParam(reason) => bad_request(reason),
        EndpointError::Parameters(reason) => bad_request(reason),
        EndpointError::MissingUser => Reject::new(StatusCode::UNAUTHORIZED),
        error => {
            tracing::error!(%error, "on_handshake could not be called");
            Reject::new(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

fn bad_request(reason: &impl std::fmt::Display) -> Reject {
    Reject::new(StatusCode::BAD_REQUEST).text(format!("{reason}\n"))
}

/// Gives the session a new codec.
pub fn open_codec<C: Default + Send + 'static>(session: &Session) {
    session.set_codec(C::default());
}

/// An error that a method of an endpoint with a codec returned.
pub fn handler_error(error: impl Into<BoxError>) -> EndpointError {
    EndpointError::from_handler(error)
}

/// An argument of type `T` in an endpoint whose codec is a `C`. Its own items are there if `C` decodes a `T`;
/// otherwise those of [`WithoutDecoder`] are found.
pub struct Decoded<C, T>(PhantomData<(C, T)>);

impl<C: Decoder<T> + 'static, T> Decoded<C, T> {
    pub const PAYLOAD: Option<PayloadKind> = Some(C::KIND);

    pub fn extract(call: &mut OnMessage<'_>) -> Result<T, EndpointError> {
        let twice = || EndpointError::Handler("the message is an argument twice".into());
        let message = call.take_message().ok_or_else(twice)?;
        let kept = message.clone();
        let decoded = Call::session(call).with_codec(|codec: &mut C| codec.decode(message));
        let decoded = decoded.unwrap_or_else(|| Err(no_codec()));
        decoded.map_err(|error| EndpointError::decode(type_name::<T>(), kept, error))
    }

    pub fn check_handshake(_: &Handshake) -> Result<(), EndpointError> {
        Ok(())
    }

    pub fn check_state(_: &AppState) -> Result<(), MissingState> {
        Ok(())
    }
}

/// An argument that the endpoint's codec does not decode.
pub trait WithoutDecoder<T> {
    const PAYLOAD: Option<PayloadKind>;

    fn extract(call: &mut OnMessage<'_>) -> Result<T, EndpointError>;
    fn check_handshake(handshake: &Handshake) -> Result<(), EndpointError>;
    fn check_state(state: &AppState) -> Result<(), MissingState>;
}

impl<C, T> WithoutDecoder<T> for Decoded<C, T>
where
    T: for<'a> Extract<OnMessage<'a>>,
{
    const PAYLOAD: Option<PayloadKind> = <T as Extract<OnMessage<'_>>>::PAYLOAD;

    fn extract(call: &mut OnMessage<'_>) -> Result<T, EndpointError> {
        T::extract(call)
    }

    fn check_handshake(handshake: &Handshake) -> Result<(), EndpointError> {
        <T as Extract<OnMessage<'_>>>::check_handshake(handshake)
    }

    fn check_state(state: &AppState) -> Result<(), MissingState> {
        <T as Extract<OnMessage<'_>>>::check_state(state)
    }
}

/// What a method of an endpoint returns whose codec is a `C`, as [`Decoded`] is an argument.
pub struct Encoded<C, R>(PhantomData<(C, R)>);

impl<C: Encoder<R> + 'static, R> Encoded<C, R> {
    pub fn into_reply(returned: R, session: &Session) -> Result<Reply, EndpointError> {
        let encoded = session.with_codec(|codec: &mut C| codec.encode(returned));
        let encoded = encoded.unwrap_or_else(|| Err(no_codec()));
        encoded.map(Reply::Message).map_err(EndpointError::Encode)
    }
}

/// A value that the endpoint's codec does not encode.
pub trait WithoutEncoder<R> {
    fn into_reply(returned: R, session: &Session) -> Result<Reply, EndpointError>;
}

impl<C, R: IntoReply> WithoutEncoder<R> for Encoded<C, R> {
    fn into_reply(returned: R, _: &Session) -> Result<Reply, EndpointError> {
        returned.into_reply()
    }
}

fn no_codec() -> BoxError {
    "the session has no codec any more".into()
}

/// Where a handler's reply goes unless `#[send_to]` says otherwise.
pub fn default_target(message: &MessageParts) -> Target {
    Target::to(format!("/topic{}", one_name(&message.destination)))
}

/// Where what an exception handler says goes unless `#[send_to]` says otherwise.
pub fn default_error_target(message: &MessageParts) -> Target {
    Target::to_session(message, "/queue/errors")
}

/// Where a reply goes to a user unless `#[send_to_user]` says otherwise.
pub fn default_user_destination(message: &MessageParts) -> String {
    format!("/queue{}", one_name(&message.destination))
}

/// Puts the values of the variables into a destination.
pub fn expand(destination: &str, parts: &MessageParts) -> String {
    expand_variables(destination, &parts.variables)
}

/// Goes over the text once, so that a value with braces in it stays as it is.
fn expand_variables(destination: &str, variables: &PathParams) -> String {
    let mut expanded = String::with_capacity(destination.len());
    let mut rest = destination;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        expanded.push_str(before);
        expanded.push_str(&one_name(variables.get(name).unwrap_or_default()));
        rest = after;
    }
    expanded + rest
}

/// What a client has chosen, as a part of one name: what would make several destinations of it, or others by what the
/// broker decodes, is written as `%` with hexadecimal digits.
fn one_name(chosen: &str) -> Cow<'_, str> {
    if !chosen.contains([',', '%']) {
        return Cow::Borrowed(chosen);
    }
    let mut name = String::with_capacity(chosen.len() + 2);
    for (at, character) in chosen.char_indices() {
        match character {
            '%' => name.push_str("%25"),
            ',' if separates(&chosen[..at], &chosen[at + 1..]) => name.push_str("%2C"),
            other => name.push(other),
        }
    }
    Cow::Owned(name)
}

/// Whether a comma between these stands between destinations, or may do so with what stands around both.
fn separates(before: &str, behind: &str) -> bool {
    let behind = behind.trim_start_matches(' ');
    before.trim_start_matches(' ').is_empty() || behind.is_empty() || behind.starts_with(['/', ','])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_chooses_stays_one_name() {
        let check = |chosen: &str, expected: &str| assert_eq!(one_name(chosen), expected);
        check("7", "7");
        check("EUR,USD", "EUR,USD");
        check("/x,/queue/jobs", "/x%2C/queue/jobs");
        check("/x,  /queue/jobs", "/x%2C  /queue/jobs");
        check("/x,,/queue/jobs", "/x%2C%2C/queue/jobs");
        check("x,", "x%2C");
        check(",x", "%2Cx");
        check("7%2Fadmin", "7%252Fadmin");
        let variables = PathParams::from_iter([("tenant", "x,"), ("room", "queue")]);
        let expanded = expand_variables("/topic/{tenant}/{room}/messages", &variables);
        assert_eq!(expanded, "/topic/x%2C/queue/messages");
    }

    #[test]
    fn variables_are_put_into_a_destination() {
        let variables = PathParams::from_iter([("room", "7"), ("user", "ann")]);
        assert_eq!(expand_variables("/topic/{room}.{user}/x", &variables), "/topic/7.ann/x");
        assert_eq!(expand_variables("/topic", &variables), "/topic");
    }

    #[test]
    fn a_value_that_looks_like_a_variable_is_not_expanded_again() {
        let variables = PathParams::from_iter([("a", "{b}"), ("b", "secret")]);
        assert_eq!(expand_variables("/topic/{a}", &variables), "/topic/{b}");
    }
}
