//! Values of the path and of the query as the types that handlers ask for.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::{Handshake, PathParams};

/// An argument of an annotated method: the path parameters as a `T`. That is a struct with a field for
/// each, or a tuple of them in their order, or if there is one the type of its value.
///
/// A path that does not make a `T` is answered with status 400, before the upgrade.
///
/// ```
/// use tidings::endpoint::{Path, Query};
/// use tidings::server_endpoint;
///
/// #[derive(serde::Deserialize)]
/// struct Since {
///     since: Option<u64>,
/// }
///
/// struct Chat;
///
/// #[server_endpoint("/rooms/{room}/seats/{seat}")]
/// impl Chat {
///     #[on_open]
///     fn opened(&self, Path((room, seat)): Path<(String, u32)>, Query(query): Query<Since>) -> String {
///         format!("{room} {seat} since {}", query.since.unwrap_or(0))
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path<T>(
    /// The parameters.
    pub T,
);

/// An argument of an annotated method: the query of the request as a `T`, a struct with a field for each
/// name. A name that may stand there more than once is a `Vec`.
///
/// A query that does not make a `T` is answered with status 400, before the upgrade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Query<T>(
    /// The query.
    pub T,
);

/// A path or a query that does not make the type that is asked for.
///
/// No value is part of the text: it came from the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParametersError {
    part: &'static str,
    problem: Problem,
}

/// What is wrong, as far as that can be said without the peer's words.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    Missing(&'static str),
    Unknown,
    Twice(&'static str),
    Value,
}

impl fmt::Display for ParametersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} {}", self.part, self.problem)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "lacks `{name}`"),
            Self::Unknown => f.write_str("has a name that is not expected"),
            Self::Twice(name) => write!(f, "has `{name}` more than once"),
            Self::Value => f.write_str("has a value that is not of the expected type"),
        }
    }
}

impl Error for Problem {}

impl serde::de::Error for Problem {
    /// What it would say may repeat the value.
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Value
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self::Unknown
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::Twice(field)
    }
}

impl Error for ParametersError {}

impl PathParams {
    /// Converts all values: to a struct with their names, to a tuple in their order, or to the type of
    /// the only one.
    ///
    /// # Errors
    ///
    /// When they do not make a `T`.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T, ParametersError> {
        let pairs = self.iter().map(|(name, value)| (name.into(), vec![value.into()]));
        from_pairs(pairs.collect(), "path")
    }
}

impl Handshake {
    /// Converts the query to a struct with a field for each name.
    ///
    /// # Errors
    ///
    /// When it does not make a `T`.
    pub fn deserialize_query<T: DeserializeOwned>(&self) -> Result<T, ParametersError> {
        let mut pairs: Vec<Pair<'_>> = Vec::new();
        for (name, value) in self.query_pairs() {
            match pairs.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(value),
                None => pairs.push((name, vec![value])),
            }
        }
        from_pairs(pairs, "query")
    }
}

/// A name with its values, of which there is at least one.
type Pair<'a> = (Cow<'a, str>, Vec<Cow<'a, str>>);

fn from_pairs<T: DeserializeOwned>(
    pairs: Vec<Pair<'_>>,
    part: &'static str,
) -> Result<T, ParametersError> {
    T::deserialize(Pairs(pairs)).map_err(|problem| ParametersError { part, problem })
}

struct Pairs<'a>(Vec<Pair<'a>>);

impl<'a> Pairs<'a> {
    /// The value, if there is one.
    fn only(mut self) -> Result<Value<'a>, Problem> {
        match (self.0.pop(), self.0.is_empty()) {
            (Some((_, values)), true) => Ok(Value(values)),
            _ => Err(serde::de::Error::custom("not one value")),
        }
    }

    fn values(self) -> impl Iterator<Item = Value<'a>> {
        self.0.into_iter().map(|(_, values)| Value(values))
    }
}

macro_rules! only {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
            self.only()?.$method(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Pairs<'_> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let pairs = self.0.into_iter().map(|(name, values)| (name, Value(values)));
        visitor.visit_map(MapDeserializer::new(pairs))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_seq(SeqDeserializer::new(self.values()))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        if self.0.len() != len {
            return Err(serde::de::Error::invalid_length(self.0.len(), &visitor));
        }
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_unit()
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.only()?.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_some(self)
    }

    only! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char deserialize_str
        deserialize_string
    }

    forward_to_deserialize_any! {
        bytes byte_buf unit_struct map struct identifier ignored_any
    }
}

/// The values of one name.
struct Value<'a>(Vec<Cow<'a, str>>);

impl<'a> Value<'a> {
    fn only(mut self) -> Result<Cow<'a, str>, Problem> {
        match (self.0.pop(), self.0.is_empty()) {
            (Some(value), true) => Ok(value),
            _ => Err(serde::de::Error::custom("not one value")),
        }
    }
}

impl<'de> IntoDeserializer<'de, Problem> for Value<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
            let value = self.only()?.parse();
            visitor.$visit(value.map_err(|_| serde::de::Error::custom("does not parse"))?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Value<'_> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_str(&self.only()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let values = self.0.into_iter().map(|value| Value(vec![value]));
        visitor.visit_seq(SeqDeserializer::new(values))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_enum(self.only()?.into_deserializer())
    }

    parsed! {
        deserialize_bool visit_bool deserialize_i8 visit_i8 deserialize_i16 visit_i16
        deserialize_i32 visit_i32 deserialize_i64 visit_i64 deserialize_i128 visit_i128
        deserialize_u8 visit_u8 deserialize_u16 visit_u16 deserialize_u32 visit_u32
        deserialize_u64 visit_u64 deserialize_u128 visit_u128 deserialize_f32 visit_f32
        deserialize_f64 visit_f64 deserialize_char visit_char
    }

    forward_to_deserialize_any! {
        str string bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Room {
        name: String,
        seat: u32,
        colour: Option<Colour>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Id(u32);

    fn params<const N: usize>(pairs: [(&str, &str); N]) -> PathParams {
        PathParams::from_iter(pairs)
    }

    fn query<T: DeserializeOwned>(query: &str) -> Result<T, ParametersError> {
        let uri = format!("/?{query}").parse().unwrap();
        Handshake::new(&uri, &HeaderMap::new(), PathParams::default(), None).deserialize_query()
    }

    #[test]
    fn path_parameters_make_structs_tuples_and_single_values() {
        let two = params([("name", "x"), ("seat", "7")]);
        let room = Room { name: "x".into(), seat: 7, colour: None };
        assert_eq!(two.deserialize::<Room>(), Ok(room));
        assert_eq!(two.deserialize::<(String, u8)>(), Ok(("x".into(), 7)));
        assert_eq!(two.deserialize::<Vec<String>>(), Ok(vec!["x".into(), "7".into()]));
        let one = params([("seat", "7")]);
        assert_eq!(one.deserialize::<Id>(), Ok(Id(7)));
        assert_eq!(one.deserialize::<f64>(), Ok(7.0));
        assert_eq!(params([("c", "red")]).deserialize::<Colour>(), Ok(Colour::Red));
        assert_eq!(params([]).deserialize::<()>(), Ok(()));
    }

    #[test]
    fn what_does_not_fit_is_an_error_that_does_not_repeat_it() {
        let two = params([("name", "secret"), ("seat", "7")]);
        assert!(two.deserialize::<String>().is_err());
        assert!(two.deserialize::<(String,)>().is_err());
        assert!(two.deserialize::<(String, u8, u8)>().is_err());
        let error = two.deserialize::<(u8, u8)>().unwrap_err();
        assert_eq!(error.to_string(), "the path has a value that is not of the expected type");
        let error = params([("name", "secret")]).deserialize::<Room>().unwrap_err();
        assert_eq!(error.to_string(), "the path lacks `seat`");
    }

    #[test]
    fn a_query_makes_structs_whose_lists_are_repeated_names() {
        #[derive(Debug, Deserialize, PartialEq)]
        struct Search {
            #[serde(default)]
            tag: Vec<String>,
            page: Option<u32>,
        }
        let tags = ["a b", "c"].map(str::to_owned).to_vec();
        assert_eq!(query("tag=a+b&page=2&tag=c&x=y"), Ok(Search { tag: tags, page: Some(2) }));
        assert_eq!(query(""), Ok(Search { tag: vec![], page: None }));
        assert!(query::<Search>("page=two").is_err());
        assert!(query::<Search>("page=1&page=2").is_err());
    }
}
