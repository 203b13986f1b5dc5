use tidings_broker::{BrokerOptions, Destination, Kind};

use super::ApplicationNames;
use super::rule_pattern::{RulePattern, RulePatternError, Separators, Words};
use super::rules::{Rule, RuleMistake};

/// What clients can call destinations.
pub(super) struct Names<'a> {
    options: &'a BrokerOptions,
    application: &'a ApplicationNames,
    /// Patterns that match all of them.
    patterns: Vec<(String, Separators)>,
}

impl<'a> Names<'a> {
    pub(super) fn new(options: &'a BrokerOptions, application: &'a ApplicationNames) -> Self {
        let of_broker = options.common_names().into_iter();
        let of_broker = of_broker.map(|(pattern, kind)| (pattern, Separators::of(kind)));
        let separators = application.separators();
        let of_application =
            application.prefixes().map(|prefix| (format!("{prefix}/*/**"), separators));
        Self { options, application, patterns: of_broker.chain(of_application).collect() }
    }

    /// The pattern of a rule, if it has one, in terms of the names that all spellings of a destination share.
    ///
    /// # Errors
    ///
    /// Why it matches nothing, or not all that its author means.
    pub(super) fn pattern(&self, rule: &Rule) -> Result<Option<RulePattern>, RuleMistake> {
        let Some(text) = &rule.pattern else { return Ok(None) };
        if Destination::parse(text).is_ok_and(|named| named.is_composite()) {
            return Err(RuleMistake::Composite { rule: rule.name() });
        }
        if let Some(misspelling) = self.options.misspelling(text) {
            return Err(RuleMistake::Misspelt { rule: rule.name(), misspelling });
        }
        let common = self.common_pattern(text);
        let mistake = |error: RulePatternError| {
            let pattern = text.clone();
            RuleMistake::Pattern { rule: rule.name(), pattern, error }
        };
        let pattern = RulePattern::parse(&common).map_err(mistake)?;
        if is_about_all_exchanges(text).map_err(mistake)? {
            return Err(RuleMistake::AllExchanges { rule: rule.name() });
        }
        let mut reached = false;
        for (names, separators) in &self.patterns {
            let names = Words::of_pattern(names, *separators);
            reached |= pattern.reaches(&common, &names, *separators).map_err(mistake)?;
        }
        if reached {
            return Ok(Some(pattern));
        }
        let expected = self.options.expected_names();
        Err(RuleMistake::Unreachable { rule: rule.name(), expected })
    }

    /// Names of the application are taken as they are, also where the broker would know one of its own in them.
    fn common_pattern(&self, pattern: &str) -> Box<str> {
        if self.application.strip_prefix(pattern).is_some() {
            return pattern.into();
        }
        let begins_with_wildcard = pattern.starts_with(['*', '#', '>', '{']);
        let common = (!begins_with_wildcard).then(|| self.options.common_name(pattern)).flatten();
        common.unwrap_or_else(|| pattern.into())
    }
}

/// Whether a pattern means several exchanges, of which one is what topics are, whose names do not begin so.
fn is_about_all_exchanges(text: &str) -> Result<bool, RulePatternError> {
    let pattern = RulePattern::parse(text)?;
    let separators = Separators::DotsAndSlashes;
    let topics = Words::of_pattern("/exchange/amq.topic/*/**", separators);
    let is_one = pattern.begins_with(&["", "exchange", "amq", "topic"]);
    let is_of_exchanges = pattern.begins_with(&["", "exchange"]);
    Ok(is_of_exchanges && !is_one && pattern.reaches(text, &topics, separators)?)
}

impl Separators {
    /// Those in the names of a kind.
    pub(super) fn of(kind: Kind) -> Self {
        match kind {
            Kind::User => Self::Slashes,
            _ => Self::DotsAndSlashes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messaging::{Rules, permit};

    /// What is wrong with the rule for a pattern.
    fn mistake(pattern: &str) -> Option<String> {
        let options =
            BrokerOptions { other_prefixes: vec!["/app/".to_owned()], ..BrokerOptions::default() };
        let rules = Rules::new().any(pattern, permit());
        let application = ApplicationNames::new(["/app"]);
        let found = Names::new(&options, &application).pattern(&rules.rules[0]);
        found.err().map(|mistake| mistake.to_string())
    }

    #[test]
    fn a_rule_is_about_whatever_a_client_can_name() {
        for pattern in [
            "**",
            "/**",
            "#",
            ">",
            "/*/a",
            "*/topic/a",
            "{nothing}/topic/{name}",
            "jobs",
            "jobs.*",
            "/topic/a",
            "/topic/{a}.b",
            "/topic.a.>",
            "/topic/**.secret",
            "/amq/queue/a",
            "/exchange/amq.topic/a.#",
            "/exchange/amq.direct/a",
            "/exchange/amq.fanout",
            "/exchange/amq.direct/**",
            "/temp-queue/a",
            "/remote-temp-topic/*",
            "/reply-queue/*",
            "/presence/**",
            "/presence/topic/a",
            "/app/**",
            "/app/a.b/{c.d}",
            "/user/{who}/queue/a.b",
            "/user/**",
        ] {
            assert_eq!(mistake(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn names_of_the_application_are_nothing_to_the_broker() {
        let application = ApplicationNames::new(["/queue/app"]);
        let options = BrokerOptions::default();
        let rules = Rules::new().any("/queue/app/a%2Fb", permit());
        let names = Names::new(&options, &application);
        let found = names.pattern(&rules.rules[0]).unwrap();
        assert_eq!(found, Some(RulePattern::parse("/queue/app/a%2Fb").unwrap()));
    }

    #[test]
    fn a_rule_about_nothing_is_a_mistake() {
        for pattern in [
            "*",
            "/*",
            "*/a",
            "{a}",
            "/topics/a",
            "/topic",
            "/amq/*/a",
            "/exchange/amq.other/a",
            "/presence/a",
            "/app",
            "/session/renew",
        ] {
            let told = mistake(pattern).unwrap_or_else(|| panic!("{pattern} is about nothing"));
            assert!(told.contains(&format!("`any {pattern}` is about no destination")), "{told}");
            assert!(told.contains("/topic/NAME or /queue/NAME"), "{told}");
        }
    }

    #[test]
    fn a_misspelt_rule_is_a_mistake() {
        for (pattern, instead) in [
            ("/topic/secret**", "/topic/secret/**"),
            ("/topic/secret*", "/topic/secret/*"),
            ("/app/secret*/{a}", "/app/secret/*/{a}"),
            (" /topic/secret", "/topic/secret"),
            ("/topic/secret/", "/topic/secret"),
            ("topic/secret", "/topic/secret"),
            ("app/secret", "/app/secret"),
        ] {
            let told = mistake(pattern).unwrap_or_else(|| panic!("{pattern} passes"));
            assert!(told.starts_with(&format!("rule `any {pattern}`: ")), "{told}");
            assert!(told.contains(&format!("write `{instead}`")), "{told}");
            assert_eq!(mistake(instead), None, "{instead}");
        }
    }

    #[test]
    fn a_rule_that_misses_some_of_what_it_means_is_a_mistake() {
        for (pattern, instead) in [
            ("/app/admin.**", "/app/admin/**"),
            ("/app/a.b/room.{room}/c.d", "/app/a.b/room/{room}/c.d"),
            ("/user/{who}/queue/a.*", "/user/{who}/queue/a/*"),
            ("/*/a.*", "/*/a/*"),
            ("**.secret", "**/secret"),
        ] {
            let told = mistake(pattern).unwrap_or_else(|| panic!("{pattern} matches all"));
            assert!(told.contains(&format!("`any {pattern}`: in names of")), "{told}");
            assert!(told.contains(&format!("write `{instead}`")), "{told}");
            assert_eq!(mistake(instead), None, "{instead}");
        }
        let told = mistake("/topic/{a.b}").unwrap();
        assert!(told.contains("a variable is a whole word"), "{told}");
        for pattern in ["/exchange/**", "/exchange/*/*/a", "/exchange/amq.{which}/a", "/exchange.#"]
        {
            let told = mistake(pattern).unwrap();
            assert!(told.contains("so write a rule for each of them"), "{told}");
        }
        for pattern in ["/topic/a,/topic/b", "/app/a,/app/b"] {
            let told = mistake(pattern).unwrap();
            assert!(told.contains("write a rule for each"), "{told}");
        }
    }
}
