//! What is generated for each channel: a method of the bus, and a type that holds the parameters by name, so that
//! none can be swapped. How a key is built is in `keys.rs`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use crate::expand::keys;
use crate::model::{Channel, Outline};
use crate::name::{pascal_case, plain};

/// The method that gives the channel's handle, a `handle` of core.
pub(super) fn method(outline: &Outline<'_>, channel: &Channel, handle: &Ident) -> TokenStream {
    let Outline { event, vis, krate, .. } = outline;
    let (_, type_generics, _) = outline.generics.split_for_impl();
    let Channel { method, holder, parameters, .. } = channel;
    let docs = format!(" The channel `{}/{}`.", outline.bus_name, channel.shown());
    let (argument, key) = if parameters.is_empty() {
        (None, keys::of_channel(outline, channel, |_| TokenStream::new()))
    } else {
        let kinds = parameters.iter().map(|_| quote!(impl #krate::private::fmt::Display));
        (Some(quote!(, channel: #holder<#(#kinds),*>)), quote!(channel.key()))
    };
    quote! {
        #[doc = #docs]
        #[allow(dead_code)]
        #vis fn #method(&self #argument) -> #krate::#handle<#event #type_generics> {
            #krate::#handle::new(&self.0, #key)
        }
    }
}

/// The type that holds the channel's parameters, if it has any.
pub(super) fn holder(outline: &Outline<'_>, channel: &Channel) -> Option<TokenStream> {
    let Outline { vis, krate, .. } = outline;
    let Channel { holder, parameters, .. } = channel;
    if parameters.is_empty() {
        return None;
    }
    let kinds = kinds(channel);
    let docs = format!(" The parameters of the channel `{}/{}`.", outline.bus_name, channel.shown());
    let field_docs = parameters.iter().map(|name| format!(" `<{}>` in the channel.", plain(name)));
    let key = keys::of_channel(outline, channel, |parameter| quote!(&self.#parameter));
    let at = channel.method.span().resolved_at(Span::call_site()); // where the compiler tells of a second one
    Some(quote_spanned! {at=>
        #[doc = #docs]
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
        #[allow(dead_code)]
        #vis struct #holder<#(#kinds),*> {
            #(
                #[doc = #field_docs]
                #vis #parameters: #kinds,
            )*
        }

        #[automatically_derived]
        impl<#(#kinds: #krate::private::fmt::Display),*> #holder<#(#kinds),*> {
            /// The key of the channel.
            ///
            /// # Errors
            /// If a parameter is empty, or holds `/`, `*`, a brace or a control character.
            #[allow(dead_code)]
            #vis fn key(&self) -> #krate::private::Result<#krate::ChannelKey, #krate::KeyError> {
                #key
            }
        }
    })
}

/// A type parameter for each parameter of the channel, called after it: anything that can be displayed.
fn kinds(channel: &Channel) -> Vec<Ident> {
    let mut kinds: Vec<Ident> = Vec::new();
    for (at, parameter) in channel.parameters.iter().enumerate() {
        let kind = format_ident!("{}", pascal_case(parameter), span = Span::mixed_site());
        let is_taken = kind == channel.holder || kinds.contains(&kind) || kind == "Self";
        kinds.push(if is_taken { format_ident!("{kind}{at}") } else { kind });
    }
    kinds
}
