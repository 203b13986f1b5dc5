use std::fmt;
use std::sync::Arc;

use tidings_broker::Misspelling;
use tidings_stomp::Headers;

use super::rule_pattern::{RulePatternError, with_slashes};
use crate::endpoint::{Handshake, PathParams, Principal};

/// Who may do what: the first rule that is about an action and a destination decides. What none is about is denied.
///
/// The actions are CONNECT, SUBSCRIBE and SEND of STOMP's clients, whichever door they come through, and
/// of [event streams](crate::AppBuilder::event_source), which connect and subscribe at once. Whatever the
/// application itself sends is its own affair.
///
/// ```
/// use tidings::App;
/// use tidings::messaging::{Access, Rules, authenticated, permit, role};
///
/// # fn is_in_room(_: &str, _: &str) -> bool { true }
/// let rules = Rules::new()
///     .connect(authenticated())
///     .subscribe("/topic/friends/**", role("USER"))
///     .send("/app/admin/**", role("ADMIN"))
///     .send("/app/rooms/{room}/**", |access: &Access| {
///         let user = access.principal().map(|principal| principal.name());
///         user.zip(access.variable("room")).is_some_and(|(user, room)| is_in_room(user, room))
///     })
///     .subscribe("/topic/news", permit());
/// let app = App::builder().stomp("/stomp").rules(rules).build()?;
/// # let _ = app;
/// # Ok::<(), tidings::BuildError>(())
/// ```
///
/// In a pattern `{name}` and `*` are for any one word, `**` is for any number of words. In names that the broker knows, `.`
/// and `/` both end a word, as in the patterns of subscribers; in those of users only `/` does, and in those of the application
/// too, but that with [`Separator::Dot`](super::Separator::Dot) both do. A rule holds for every spelling of its destinations:
/// `/queue/jobs`, `jobs` and `/amq/queue/jobs` are one, and so is what stands behind several
/// [prefixes of the application](crate::AppBuilder::application_prefixes), with whichever of them the rule is written.
/// An application with a rule for what no client can name is not built.
///
/// A client that subscribes to a pattern, `/topic/**` for example, may do so only if it may subscribe to all that
/// the pattern can match: no rule that denies it anything of that may come before the one that allows it all. A
/// closure is never asked about a pattern, and denies it. `docs/security.md` says what else is asked about.
#[derive(Clone, Default)]
pub struct Rules {
    pub(super) rules: Vec<Rule>,
}

/// What a client does, as rules see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// It opens its session.
    Connect,
    /// It is to get messages.
    Subscribe,
    /// It sends a message.
    Send,
}

/// One rule of several.
#[derive(Clone)]
pub(super) struct Rule {
    /// `None` for each.
    pub(super) action: Option<Action>,
    /// `None` for each.
    pub(super) pattern: Option<String>,
    pub(super) requirement: Requirement,
}

impl Rule {
    /// As the application has written it, but for what it asks for.
    pub(super) fn name(&self) -> String {
        let action = self.action.map_or_else(|| "any".to_owned(), |action| action.to_string());
        format!("{action} {}", self.pattern.as_deref().unwrap_or_default())
    }
}

/// What a rule asks for: [`permit`], [`deny`], [`authenticated`], [`role`], or a closure.
#[derive(Clone)]
pub struct Requirement(pub(super) Asks);

#[derive(Clone)]
pub(super) enum Asks {
    Nothing,
    TheImpossible,
    Principal,
    Role(Box<str>),
    Closure(Arc<Closure>),
}

type Closure = dyn Fn(&Access) -> bool + Send + Sync;

/// Everybody may.
#[must_use]
pub fn permit() -> Requirement {
    Requirement(Asks::Nothing)
}

/// Nobody may.
#[must_use]
pub fn deny() -> Requirement {
    Requirement(Asks::TheImpossible)
}

/// Whoever is known may: to the [authenticator](crate::AppBuilder::authenticator), or to whoever answered the
/// handshake, or by a certificate. Without an authenticator the login that a client names proves nothing.
#[must_use]
pub fn authenticated() -> Requirement {
    Requirement(Asks::Principal)
}

/// Whoever is known and [has the role](Principal::has_role) may.
#[must_use]
pub fn role(role: impl Into<Box<str>>) -> Requirement {
    Requirement(Asks::Role(role.into()))
}

/// It says whether somebody may. It is asked in the session's task, so it should not block. One that panics
/// has said no.
impl<F: Fn(&Access) -> bool + Send + Sync + 'static> From<F> for Requirement {
    fn from(closure: F) -> Self {
        Self(Asks::Closure(Arc::new(closure)))
    }
}

/// Who wants to do what: what the closure of a rule is asked about.
#[derive(Clone)]
#[non_exhaustive]
pub struct Access {
    pub(super) action: Action,
    pub(super) principal: Option<Principal>,
    pub(super) destination: Box<str>,
    pub(super) variables: PathParams,
    pub(super) headers: Headers,
    pub(super) handshake: Handshake,
}

impl Access {
    /// What is to be done.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// Who wants to do it, if that is known: not who a client says it is, where nobody has checked it.
    #[must_use]
    pub fn principal(&self) -> Option<&Principal> {
        self.principal.as_ref()
    }

    /// The destination, under the name that all its spellings share, with the prefix of users or of the application, which
    /// is the first one if that has several; of several destinations, one after the other. Empty for CONNECT.
    #[must_use]
    pub fn destination(&self) -> &str {
        &self.destination
    }

    /// The word that a variable of the rule's pattern stands for, which may be empty.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name)
    }

    /// The headers of the frame. Those of an event stream are empty.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// How the connection came about.
    #[must_use]
    pub fn handshake(&self) -> &Handshake {
        &self.handshake
    }
}

/// Without the headers, which may hold secrets.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("action", &self.action)
            .field("destination", &self.destination)
            .field("variables", &self.variables)
            .finish_non_exhaustive()
    }
}

impl Rules {
    /// No rules yet, which denies everything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Who may open a session. An application whose rules do not say so is not built.
    #[must_use]
    pub fn connect(self, requirement: impl Into<Requirement>) -> Self {
        self.with(Some(Action::Connect), None, requirement)
    }

    /// Who may subscribe to the destinations of a pattern.
    #[must_use]
    pub fn subscribe(self, pattern: &str, requirement: impl Into<Requirement>) -> Self {
        self.with(Some(Action::Subscribe), Some(pattern), requirement)
    }

    /// Who may send to the destinations of a pattern.
    #[must_use]
    pub fn send(self, pattern: &str, requirement: impl Into<Requirement>) -> Self {
        self.with(Some(Action::Send), Some(pattern), requirement)
    }

    /// Who may subscribe and send to the destinations of a pattern.
    #[must_use]
    pub fn any(self, pattern: &str, requirement: impl Into<Requirement>) -> Self {
        self.with(None, Some(pattern), requirement)
    }

    /// Who may do all that no rule before this one is about, CONNECT included.
    #[must_use]
    pub fn rest(self, requirement: impl Into<Requirement>) -> Self {
        self.with(None, None, requirement)
    }

    fn with(
        mut self,
        action: Option<Action>,
        pattern: Option<&str>,
        requirement: impl Into<Requirement>,
    ) -> Self {
        let (pattern, requirement) = (pattern.map(str::to_owned), requirement.into());
        self.rules.push(Rule { action, pattern, requirement });
        self
    }

    /// Whether somebody may connect, as far as they say so.
    pub(super) fn are_about_connect(&self) -> bool {
        self.rules.iter().any(|rule| rule.pattern.is_none())
    }
}

/// Without the closures, which cannot be shown.
impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.rules).finish()
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.name(), self.requirement)
    }
}

impl fmt::Debug for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Asks::Nothing => f.write_str("permit()"),
            Asks::TheImpossible => f.write_str("deny()"),
            Asks::Principal => f.write_str("authenticated()"),
            Asks::Role(role) => write!(f, "role({role:?})"),
            Asks::Closure(_) => f.write_str("a closure"),
        }
    }
}

/// As the frame is called.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "CONNECT",
            Self::Subscribe => "SUBSCRIBE",
            Self::Send => "SEND",
        })
    }
}

/// What is wrong with rules.
#[derive(Debug)]
pub(crate) enum RuleMistake {
    Pattern {
        rule: String,
        pattern: String,
        error: RulePatternError,
    },
    /// It is hardly about what its author means.
    Misspelt {
        rule: String,
        misspelling: Misspelling,
    },
    /// It is about no destination that there can be.
    Unreachable {
        rule: String,
        expected: Arc<str>,
    },
    /// It names several destinations at once.
    Composite {
        rule: String,
    },
    /// It is about exchanges, of which one is what topics are.
    AllExchanges {
        rule: String,
    },
    NobodyConnects,
}

impl fmt::Display for RuleMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern { rule, pattern, error: error @ RulePatternError::Dots } => {
                write!(f, "rule `{rule}`: {error}, so write `{}`", with_slashes(pattern))
            }
            Self::Pattern { rule, error, .. } => write!(f, "rule `{rule}`: {error}"),
            Self::Misspelt { rule, misspelling } => write!(f, "rule `{rule}`: {misspelling}"),
            Self::Unreachable { rule, expected } => write!(
                f,
                "rule `{rule}` is about no destination of any client: {expected}; `**` is for any number of words",
            ),
            Self::Composite { rule } => {
                write!(f, "rule `{rule}` is about several destinations: write a rule for each")
            }
            Self::AllExchanges { rule } => write!(
                f,
                "rule `{rule}` is about several exchanges, and amq.topic, one of them, is all topics, \
                 so write a rule for each of them: /topic/…, /exchange/amq.direct/…, /exchange/amq.fanout",
            ),
            Self::NobodyConnects => f.write_str(
                "rules that let nobody connect: say who may with Rules::connect or Rules::rest",
            ),
        }
    }
}
