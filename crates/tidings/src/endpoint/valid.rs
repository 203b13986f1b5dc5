use std::any::type_name;

use tidings_websocket::Message;

use super::{BoxError, EndpointError, FromMessage, Json, PayloadKind};

/// A payload that is valid, as an argument: the method is not called with one that its type's [`Validate`] refuses.
///
/// What is refused is an [`EndpointError::Decode`] for `#[on_error]`, or a
/// [`HandlerError::Invalid`](crate::messaging::HandlerError::Invalid) for `#[message_exception_handler]`.
///
/// ```
/// use tidings::endpoint::{BoxError, Json, Valid, Validate};
/// use tidings::controller;
///
/// #[derive(serde::Deserialize)]
/// struct Bid {
///     cents: u64,
/// }
///
/// impl Validate for Bid {
///     fn validate(&self) -> Result<(), BoxError> {
///         if self.cents == 0 { Err("a bid is at least one cent".into()) } else { Ok(()) }
///     }
/// }
///
/// struct Auction;
///
/// #[controller("/auction")]
/// impl Auction {
///     #[message_mapping("/bid")]
///     fn bid(&self, Valid(Json(bid)): Valid<Json<Bid>>) -> Json<u64> {
///         Json(bid.cents)
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Valid<T>(pub T);

/// A type that says which of its values are valid, for [`Valid`].
///
/// A crate that validates is plugged in by calling it. With `garde`, whose report is an error, this is all:
///
/// ```
/// # mod garde {
/// #     pub trait Validate { fn validate(&self) -> Result<(), std::fmt::Error>; }
/// # }
/// # struct Bid;
/// # impl garde::Validate for Bid {
/// #     fn validate(&self) -> Result<(), std::fmt::Error> { Ok(()) }
/// # }
/// use tidings::endpoint::{BoxError, Validate};
///
/// impl Validate for Bid {
///     fn validate(&self) -> Result<(), BoxError> {
///         Ok(garde::Validate::validate(self)?)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "nothing says which values of `{Self}` are valid",
    label = "does not implement `Validate`",
    note = "implement `tidings::endpoint::Validate` for the payload in `Valid<T>`, or for the `T` of `Json<T>`"
)]
pub trait Validate {
    /// Says whether the value is valid.
    ///
    /// # Errors
    ///
    /// What is not. The client may be told.
    fn validate(&self) -> Result<(), BoxError>;
}

impl<T: Validate> Validate for Json<T> {
    fn validate(&self) -> Result<(), BoxError> {
        self.0.validate()
    }
}

/// What is not there is valid.
impl<T: Validate> Validate for Option<T> {
    fn validate(&self) -> Result<(), BoxError> {
        self.as_ref().map_or(Ok(()), T::validate)
    }
}

impl<T: FromMessage + Validate> FromMessage for Valid<T> {
    const KIND: PayloadKind = T::KIND;

    fn from_message(message: Message) -> Result<Self, EndpointError> {
        let value = T::from_message(message.clone())?;
        match value.validate() {
            Ok(()) => Ok(Self(value)),
            Err(error) => Err(EndpointError::decode(type_name::<T>(), message, error)),
        }
    }
}
