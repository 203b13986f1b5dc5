use std::cmp::Ordering;

use super::steps::Steps;

/// Text that is longer is not read as a number.
const NUMBER_OCTETS_MAX: usize = 64;

/// What a part of a selector comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// SQL's NULL: a header that is missing, or what cannot be computed.
    Unknown,
    Truth(bool),
    Integer(i64),
    Decimal(f64),
    Text(&'a str),
}

impl Value<'_> {
    /// The truth value, if it is one.
    pub(super) fn truth(self) -> Option<bool> {
        match self {
            Self::Truth(truth) => Some(truth),
            Self::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Self::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// The number, where text may stand for one.
    pub(super) fn number(self) -> Self {
        match self {
            Self::Integer(_) | Self::Decimal(_) => self,
            Self::Text(text) if text.len() > NUMBER_OCTETS_MAX => Self::Unknown,
            Self::Text(text) => {
                let text = text.trim();
                let integer = text.parse().map(Self::Integer);
                let decimal = || text.parse().ok().filter(|number: &f64| number.is_finite());
                integer.unwrap_or_else(|_| decimal().map_or(Self::Unknown, Self::Decimal))
            }
            Self::Truth(_) | Self::Unknown => Self::Unknown,
        }
    }

    /// Whether both are the same. Unknown, too, once the steps are spent.
    pub(super) fn equals(self, other: Self, steps: &Steps) -> Option<bool> {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) if one.len() != other.len() => Some(false),
            (Self::Text(one), Self::Text(other)) => steps.take(one.len()).then_some(one == other),
            (Self::Truth(_), _) | (_, Self::Truth(_)) => Some(self.truth()? == other.truth()?),
            _ => self.order(other).map(Ordering::is_eq),
        }
    }

    /// How two numbers are ordered.
    pub(super) fn order(self, other: Self) -> Option<Ordering> {
        match (self.number(), other.number()) {
            (Self::Integer(one), Self::Integer(other)) => Some(one.cmp(&other)),
            (one, other) => one.decimal()?.partial_cmp(&other.decimal()?),
        }
    }

    pub(super) fn decimal(self) -> Option<f64> {
        match self.number() {
            #[expect(clippy::cast_precision_loss, reason = "a decimal is what was asked for")]
            Self::Integer(number) => Some(number as f64),
            Self::Decimal(number) => Some(number),
            _ => None,
        }
    }
}

impl From<Option<bool>> for Value<'_> {
    fn from(truth: Option<bool>) -> Self {
        truth.map_or(Self::Unknown, Self::Truth)
    }
}
