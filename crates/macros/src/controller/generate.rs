//! The code of a controller.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Ident, ItemImpl};

use super::mapping::{Mapping, MappingKind, Reply, SendTo};
use crate::argument::{Argument, Kind, Method, binding, parse_as};

/// The implementation of `Controller`.
pub(super) fn generate(block: &ItemImpl, mappings: &[Mapping]) -> TokenStream {
    let ty = &block.self_ty;
    let (impl_generics, _, where_clause) = block.generics.split_for_impl();
    let table = mappings.iter().flat_map(|mapping| {
        let kind = match mapping.kind {
            MappingKind::Message => quote!(::tidings::messaging::Mapping::message),
            MappingKind::Subscribe => quote!(::tidings::messaging::Mapping::subscribe),
        };
        mapping.patterns.iter().map(move |pattern| {
            let pattern = &pattern.whole;
            quote!(#kind(#pattern))
        })
    });
    let mut before = 0_usize;
    let branches = mappings.iter().map(|mapping| {
        let indices = before..before + mapping.patterns.len();
        before = indices.end;
        let branch = generate_branch(mapping);
        quote!(#(#indices)|* => { #branch })
    });
    let orders = generate_orders(block, mappings);
    let check = generate_check(mappings);
    quote! {
        #orders

        impl #impl_generics ::tidings::messaging::Controller for #ty #where_clause {
            const MAPPINGS: &'static [::tidings::messaging::Mapping] = &[#(#table),*];

            async fn handle(
                &self,
                mapping: usize,
                call: ::tidings::messaging::OnMapping<'_>,
            ) -> ::std::result::Result<
                ::std::vec::Vec<::tidings::messaging::Outgoing>,
                ::tidings::messaging::HandlerError,
            > {
                #[allow(unused_mut, unused_variables)]
                let mut call = call;
                match mapping {
                    #(#branches)*
                    _ => ::std::result::Result::Ok(::std::vec::Vec::new()),
                }
            }

            #check
        }
    }
}

fn call_type() -> TokenStream {
    quote!(::tidings::messaging::OnMapping<'_>)
}

/// An associated item of the trait that makes an argument of the call.
fn extract_by(argument: &Argument, item: &TokenStream) -> TokenStream {
    let call_type = call_type();
    argument.by_trait(&quote!(::tidings::endpoint::Extract<#call_type>), item)
}

/// The constant that checks the order of a method's arguments.
fn order(index: usize) -> Ident {
    format_ident!("__TIDINGS_PAYLOAD_LAST_{index}")
}

/// Constants of the type that check that a payload stands last: of the type, because the compiler then looks at
/// each only once, and knows the type's generics.
fn generate_orders(block: &ItemImpl, mappings: &[Mapping]) -> TokenStream {
    let ty = &block.self_ty;
    let (impl_generics, _, where_clause) = block.generics.split_for_impl();
    let constants = mappings.iter().enumerate().map(|(index, mapping)| {
        let order = order(index);
        let arguments = &mapping.method.arguments;
        let all_but_last = arguments.iter().take(arguments.len().saturating_sub(1));
        let checks = all_but_last.filter(|it| matches!(it.kind, Kind::Typed)).map(|argument| {
            let payload = extract_by(argument, &quote!(PAYLOAD));
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

fn generate_branch(mapping: &Mapping) -> TokenStream {
    let Mapping { method, kind, reply, .. } = mapping;
    let arguments = generate_arguments(method);
    let targets = match (reply, kind) {
        (Reply::ByDefault, MappingKind::Subscribe) => quote!([::std::string::String::new()]),
        (Reply::ByDefault, MappingKind::Message) => {
            quote!([::tidings::__private::default_reply_destination(call.message())])
        }
        (Reply::Nowhere, _) => quote!([]),
        (Reply::To(SendTo(targets)), _) => {
            let targets = targets.iter().map(|target| &target.destination);
            quote!([#(::tidings::__private::expand(#targets, call.message())),*])
        }
    };
    let reply = method.call(
        &quote!(::tidings::messaging::IntoOutgoing),
        &quote!(into_outgoing),
        &quote!(&targets),
    );
    quote! {
        let targets = #targets;
        #arguments
        #reply
    }
}

/// Makes the arguments, one `let` each.
fn generate_arguments(method: &Method) -> TokenStream {
    let arguments = method.arguments.iter().enumerate().map(|(index, argument)| {
        let binding = binding(index);
        let value = generate_argument(argument);
        quote!(let #binding = #value;)
    });
    quote!(#(#arguments)*)
}

fn generate_argument(argument: &Argument) -> TokenStream {
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
            let extract = extract_by(argument, &quote!(extract));
            quote!(#extract(&mut call)?)
        }
    }
}

/// The method that tells which handlers could never be called.
fn generate_check(mappings: &[Mapping]) -> TokenStream {
    let orders = (0..mappings.len()).map(order);
    let checks = mappings.iter().flat_map(|mapping| check_method(&mapping.method));
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

fn check_method(method: &Method) -> impl Iterator<Item = TokenStream> {
    let name = method.name.unraw().to_string();
    method.arguments.iter().filter_map(move |argument| {
        let checked = match &argument.kind {
            Kind::Variable(_) => return None,
            Kind::Header(header) => {
                let (header, default) = (&header.name, header.default.as_ref()?);
                let of_default = parse_as(&argument.ty, &quote!(header_default));
                quote!(#of_default(#header, #default))
            }
            Kind::Typed => {
                let check = extract_by(argument, &quote!(check_state));
                quote!(#check(state))
            }
        };
        Some(quote!(::tidings::__private::note_uncallable(&mut uncallable, #name, #checked);))
    })
}
