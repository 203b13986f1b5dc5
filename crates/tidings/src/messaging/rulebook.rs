use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tidings_broker::{BrokerOptions, Claim, DurableName, Extent, Intent, Kind, Owner};
use tidings_stomp::{Headers, Subscribe};

use super::ApplicationNames;
use super::rule_names::Names;
use super::rule_pattern::{Relation, RulePattern, Separators, Words};
use super::rules::{Access, Action, Asks, Requirement, Rule, RuleMistake, Rules};
use crate::endpoint::{Handshake, Principal};
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
        let access = || subject.access(Action::Connect, "", &[]);
        if rule.requirement.is_met(subject, access) { Ok(()) } else { Err(refusal()) }
    }

    pub(crate) fn check_send(
        &self,
        hub: &Hub,
        subject: &Subject<'_>,
        destination: &str,
    ) -> Result<(), Refusal> {
        let headers = subject.headers;
        if !self.is_of_application(destination) {
            return self.check(&hub.broker().claims_of_send(destination, headers), subject);
        }
        // Its destination is one name, whatever is in it. Replies go by the broker.
        self.check_claim(&Claim::one(Intent::Send, destination), subject)?;
        self.check(&hub.broker().claims_of_replies(headers), subject)
    }

    pub(crate) fn check_subscribe(
        &self,
        hub: &Hub,
        subject: &Subject<'_>,
        subscribe: &Subscribe,
        owner: &Owner,
    ) -> Result<(), Refusal> {
        let Subscribe { id, destination, headers, .. } = subscribe;
        if self.is_of_application(destination) {
            return self.check_claim(&Claim::one(Intent::Subscribe, &**destination), subject);
        }
        // What is wrong with the headers is told by whoever does what they ask for.
        let durable = DurableName::from_headers(headers, id.as_str(), Some(destination), owner);
        let durable = durable.unwrap_or_default();
        let claims = hub.broker().claims_of_subscribe(destination, headers, durable.as_ref());
        self.check(&claims, subject)
    }

    /// A subscription without any headers.
    pub(crate) fn check_stream(
        &self,
        hub: &Hub,
        subject: &Subject<'_>,
        destination: &str,
    ) -> Result<(), Refusal> {
        self.check(&hub.broker().claims_of_subscribe(destination, subject.headers, None), subject)
    }

    /// Whoever ends a durable subscription must be somebody who may have it.
    pub(crate) fn check_durable(
        &self,
        hub: &Hub,
        subject: &Subject<'_>,
        durable: &DurableName,
    ) -> Result<(), Refusal> {
        let claim = hub.broker().claim_of_durable(durable);
        claim.map_or(Ok(()), |claim| self.check_claim(&claim, subject))
    }

    fn check(&self, claims: &[Claim], subject: &Subject<'_>) -> Result<(), Refusal> {
        claims.iter().try_for_each(|claim| self.check_claim(claim, subject))
    }

    /// A destination that the broker does not know is somebody else's, who may decode it or not: both must be allowed.
    fn check_claim(&self, claim: &Claim, subject: &Subject<'_>) -> Result<(), Refusal> {
        let action = match claim.intent {
            Intent::Send => Action::Send,
            Intent::Subscribe => Action::Subscribe,
        };
        let name = &*claim.destination;
        let refusal = || Refusal { action, destination: name.into() };
        if let Some(kind) = claim.kind {
            let separators = Separators::of(kind);
            let decided = self.decide(action, name, claim.extent, separators, subject);
            let rule = decided.ok_or_else(refusal)?;
            return match name.strip_prefix(PRESENCE) {
                Some(topic) if kind == Kind::Presence && !rule.is_about_presence() => {
                    let mut of_topic = claim.clone();
                    (of_topic.destination, of_topic.kind) = (topic.into(), Some(Kind::Topic));
                    self.check_claim(&of_topic, subject)
                }
                _ => Ok(()),
            };
        }
        let decoded = claim.decoded();
        let mut spellings = vec![name];
        if decoded != name && !self.is_of_application(name) {
            spellings.push(&decoded);
        }
        let separators = match self.is_of_application(name) {
            true => self.application.separators(),
            false => Separators::Slashes,
        };
        let is_allowed =
            |name: &&str| self.decide(action, name, claim.extent, separators, subject).is_some();
        spellings.iter().all(is_allowed).then_some(()).ok_or_else(refusal)
    }

    /// The first rule that is about a destination, or about every destination of a pattern, if it lets that be used.
    fn decide(
        &self,
        action: Action,
        name: &str,
        extent: Extent,
        separators: Separators,
        subject: &Subject<'_>,
    ) -> Option<&Ready> {
        let words = match extent {
            Extent::One => Words::of_name(name, separators),
            Extent::Matching => Words::of_pattern(name, separators),
        };
        for rule in &self.rules {
            if rule.action.is_some_and(|about| about != action) {
                continue;
            }
            let relation = match &rule.pattern {
                Some(pattern) => pattern.relation(&words, separators),
                None => Relation::All(Vec::new()),
            };
            let requirement = &rule.requirement;
            match (relation, extent) {
                (Relation::None, _) => {}
                (Relation::All(variables), Extent::One) => {
                    let access = || subject.access(action, name, &variables);
                    return requirement.is_met(subject, access).then_some(rule);
                }
                (Relation::All(_), Extent::Matching) => {
                    return requirement.is_met_always(subject).then_some(rule);
                }
                // What it denies may be what nobody else has allowed before.
                (Relation::Some, _) if !requirement.is_met_always(subject) => return None,
                (Relation::Some, _) => {}
            }
        }
        None
    }

    fn is_of_application(&self, destination: &str) -> bool {
        self.application.strip_prefix(destination).is_some()
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

    fn access(&self, action: Action, destination: &str, variables: &[(Box<str>, &str)]) -> Access {
        Access {
            action,
            principal: self.known().cloned(),
            destination: destination.into(),
            variables: variables.iter().map(|(name, value)| (name.clone(), *value)).collect(),
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
