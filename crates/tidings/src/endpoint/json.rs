/// A value that travels as JSON: as an argument of a handler, as its reply, or as a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);
