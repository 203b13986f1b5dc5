use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{ImplItem, ItemImpl, LitStr, Token, bracketed};

use crate::argument::{Kind, Method, binding, take_attribute};
use crate::diagnostics::Mistakes;
use crate::template::{self, Syntax};

/// The argument of the attribute.
struct Deployment {
    path: LitStr,
    subprotocols: Vec<LitStr>,
}

impl Parse for Deployment {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let path = input.parse().map_err(|error| {
            syn::Error::new(error.span(), "expected a path: #[server_endpoint(\"/chat/{room}\")]")
        })?;
        let mut subprotocols = Vec::new();
        if input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            let name: syn::Ident = input.parse()?;
            if name != "subprotocols" {
                return Err(syn::Error::new(name.span(), "expected `subprotocols = [\"…\"]`"));
            }
            input.parse::<Token![=]>()?;
            let list;
            bracketed!(list in input);
            let list = Punctuated::<LitStr, Token![,]>::parse_terminated(&list)?;
            subprotocols = list.into_iter().collect();
        }
        Ok(Self { path, subprotocols })
    }
}

/// The annotated methods.
#[derive(Default)]
struct Methods {
    on_open: Option<Method>,
    on_message: Vec<Method>,
    on_close: Option<Method>,
    on_error: Option<Method>,
}

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut block: ItemImpl = match syn::parse2(item.clone()) {
        Ok(block) => block,
        Err(error) => {
            let message = "#[server_endpoint] belongs on an `impl` block";
            let error = syn::Error::new(error.span(), message).into_compile_error();
            return quote!(#item #error);
        }
    };
    let mut mistakes = Mistakes::default();
    let deployment = mistakes.ok(syn::parse2::<Deployment>(arguments));
    let methods = read_methods(&mut block, &mut mistakes);
    let generated = deployment.map(|deployment| {
        let variables = mistakes.ok(template::variables(&deployment.path, Syntax::Path));
        let variables = variables.unwrap_or_default();
        check_subprotocols(&deployment, &mut mistakes);
        check_variables(&methods, &variables, &mut mistakes);
        generate(&block, &deployment, &methods, &variables)
    });
    mistakes.finish(quote!(#block #generated), quote!(#block))
}

fn read_methods(block: &mut ItemImpl, mistakes: &mut Mistakes) -> Methods {
    let mut methods = Methods::default();
    for item in &mut block.items {
        let ImplItem::Fn(item) = item else { continue };
        for name in ["on_open", "on_message", "on_close", "on_error"] {
            let Some(attribute) = take_attribute(&mut item.attrs, name) else { continue };
            let method = Method::read(item, "path_param", mistakes);
            let slot = match name {
                "on_open" => &mut methods.on_open,
                "on_close" => &mut methods.on_close,
                "on_error" => &mut methods.on_error,
                _ => {
                    methods.on_message.push(method);
                    continue;
                }
            };
            if let Some(first) = slot {
                let message = format!("second #[{name}]; the first is `{}`", first.name);
                mistakes.add(&attribute, message);
            }
            *slot = Some(method);
        }
    }
    if let Some(method) = &methods.on_error
        && !method.arguments.iter().any(|argument| names_error(&argument.ty))
    {
        let message = "#[on_error] must take the error: `error: EndpointError`";
        mistakes.add(&method.name, message);
    }
    methods
}

fn names_error(ty: &syn::Type) -> bool {
    let syn::Type::Path(path) = ty else { return false };
    path.path.segments.last().is_some_and(|last| last.ident == "EndpointError")
}

fn check_subprotocols(deployment: &Deployment, mistakes: &mut Mistakes) {
    for subprotocol in &deployment.subprotocols {
        let value = subprotocol.value();
        let is_token = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c);
        if value.is_empty() || !value.bytes().all(is_token) {
            mistakes
                .add(subprotocol, "a subprotocol is an HTTP token: letters, digits, `.`, `-` …");
        }
    }
}

fn all(methods: &Methods) -> impl Iterator<Item = &Method> {
    methods
        .on_open
        .iter()
        .chain(&methods.on_message)
        .chain(&methods.on_close)
        .chain(&methods.on_error)
}

fn check_variables(methods: &Methods, variables: &[String], mistakes: &mut Mistakes) {
    for argument in all(methods).flat_map(|method| &method.arguments) {
        match &argument.kind {
            Kind::Variable(name)
                if argument.optional().is_none()
                    && !variables.iter().any(|known| name == known) =>
            {
                let message = format!(
                    "the path has no variable `{{{name}}}`; add it, or make this an `Option`"
                );
                mistakes.add(name, message);
            }
            Kind::Header(name) => {
                mistakes.add(name, "#[header] is for message handlers; take `&Handshake` here");
            }
            _ => {}
        }
    }
}

fn generate(
    block: &ItemImpl,
    deployment: &Deployment,
    methods: &Methods,
    variables: &[String],
) -> TokenStream {
    let ty = &block.self_ty;
    let (impl_generics, _, where_clause) = block.generics.split_for_impl();
    let Deployment { path, subprotocols } = deployment;
    let checks = generate_checks(methods, variables);
    let on_open = methods.on_open.as_ref().map(|method| generate_on_open(method, variables));
    let on_message = generate_on_message(&methods.on_message, variables);
    let on_close = methods.on_close.as_ref().map(|method| generate_on_close(method, variables));
    let on_error = methods.on_error.as_ref().map(|method| generate_on_error(method, variables));
    quote! {
        impl #impl_generics ::tidings::endpoint::ServerEndpoint for #ty #where_clause {
            const PATH: &'static str = #path;
            const SUBPROTOCOLS: &'static [&'static str] = &[#(#subprotocols),*];

            fn check_path_params(
                params: &::tidings::endpoint::PathParams,
            ) -> ::std::result::Result<(), ::tidings::endpoint::PathParamError> {
                #(#checks)*
                ::std::result::Result::Ok(())
            }
        }

        impl #impl_generics ::tidings::endpoint::Endpoint for #ty #where_clause {
            #on_open
            #on_message
            #on_close
            #on_error
        }
    }
}

/// One conversion for each variable and type, before the upgrade.
fn generate_checks(methods: &Methods, variables: &[String]) -> Vec<TokenStream> {
    let arguments = all(methods).flat_map(|method| &method.arguments);
    let checks = arguments.filter_map(|argument| {
        let Kind::Variable(name) = &argument.kind else { return None };
        let name = name.to_string();
        if !variables.contains(&name) {
            return None;
        }
        let ty = argument.optional().unwrap_or(&argument.ty);
        Some(quote!(params.parse::<#ty>(#name)?;))
    });
    checks.collect()
}

/// Makes the arguments, one `let` each.
fn generate_arguments(method: &Method, call: &TokenStream, variables: &[String]) -> TokenStream {
    let arguments = method.arguments.iter().enumerate().map(|(index, argument)| {
        let binding = binding(index);
        let value = match &argument.kind {
            Kind::Variable(name) => {
                let name = name.to_string();
                match argument.optional() {
                    Some(_) if !variables.contains(&name) => quote!(::std::option::Option::None),
                    Some(ty) => quote!(::std::option::Option::Some(
                        session.path_params().parse::<#ty>(#name)?
                    )),
                    None => {
                        let ty = &argument.ty;
                        quote!(session.path_params().parse::<#ty>(#name)?)
                    }
                }
            }
            _ => {
                let extract = argument
                    .by_trait(&quote!(::tidings::endpoint::Extract<#call>), &quote!(extract));
                quote!(#extract(&mut call)?)
            }
        };
        quote!(let #binding = #value;)
    });
    quote!(#(#arguments)*)
}

fn generate_on_open(method: &Method, variables: &[String]) -> TokenStream {
    let call_type = quote!(::tidings::endpoint::OnOpen<'_>);
    let arguments = generate_arguments(method, &call_type, variables);
    let call = method.call();
    quote! {
        async fn on_open(
            &mut self,
            session: &::tidings::endpoint::Session,
        ) -> ::std::result::Result<(), ::tidings::endpoint::EndpointError> {
            #[allow(unused_mut, unused_variables)]
            let mut call = ::tidings::endpoint::OnOpen::new(session);
            #arguments
            ::tidings::endpoint::reply(#call, session).await
        }
    }
}

fn generate_on_message(methods: &[Method], variables: &[String]) -> TokenStream {
    let call_type = quote!(::tidings::endpoint::OnMessage<'_>);
    let static_call = quote!(::tidings::endpoint::OnMessage<'static>);
    let kinds = methods.iter().enumerate().map(|(index, method)| {
        let kind = quote::format_ident!("KIND_{index}");
        let payloads =
            method.arguments.iter().filter(|argument| matches!(argument.kind, Kind::Typed));
        let payloads = payloads.map(|argument| {
            let the_trait = quote!(::tidings::endpoint::Extract<#static_call>);
            argument.by_trait(&the_trait, &quote!(PAYLOAD))
        });
        quote! {
            const #kind: ::tidings::endpoint::PayloadKind =
                ::tidings::__private::only_payload(&[#(#payloads),*]);
        }
    });
    let overlaps =
        (0..methods.len()).flat_map(|second| (0..second).map(move |first| (first, second)));
    let overlaps = overlaps.map(|(first, second)| {
        let first = quote::format_ident!("KIND_{first}");
        let second = quote::format_ident!("KIND_{second}");
        quote! {
            const _: () = assert!(
                !#first.overlaps(#second),
                "two #[on_message] methods take the same kind of message",
            );
        }
    });
    let branches = methods.iter().enumerate().map(|(index, method)| {
        let kind = quote::format_ident!("KIND_{index}");
        let arguments = generate_arguments(method, &call_type, variables);
        let call = method.call();
        quote! {
            if #kind.takes(&message) {
                #[allow(unused_mut)]
                let mut call = ::tidings::endpoint::OnMessage::new(session, message);
                #arguments
                return ::tidings::endpoint::reply(#call, session).await;
            }
        }
    });
    quote! {
        async fn on_message(
            &mut self,
            session: &::tidings::endpoint::Session,
            message: ::tidings::endpoint::Message,
        ) -> ::std::result::Result<(), ::tidings::endpoint::EndpointError> {
            #(#kinds)*
            #(#overlaps)*
            #(#branches)*
            ::tidings::__private::ignore(session, &message);
            ::std::result::Result::Ok(())
        }
    }
}

fn generate_on_close(method: &Method, variables: &[String]) -> TokenStream {
    let call_type = quote!(::tidings::endpoint::OnClose<'_>);
    let arguments = generate_arguments(method, &call_type, variables);
    let call = method.call();
    quote! {
        async fn on_close(
            &mut self,
            session: &::tidings::endpoint::Session,
            reason: &::tidings::endpoint::CloseReason,
        ) {
            let closed = async {
                #[allow(unused_mut, unused_variables)]
                let mut call = ::tidings::endpoint::OnClose::new(session, reason);
                #arguments
                ::tidings::endpoint::IntoReply::into_reply(#call)
            };
            if let ::std::result::Result::Err(error) = closed.await {
                let _ = ::tidings::endpoint::Endpoint::on_error(self, session, error).await;
            }
        }
    }
}

fn generate_on_error(method: &Method, variables: &[String]) -> TokenStream {
    let call_type = quote!(::tidings::endpoint::OnError<'_>);
    let arguments = generate_arguments(method, &call_type, variables);
    let call = method.call();
    quote! {
        async fn on_error(
            &mut self,
            session: &::tidings::endpoint::Session,
            error: ::tidings::endpoint::EndpointError,
        ) -> ::tidings::endpoint::Flow {
            let handled: ::std::result::Result<_, ::tidings::endpoint::EndpointError> = async {
                #[allow(unused_mut)]
                let mut call = ::tidings::endpoint::OnError::new(session, error);
                #arguments
                ::std::result::Result::Ok(::tidings::endpoint::IntoFlow::into_flow(#call))
            }
            .await;
            ::tidings::__private::flow(session, handled)
        }
    }
}
