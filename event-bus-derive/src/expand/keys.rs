//! Expressions for channel keys: of an event, from its fields; of a channel, from its parameters.
//! Locals begin with `__`, so that no constant of the user's is taken for them.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use crate::model::{Case, Cases, Channel, Model, Outline, Place, Source};
use crate::name::plain;
use crate::template::Piece;

/// The body of `Event::channel_keys`.
pub(super) fn of_event(Model { outline, cases }: &Model<'_>) -> TokenStream {
    let krate = &outline.krate;
    match cases {
        _ if outline.channels.is_empty() => quote!(#krate::private::Result::Ok(#krate::private::Vec::new())),
        Cases::Struct(sources) => all(outline, sources, |Source { field, .. }| {
            let at = here(field);
            quote_spanned!(at=> &self.#field)
        }),
        Cases::Enum(cases) if cases.is_empty() => quote!(match *self {}),
        Cases::Enum(cases) => {
            let arms = cases.iter().map(|case| arm(outline, case));
            quote!(match self { #(#arms)* })
        }
    }
}

fn arm(outline: &Outline<'_>, Case { variant, place, sources }: &Case) -> TokenStream {
    match place {
        Place::Nowhere => {
            let keys = all(outline, sources, |_| TokenStream::new());
            quote!(Self::#variant { .. } => { #keys })
        }
        Place::Payload => {
            let keys = all(outline, sources, |Source { field, .. }| {
                let at = here(field);
                quote_spanned!(at=> &__payload.#field)
            });
            quote!(Self::#variant(__payload) => { #keys })
        }
        Place::Fields => {
            let fields = sources.iter().map(|source| &source.field);
            let locals = sources.iter().map(local);
            let keys = all(outline, sources, |source| {
                let local = local(source);
                quote!(#local)
            });
            quote!(Self::#variant { #(#fields: #locals,)* .. } => { #keys })
        }
    }
}

/// A name for a bound field.
fn local(Source { parameter, field }: &Source) -> Ident {
    format_ident!("__{}", plain(parameter), span = here(field))
}

/// Where `field` stands, with names meaning what they mean in generated code: the field may come out of a macro.
fn here(field: &Ident) -> Span {
    field.span().resolved_at(Span::call_site())
}

/// The keys of all channels, the value of each parameter being `value` of its source.
fn all(outline: &Outline<'_>, sources: &[Source], value: impl Fn(&Source) -> TokenStream) -> TokenStream {
    let krate = &outline.krate;
    let keys = outline.channels.iter().map(|channel| {
        of_channel(outline, channel, |parameter| {
            let source = sources.iter().find(|source| source.parameter == *parameter);
            source.map(&value).unwrap_or_default()
        })
    });
    quote! {
        let mut __keys = #krate::private::Vec::new();
        #(__keys.push(#keys?);)*
        #krate::private::Result::Ok(__keys)
    }
}

/// The `Result` of a channel's key, in a function that returns one.
pub(super) fn of_channel(
    outline: &Outline<'_>,
    channel: &Channel,
    value: impl Fn(&Ident) -> TokenStream,
) -> TokenStream {
    let krate = &outline.krate;
    let steps = channel.pieces.iter().map(|piece| match piece {
        Piece::Literal(text) => quote!(.literal(#text)),
        Piece::Parameter(parameter) => {
            let (name, value) = (plain(parameter), value(parameter));
            quote!(.parameter(#name, #value)?)
        }
    });
    quote!(#krate::private::KeyBuilder::new()#(#steps)*.finish())
}
