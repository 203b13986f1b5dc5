//! Encoders and decoders of the application's own: Jakarta WebSocket, chapter 4.

use std::any::Any;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tidings_websocket::Message;

use super::{BoxError, PayloadKind, Session};

/// Makes a `T` of a message: Jakarta WebSocket's `Decoder`.
///
/// An endpoint that names a type as its codec, `#[server_endpoint("/path", codec = MyCodec)]`, has a value of
/// that type for each connection, made by [`Default`] before `#[on_open]` and dropped after `#[on_close]`.
/// Message arguments that the codec decodes, and replies that it [encodes](Encoder), go through it; all
/// others are as without a codec.
///
/// ```
/// use tidings::endpoint::{BoxError, Decoder, Encoder, Message, PayloadKind};
/// use tidings::server_endpoint;
///
/// struct Celsius(f32);
///
/// #[derive(Default)]
/// struct Degrees {
///     decoded: u32,
/// }
///
/// impl Decoder<Celsius> for Degrees {
///     const KIND: PayloadKind = PayloadKind::Text;
///
///     fn decode(&mut self, message: Message) -> Result<Celsius, BoxError> {
///         self.decoded += 1;
///         let Message::Text(text) = message else { return Err("not text".into()) };
///         Ok(Celsius(text.trim_end_matches("°C").parse()?))
///     }
/// }
///
/// impl Encoder<Celsius> for Degrees {
///     fn encode(&mut self, Celsius(degrees): Celsius) -> Result<Message, BoxError> {
///         Ok(format!("{degrees}°C").into())
///     }
/// }
///
/// struct Thermostat;
///
/// #[server_endpoint("/thermostat", codec = Degrees)]
/// impl Thermostat {
///     #[on_message]
///     fn warmer(&self, Celsius(degrees): Celsius) -> Celsius {
///         Celsius(degrees + 1.0)
///     }
/// }
/// ```
pub trait Decoder<T> {
    /// The messages that it decodes: [`Text`](PayloadKind::Text), [`Binary`](PayloadKind::Binary) or
    /// [`Any`](PayloadKind::Any).
    const KIND: PayloadKind;

    /// Decodes a message of that kind.
    ///
    /// # Errors
    ///
    /// What is wrong with the message. The method is not called then, and `#[on_error]` gets an
    /// [`EndpointError::Decode`](super::EndpointError::Decode).
    fn decode(&mut self, message: Message) -> Result<T, BoxError>;
}

/// Makes a message of a `T`: Jakarta WebSocket's `Encoder`. See [`Decoder`].
pub trait Encoder<T> {
    /// Encodes a value.
    ///
    /// # Errors
    ///
    /// Why it cannot be encoded. `#[on_error]` gets an
    /// [`EndpointError::Encode`](super::EndpointError::Encode).
    fn encode(&mut self, value: T) -> Result<Message, BoxError>;
}

/// The codec of one session, of any type.
#[derive(Default)]
pub(crate) struct CodecSlot(Mutex<Option<Box<dyn Any + Send>>>);

impl CodecSlot {
    fn lock(&self) -> MutexGuard<'_, Option<Box<dyn Any + Send>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CodecSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodecSlot")
    }
}

impl Session {
    /// Gives the session its codec.
    pub(crate) fn set_codec<C: Send + 'static>(&self, codec: C) {
        *self.seldom().codec().lock() = Some(Box::new(codec));
    }

    /// Lets go of the codec, if there is one.
    pub(crate) fn drop_codec(&self) {
        if let Some(seldom) = self.existing_seldom() {
            let codec = seldom.codec().lock().take();
            drop(codec);
        }
    }

    /// Uses the codec. `None` if it is not a `C`, or none.
    pub(crate) fn with_codec<C: 'static, R>(&self, use_it: impl FnOnce(&mut C) -> R) -> Option<R> {
        let mut codec = self.existing_seldom()?.codec().lock();
        codec.as_mut()?.downcast_mut().map(use_it)
    }
}
