//! Which messages the methods take: constants that the compiler checks once it knows the types.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, ItemImpl};

use super::MessageMethod;
use super::generate::extract_by;
use super::options::Options;
use crate::argument::Kind;

/// The constant that says what a method takes.
pub(super) fn kind(index: usize) -> Ident {
    format_ident!("__TIDINGS_KIND_{index}")
}

/// What the message arguments of a method take, each of them.
fn payloads(index: usize) -> Ident {
    format_ident!("__TIDINGS_PAYLOADS_{index}")
}

/// The check of a method's arguments, and that of a method beside those before it.
fn checks(index: usize) -> [Ident; 2] {
    [format_ident!("__TIDINGS_ONE_MESSAGE_{index}"), format_ident!("__TIDINGS_DIFFERS_{index}")]
}

/// What the limit of a method's messages is.
pub(super) fn octets_max(index: usize) -> Ident {
    format_ident!("__TIDINGS_OCTETS_MAX_{index}")
}

/// All checks of so many methods, for a function that must not be compiled if one fails.
pub(super) fn all_checks(methods: usize) -> Vec<Ident> {
    (0..methods).flat_map(checks).collect()
}

/// Constants of the type that say what each method takes, and that no two take the same.
///
/// Of the type, because the compiler then looks at each only once, and knows the type's generics. One for
/// each thing that may be wrong, because it tells one mistake of each.
pub(super) fn generate_kinds(
    block: &ItemImpl,
    methods: &[MessageMethod],
    options: &Options,
) -> TokenStream {
    let ty = &block.self_ty;
    let (impl_generics, _, where_clause) = block.generics.split_for_impl();
    let constants = (0..methods.len()).map(|index| {
        let taken = generate_taken(index, &methods[index], options);
        let [_, differs] = checks(index);
        let overlaps = (0..index).map(|first| generate_overlap(methods, first, index));
        quote! {
            #taken

            #[doc(hidden)]
            const #differs: () = { #(#overlaps)* };
        }
    });
    quote! {
        impl #impl_generics #ty #where_clause {
            #(#constants)*
        }
    }
}

/// What one method takes: one message, and if it has a limit, a whole one.
fn generate_taken(index: usize, method: &MessageMethod, options: &Options) -> TokenStream {
    let MessageMethod { method, octets_max: limit } = method;
    let call_type = quote!(::tidings::endpoint::OnMessage<'_>);
    let (payloads, kind, octets_max) = (payloads(index), kind(index), octets_max(index));
    let [one, _] = checks(index);
    let arguments: Vec<_> =
        method.arguments.iter().filter(|it| matches!(it.kind, Kind::Typed)).collect();
    let count = arguments.len();
    let taken = arguments.iter().map(|it| extract_by(it, &call_type, options, &quote!(PAYLOAD)));
    let seconds = arguments.iter().enumerate().map(|(position, argument)| {
        quote_spanned! {argument.ty.span()=>
            assert!(
                !::tidings::__private::is_second_payload(&Self::#payloads, #position),
                "second message argument; an #[on_message] method takes one message, and beside it \
                 `Session`, `#[path_param] name: T` and the like",
            );
        }
    });
    let none = quote_spanned! {method.name.span()=>
        panic!("an #[on_message] method must take the message: `text: String`, for example")
    };
    let limit = match limit {
        None => quote!(::std::option::Option::None),
        Some((octets_max, span)) => quote_spanned! {*span=> {
            assert!(
                Self::#kind.is_whole(),
                "max_size is for whole messages, such as `String` or `Vec<u8>`; parts, streams and \
                 pongs have no size to limit",
            );
            ::std::option::Option::Some(#octets_max)
        }},
    };
    quote! {
        #[doc(hidden)]
        const #payloads: [::std::option::Option<::tidings::endpoint::PayloadKind>; #count] =
            [#(#taken),*];

        #[doc(hidden)]
        const #kind: ::tidings::endpoint::PayloadKind =
            match ::tidings::__private::first_payload(&Self::#payloads) {
                ::std::option::Option::Some(kind) => kind,
                ::std::option::Option::None => #none,
            };

        #[doc(hidden)]
        const #one: () = { #(#seconds)* };

        #[doc(hidden)]
        const #octets_max: ::std::option::Option<usize> = #limit;
    }
}

/// The check that a method takes nothing that an earlier one takes.
fn generate_overlap(methods: &[MessageMethod], first: usize, second: usize) -> TokenStream {
    let (name, known) = (&methods[second].method.name, &methods[first].method.name);
    let message = format!(
        "`{name}` takes messages that `{known}` takes already; an endpoint has one method for text, one \
         for binary messages and one for pongs"
    );
    let (first, second) = (payloads(first), payloads(second));
    quote_spanned! {name.span()=>
        assert!(!::tidings::__private::overlap(&Self::#first, &Self::#second), #message);
    }
}
