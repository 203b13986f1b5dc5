use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, GenericArgument, Ident, ImplItemFn, LitStr, Pat, PathArguments, Type};

use crate::diagnostics::Mistakes;

/// An annotated method: what is called, and with what.
pub(crate) struct Method {
    pub(crate) name: Ident,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) is_async: bool,
    pub(crate) has_receiver: bool,
}

/// One argument of an annotated method.
pub(crate) struct Argument {
    pub(crate) kind: Kind,
    /// Its type, without a reference.
    pub(crate) ty: Type,
    pub(crate) is_reference: bool,
}

/// Where the value of an argument comes from.
pub(crate) enum Kind {
    /// Its type tells.
    Typed,
    /// `#[path_param]` or `#[destination_variable]`: the variable of that name.
    Variable(Ident),
    /// `#[header("name")]`.
    Header(LitStr),
}

impl Method {
    /// Reads a method, and takes the attributes off its arguments. `variable` is the name of the
    /// attribute for variables.
    pub(crate) fn read(method: &mut ImplItemFn, variable: &str, mistakes: &mut Mistakes) -> Self {
        let mut arguments = Vec::new();
        for input in &mut method.sig.inputs {
            let FnArg::Typed(input) = input else { continue };
            let kind = read_kind(&mut input.attrs, &input.pat, variable, mistakes);
            let (ty, is_reference) = owned(&input.ty);
            arguments.push(Argument { kind, ty, is_reference });
        }
        let has_receiver = method.sig.receiver().is_some();
        if !has_receiver {
            mistakes.add(
                &method.sig,
                "the method needs `self`: `&self`, or `&mut self` in an endpoint",
            );
        }
        let name = method.sig.ident.clone();
        Self { name, arguments, is_async: method.sig.asyncness.is_some(), has_receiver }
    }

    /// The call, with arguments from the variables [`binding`] names.
    pub(crate) fn call(&self) -> TokenStream {
        let name = &self.name;
        let arguments = self.arguments.iter().enumerate().map(|(index, argument)| {
            let binding = binding(index);
            if argument.is_reference { quote!(&#binding) } else { quote!(#binding) }
        });
        let dot_await = self.is_async.then(|| quote!(.await));
        quote!(self.#name(#(#arguments),*) #dot_await)
    }
}

impl Argument {
    /// `T`, if the argument is an `Option<T>`.
    pub(crate) fn optional(&self) -> Option<&Type> {
        let Type::Path(path) = &self.ty else { return None };
        let last = path.path.segments.last().filter(|last| last.ident == "Option")?;
        let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
        match arguments.args.first()? {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        }
    }

    /// A call of the associated function `function` of the trait, which the compiler blames on the
    /// argument's type if that does not implement it.
    pub(crate) fn by_trait(&self, the_trait: &TokenStream, function: &TokenStream) -> TokenStream {
        let ty = &self.ty;
        quote_spanned!(ty.span()=> <#ty as #the_trait>::#function)
    }
}

pub(crate) fn binding(index: usize) -> Ident {
    quote::format_ident!("argument_{index}")
}

/// Takes the first attribute of this name off the list.
pub(crate) fn take_attribute(attributes: &mut Vec<Attribute>, name: &str) -> Option<Attribute> {
    let index = attributes.iter().position(|attribute| attribute.path().is_ident(name))?;
    Some(attributes.remove(index))
}

fn read_kind(
    attributes: &mut Vec<Attribute>,
    pattern: &Pat,
    variable: &str,
    mistakes: &mut Mistakes,
) -> Kind {
    if let Some(attribute) = take_attribute(attributes, variable) {
        let Pat::Ident(pattern) = pattern else {
            let message = format!("`#[{variable}]` needs a plain name, that of the variable");
            mistakes.add(pattern, message);
            return Kind::Typed;
        };
        if let Err(error) = attribute.meta.require_path_only() {
            mistakes.add_error(error);
        }
        return Kind::Variable(pattern.ident.clone());
    }
    if let Some(attribute) = take_attribute(attributes, "header")
        && let Some(name) = mistakes.ok(attribute.parse_args::<LitStr>())
    {
        return Kind::Header(name);
    }
    Kind::Typed
}

/// The type that is made for an argument, and whether the method wants a reference to it.
fn owned(ty: &Type) -> (Type, bool) {
    let Type::Reference(reference) = ty else { return (ty.clone(), false) };
    let is_str = reference.elem.to_token_stream().to_string() == "str";
    let owned = if is_str {
        let span = reference.elem.span();
        Type::Verbatim(quote_spanned!(span=> ::std::string::String))
    } else {
        (*reference.elem).clone()
    };
    (owned, true)
}
