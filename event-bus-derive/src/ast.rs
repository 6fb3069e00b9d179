//! The derive's own thin view of the event type: attributes read, shape sorted, nothing judged yet.
//! Only what can never be an event is refused here.

use proc_macro2::Ident;
use syn::spanned::Spanned;
use syn::{Data, DataEnum, DeriveInput, Fields, Generics, Visibility};

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
    /// No event; that is recorded.
    Union,
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
    /// In so many fields without names. In the one of a variant, the payload, may be fields with names: which,
    /// is for the compiler to know.
    Unnamed(usize),
    /// Nowhere.
    None,
}

impl<'a> Input<'a> {
    pub(crate) fn parse(cx: &Ctxt, input: &'a DeriveInput) -> Self {
        let attrs = attr::Container::parse(cx, &input.attrs);
        let shape = match &input.data {
            Data::Struct(data) => Shape::Struct(Values::of(cx, &data.fields)),
            Data::Enum(data) => Shape::Enum(variants(cx, data)),
            Data::Union(data) => {
                cx.error(data.union_token.span(), "an event is a struct or an enum, not a union");
                Shape::Union
            }
        };
        Self { ident: &input.ident, vis: &input.vis, generics: &input.generics, attrs, shape }
    }
}

fn variants<'a>(cx: &Ctxt, data: &'a DataEnum) -> Vec<Variant<'a>> {
    let variants = data.variants.iter().map(|variant| Variant {
        ident: &variant.ident,
        attrs: attr::Variant::parse(cx, &variant.attrs),
        values: Values::of(cx, &variant.fields),
    });
    variants.collect()
}

impl<'a> Values<'a> {
    fn of(cx: &Ctxt, fields: &'a Fields) -> Self {
        fields.iter().for_each(|field| attr::refuse_on_field(cx, &field.attrs));
        match fields {
            Fields::Named(fields) => {
                Self::Named(fields.named.iter().filter_map(|field| field.ident.as_ref()).collect())
            }
            Fields::Unnamed(fields) => Self::Unnamed(fields.unnamed.len()),
            Fields::Unit => Self::None,
        }
    }
}
