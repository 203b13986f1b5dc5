//! The code of a controller.

use std::ops::Range;

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Ident, ItemImpl};

use super::handler::{Handler, HandlerKind};
use super::stream::{generate_streams, item, returns_stream};
use crate::argument::{Argument, Kind, Method, binding, by_trait, parse_as};
use crate::operation::{describe, generate_operations};

/// The implementation of `Controller`.
pub(super) fn generate(block: &ItemImpl, handlers: &[Handler]) -> TokenStream {
    let ty = &block.self_ty;
    let (impl_generics, _, where_clause) = block.generics.split_for_impl();
    let orders = generate_orders(block, handlers);
    let mappings = generate_mappings(handlers);
    let streams = generate_streams(handlers);
    let exceptions = generate_exceptions(handlers);
    let check = generate_check(handlers);
    quote! {
        #orders

        impl #impl_generics ::tidings::messaging::Controller for #ty #where_clause {
            #mappings
            #streams
            #exceptions
            #check
        }
    }
}

/// The table of the mappings, and the method that calls them.
fn generate_mappings(handlers: &[Handler]) -> TokenStream {
    let mappings = || handlers.iter().filter(|it| it.kind != HandlerKind::Exception);
    let table = mappings().flat_map(|mapping| {
        let kind = match mapping.kind {
            HandlerKind::Subscribe if returns_stream(mapping) => {
                quote!(::tidings::messaging::Mapping::stream)
            }
            HandlerKind::Subscribe => quote!(::tidings::messaging::Mapping::subscribe),
            _ => quote!(::tidings::messaging::Mapping::message),
        };
        mapping.patterns.iter().map(move |pattern| {
            let pattern = &pattern.whole;
            quote!(#kind(#pattern))
        })
    });
    let branches = with_indices(handlers).filter(|(mapping, _)| !returns_stream(mapping));
    let branches = branches.map(|(mapping, indices)| {
        let branch = generate_branch(mapping);
        quote!(#(#indices)|* => { #branch })
    });
    let handle = generate_dispatch(&quote!(handle), &quote!(OnMapping), branches);
    let operations = mappings().flat_map(|mapping| {
        let operation = generate_operation(mapping);
        mapping.patterns.iter().map(move |_| operation.clone())
    });
    let exceptions = handlers.iter().filter(|it| it.kind == HandlerKind::Exception);
    let operations = generate_operations(operations.chain(exceptions.map(generate_operation)));
    quote! {
        const MAPPINGS: &'static [::tidings::messaging::Mapping] = &[#(#table),*];

        #operations

        #handle
    }
}

/// What one handler takes and answers.
fn generate_operation(handler: &Handler) -> TokenStream {
    let Handler { method, kind, reply, .. } = handler;
    let last = method.arguments.last().filter(|it| matches!(it.kind, Kind::Typed));
    let payload = last.map(|argument| {
        let takes = extract_by(argument, *kind, &quote!(PAYLOAD));
        (quote!(#takes.is_some()), &argument.ty)
    });
    let payload: Vec<_> = payload.into_iter().collect();
    let returned = method.returned();
    let returned = if returns_stream(handler) { returned.and_then(item) } else { returned };
    describe(method, &payload, returned, &reply.describe(*kind))
}

/// The method `name`, which calls the handler of an index and returns what is to be sent.
fn generate_dispatch(
    name: &TokenStream,
    call: &TokenStream,
    branches: impl Iterator<Item = TokenStream>,
) -> TokenStream {
    quote! {
        async fn #name(
            &self,
            index: usize,
            call: ::tidings::messaging::#call<'_>,
        ) -> ::std::result::Result<
            ::std::vec::Vec<::tidings::messaging::Outgoing>,
            ::tidings::messaging::HandlerError,
        > {
            #[allow(unused_mut, unused_variables)]
            let mut call = call;
            match index {
                #(#branches)*
                _ => ::std::result::Result::Ok(::std::vec::Vec::new()),
            }
        }
    }
}

/// The mappings, each with the indices of its patterns in the table.
pub(super) fn with_indices(handlers: &[Handler]) -> impl Iterator<Item = (&Handler, Range<usize>)> {
    let mappings = handlers.iter().filter(|it| it.kind != HandlerKind::Exception);
    mappings.scan(0, |before, mapping| {
        let indices = *before..*before + mapping.patterns.len();
        *before = indices.end;
        Some((mapping, indices))
    })
}

/// The table of the exception handlers, and the method that calls them.
fn generate_exceptions(handlers: &[Handler]) -> Option<TokenStream> {
    let exceptions = || handlers.iter().filter(|it| it.kind == HandlerKind::Exception);
    exceptions().next()?;
    let table = exceptions().filter_map(Handler::error).map(|error| {
        let of = by_trait(error, &quote!(::tidings::__private::HandledError), &quote!(HANDLER));
        quote!(#of)
    });
    let branches = exceptions().enumerate().map(|(index, exception)| {
        let branch = generate_branch(exception);
        quote!(#index => { #branch })
    });
    let handle = generate_dispatch(&quote!(handle_exception), &quote!(OnException), branches);
    Some(quote! {
        const EXCEPTION_HANDLERS: &'static [::tidings::messaging::ExceptionHandler] = &[#(#table),*];

        #handle
    })
}

impl HandlerKind {
    /// The type of the call.
    fn call(self) -> TokenStream {
        match self {
            Self::Message | Self::Subscribe => quote!(::tidings::messaging::OnMapping<'_>),
            Self::Exception => quote!(::tidings::messaging::OnException<'_>),
        }
    }
}

/// An associated item of the trait that makes an argument of a call.
fn extract_by(argument: &Argument, kind: HandlerKind, item: &TokenStream) -> TokenStream {
    let call = kind.call();
    argument.by_trait(&quote!(::tidings::endpoint::Extract<#call>), item)
}

/// The constant that checks the order of a method's arguments.
fn order(index: usize) -> Ident {
    format_ident!("__TIDINGS_PAYLOAD_LAST_{index}")
}

/// Constants of the type that check that a payload stands last: of the type, because the compiler then looks at
/// each only once, and knows the type's generics.
fn generate_orders(block: &ItemImpl, handlers: &[Handler]) -> TokenStream {
    let ty = &block.self_ty;
    let (impl_generics, _, where_clause) = block.generics.split_for_impl();
    let constants = handlers.iter().enumerate().map(|(index, handler)| {
        let order = order(index);
        let arguments = &handler.method.arguments;
        let all_but_last = arguments.iter().take(arguments.len().saturating_sub(1));
        let checks = all_but_last.filter(|it| matches!(it.kind, Kind::Typed)).map(|argument| {
            let payload = extract_by(argument, handler.kind, &quote!(PAYLOAD));
            quote_spanned! {argument.ty.span()=>
                assert!(
                    #payload.is_none(),
                    "a message handler takes one payload, as its last argument",
                );
            }
        });
        quote! {
            #[doc(hidden)]
            const #order: () = { #(#checks)* };
        }
    });
    quote! {
        impl #impl_generics #ty #where_clause {
            #(#constants)*
        }
    }
}

/// Makes the arguments, calls the method, and makes messages of what it returns.
fn generate_branch(handler: &Handler) -> TokenStream {
    let prepared = generate_prepared(handler);
    let reply = handler.method.call(
        &quote!(::tidings::messaging::IntoOutgoing),
        &quote!(into_outgoing),
        &quote!(&targets),
    );
    quote!(#prepared #reply)
}

/// Makes the targets of the reply and the arguments.
pub(super) fn generate_prepared(handler: &Handler) -> TokenStream {
    let Handler { method, kind, reply, .. } = handler;
    let arguments = generate_arguments(method, *kind);
    let targets = reply.generate(*kind);
    quote! {
        let targets = #targets;
        #arguments
    }
}

/// Makes the arguments, one `let` each.
fn generate_arguments(method: &Method, kind: HandlerKind) -> TokenStream {
    let arguments = method.arguments.iter().enumerate().map(|(index, argument)| {
        let binding = binding(index);
        let value = generate_argument(argument, kind);
        quote!(let #binding = #value;)
    });
    quote!(#(#arguments)*)
}

fn generate_argument(argument: &Argument, kind: HandlerKind) -> TokenStream {
    let (ty, optional) = match argument.optional() {
        Some(ty) => (ty, true),
        None => (&argument.ty, false),
    };
    match &argument.kind {
        Kind::Variable(name) => {
            let name = name.unraw().to_string();
            let function =
                if optional { quote!(optional_variable) } else { quote!(destination_variable) };
            let parse = parse_as(ty, &function);
            quote!(#parse(call.message(), #name)?)
        }
        Kind::Header(header) => {
            let name = &header.name;
            if let Some(default) = &header.default {
                let (parse, of_default) = (
                    parse_as(&argument.ty, &quote!(optional_header)),
                    parse_as(&argument.ty, &quote!(header_default)),
                );
                return quote! {
                    match #parse(call.message(), #name)? {
                        ::std::option::Option::Some(value) => value,
                        ::std::option::Option::None => #of_default(#name, #default)?,
                    }
                };
            }
            let function = if optional { quote!(optional_header) } else { quote!(header) };
            let parse = parse_as(ty, &function);
            quote!(#parse(call.message(), #name)?)
        }
        Kind::Typed => {
            let extract = extract_by(argument, kind, &quote!(extract));
            quote!(#extract(&mut call)?)
        }
        Kind::Error => {
            let taken =
                argument.by_trait(&quote!(::tidings::__private::HandledError), &quote!(taken_from));
            quote!(#taken(call.error())?)
        }
    }
}

/// The method that tells which handlers could never be called.
fn generate_check(handlers: &[Handler]) -> TokenStream {
    let orders = (0..handlers.len()).map(order);
    let checks = handlers.iter().flat_map(check_method);
    quote! {
        #[allow(unused_mut, unused_variables)]
        fn check(
            state: &::tidings::endpoint::AppState,
        ) -> ::std::vec::Vec<::tidings::messaging::Uncallable> {
            #(let () = Self::#orders;)*
            let mut uncallable = ::std::vec::Vec::new();
            #(#checks)*
            uncallable
        }
    }
}

fn check_method(handler: &Handler) -> impl Iterator<Item = TokenStream> {
    let Handler { method, kind, .. } = handler;
    let name = method.name.unraw().to_string();
    method.arguments.iter().filter_map(move |argument| {
        let checked = match &argument.kind {
            Kind::Variable(_) | Kind::Error => return None,
            Kind::Header(header) => {
                let (header, default) = (&header.name, header.default.as_ref()?);
                let of_default = parse_as(&argument.ty, &quote!(header_default));
                quote!(#of_default(#header, #default))
            }
            Kind::Typed => {
                let check = extract_by(argument, *kind, &quote!(check_state));
                quote!(#check(state))
            }
        };
        Some(quote!(::tidings::__private::note_uncallable(&mut uncallable, #name, #checked);))
    })
}
