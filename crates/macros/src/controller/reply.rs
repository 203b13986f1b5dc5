//! Where replies go.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, Ident, LitStr, Meta, Token};

use super::handler::HandlerKind;
use crate::argument::take_attribute;
use crate::diagnostics::Mistakes;
use crate::template;

/// Where the reply of a method goes.
#[derive(Clone)]
pub(super) enum Reply {
    /// To the broker's destination of the same name, to the subscriber alone, or to the session's queue of errors.
    ByDefault,
    /// Nowhere: `reply = none`.
    Nowhere,
    To(SendTo),
}

/// The destinations of `#[send_to]` and `#[send_to_user]`.
#[derive(Clone)]
pub(super) struct SendTo(Vec<Target>);

/// A destination, with the names of its variables.
#[derive(Clone)]
pub(super) struct Target {
    /// That of a user may be that of the message, behind `/queue`.
    destination: Option<LitStr>,
    variables: Vec<String>,
    receivers: Receivers,
}

#[derive(Clone, Copy)]
enum Receivers {
    All,
    /// All sessions of the user.
    User,
    /// The session that sent the message.
    Session,
}

impl SendTo {
    /// Takes both attributes off a list. `None` if there is neither.
    pub(super) fn take(attributes: &mut Vec<Attribute>, mistakes: &mut Mistakes) -> Option<Self> {
        let to_all = take_attribute(attributes, "send_to");
        let to_user = take_attribute(attributes, "send_to_user");
        if to_all.is_none() && to_user.is_none() {
            return None;
        }
        let mut targets = Vec::new();
        if let Some(attribute) = to_all {
            let list = attribute.parse_args_with(Punctuated::<LitStr, Token![,]>::parse_terminated);
            let list = mistakes.ok(list);
            if list.as_ref().is_some_and(Punctuated::is_empty) {
                mistakes.add(&attribute, "expected destinations: #[send_to(\"/topic/greetings\")]");
            }
            let list = list.into_iter().flatten();
            targets.extend(list.map(|it| Target::new(it, Receivers::All, mistakes)));
        }
        if let Some(attribute) = to_user {
            let arguments = match &attribute.meta {
                Meta::Path(_) => Some(UserArguments::default()),
                _ => mistakes.ok(attribute.parse_args::<UserArguments>()),
            };
            targets.extend(arguments.into_iter().flat_map(|it| it.targets(mistakes)));
        }
        Some(Self(targets))
    }

    /// The variables of each destination.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&LitStr, &String)> {
        self.0.iter().flat_map(|target| {
            let destination = target.destination.iter();
            destination
                .flat_map(|destination| target.variables.iter().map(move |it| (destination, it)))
        })
    }
}

impl Target {
    fn new(destination: LitStr, receivers: Receivers, mistakes: &mut Mistakes) -> Self {
        let variables = mistakes.ok(template::placeholders(&destination)).unwrap_or_default();
        Self { destination: Some(destination), variables, receivers }
    }

    fn describe(&self) -> TokenStream {
        match (self.receivers, &self.destination) {
            (Receivers::All, destination) => {
                quote!(::tidings::__private::ReplyTo::Destination(#destination))
            }
            (Receivers::User | Receivers::Session, Some(destination)) => {
                quote!(::tidings::__private::ReplyTo::User(::std::option::Option::Some(#destination)))
            }
            (Receivers::User | Receivers::Session, None) => {
                quote!(::tidings::__private::ReplyTo::User(::std::option::Option::None))
            }
        }
    }

    fn generate(&self) -> TokenStream {
        let message = quote!(call.message());
        let destination = match &self.destination {
            Some(destination) => quote!(::tidings::__private::expand(#destination, #message)),
            None => quote!(::tidings::__private::default_user_destination(#message)),
        };
        match self.receivers {
            Receivers::All => quote!(::tidings::messaging::Target::to(#destination)),
            Receivers::User => {
                quote!(::tidings::messaging::Target::to_user(#message, #destination))
            }
            Receivers::Session => {
                quote!(::tidings::messaging::Target::to_session(#message, #destination))
            }
        }
    }
}

/// What stands in the parentheses of `#[send_to_user]`.
#[derive(Default)]
struct UserArguments {
    destinations: Vec<LitStr>,
    session_only: Option<Ident>,
}

impl UserArguments {
    fn targets(self, mistakes: &mut Mistakes) -> Vec<Target> {
        let receivers = match self.session_only {
            Some(_) => Receivers::Session,
            None => Receivers::User,
        };
        if self.destinations.is_empty() {
            return vec![Target { destination: None, variables: Vec::new(), receivers }];
        }
        let target = |destination| Target::new(destination, receivers, mistakes);
        self.destinations.into_iter().map(target).collect()
    }
}

impl Parse for UserArguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut arguments = Self::default();
        while !input.is_empty() {
            if input.peek(LitStr) {
                arguments.destinations.push(input.parse()?);
            } else {
                let option: Ident = input.parse()?;
                if option != "session_only" {
                    let rule = "expected a destination, or `session_only`";
                    return Err(syn::Error::new(option.span(), rule));
                }
                arguments.session_only = Some(option);
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(arguments)
    }
}

impl Reply {
    /// An array of `ReplyTo`s, for the documentation and the checks of an application.
    pub(super) fn describe(&self, kind: HandlerKind) -> TokenStream {
        let by_default = match kind {
            HandlerKind::Subscribe => Some(quote!(::tidings::__private::ReplyTo::Subscription)),
            HandlerKind::Message => Some(quote!(::tidings::__private::ReplyTo::DefaultTopic)),
            HandlerKind::Exception => None,
        };
        match self {
            Self::ByDefault => quote!(&[#by_default]),
            Self::Nowhere => quote!(&[]),
            Self::To(SendTo(targets)) => {
                let targets = targets.iter().map(Target::describe);
                quote!(&[#(#targets),*])
            }
        }
    }

    /// An array of `Target`s.
    pub(super) fn generate(&self, kind: HandlerKind) -> TokenStream {
        let default = || match kind {
            HandlerKind::Subscribe => quote!(::tidings::messaging::Target::subscription()),
            HandlerKind::Message => {
                quote!(::tidings::__private::default_target(call.message()))
            }
            HandlerKind::Exception => {
                quote!(::tidings::__private::default_error_target(call.message()))
            }
        };
        match self {
            Self::ByDefault => {
                let default = default();
                quote!([#default])
            }
            Self::Nowhere => quote!([]),
            Self::To(SendTo(targets)) => {
                let targets = targets.iter().map(Target::generate);
                quote!([#(#targets),*])
            }
        }
    }
}
