use crate::message::Message;
use crate::pattern::DestinationPattern;
use crate::record::RecordError;
use crate::selector::Selector;

/// Which messages of topics a queue gets: those of a durable subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Binding {
    /// The topic, or the pattern of the topics.
    pub pattern: DestinationPattern,
    /// Which of their messages; without a selector, all.
    pub selector: Option<Selector>,
}

impl Binding {
    pub(crate) fn new(pattern: DestinationPattern, selector: Option<Selector>) -> Self {
        Self { pattern, selector }
    }

    /// The binding as it was stored.
    pub(crate) fn read(
        pattern: DestinationPattern,
        selector: Option<&str>,
    ) -> Result<Self, RecordError> {
        let selector = selector.map(Selector::read).transpose();
        Ok(Self { pattern, selector: selector.map_err(|_| RecordError::UnknownForm)? })
    }

    pub(crate) fn selector_text(&self) -> Option<String> {
        self.selector.as_ref().map(ToString::to_string)
    }

    pub(crate) fn wants(&self, message: &Message) -> bool {
        let header = |name: &str| message.headers.get(name);
        let headers = message.headers.len();
        self.selector.as_ref().is_none_or(|selector| selector.matches(headers, header))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_that_was_stored_is_read_though_nobody_may_write_it_any_more() {
        let pattern = DestinationPattern::parse("/topic/a").unwrap();
        let binding = Binding::read(pattern, Some("'x'")).unwrap();
        assert_eq!(binding.selector_text().as_deref(), Some("'x'"));
        assert!(Selector::parse("'x'").is_err());
    }
}
