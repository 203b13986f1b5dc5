use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::{Attribute, ImplItem, ImplItemFn, ItemImpl, LitStr, Token};

use crate::argument::{Argument, Kind, Method, binding, take_attribute};
use crate::diagnostics::Mistakes;
use crate::template::{self, Syntax};

/// A method with a mapping.
struct Mapping {
    method: Method,
    kind: MappingKind,
    /// The controller's prefix and the method's own pattern.
    pattern: String,
    variables: Vec<String>,
    send_to: Vec<LitStr>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum MappingKind {
    Message,
    Subscribe,
}

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut block: ItemImpl = match syn::parse2(item.clone()) {
        Ok(block) => block,
        Err(error) => {
            let message = "#[controller] belongs on an `impl` block";
            let error = syn::Error::new(error.span(), message).into_compile_error();
            return quote!(#item #error);
        }
    };
    let mut mistakes = Mistakes::default();
    let prefix = read_prefix(arguments, &mut mistakes);
    let mappings = read_mappings(&mut block, &prefix, &mut mistakes);
    let generated = generate(&block, &mappings);
    mistakes.finish(quote!(#block #generated), quote!(#block))
}

fn read_prefix(arguments: TokenStream, mistakes: &mut Mistakes) -> String {
    if arguments.is_empty() {
        return String::new();
    }
    let prefix = mistakes.ok(syn::parse2::<LitStr>(arguments));
    let Some(prefix) = prefix else { return String::new() };
    mistakes.ok(template::variables(&prefix, Syntax::Path));
    prefix.value()
}

fn read_mappings(block: &mut ItemImpl, prefix: &str, mistakes: &mut Mistakes) -> Vec<Mapping> {
    let mut mappings: Vec<Mapping> = Vec::new();
    for item in &mut block.items {
        let ImplItem::Fn(item) = item else { continue };
        let Some((kind, attribute)) = take_mapping(item) else { continue };
        if let Some(mapping) = read_mapping(item, kind, &attribute, prefix, mistakes) {
            let same = |known: &&Mapping| {
                known.kind == kind
                    && template::shape(&known.pattern) == template::shape(&mapping.pattern)
            };
            if let Some(known) = mappings.iter().find(same) {
                let message = format!("`{}` is mapped to the same destination", known.method.name);
                mistakes.add(&attribute, message);
            }
            mappings.push(mapping);
        }
    }
    mappings
}

fn take_mapping(item: &mut ImplItemFn) -> Option<(MappingKind, Attribute)> {
    let message = take_attribute(&mut item.attrs, "message_mapping");
    let message = message.map(|attribute| (MappingKind::Message, attribute));
    message.or_else(|| {
        let subscribe = take_attribute(&mut item.attrs, "subscribe_mapping")?;
        Some((MappingKind::Subscribe, subscribe))
    })
}

fn read_mapping(
    item: &mut ImplItemFn,
    kind: MappingKind,
    attribute: &Attribute,
    prefix: &str,
    mistakes: &mut Mistakes,
) -> Option<Mapping> {
    let send_to = read_send_to(item, kind, mistakes);
    let method = Method::read(item, "destination_variable", mistakes);
    let own = mistakes.ok(attribute.parse_args::<LitStr>())?;
    let pattern = LitStr::new(&format!("{prefix}{}", own.value()), own.span());
    let variables = mistakes.ok(template::variables(&pattern, Syntax::Mapping))?;
    let mapping = Mapping { method, kind, pattern: pattern.value(), variables, send_to };
    check(&mapping, item, mistakes);
    Some(mapping)
}

fn read_send_to(item: &mut ImplItemFn, kind: MappingKind, mistakes: &mut Mistakes) -> Vec<LitStr> {
    let Some(attribute) = take_attribute(&mut item.attrs, "send_to") else { return Vec::new() };
    if kind == MappingKind::Subscribe {
        let message = "a #[subscribe_mapping] answers the subscriber alone; #[send_to] is for \
                       #[message_mapping]";
        mistakes.add(&attribute, message);
    }
    let list = attribute.parse_args_with(Punctuated::<LitStr, Token![,]>::parse_terminated);
    let list: Vec<LitStr> = mistakes.ok(list).into_iter().flatten().collect();
    for destination in &list {
        if !destination.value().starts_with('/') {
            mistakes.add(destination, "a destination begins with `/`: \"/topic/greetings\"");
        }
    }
    if list.is_empty() {
        mistakes.add(&attribute, "expected destinations: #[send_to(\"/topic/greetings\")]");
    }
    list
}

fn check(mapping: &Mapping, item: &ImplItemFn, mistakes: &mut Mistakes) {
    let Mapping { method, pattern, variables, send_to, .. } = mapping;
    if item.sig.receiver().is_some_and(|receiver| {
        let receiver = receiver.to_token_stream().to_string();
        method.has_receiver && receiver != "& self"
    }) {
        let message = "a message handler takes `&self`: all sessions share the controller";
        mistakes.add(&item.sig.inputs, message);
    }
    for argument in &method.arguments {
        if let Kind::Variable(name) = &argument.kind
            && !variables.iter().any(|known| name == known)
        {
            mistakes.add(name, format!("the mapping `{pattern}` has no variable `{{{name}}}`"));
        }
    }
    for destination in send_to {
        for name in template::placeholders(&destination.value()) {
            if !variables.contains(&name) {
                let message = format!("the mapping `{pattern}` has no variable `{{{name}}}`");
                mistakes.add(destination, message);
            }
        }
    }
}

fn generate(block: &ItemImpl, mappings: &[Mapping]) -> TokenStream {
    let ty = &block.self_ty;
    let (impl_generics, _, where_clause) = block.generics.split_for_impl();
    let table = mappings.iter().map(|mapping| {
        let pattern = &mapping.pattern;
        match mapping.kind {
            MappingKind::Message => quote!(::tidings::messaging::Mapping::message(#pattern)),
            MappingKind::Subscribe => quote!(::tidings::messaging::Mapping::subscribe(#pattern)),
        }
    });
    let branches = mappings.iter().enumerate().map(|(index, mapping)| {
        let branch = generate_branch(mapping);
        quote!(#index => { #branch })
    });
    quote! {
        impl #impl_generics ::tidings::messaging::Controller for #ty #where_clause {
            const MAPPINGS: &'static [::tidings::messaging::Mapping] = &[#(#table),*];

            async fn handle(
                &self,
                mapping: usize,
                parts: ::tidings::messaging::MessageParts,
                body: ::tidings::__private::Bytes,
            ) -> ::std::result::Result<
                ::std::vec::Vec<::tidings::messaging::Outgoing>,
                ::tidings::messaging::HandlerError,
            > {
                match mapping {
                    #(#branches)*
                    _ => ::std::result::Result::Ok(::std::vec::Vec::new()),
                }
            }
        }
    }
}

fn generate_branch(mapping: &Mapping) -> TokenStream {
    let Mapping { method, kind, send_to, .. } = mapping;
    let last = method.arguments.len().checked_sub(1);
    let arguments = method.arguments.iter().enumerate().map(|(index, argument)| {
        let binding = binding(index);
        let value = match last {
            Some(last) if last == index => generate_last_argument(argument),
            _ => generate_argument(argument),
        };
        quote!(let #binding = #value;)
    });
    let call = method.call();
    let targets = match (kind, send_to.is_empty()) {
        (MappingKind::Subscribe, _) => quote!(::std::vec![::std::string::String::new()]),
        (MappingKind::Message, true) => quote!(::std::vec![parts.default_reply_destination()]),
        (MappingKind::Message, false) => {
            quote!(::std::vec![#(parts.expand(#send_to)),*])
        }
    };
    quote! {
        #(#arguments)*
        let reply = #call;
        ::tidings::messaging::IntoOutgoing::into_outgoing(reply, &#targets)
    }
}

/// The payload stands last, if there is one.
fn generate_last_argument(argument: &Argument) -> TokenStream {
    if !matches!(argument.kind, Kind::Typed) {
        return generate_argument(argument);
    }
    let the_trait = quote!(::tidings::messaging::FromMessage<_>);
    let from_message = argument.by_trait(&the_trait, &quote!(from_message));
    quote!(#from_message(&parts, body)?)
}

fn generate_argument(argument: &Argument) -> TokenStream {
    let ty = &argument.ty;
    match &argument.kind {
        Kind::Variable(name) => {
            let name = name.to_string();
            quote!(parts.destination_variable::<#ty>(#name)?)
        }
        Kind::Header(name) => match argument.optional() {
            Some(ty) => quote!(parts.optional_header::<#ty>(#name)?),
            None => quote!(parts.header::<#ty>(#name)?),
        },
        Kind::Typed => {
            let the_trait = quote!(::tidings::messaging::FromMessageParts);
            let from_parts = argument.by_trait(&the_trait, &quote!(from_message_parts));
            quote!(#from_parts(&parts)?)
        }
    }
}
