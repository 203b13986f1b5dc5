use std::error::Error;
use std::fmt;
use std::iter::{once, successors};

use super::HandlerError;
use crate::endpoint::BoxError;

/// Which errors a `#[message_exception_handler]` takes.
#[derive(Clone, Copy)]
pub struct ExceptionHandler {
    takes: fn(&(dyn Error + 'static)) -> bool,
}

impl ExceptionHandler {
    /// Errors of this type, whatever they are wrapped in; of the type [`HandlerError`], all.
    #[must_use]
    pub const fn of<E: Error + 'static>() -> Self {
        Self { takes: |error| error.is::<E>() }
    }

    /// Which of the handlers takes the error: the one for what is nearest to what the method returned. A cause of
    /// that is farther, and the [`HandlerError`] farthest.
    pub(super) fn nearest(handlers: &[Self], error: &HandlerError) -> Option<usize> {
        let takes = |cause| handlers.iter().position(|handler| (handler.takes)(cause));
        error.causes().find_map(takes)
    }
}

impl fmt::Debug for ExceptionHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExceptionHandler").finish_non_exhaustive()
    }
}

impl HandlerError {
    /// The error of this type that it is about: what the method has returned, what made an argument fail, or what
    /// has caused that. Of the type `HandlerError`, itself.
    pub fn cause<E: Error + 'static>(&self) -> Option<&E> {
        self.causes().find_map(|cause| cause.downcast_ref())
    }

    /// What went wrong, then what has caused it, and at last the error itself.
    fn causes(&self) -> impl Iterator<Item = &(dyn Error + 'static)> {
        fn any(error: &BoxError) -> &(dyn Error + 'static) {
            error.as_ref()
        }
        let first = match self {
            Self::Payload { source, .. } => Some(any(source)),
            Self::Invalid(error)
            | Self::Argument(error)
            | Self::Encode(error)
            | Self::Handler(error) => Some(any(error)),
            Self::Parameters(error) => Some(error as _),
            Self::MissingState(missing) => Some(missing as _),
            _ => None,
        };
        let causes = successors(first, |error: &&(dyn Error + 'static)| (*error).source());
        causes.chain(once(self as _))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Inner;

    #[derive(Debug)]
    struct Outer(Inner);

    impl fmt::Display for Inner {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("inner")
        }
    }

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("outer")
        }
    }

    impl Error for Inner {}

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    fn of<E: Error + 'static>() -> ExceptionHandler {
        ExceptionHandler::of::<E>()
    }

    #[test]
    fn the_nearest_error_decides_and_not_the_order_of_the_handlers() {
        let error = HandlerError::new(Outer(Inner));
        let check = |handlers: &[ExceptionHandler], expected| {
            assert_eq!(ExceptionHandler::nearest(handlers, &error), expected);
        };
        check(&[of::<HandlerError>(), of::<Inner>(), of::<Outer>()], Some(2));
        check(&[of::<HandlerError>(), of::<Inner>()], Some(1));
        check(&[of::<HandlerError>()], Some(0));
        check(&[of::<fmt::Error>()], None);
    }

    #[test]
    fn what_made_an_argument_fail_is_a_cause() {
        let error = HandlerError::payload("number", "x".parse::<u8>().unwrap_err());
        assert!(error.cause::<std::num::ParseIntError>().is_some());
        assert!(error.cause::<HandlerError>().is_some());
        assert!(HandlerError::MissingUser.cause::<HandlerError>().is_some());
        assert!(HandlerError::new("text").cause::<Inner>().is_none());
    }
}
