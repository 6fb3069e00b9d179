//! The types of events: what they are called, where messages say so, and a constant for each that a listener can choose
//! it by.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use crate::ast::Tag;
use crate::expand::generics::sendable;
use crate::model::{Kind, Kinds, Outline, Payload};

/// The items of `impl Event` that are about types.
pub(super) fn of_event(outline: &Outline<'_>) -> TokenStream {
    let Outline { krate, kinds, .. } = outline;
    let names = names(kinds);
    let tag = match &outline.tag {
        Tag::Absent => quote!(Absent),
        Tag::Field(name) => quote!(Field(#name)),
        Tag::Variant => quote!(Variant),
    };
    let event_type = event_type(outline);
    let from_unknown = from_unknown(outline);
    let from_payload = from_payload(outline);
    quote! {
        const EVENT_TYPES: &'static [&'static str] = &[#(#names),*];
        const TYPE_TAG: #krate::TypeTag = #krate::TypeTag::#tag;

        fn event_type(&self) -> &str {
            #event_type
        }

        #from_unknown
        #from_payload
    }
}

fn names(kinds: &Kinds) -> Vec<&String> {
    match kinds {
        Kinds::Struct(name) => vec![name],
        Kinds::Enum(kinds) => {
            let known = kinds.iter().filter(|kind| kind.is_known);
            known.filter_map(|kind| kind.name.as_ref()).collect()
        }
    }
}

fn event_type(Outline { krate, kinds, .. }: &Outline<'_>) -> TokenStream {
    let kinds = match kinds {
        Kinds::Struct(name) => return quote!(#name),
        Kinds::Enum(kinds) if kinds.is_empty() => return quote!(match *self {}),
        Kinds::Enum(kinds) => kinds,
    };
    let arms = kinds.iter().map(|kind| {
        let variant = &kind.variant;
        if let Some(name) = &kind.name {
            return quote!(Self::#variant { .. } => #name,);
        }
        let name = quote_spanned!(place_for_unknown(kind)=> #krate::UnknownEvent::event_type(__unknown));
        quote!(Self::#variant(__unknown) => #name,)
    });
    quote!(match self { #(#arms)* })
}

/// How an event of an unknown type lands in the variant for them.
fn from_unknown(outline: &Outline<'_>) -> Option<TokenStream> {
    let Kinds::Enum(kinds) = &outline.kinds else { return None };
    let kind @ Kind { variant, .. } = kinds.iter().find(|kind| kind.name.is_none())?;
    let krate = &outline.krate;
    let land = quote_spanned!(place_for_unknown(kind)=> Self::#variant(__unknown));
    Some(quote! {
        fn from_unknown(__unknown: #krate::UnknownEvent) -> #krate::private::Option<Self> {
            #krate::private::Option::Some(#land)
        }
    })
}

/// How the payload of an event, decoded by itself, becomes the event.
fn from_payload(outline: &Outline<'_>) -> Option<TokenStream> {
    let Outline { krate, kinds: Kinds::Enum(kinds), decodes_by_tag: true, .. } = outline else { return None };
    let arms = kinds.iter().filter(|kind| kind.stands_alone).map(|Kind { variant, name, .. }| {
        quote! {
            #name => #krate::private::Option::Some(#krate::private::Result::map(
                #krate::private::Deserialize::deserialize(__fields),
                Self::#variant,
            )),
        }
    });
    Some(quote! {
        const DECODES_BY_TAG: bool = true;

        fn from_payload<'__de, __D: #krate::private::Deserializer<'__de>>(
            __event_type: &str,
            __fields: __D,
        ) -> #krate::private::Option<#krate::private::Result<Self, __D::Error>> {
            match __event_type {
                #(#arms)*
                _ => #krate::private::Option::None,
            }
        }
    })
}

/// Where the compiler says it if a variant has no place for an unknown event.
fn place_for_unknown(Kind { variant, payload, .. }: &Kind) -> Span {
    let place = payload.as_ref().map_or_else(|| variant.span(), |payload| payload.ty.span());
    place.resolved_at(Span::call_site())
}

/// A constant of the event for each of its types.
pub(super) fn constants(outline: &Outline<'_>) -> Option<TokenStream> {
    constants_with(outline, |kind| view(outline, kind))
}

/// The same, without a look at the event.
pub(super) fn constants_of_nothing(outline: &Outline<'_>) -> Option<TokenStream> {
    let krate = &outline.krate;
    constants_with(outline, |_| quote!(|_| #krate::private::Option::None))
}

fn constants_with(outline: &Outline<'_>, view: impl Fn(&Kind) -> TokenStream) -> Option<TokenStream> {
    let Outline { event, vis, lints, krate, kinds, .. } = outline;
    let Kinds::Enum(kinds) = kinds else { return None };
    let generics = sendable(outline.generics);
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let constants = kinds.iter().map(|kind| {
        let Kind { constant, variant, name, .. } = kind;
        let docs = match name {
            Some(name) => format!(" The events of the type `{name}`: [`{event}::{variant}`]."),
            None => format!(" The events of all unknown types: [`{event}::{variant}`]."),
        };
        let payload = seen(kind);
        let view = view(kind);
        let name = name.as_ref().map(|name| quote!(#name,));
        let constructor = if name.is_some() { quote!(new) } else { quote!(unknown) };
        quote! {
            #[doc = #docs]
            #[allow(dead_code, unreachable_patterns)]
            #vis const #constant: #krate::EventType<Self, #payload> =
                #krate::EventType::#constructor(#name #view);
        }
    });
    Some(quote! {
        #lints
        #[automatically_derived]
        impl #impl_generics #event #type_generics #where_clause {
            #(#constants)*
        }
    })
}

/// The type of what a listener sees of an event of this type.
pub(super) fn seen(kind: &Kind) -> TokenStream {
    kind.payload.as_ref().map_or_else(|| quote!(Self), |Payload { ty, .. }| quote!(#ty))
}

/// The way to that.
fn view(outline: &Outline<'_>, Kind { variant, payload, .. }: &Kind) -> TokenStream {
    let krate = &outline.krate;
    let (pattern, found) = match payload {
        Some(Payload { is_boxed: true, .. }) => (quote!((__payload)), quote!(&**__payload)),
        Some(_) => (quote!((__payload)), quote!(__payload)),
        None => (quote!({ .. }), quote!(__event)),
    };
    quote! {
        |__event| match __event {
            Self::#variant #pattern => #krate::private::Option::Some(#found),
            _ => #krate::private::Option::None,
        }
    }
}
