use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// The variables of a path template with the values a request gave them, percent-decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathParams(Option<Box<Pairs>>);

/// Boxed once more, since most sessions have none. Never empty.
type Pairs = Box<[(Box<str>, Box<str>)]>;

impl PathParams {
    /// Returns the value of the variable `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Converts the value of the variable `name`.
    ///
    /// # Errors
    ///
    /// When the template has no such variable, or its value does not convert to `T`.
    pub fn parse<T: FromStr>(&self, name: &str) -> Result<T, PathParamError> {
        let fail = |kind| PathParamError { name: name.into(), kind };
        let value = self.get(name).ok_or_else(|| fail(PathParamErrorKind::Missing))?;
        value.parse().map_err(|_| {
            fail(PathParamErrorKind::Unconvertible { expected: std::any::type_name::<T>() })
        })
    }

    /// Names and values, in the order of the template.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter().flat_map(|pairs| pairs.iter());
        pairs.map(|(name, value)| (&**name, &**value))
    }
}

impl<N: Into<Box<str>>, V: Into<Box<str>>> FromIterator<(N, V)> for PathParams {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), value.into()));
        let pairs = Pairs::from_iter(pairs);
        Self((!pairs.is_empty()).then(|| Box::new(pairs)))
    }
}

/// A path parameter that is missing, or not of the type the endpoint asks for.
///
/// The value is not part of the text: it came from the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathParamError {
    name: String,
    kind: PathParamErrorKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PathParamErrorKind {
    Missing,
    Unconvertible { expected: &'static str },
}

impl PathParamError {
    /// The name of the variable.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for PathParamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, kind } = self;
        match kind {
            PathParamErrorKind::Missing => write!(f, "the path has no parameter `{name}`"),
            PathParamErrorKind::Unconvertible { expected } => {
                write!(f, "path parameter `{name}` is not a valid {expected}")
            }
        }
    }
}

impl Error for PathParamError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_convert_to_the_type_asked_for() {
        let params = PathParams::from_iter([("user_id", "8")]);
        assert_eq!(params.parse::<u64>("user_id"), Ok(8));
        assert_eq!(params.parse::<String>("user_id"), Ok("8".into()));
    }

    #[test]
    fn errors_name_the_parameter_and_the_type() {
        let params = PathParams::from_iter([("user_id", "eight")]);
        let error = params.parse::<u64>("user_id").unwrap_err();
        assert_eq!(error.to_string(), "path parameter `user_id` is not a valid u64");
        let error = params.parse::<u64>("room").unwrap_err();
        assert_eq!(error.to_string(), "the path has no parameter `room`");
    }
}
