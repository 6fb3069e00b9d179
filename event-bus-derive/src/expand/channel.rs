//! What is generated for each channel: a method of the bus, and a type that holds the parameters by name, so that
//! none can be swapped.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use crate::expand::generics::is_taken;
use crate::model::{Channel, Outline};
use crate::name::{pascal_case, plain};
use crate::template::Piece;

/// The method that gives the channel's handle, a `handle` of core.
pub(super) fn method(outline: &Outline<'_>, channel: &Channel, handle: &Ident) -> TokenStream {
    let Outline { event, vis, krate, .. } = outline;
    let (_, type_generics, _) = outline.generics.split_for_impl();
    let Channel { method, holder, parameters, .. } = channel;
    let docs = format!(" The channel `{}/{}`.", outline.bus_name, channel.shown());
    let kinds = kinds(outline, channel);
    let argument = holder.as_ref().map(|holder| quote!(, channel: #holder<#(#kinds),*>));
    let generics = holder.as_ref().map(|_| quote!(<#(#kinds: #krate::Parameter),*>));
    let address = kinds
        .iter()
        .rev()
        .fold(quote!(#krate::ChannelKey), |rest, kind| quote!(<#kind as #krate::Parameter>::Then<#rest>));
    let template = template(outline, channel);
    quote! {
        #[doc = #docs]
        #[allow(dead_code)]
        #vis fn #method #generics (
            &self
            #argument
        ) -> #krate::#handle<#event #type_generics, #address> {
            #krate::#handle::new(
                &self.0,
                #template.filter(&[#(#krate::Parameter::value(&channel.#parameters)),*]),
            )
        }
    }
}

/// The channel's template, as a constant expression.
pub(super) fn template(outline: &Outline<'_>, channel: &Channel) -> TokenStream {
    let Channel { holder: Some(holder), parameters, .. } = channel else {
        return literal_template(outline, channel);
    };
    let units = parameters.iter().map(|_| quote!(()));
    quote!(#holder::<#(#units),*>::TEMPLATE)
}

fn literal_template(outline: &Outline<'_>, Channel { parameters, pieces, .. }: &Channel) -> TokenStream {
    let krate = &outline.krate;
    let names = parameters.iter().map(plain);
    let pieces = pieces.iter().map(|piece| match piece {
        Piece::Literal(text) => quote!(#krate::private::Piece::Literal(#text)),
        Piece::Parameter(name) => {
            let number = parameters.iter().position(|known| known == name);
            quote!(#krate::private::Piece::Parameter(#number))
        }
    });
    quote!(#krate::private::Template::new(&[#(#names),*], &[#(#pieces),*]))
}

/// The type that holds the channel's parameters, if it has any.
pub(super) fn holder(outline: &Outline<'_>, channel: &Channel) -> Option<TokenStream> {
    let Outline { vis, lints, krate, .. } = outline;
    let Channel { holder: Some(holder), parameters, .. } = channel else { return None };
    let kinds = kinds(outline, channel);
    let docs = format!(" The parameters of the channel `{}/{}`.", outline.bus_name, channel.shown());
    let field_docs = parameters.iter().map(|name| format!(" `<{}>` in the channel.", plain(name)));
    let template = literal_template(outline, channel);
    let texts = parameters.iter().map(|_| quote!(&'__key str));
    let (numbers, count) = (0..parameters.len(), parameters.len());
    let at = channel.method.span().resolved_at(Span::call_site()); // where the compiler tells of a second one
    Some(quote_spanned! {at=>
        #[doc = #docs]
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
        #lints
        #[allow(dead_code, non_snake_case)]
        #vis struct #holder<#(#kinds),*> {
            #(
                #[doc = #field_docs]
                #vis #parameters: #kinds,
            )*
        }

        #lints
        #[automatically_derived]
        impl<#(#kinds),*> #holder<#(#kinds),*> {
            const TEMPLATE: #krate::private::Template = #template;
        }

        #lints
        #[automatically_derived]
        impl<#(#kinds: #krate::private::fmt::Display),*> #holder<#(#kinds),*> {
            /// The key of the channel.
            ///
            /// # Errors
            /// If a parameter is empty, or holds `/`, `*`, a brace or a control character.
            #[allow(dead_code)]
            #vis fn key(&self) -> #krate::private::Result<#krate::ChannelKey, #krate::KeyError> {
                Self::TEMPLATE.key(&[#(&self.#parameters),*])
            }
        }

        #lints
        #[automatically_derived]
        impl<'__key> #holder<#(#texts),*> {
            /// The parameters in the key of such a channel, as `delivery.channel().key()` has it; `None` for any other
            /// key.
            #[allow(dead_code)]
            #vis fn parse(key: &'__key str) -> #krate::private::Option<Self> {
                let __values = Self::TEMPLATE.parse::<#count>(key);
                #krate::private::Option::map(__values, |__values| Self { #(#parameters: __values[#numbers]),* })
            }
        }
    })
}

/// A type parameter for each parameter of the channel, called after it: anything that can be displayed.
fn kinds(outline: &Outline<'_>, channel: &Channel) -> Vec<Ident> {
    let mut kinds: Vec<Ident> = Vec::new();
    for (at, parameter) in channel.parameters.iter().enumerate() {
        let kind = format_ident!("{}", pascal_case(parameter), span = Span::mixed_site());
        let is_free = |kind: &Ident| {
            let is_a_type = channel.holder.as_ref() == Some(kind) || kind == outline.event || kind == "Self";
            !is_a_type && !kinds.contains(kind) && !is_taken(outline.generics, kind)
        };
        let mut number = at;
        let mut free = kind.clone();
        while !is_free(&free) {
            free = format_ident!("{kind}{number}");
            number += 1;
        }
        kinds.push(free);
    }
    kinds
}
