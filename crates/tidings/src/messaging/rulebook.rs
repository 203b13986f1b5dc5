use std::borrow::Cow;
use std::fmt;
use std::iter::once;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tidings_broker::{BrokerOptions, Claim, DurableName, Extent, Intent, Kind};
use tidings_stomp::{Headers, Subscribe};

use super::ApplicationNames;
use super::rule_names::Names;
use super::rule_pattern::{Name, Relation, RulePattern, Separators, Words};
use super::rules::{Access, Action, Asks, Requirement, Rule, RuleMistake, Rules};
use crate::endpoint::{Handshake, PathParams, Principal};
use crate::hub::Hub;

/// What the destinations begin with at which presence is told, before the name of their topic.
const PRESENCE: &str = "/presence";

/// The rules of an application, ready to be asked.
pub(crate) struct Rulebook {
    rules: Box<[Ready]>,
    application: ApplicationNames,
}

struct Ready {
    action: Option<Action>,
    pattern: Option<RulePattern>,
    requirement: Requirement,
}

/// Who wants something.
pub(crate) struct Subject<'a> {
    pub(crate) principal: Option<&'a Principal>,
    pub(crate) handshake: &'a Handshake,
    /// Those of the frame.
    pub(crate) headers: &'a Headers,
}

/// What a client may not do. Which rule says so is nobody's business but the application's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    action: Action,
    /// Empty for CONNECT.
    destination: Box<str>,
}

impl Rulebook {
    /// The rules for destinations as a broker with these options knows them.
    ///
    /// # Errors
    ///
    /// What is wrong with the rules. One that matches nothing would let happen what it is to deny.
    pub(crate) fn new(
        rules: Rules,
        options: &BrokerOptions,
        application: ApplicationNames,
    ) -> Result<Arc<Self>, Vec<RuleMistake>> {
        let mut mistakes = Vec::new();
        let nobody_connects = !rules.are_about_connect();
        let names = Names::new(options, &application);
        let mut ready = Vec::with_capacity(rules.rules.len());
        for rule in rules.rules {
            match names.pattern(&rule) {
                Ok(pattern) => {
                    let Rule { action, requirement, .. } = rule;
                    ready.push(Ready { action, pattern, requirement });
                }
                Err(mistake) => mistakes.push(mistake),
            }
        }
        mistakes.extend(nobody_connects.then_some(RuleMistake::NobodyConnects));
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Arc::new(Self { rules: ready.into(), application }))
    }

    pub(crate) fn check_connect(&self, subject: &Subject<'_>) -> Result<(), Refusal> {
        let decided = self.rules.iter().find(|rule| {
            rule.pattern.is_none() && rule.action.is_none_or(|action| action == Action::Connect)
        });
        let refusal = || Refusal { action: Action::Connect, destination: Box::default() };
        let rule = decided.ok_or_else(refusal)?;
        let access = || subject.access(Action::Connect, "", PathParams::default());
        if rule.requirement.is_met(subject, access) { Ok(()) } else { Err(refusal()) }
    }

    /// Asks about all that a SEND does. A usual one costs no allocation.
    pub(crate) fn check_send(
        &self,
        hub: &Hub,
        subject: &Subject<'_>,
        destination: &str,
    ) -> Result<(), Refusal> {
        let headers = subject.headers;
        if let Some(asked) = self.of_application(destination) {
            // Its destination is one name, whatever is in it. Replies go by the broker.
            self.check_name(Action::Send, asked, subject)?;
            return self.check(&hub.broker().claims_of_replies(headers), subject);
        }
        if let Some(kind) = hub.broker().sole_claim_of_send(destination, headers) {
            let asked = Asked::of_kind(destination, kind);
            return self.check_name(Action::Send, asked, subject);
        }
        self.check(&hub.broker().claims_of_send(destination, headers), subject)
    }

    /// What a SUBSCRIBE is about, but for a durable subscription that [it takes over](Self::check_durable).
    pub(crate) fn claims_of_subscribe(&self, hub: &Hub, subscribe: &Subscribe) -> Vec<Claim> {
        let Subscribe { destination, headers, .. } = subscribe;
        if self.of_application(destination).is_some() {
            return vec![Claim::one(Intent::Subscribe, &**destination)];
        }
        hub.broker().claims_of_subscribe(destination, headers)
    }

    /// A subscription without any headers.
    pub(crate) fn check_stream(
        &self,
        hub: &Hub,
        subject: &Subject<'_>,
        destination: &str,
    ) -> Result<(), Refusal> {
        self.check(&hub.broker().claims_of_subscribe(destination, subject.headers), subject)
    }

    /// Whoever ends a durable subscription, or takes it over, must be somebody who may have it.
    pub(crate) fn check_durable(
        &self,
        hub: &Hub,
        subject: &Subject<'_>,
        durable: &DurableName,
    ) -> Result<(), Refusal> {
        let claim = hub.broker().claim_of_durable(durable);
        claim.map_or(Ok(()), |claim| self.check_claim(&claim, subject))
    }

    pub(crate) fn check(&self, claims: &[Claim], subject: &Subject<'_>) -> Result<(), Refusal> {
        claims.iter().try_for_each(|claim| self.check_claim(claim, subject))
    }

    /// Whether any of them may look at the headers of a frame.
    pub(crate) fn look_at_headers(&self) -> bool {
        self.rules.iter().any(|rule| matches!(rule.requirement.0, Asks::Closure(_)))
    }

    /// A destination that the broker does not know is somebody else's, who may decode it or not: both must be allowed.
    fn check_claim(&self, claim: &Claim, subject: &Subject<'_>) -> Result<(), Refusal> {
        let action = action_of(claim);
        let refusal = || Refusal { action, destination: claim.destination.clone() };
        let decide = |asked: Asked<'_>| match claim.extent {
            Extent::One => self.decide(action, asked, subject),
            Extent::Matching => self.decide_on_pattern(action, asked, subject),
        };
        let asked = self.asked(claim);
        let rule = decide(asked).ok_or_else(refusal)?;
        let topic = claim.destination.strip_prefix(PRESENCE);
        if let (Some(Kind::Presence), Some(topic)) = (claim.kind, topic)
            && !rule.is_about_presence()
        {
            let mut of_topic = claim.clone();
            (of_topic.destination, of_topic.kind) = (topic.into(), Some(Kind::Topic));
            return self.check_claim(&of_topic, subject);
        }
        let decoded = claim.decoded();
        let is_one = claim.kind.is_some() || asked.rest.is_some() || *decoded == *asked.name;
        if is_one || decide(Asked { name: &decoded, ..asked }).is_some() {
            return Ok(());
        }
        Err(refusal())
    }

    fn check_name(
        &self,
        action: Action,
        asked: Asked<'_>,
        subject: &Subject<'_>,
    ) -> Result<(), Refusal> {
        let refusal = || Refusal { action, destination: asked.name.into() };
        self.decide(action, asked, subject).map(drop).ok_or_else(refusal)
    }

    /// The first rule that is about a destination, if it lets that be used.
    fn decide(&self, action: Action, asked: Asked<'_>, subject: &Subject<'_>) -> Option<&Ready> {
        let rule = self.about(action).find(|rule| self.names(rule, asked))?;
        let access = || {
            let variables = self.variables(rule, asked);
            subject.access(action, &self.common_spelling(asked), variables)
        };
        rule.requirement.is_met(subject, access).then_some(rule)
    }

    /// The first rule that is about every destination of a pattern, if it lets these be used, and no rule before it
    /// denies some of them.
    fn decide_on_pattern(
        &self,
        action: Action,
        asked: Asked<'_>,
        subject: &Subject<'_>,
    ) -> Option<&Ready> {
        let words = Words::of_pattern(asked.name, asked.separators);
        for rule in self.about(action) {
            let relation = match &rule.pattern {
                Some(pattern) => pattern.relation(&words, asked.separators),
                None => Relation::All,
            };
            let is_met = || rule.requirement.is_met_always(subject);
            match relation {
                Relation::None => {}
                Relation::All => return is_met().then_some(rule),
                // What it denies may be what nobody else has allowed before.
                Relation::Some if !is_met() => return None,
                Relation::Some => {}
            }
        }
        None
    }

    fn about(&self, action: Action) -> impl Iterator<Item = &Ready> {
        self.rules.iter().filter(move |rule| rule.action.is_none_or(|about| about == action))
    }

    /// Whether a rule is about a destination, whichever of the application's prefixes either of them is written with.
    fn names(&self, rule: &Ready, asked: Asked<'_>) -> bool {
        let Some(pattern) = &rule.pattern else { return true };
        self.spellings(asked).any(|name| pattern.matches(name, |_, _| {}))
    }

    /// The values of a rule's variables in a destination that it is about.
    fn variables<'a>(&'a self, rule: &Ready, asked: Asked<'a>) -> PathParams {
        let Some(pattern) = &rule.pattern else { return PathParams::default() };
        let mut spellings = self.spellings(asked).filter(|it| pattern.matches(*it, |_, _| {}));
        let mut variables = Vec::new();
        if let Some(name) = spellings.next() {
            pattern.matches(name, |variable, value| variables.push((variable.clone(), value)));
        }
        variables.into_iter().collect()
    }

    /// A name as it was written, and with each other prefix of the application.
    fn spellings<'a>(&'a self, asked: Asked<'a>) -> impl Iterator<Item = Name<'a>> {
        let Asked { name, rest, separators } = asked;
        let others = rest.into_iter().flat_map(move |rest| {
            let own = &name[..name.len() - rest.len()];
            let others = self.application.prefixes().filter(move |prefix| *prefix != own);
            others.map(move |prefix| Name::behind(prefix, rest, separators))
        });
        once(Name::new(name, separators)).chain(others)
    }

    /// A name of the application with the first of its prefixes, so that whoever compares names need not know the others.
    fn common_spelling<'a>(&self, asked: Asked<'a>) -> Cow<'a, str> {
        match (asked.rest, self.application.prefixes().next()) {
            (Some(rest), Some(first)) => Cow::Owned(format!("{first}{rest}")),
            _ => Cow::Borrowed(asked.name),
        }
    }

    fn asked<'a>(&self, claim: &'a Claim) -> Asked<'a> {
        let name = &*claim.destination;
        let asked = || Asked { name, rest: None, separators: Separators::Slashes };
        match claim.kind {
            Some(kind) => Asked::of_kind(name, kind),
            None => self.of_application(name).unwrap_or_else(asked),
        }
    }

    /// What is asked about a destination of the application, if it is one.
    fn of_application<'a>(&self, destination: &'a str) -> Option<Asked<'a>> {
        let rest = self.application.strip_prefix(destination)?;
        let separators = self.application.separators();
        Some(Asked { name: destination, rest: Some(rest), separators })
    }
}

/// A destination, or a pattern of them, that rules are asked about.
#[derive(Clone, Copy)]
struct Asked<'a> {
    name: &'a str,
    /// What of it is behind a prefix of the application, if it is one of its destinations.
    rest: Option<&'a str>,
    separators: Separators,
}

impl<'a> Asked<'a> {
    fn of_kind(name: &'a str, kind: Kind) -> Self {
        Self { name, rest: None, separators: Separators::of(kind) }
    }
}

fn action_of(claim: &Claim) -> Action {
    match claim.intent {
        Intent::Send => Action::Send,
        Intent::Subscribe => Action::Subscribe,
    }
}

impl Ready {
    /// Whether it speaks of presence itself, and not of all that there is.
    fn is_about_presence(&self) -> bool {
        self.pattern.as_ref().is_some_and(|pattern| pattern.begins_with(&["", "presence"]))
    }
}

impl Subject<'_> {
    /// Who it is, unless only it says so itself, or its login is over.
    fn known(&self) -> Option<&Principal> {
        self.principal.filter(|principal| principal.is_verified() && !principal.has_expired())
    }

    fn access(&self, action: Action, destination: &str, variables: PathParams) -> Access {
        Access {
            action,
            principal: self.known().cloned(),
            destination: destination.into(),
            variables,
            headers: self.headers.clone(),
            handshake: self.handshake.clone(),
        }
    }
}

impl Requirement {
    fn is_met(&self, subject: &Subject<'_>, access: impl FnOnce() -> Access) -> bool {
        match &self.0 {
            Asks::Closure(closure) => {
                let asked = catch_unwind(AssertUnwindSafe(|| closure(&access())));
                asked.unwrap_or_else(|_| {
                    tracing::error!("the closure of a rule panicked, which denies");
                    false
                })
            }
            _ => self.is_met_always(subject),
        }
    }

    /// Whether it is met whatever the destination is.
    fn is_met_always(&self, subject: &Subject<'_>) -> bool {
        match &self.0 {
            Asks::Nothing => true,
            Asks::TheImpossible | Asks::Closure(_) => false,
            Asks::Principal => subject.known().is_some(),
            Asks::Role(role) => subject.known().is_some_and(|known| known.has_role(role)),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, destination } = self;
        match &**destination {
            "" => write!(f, "{action} is not allowed to you"),
            destination => write!(f, "{action} to {destination} is not allowed to you"),
        }
    }
}

impl From<Refusal> for tidings_stomp::Error {
    fn from(refusal: Refusal) -> Self {
        Self::new("access denied", format!("{refusal}."))
    }
}
