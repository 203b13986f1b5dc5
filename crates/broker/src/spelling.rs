//! Patterns that are legal, and match nothing that their authors mean.

use std::fmt;

use crate::address::Addresses;
use crate::options::BrokerOptions;
use crate::pattern::{is_wildcard, words_of};

/// Why a pattern is hardly what its author means, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misspelling {
    /// It begins or ends with a blank.
    Blank {
        /// The pattern without it.
        instead: String,
    },
    /// A wildcard stands beside other characters in a word, and is none there.
    PartOfWord {
        /// The word.
        word: String,
        /// The pattern with the wildcard as a word of its own, behind this one if it ends so, and in its place.
        instead: Vec<String>,
    },
    /// It ends with a slash, behind which a name would have a last, empty word.
    FinalSlash {
        /// The pattern without it.
        instead: String,
    },
    /// Its first slash is missing, so that it is a plain name: a queue.
    NoFirstSlash {
        /// The pattern with it.
        instead: String,
    },
}

impl BrokerOptions {
    /// What is wrong with a pattern that is legal under these prefixes, but would match nothing that its author means.
    #[must_use]
    pub fn misspelling(&self, pattern: &str) -> Option<Misspelling> {
        let trimmed = pattern.trim();
        if trimmed != pattern {
            return Some(Misspelling::Blank { instead: trimmed.to_owned() });
        }
        if let Some(part) = words_of(pattern).find(|word| has_star_inside(word)) {
            return Some(part_of_word(pattern, part));
        }
        if let Some(instead) = pattern.strip_suffix('/').filter(|rest| !rest.is_empty()) {
            return Some(Misspelling::FinalSlash { instead: instead.to_owned() });
        }
        let instead = format!("/{pattern}");
        let addresses = Addresses::new(self);
        let is_named = addresses.prefixes().any(|prefix| pattern.starts_with(prefix));
        let is_forgotten = !is_named && self.begins_with_prefix(&addresses, &instead);
        is_forgotten.then_some(Misspelling::NoFirstSlash { instead })
    }

    /// The patterns of policies that are [misspelt](Self::misspelling): the policies would be for nothing.
    pub fn misspelt_policies(&self) -> impl Iterator<Item = (&str, Misspelling)> {
        let patterns = self.policies.with_patterns().map(|(pattern, _)| pattern.as_str());
        patterns.filter_map(|pattern| Some((pattern, self.misspelling(pattern)?)))
    }

    /// Whether a name begins with a known prefix of whole words.
    fn begins_with_prefix(&self, addresses: &Addresses, name: &str) -> bool {
        let others = self.other_prefixes.iter().map(String::as_str);
        let mut known = addresses.all_prefixes().chain(others);
        known.any(|prefix| prefix.len() > 1 && prefix.ends_with('/') && name.starts_with(prefix))
    }
}

/// Whether a word has a wildcard that Spring's patterns know there. Variables are looked at by whoever knows them.
fn has_star_inside(word: &str) -> bool {
    word.contains('*') && !is_wildcard(word) && !word.contains(['{', '}'])
}

fn part_of_word(pattern: &str, word: &str) -> Misspelling {
    let wildcard = if word.contains("**") { "**" } else { "*" };
    let stem = word.trim_end_matches('*');
    let is_stem = !stem.is_empty() && stem != word && !stem.contains('*');
    let beneath = is_stem.then(|| pattern.replacen(word, &format!("{stem}/{wildcard}"), 1));
    let in_its_place = pattern.replacen(word, wildcard, 1);
    let instead = beneath.into_iter().chain([in_its_place]).collect();
    Misspelling::PartOfWord { word: word.to_owned(), instead }
}

impl fmt::Display for Misspelling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank { instead } => {
                write!(f, "it begins with a blank, or ends with one: write `{instead}`")
            }
            Self::PartOfWord { word, instead } => write!(
                f,
                "a wildcard stands for a whole word, not for a part of one as in `{word}`: write `{}`",
                instead.join("` or `")
            ),
            Self::FinalSlash { instead } => write!(
                f,
                "it ends with a slash: write `{instead}`, or `{instead}/**` for all that is beneath it"
            ),
            Self::NoFirstSlash { instead } => {
                write!(
                    f,
                    "without a slash at its start it is the name of a queue: write `{instead}`"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(options: &BrokerOptions, pattern: &str) -> Option<String> {
        options.misspelling(pattern).map(|it| it.to_string())
    }

    #[test]
    fn a_misspelt_pattern_is_told_with_what_to_write() {
        let options =
            BrokerOptions { other_prefixes: vec!["/app/".to_owned()], ..Default::default() };
        for (pattern, expected) in [
            ("/topic/secret**", "as in `secret**`: write `/topic/secret/**` or `/topic/**`"),
            ("/topic/secret*", "write `/topic/secret/*` or `/topic/*`"),
            ("/topic/*.a*b/c", "as in `a*b`: write `/topic/*.*/c`"),
            ("/topic/***", "write `/topic/**`"),
            (" /topic/secret", "begins with a blank, or ends with one: write `/topic/secret`"),
            ("/topic/secret ", "write `/topic/secret`"),
            ("/topic/secret/", "ends with a slash: write `/topic/secret`, or `/topic/secret/**`"),
            ("topic/secret", "the name of a queue: write `/topic/secret`"),
            ("queue/{name}", "write `/queue/{name}`"),
            ("app/**", "write `/app/**`"),
            ("user/bob/queue/a", "write `/user/bob/queue/a`"),
            ("exchange/amq.topic/a", "write `/exchange/amq.topic/a`"),
            ("amq/queue/a", "write `/amq/queue/a`"),
            ("presence/topic/a", "write `/presence/topic/a`"),
        ] {
            let told = told(&options, pattern).unwrap_or_else(|| panic!("{pattern} passes"));
            assert!(told.contains(expected), "{told}");
        }
    }

    #[test]
    fn what_may_be_meant_is_none() {
        let options = BrokerOptions::default();
        for pattern in [
            "**",
            "/**",
            "/",
            "jobs",
            "jobs/a",
            "jobs.*",
            "topic.a",
            "topics/a",
            "*/topic/a",
            "/topic/a b",
            "/topic/#",
            "/topic/c#",
            "/topic/a.>",
            "/topic/{a}*",
            "app/a",
        ] {
            assert_eq!(told(&options, pattern), None, "{pattern}");
        }
    }

    #[test]
    fn prefixes_need_no_slash() {
        let prefixes = |topics: &str| BrokerOptions {
            topic_prefixes: vec![topics.to_owned()],
            user_prefix: "people/".to_owned(),
            ..Default::default()
        };
        assert_eq!(told(&prefixes("/topic/"), "people/bob/a"), None);
        assert_eq!(told(&prefixes("topic/"), "topic/a"), None);
        assert_eq!(told(&prefixes("/"), "jobs/a"), None);
        assert_eq!(told(&prefixes(""), "queue/a"), None);
        assert_eq!(told(&prefixes("/q"), "quotes"), None);
    }
}
