use std::cmp::Ordering;

use super::like::Pattern;
use super::steps::Steps;
use super::value::Value;

/// A selector as a tree, no deeper than a selector may be nested: chains of the same operator are
/// one node.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Truth(bool),
    Integer(i64),
    Decimal(f64),
    Text(Box<str>),
    Header(Box<str>),
    Or(Vec<Self>),
    And(Vec<Self>),
    Not(Box<Self>),
    Compare(Box<Self>, Comparison, Box<Self>),
    Between {
        value: Box<Self>,
        low: Box<Self>,
        high: Box<Self>,
    },
    In(Box<Self>, Vec<Box<str>>),
    Like(Box<Self>, Pattern),
    IsNull(Box<Self>),
    /// The first is added to nothing, or taken from it.
    Sum(Vec<(Sign, Self)>),
    /// One is multiplied by the first.
    Product(Vec<(Factor, Self)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Plus,
    Minus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Factor {
    Times,
    Over,
}

/// What it takes to find a header, besides passing by others.
const HEADER_STEPS: usize = 64;
/// So many octets of a name are compared in one step.
const NAME_OCTETS: usize = 16;

/// The headers of a message.
pub(super) struct Message<F> {
    /// How many there are.
    pub(super) headers: usize,
    /// Finds the value of one.
    pub(super) header: F,
}

impl<'a, F: Fn(&str) -> Option<&'a str>> Message<F> {
    fn value(&self, name: &str, steps: &Steps) -> Value<'a> {
        let passing = self.headers.saturating_mul(1 + name.len() / NAME_OCTETS);
        if !steps.take(HEADER_STEPS.saturating_add(passing)) {
            return Value::Unknown;
        }
        (self.header)(name).map_or(Value::Unknown, Value::Text)
    }
}

impl Expression {
    /// Whether it can be true: neither can numbers, nor texts.
    pub(super) fn is_condition(&self) -> bool {
        match self {
            Self::Integer(_)
            | Self::Decimal(_)
            | Self::Text(_)
            | Self::Sum(_)
            | Self::Product(_) => false,
            Self::Or(terms) | Self::And(terms) => terms.iter().all(Self::is_condition),
            Self::Not(term) => term.is_condition(),
            Self::Truth(_)
            | Self::Header(_)
            | Self::Compare(..)
            | Self::Between { .. }
            | Self::In(..)
            | Self::Like(..)
            | Self::IsNull(_) => true,
        }
    }

    /// Unknown, too, once the steps are spent.
    pub(super) fn evaluate<'a>(
        &'a self,
        message: &Message<impl Fn(&str) -> Option<&'a str>>,
        steps: &Steps,
    ) -> Value<'a> {
        if !steps.take(1) {
            return Value::Unknown;
        }
        match self {
            Self::Truth(truth) => Value::Truth(*truth),
            Self::Integer(number) => Value::Integer(*number),
            Self::Decimal(number) => Value::Decimal(*number),
            Self::Text(text) => Value::Text(text),
            Self::Header(name) => message.value(name, steps),
            Self::Or(terms) => {
                any(terms.iter().map(|term| term.evaluate(message, steps).truth())).into()
            }
            Self::And(terms) => {
                let negated =
                    terms.iter().map(|term| term.evaluate(message, steps).truth().map(|it| !it));
                any(negated).map(|it| !it).into()
            }
            Self::Not(term) => term.evaluate(message, steps).truth().map(|it| !it).into(),
            Self::Compare(left, comparison, right) => {
                let (left, right) = (left.evaluate(message, steps), right.evaluate(message, steps));
                comparison.apply(left, right, steps).into()
            }
            Self::Between { value, low, high } => {
                let value = value.evaluate(message, steps);
                let is_low = Comparison::Less.apply(value, low.evaluate(message, steps), steps);
                let is_high =
                    Comparison::Greater.apply(value, high.evaluate(message, steps), steps);
                any([is_low, is_high].into_iter()).map(|it| !it).into()
            }
            Self::In(value, texts) => match value.evaluate(message, steps) {
                Value::Unknown => Value::Unknown,
                value if steps.take(texts.len()) => Value::Truth(
                    texts.iter().any(|text| value.equals(Value::Text(text), steps) == Some(true)),
                ),
                _ => Value::Unknown,
            },
            Self::Like(value, pattern) => match value.evaluate(message, steps) {
                Value::Text(text) => Value::Truth(pattern.matches(text, steps)),
                _ => Value::Unknown,
            },
            Self::IsNull(value) => Value::Truth(value.evaluate(message, steps) == Value::Unknown),
            Self::Sum(terms) => {
                let terms = terms.iter().map(|(sign, term)| (*sign, term.evaluate(message, steps)));
                terms.fold(Value::Integer(0), |sum, (sign, term)| sign.apply(sum, term))
            }
            Self::Product(terms) => {
                let terms =
                    terms.iter().map(|(factor, term)| (*factor, term.evaluate(message, steps)));
                terms.fold(Value::Integer(1), |product, (factor, term)| factor.apply(product, term))
            }
        }
    }
}

/// SQL's OR: true if one is; if none is, unknown if one is.
fn any(terms: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut result = Some(false);
    for term in terms {
        match term {
            Some(true) => return Some(true),
            Some(false) => {}
            None => result = None,
        }
    }
    result
}

impl Comparison {
    fn apply(self, left: Value<'_>, right: Value<'_>, steps: &Steps) -> Option<bool> {
        match self {
            Self::Equal => left.equals(right, steps),
            Self::NotEqual => left.equals(right, steps).map(|it| !it),
            Self::Less => left.order(right).map(Ordering::is_lt),
            Self::LessOrEqual => left.order(right).map(Ordering::is_le),
            Self::Greater => left.order(right).map(Ordering::is_gt),
            Self::GreaterOrEqual => left.order(right).map(Ordering::is_ge),
        }
    }
}

impl Sign {
    fn apply<'a>(self, sum: Value<'_>, term: Value<'_>) -> Value<'a> {
        if let (Value::Integer(sum), Value::Integer(term)) = (sum.number(), term.number()) {
            let result = match self {
                Self::Plus => sum.checked_add(term),
                Self::Minus => sum.checked_sub(term),
            };
            if let Some(result) = result {
                return Value::Integer(result);
            }
        }
        let (Some(sum), Some(term)) = (sum.decimal(), term.decimal()) else {
            return Value::Unknown;
        };
        Value::Decimal(match self {
            Self::Plus => sum + term,
            Self::Minus => sum - term,
        })
    }
}

impl Factor {
    fn apply<'a>(self, product: Value<'_>, term: Value<'_>) -> Value<'a> {
        if let (Value::Integer(product), Value::Integer(term)) = (product.number(), term.number()) {
            let result = match self {
                Self::Times => product.checked_mul(term),
                // As in SQL and Java, integers divide to integers; nothing is divided by zero.
                Self::Over if term == 0 => return Value::Unknown,
                Self::Over => product.checked_div(term),
            };
            if let Some(result) = result {
                return Value::Integer(result);
            }
        }
        let (Some(product), Some(term)) = (product.decimal(), term.decimal()) else {
            return Value::Unknown;
        };
        Value::Decimal(match self {
            Self::Times => product * term,
            Self::Over => product / term,
        })
    }
}
