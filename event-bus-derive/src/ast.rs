//! The derive's own thin view of the event type: attributes read, shape sorted, nothing judged yet.

use proc_macro2::Ident;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Fields, Generics, Visibility};

use crate::attr;
use crate::ctxt::Ctxt;

pub(crate) struct Input<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) vis: &'a Visibility,
    pub(crate) generics: &'a Generics,
    pub(crate) attrs: attr::Container,
    pub(crate) shape: Shape<'a>,
}

pub(crate) enum Shape<'a> {
    Struct(Values<'a>),
    Enum(Vec<Variant<'a>>),
}

pub(crate) struct Variant<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) attrs: attr::Variant,
    pub(crate) values: Values<'a>,
}

/// Where the values of a struct or variant are.
pub(crate) enum Values<'a> {
    /// In fields of these names.
    Named(Vec<&'a Ident>),
    /// In fields of the one payload; which ones it has is for the compiler to know.
    Payload,
    /// Nowhere that a template could name.
    None,
}

impl<'a> Input<'a> {
    /// `None` for what can never be an event; the mistakes are recorded.
    pub(crate) fn parse(cx: &Ctxt, input: &'a DeriveInput) -> Option<Self> {
        let attrs = attr::Container::parse(cx, &input.attrs);
        let shape = match &input.data {
            Data::Struct(data) => Shape::Struct(Values::of_struct(cx, &data.fields)),
            Data::Enum(data) => {
                let variants = data.variants.iter().map(|variant| Variant {
                    ident: &variant.ident,
                    attrs: attr::Variant::parse(cx, &variant.attrs),
                    values: Values::of_variant(cx, &variant.fields),
                });
                Shape::Enum(variants.collect())
            }
            Data::Union(data) => {
                cx.error(data.union_token.span(), "an event is a struct or an enum, not a union");
                return None;
            }
        };
        Some(Self { ident: &input.ident, vis: &input.vis, generics: &input.generics, attrs, shape })
    }
}

impl<'a> Values<'a> {
    fn of_struct(cx: &Ctxt, fields: &'a Fields) -> Self {
        match Self::named(cx, fields) {
            Some(named) => named,
            None => Self::None,
        }
    }

    fn of_variant(cx: &Ctxt, fields: &'a Fields) -> Self {
        match Self::named(cx, fields) {
            Some(named) => named,
            None if fields.len() == 1 => Self::Payload,
            None => Self::None,
        }
    }

    fn named(cx: &Ctxt, fields: &'a Fields) -> Option<Self> {
        fields.iter().for_each(|field| attr::refuse_on_field(cx, &field.attrs));
        match fields {
            Fields::Named(fields) => {
                Some(Self::Named(fields.named.iter().filter_map(|field| field.ident.as_ref()).collect()))
            }
            Fields::Unnamed(_) | Fields::Unit => None,
        }
    }
}
