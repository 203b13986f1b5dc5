use proc_macro2::TokenStream;
use quote::quote;
use syn::punctuated::Punctuated;
use syn::{Attribute, ImplItem, ImplItemFn, ItemImpl, LitStr, Token};

use crate::argument::{
    Argument, Dialect, Kind, Method, binding, inherent_impl, parse_as, take_attribute,
};
use crate::diagnostics::Mistakes;
use crate::template::{self, Syntax};

const DIALECT: Dialect = Dialect {
    variable: "destination_variable",
    receivers: &["& self"],
    receiver_rule: "a message handler takes `&self`: all sessions share the controller",
};

/// What stands before all mappings of a controller.
#[derive(Default)]
struct Prefix {
    path: String,
    variables: Vec<String>,
}

/// A method with a mapping.
struct Mapping {
    method: Method,
    kind: MappingKind,
    /// The controller's prefix and the method's own pattern.
    pattern: String,
    variables: Vec<String>,
    send_to: Vec<Target>,
}

/// A destination of `#[send_to]`, with the names of its variables.
struct Target {
    destination: LitStr,
    variables: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum MappingKind {
    Message,
    Subscribe,
}

const KINDS: [(&str, MappingKind); 2] =
    [("message_mapping", MappingKind::Message), ("subscribe_mapping", MappingKind::Subscribe)];

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut block = match inherent_impl(item.clone(), "controller") {
        Ok(block) => block,
        Err(error) => {
            let error = error.into_compile_error();
            return quote!(#item #error);
        }
    };
    let mut mistakes = Mistakes::default();
    let prefix = read_prefix(arguments, &mut mistakes);
    let mappings = read_mappings(&mut block, &prefix, &mut mistakes);
    let generated = generate(&block, &mappings);
    // Stands in for a controller with mistakes, so that its uses are not reported as well.
    let bare = generate(&block, &[]);
    mistakes.finish(quote!(#block #generated), quote!(#block #bare))
}

fn read_prefix(arguments: TokenStream, mistakes: &mut Mistakes) -> Prefix {
    if arguments.is_empty() {
        return Prefix::default();
    }
    let Some(prefix) = mistakes.ok(syn::parse2::<LitStr>(arguments)) else {
        return Prefix::default();
    };
    let variables = template::variables(&prefix, Syntax::Path, mistakes);
    Prefix { path: prefix.value().trim_end_matches('/').to_owned(), variables }
}

fn read_mappings(block: &mut ItemImpl, prefix: &Prefix, mistakes: &mut Mistakes) -> Vec<Mapping> {
    let mut mappings: Vec<Mapping> = Vec::new();
    for item in &mut block.items {
        let ImplItem::Fn(item) = item else { continue };
        let send_to = take_attribute(&mut item.attrs, "send_to");
        let Some((attribute, kind)) = take_kind(item, mistakes) else {
            if let Some(send_to) = send_to {
                mistakes.add(send_to, "#[send_to] needs #[message_mapping] on the same method");
            }
            continue;
        };
        let send_to = read_send_to(send_to, kind, mistakes);
        let method = Method::read(item, &DIALECT, mistakes);
        let Some((pattern, variables)) = read_pattern(&attribute, prefix, mistakes) else {
            continue;
        };
        let mapping = Mapping { method, kind, pattern, variables, send_to };
        check_variables(&mapping, mistakes);
        let shape = template::shape(&mapping.pattern);
        let same =
            |known: &&Mapping| known.kind == kind && template::shape(&known.pattern) == shape;
        if let Some(known) = mappings.iter().find(same) {
            let message = format!("`{}` is for the same destinations", known.method.name);
            mistakes.add(&attribute, message);
        }
        mappings.push(mapping);
    }
    mappings
}

fn take_kind(item: &mut ImplItemFn, mistakes: &mut Mistakes) -> Option<(Attribute, MappingKind)> {
    let kinds = KINDS.map(|(name, kind)| (take_attribute(&mut item.attrs, name), kind));
    let mut kinds = kinds.into_iter().filter_map(|(attribute, kind)| Some((attribute?, kind)));
    let first = kinds.next()?;
    for (second, _) in kinds {
        mistakes.add(second, "a method has one mapping; write another method for this");
    }
    Some(first)
}

/// The mapping's whole pattern, and its variables.
fn read_pattern(
    attribute: &Attribute,
    prefix: &Prefix,
    mistakes: &mut Mistakes,
) -> Option<(String, Vec<String>)> {
    let own = mistakes.ok(attribute.parse_args::<LitStr>())?;
    let mut variables = prefix.variables.clone();
    for name in template::variables(&own, Syntax::Mapping, mistakes) {
        if variables.contains(&name) {
            mistakes.add(&own, format!("the prefix has a variable `{{{name}}}` already"));
        }
        variables.push(name);
    }
    let pattern = match own.value().as_str() {
        "/" if !prefix.path.is_empty() => prefix.path.clone(),
        own => format!("{}{own}", prefix.path),
    };
    Some((pattern, variables))
}

fn read_send_to(
    attribute: Option<Attribute>,
    kind: MappingKind,
    mistakes: &mut Mistakes,
) -> Vec<Target> {
    let Some(attribute) = attribute else { return Vec::new() };
    if kind == MappingKind::Subscribe {
        let message = "a #[subscribe_mapping] answers the subscriber alone; #[send_to] is for \
                       #[message_mapping]";
        mistakes.add(&attribute, message);
    }
    let list = attribute.parse_args_with(Punctuated::<LitStr, Token![,]>::parse_terminated);
    let Some(list) = mistakes.ok(list) else { return Vec::new() };
    if list.is_empty() {
        mistakes.add(&attribute, "expected destinations: #[send_to(\"/topic/greetings\")]");
    }
    let target = |destination: LitStr| {
        let variables = mistakes.ok(template::placeholders(&destination)).unwrap_or_default();
        Target { destination, variables }
    };
    list.into_iter().map(target).collect()
}

fn check_variables(mapping: &Mapping, mistakes: &mut Mistakes) {
    let Mapping { method, pattern, variables, send_to, .. } = mapping;
    let unknown = |name: &str| format!("the mapping `{pattern}` has no variable `{{{name}}}`");
    for argument in &method.arguments {
        if let Kind::Variable(name) = &argument.kind
            && !variables.iter().any(|known| name == known)
        {
            mistakes.add(name, unknown(&name.to_string()));
        }
    }
    for target in send_to {
        for name in target.variables.iter().filter(|name| !variables.contains(name)) {
            mistakes.add(&target.destination, unknown(name));
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
    let send_to: Vec<_> = send_to.iter().map(|target| &target.destination).collect();
    let last = method.arguments.len().checked_sub(1);
    let arguments = method.arguments.iter().enumerate().map(|(index, argument)| {
        let binding = binding(index);
        let value = match last {
            Some(last) if last == index => generate_last_argument(argument),
            _ => generate_argument(argument),
        };
        quote!(let #binding = #value;)
    });
    let targets = match (kind, send_to.is_empty()) {
        (MappingKind::Subscribe, _) => quote!([::std::string::String::new()]),
        (MappingKind::Message, true) => {
            quote!([::tidings::__private::default_reply_destination(&parts)])
        }
        (MappingKind::Message, false) => {
            quote!([#(::tidings::__private::expand(#send_to, &parts)),*])
        }
    };
    let reply = method.call(
        &quote!(::tidings::messaging::IntoOutgoing),
        &quote!(into_outgoing),
        &quote!(&targets),
    );
    quote! {
        let targets = #targets;
        #(#arguments)*
        #reply
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
            let parse = parse_as(ty, &quote!(destination_variable));
            quote!(#parse(&parts, #name)?)
        }
        Kind::Header(name) => match argument.optional() {
            Some(ty) => {
                let parse = parse_as(ty, &quote!(optional_header));
                quote!(#parse(&parts, #name)?)
            }
            None => {
                let parse = parse_as(ty, &quote!(header));
                quote!(#parse(&parts, #name)?)
            }
        },
        Kind::Typed => {
            let the_trait = quote!(::tidings::messaging::FromMessageParts);
            let from_parts = argument.by_trait(&the_trait, &quote!(from_message_parts));
            quote!(#from_parts(&parts)?)
        }
    }
}
