/// What a server has broken.
pub(crate) type Verdict = Result<(), Wrong>;

/// Something that a server must not do.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) what: String,
    /// The message that it was done to.
    pub(crate) message: Option<u64>,
}

impl Wrong {
    /// What was done to a message.
    pub(crate) fn with(message: u64, what: String) -> Self {
        Self { what, message: Some(message) }
    }
}

impl From<String> for Wrong {
    fn from(what: String) -> Self {
        Self { what, message: None }
    }
}

impl From<&str> for Wrong {
    fn from(what: &str) -> Self {
        what.to_owned().into()
    }
}
