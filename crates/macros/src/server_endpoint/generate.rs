//! The code of an annotated endpoint.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{ItemImpl, Type};

use super::deployed::generate_subprotocols;
use super::kinds::{all_checks, generate_kinds, kind, octets_max};
use super::options::{Instances, Options, Unknown};
use super::{Deployed, MessageMethod, Methods};
use crate::argument::{Argument, Kind, Method, Passing, binding, parse_as, within};

impl Instances {
    /// What is implemented.
    pub(super) fn the_trait(self) -> TokenStream {
        match self {
            Self::PerConnection => quote!(::tidings::endpoint::Endpoint),
            Self::Shared => quote!(::tidings::endpoint::SharedEndpoint),
        }
    }

    /// How its methods take the endpoint.
    fn receiver(self) -> TokenStream {
        match self {
            Self::PerConnection => quote!(&mut self),
            Self::Shared => quote!(&self),
        }
    }
}

/// The implementation of `Endpoint` or `SharedEndpoint`.
pub(super) fn generate_endpoint(
    block: &ItemImpl,
    methods: &Methods,
    deployed: Deployed,
    variables: &[String],
    options: &Options,
) -> TokenStream {
    let the_trait = options.instances.the_trait();
    let ty = &block.self_ty;
    let (impl_generics, _, where_clause) = block.generics.split_for_impl();
    let on_open = generate_on_open(methods.on_open.as_ref(), variables, options);
    let on_message = generate_on_message(&methods.on_message, variables, options);
    let on_close =
        methods.on_close.as_ref().map(|method| generate_on_close(method, variables, options));
    let on_error =
        methods.on_error.as_ref().map(|method| generate_on_error(method, variables, options));
    let kinds = generate_kinds(block, &methods.on_message, options);
    let of_deployment = match deployed {
        Deployed::Server => Some(quote! {
            fn admission() -> ::tidings::__private::Admission {
                ::tidings::__private::Admission::of::<Self>()
            }
        }),
        Deployed::Client => generate_subprotocols(options),
    };
    quote! {
        #kinds

        impl #impl_generics #the_trait for #ty #where_clause {
            #of_deployment
            #on_open
            #on_message
            #on_close
            #on_error
        }
    }
}

/// Makes the arguments, one `let` each. `params` is where the variables are.
pub(super) fn generate_arguments(
    method: &Method,
    call: &TokenStream,
    variables: &[String],
    params: &TokenStream,
    options: &Options,
) -> TokenStream {
    let arguments = method.arguments.iter().enumerate();
    let arguments = arguments.filter(|(_, argument)| argument.passing != Passing::MutableReference);
    let arguments = arguments.map(|(index, argument)| {
        let binding = binding(index);
        let value = match &argument.kind {
            Kind::Variable(name) => {
                let name = name.unraw().to_string();
                let parse = |ty| {
                    let parse = parse_as(ty, &quote!(path_param));
                    quote!(#parse(#params, #name)?)
                };
                match argument.optional() {
                    Some(_) if !variables.contains(&name) => quote!(::std::option::Option::None),
                    Some(ty) => {
                        let value = parse(ty);
                        quote!(::std::option::Option::Some(#value))
                    }
                    None => parse(&argument.ty),
                }
            }
            _ => {
                let extract = extract_by(argument, call, options, &quote!(extract));
                quote!(#extract(&mut call)?)
            }
        };
        quote!(let #binding = #value;)
    });
    quote!(#(#arguments)*)
}

/// An associated item that makes an argument, or checks whether it can be made: of the codec if that
/// decodes messages to the argument's type, otherwise of the type itself.
pub(super) fn extract_by(
    argument: &Argument,
    call: &TokenStream,
    options: &Options,
    item: &TokenStream,
) -> TokenStream {
    match &options.codec {
        Some(codec) if is_on_message(call) => {
            let ty = &argument.ty;
            quote_spanned! {ty.span()=> {
                #[allow(unused_imports)]
                use ::tidings::__private::WithoutDecoder as _;
                ::tidings::__private::Decoded::<#codec, #ty>::#item
            }}
        }
        _ => argument.by_trait(&quote!(::tidings::endpoint::Extract<#call>), item),
    }
}

fn is_on_message(call: &TokenStream) -> bool {
    call.to_string().contains("OnMessage")
}

fn path_params() -> TokenStream {
    quote!(session.path_params())
}

fn generate_on_open(
    method: Option<&Method>,
    variables: &[String],
    options: &Options,
) -> Option<TokenStream> {
    let open_codec = options
        .codec
        .as_ref()
        .map(|codec| quote!(::tidings::__private::open_codec::<#codec>(session);));
    let body = match method {
        None => {
            open_codec.as_ref()?;
            quote!(::std::result::Result::Ok(()))
        }
        Some(method) => {
            let call_type = quote!(::tidings::endpoint::OnOpen<'_>);
            let arguments =
                generate_arguments(method, &call_type, variables, &path_params(), options);
            let reply = generate_reply(method, options);
            quote! {
                #[allow(unused_mut, unused_variables)]
                let mut call = ::tidings::endpoint::OnOpen::new(session);
                #arguments
                let reply = #reply;
                ::tidings::__private::send_reply(session, reply).await
            }
        }
    };
    let receiver = options.instances.receiver();
    Some(quote! {
        async fn on_open(
            #receiver,
            session: &::tidings::endpoint::Session,
        ) -> ::std::result::Result<(), ::tidings::endpoint::EndpointError> {
            #open_codec
            #body
        }
    })
}

/// Calls the method, and makes a reply of what it returns.
fn generate_reply(method: &Method, options: &Options) -> TokenStream {
    match (&options.codec, method.returned()) {
        (Some(codec), Some(ty)) if !matches!(ty, Type::ImplTrait(_)) => {
            let call = method.bare_call(&quote!(self,));
            let encode = encode_by(codec, ty, &quote!(returned));
            quote!({ let returned = #call; #encode })
        }
        _ => method.call(&quote!(::tidings::endpoint::IntoReply), &quote!(into_reply), &quote!()),
    }
}

/// Makes a reply of a `value`: by the codec if it encodes the type, or what is in it.
fn encode_by(codec: &Type, ty: &Type, value: &TokenStream) -> TokenStream {
    if let Some(inner) = within(ty, "Result") {
        let encode = encode_by(codec, inner, &quote!(value));
        return quote! {
            match #value {
                ::std::result::Result::Ok(value) => #encode,
                ::std::result::Result::Err(error) => {
                    ::std::result::Result::Err(::tidings::__private::handler_error(error))
                }
            }
        };
    }
    if let Some(inner) = within(ty, "Option") {
        let encode = encode_by(codec, inner, &quote!(value));
        return quote! {
            match #value {
                ::std::option::Option::Some(value) => #encode,
                ::std::option::Option::None => {
                    ::std::result::Result::Ok(::tidings::endpoint::Reply::Nothing)
                }
            }
        };
    }
    // Not of the type's place: in a macro of the application, that may not see our names.
    let session = quote!(session);
    quote_spanned! {ty.span()=> {
        #[allow(unused_imports)]
        use ::tidings::__private::WithoutEncoder as _;
        ::tidings::__private::Encoded::<#codec, #ty>::into_reply(#value, #session)
    }}
}

/// How messages are wanted, and which method each of them goes to.
fn generate_on_message(
    methods: &[MessageMethod],
    variables: &[String],
    options: &Options,
) -> TokenStream {
    let (receiver, unknown) = (options.instances.receiver(), options.unknown);
    if methods.is_empty() && unknown == Unknown::Ignored {
        return quote!();
    }
    let receptions = (0..methods.len()).map(|index| {
        let (kind, octets_max) = (kind(index), octets_max(index));
        quote!((Self::#kind, Self::#octets_max))
    });
    let checks = all_checks(methods.len());
    let unknown = match unknown {
        Unknown::Ignored => quote!(ignore),
        Unknown::Refused => quote!(refuse),
    };
    let last = quote!({
        ::tidings::__private::#unknown(session, &payload);
        ::tidings::__private::Replying::default()
    });
    let any_is_async = methods.iter().any(|method| method.method.is_async);
    let calls = methods.iter().enumerate().rev().fold(last, |rest, (index, method)| {
        let call = generate_call(&method.method, variables, options);
        let kind = kind(index);
        // Without async methods, all of them give the same type of future.
        let (call, rest) = match any_is_async {
            true => (
                quote!(::tidings::__private::Either::Left(#call)),
                quote!(::tidings::__private::Either::Right(#rest)),
            ),
            false => (call, rest),
        };
        quote!(if Self::#kind.takes(&payload) { #call } else { #rest })
    });
    quote! {
        fn receptions(&self) -> ::tidings::endpoint::Receptions {
            #(let () = Self::#checks;)*
            ::tidings::endpoint::PayloadKind::receptions(&[#(#receptions),*])
        }

        // It begins with a move of its argument, which is one of the greater costs of a message.
        #[inline(always)]
        fn on_payload(
            #receiver,
            session: &::tidings::endpoint::Session,
            payload: ::tidings::endpoint::Payload,
        ) -> impl ::std::future::Future<
            Output = ::std::result::Result<(), ::tidings::endpoint::EndpointError>,
        > + ::std::marker::Send {
            #calls
        }
    }
}

/// The future of a call of a method for a message. What needs no waiting is done before there is a future,
/// since what a future holds is copied into it.
fn generate_call(method: &Method, variables: &[String], options: &Options) -> TokenStream {
    let call_type = quote!(::tidings::endpoint::OnMessage<'_>);
    let arguments = generate_arguments(method, &call_type, variables, &path_params(), options);
    let reply = generate_reply(method, options);
    let extracted = quote! {
        #[allow(unused_mut)]
        let mut call = ::tidings::endpoint::OnMessage::new(session, payload);
        #arguments
    };
    if !method.is_async {
        return quote! {
            ::tidings::__private::reply_now(session, || {
                #extracted
                #reply
            })
        };
    }
    let bindings = (0..method.arguments.len()).map(binding);
    let bindings = quote!((#(#bindings,)*));
    quote!({
        let extract = || -> ::std::result::Result<_, ::tidings::endpoint::EndpointError> {
            #extracted
            ::std::result::Result::Ok(#bindings)
        };
        let extracted = extract();
        async move {
            let #bindings = extracted?;
            let reply = #reply;
            ::tidings::__private::send_reply(session, reply).await
        }
    })
}

fn generate_on_close(method: &Method, variables: &[String], options: &Options) -> TokenStream {
    let (receiver, the_trait) = (options.instances.receiver(), options.instances.the_trait());
    let call_type = quote!(::tidings::endpoint::OnClose<'_>);
    let arguments = generate_arguments(method, &call_type, variables, &path_params(), options);
    let ended = method.call(&quote!(::tidings::__private::Ended), &quote!(ended), &quote!());
    quote! {
        async fn on_close(
            #receiver,
            session: &::tidings::endpoint::Session,
            info: &::tidings::endpoint::CloseInfo,
        ) {
            let closed = async {
                #[allow(unused_mut, unused_variables)]
                let mut call = ::tidings::endpoint::OnClose::new(session, info);
                #arguments
                #ended
            };
            if let ::std::result::Result::Err(error) = closed.await {
                let _ = #the_trait::on_error(self, session, error).await;
            }
        }
    }
}

fn generate_on_error(method: &Method, variables: &[String], options: &Options) -> TokenStream {
    let receiver = options.instances.receiver();
    let call_type = quote!(::tidings::endpoint::OnError<'_>);
    let arguments = generate_arguments(method, &call_type, variables, &path_params(), options);
    let flow = method.call(&quote!(::tidings::endpoint::IntoFlow), &quote!(into_flow), &quote!());
    quote! {
        async fn on_error(
            #receiver,
            session: &::tidings::endpoint::Session,
            error: ::tidings::endpoint::EndpointError,
        ) -> ::tidings::endpoint::Flow {
            let handled: ::std::result::Result<_, ::tidings::endpoint::EndpointError> = async {
                #[allow(unused_mut)]
                let mut call = ::tidings::endpoint::OnError::new(session, error);
                #arguments
                #flow
            }
            .await;
            ::tidings::__private::flow(session, handled)
        }
    }
}
