//! The derive's own thin view of the event type: attributes read, shape sorted, nothing judged yet.
//! Only what can never be an event is refused here.

mod itself;
mod lints;

use proc_macro2::{Ident, TokenStream};
use syn::spanned::Spanned;
use syn::{Data, DataEnum, DeriveInput, Fields, Generics, LitStr, Type, Visibility};

use crate::attr;
use crate::ctxt::Ctxt;
use crate::serde_attr;

pub(crate) use itself::without_self;

pub(crate) struct Input<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) vis: &'a Visibility,
    pub(crate) generics: &'a Generics,
    pub(crate) attrs: attr::Container,
    pub(crate) serde: serde_attr::Container,
    pub(crate) shape: Shape<'a>,
    /// The lints that generated items are allowed, as attributes.
    pub(crate) lints: TokenStream,
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
    pub(crate) serde: serde_attr::Variant,
    pub(crate) values: Values<'a>,
    /// What is in it is its type's own business: serde's attributes say nothing of how it is read.
    pub(crate) is_plain: bool,
}

/// Where a message tells the type of its event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Absent,
    Field(String),
    Variant,
}

/// Where the values of a struct or variant are.
pub(crate) enum Values<'a> {
    /// In fields of these names.
    Named(Vec<&'a Ident>),
    /// In fields without names, of these types. In the one of a variant, the payload, may be fields with names:
    /// which, is for the compiler to know.
    Unnamed(Vec<&'a Type>),
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
        let serde = serde_attr::Container::parse(&input.attrs, matches!(input.data, Data::Enum(_)));
        Self {
            ident: &input.ident,
            vis: &input.vis,
            generics: &input.generics,
            attrs,
            serde,
            shape,
            lints: lints::of(input),
        }
    }
}

fn variants<'a>(cx: &Ctxt, data: &'a DataEnum) -> Vec<Variant<'a>> {
    let variants = data.variants.iter().map(|variant| {
        let serde = serde_attr::Variant::parse(&variant.attrs);
        let is_plain =
            serde.is_plain && !variant.fields.iter().any(|field| serde_attr::is_any_given(&field.attrs));
        let attrs = attr::Variant::parse(cx, &variant.attrs);
        Variant { ident: &variant.ident, attrs, serde, values: Values::of(cx, &variant.fields), is_plain }
    });
    variants.collect()
}

impl Input<'_> {
    /// The variants, if it is an enum.
    pub(crate) fn variants(&self) -> &[Variant<'_>] {
        match &self.shape {
            Shape::Enum(variants) => variants,
            Shape::Struct(_) | Shape::Union => &[],
        }
    }

    /// What the events of `variant` are called on the wire.
    pub(crate) fn wire_name(&self, variant: &Variant<'_>) -> String {
        let told = variant.attrs.event_type.value.as_ref().map(LitStr::value);
        told.unwrap_or_else(|| variant.serde.name(&self.serde, variant.ident))
    }

    /// Where messages tell the type. Nowhere if serde's attributes hide it, or somebody knew better than they: then what
    /// stands there can't be relied on.
    pub(crate) fn tag(&self) -> Tag {
        let hides_nothing = |variant: &Variant<'_>| {
            let is_serdes = self.wire_name(variant) == variant.serde.name(&self.serde, variant.ident);
            let is_told_for_nothing =
                !variant.attrs.event_type.is_given || (self.serde.is_given && is_serdes);
            variant.attrs.other.is_given || (variant.serde.obstacle.is_none() && is_told_for_nothing)
        };
        match &self.shape {
            Shape::Enum(variants) if self.serde.obstacle.is_none() && variants.iter().all(hides_nothing) => {
                self.serde.tag.clone().map_or(Tag::Variant, Tag::Field)
            }
            _ => Tag::Absent,
        }
    }
}

impl Variant<'_> {
    /// Whether its events are of a type that listeners know: serde reads them, or a name is told for whatever else does.
    pub(crate) fn is_known(&self) -> bool {
        !self.attrs.other.is_given && (self.serde.is_read || self.attrs.event_type.is_given)
    }

    /// Whether it has a payload that can be decoded by itself.
    pub(crate) fn stands_alone(&self) -> bool {
        let has_payload = matches!(&self.values, Values::Unnamed(types) if types.len() == 1);
        has_payload && self.is_plain && !self.attrs.other.is_given
    }
}

impl<'a> Values<'a> {
    fn of(cx: &Ctxt, fields: &'a Fields) -> Self {
        fields.iter().for_each(|field| attr::refuse_on_field(cx, &field.attrs));
        match fields {
            Fields::Named(fields) => {
                Self::Named(fields.named.iter().filter_map(|field| field.ident.as_ref()).collect())
            }
            Fields::Unnamed(fields) => Self::Unnamed(fields.unnamed.iter().map(|field| &field.ty).collect()),
            Fields::Unit => Self::None,
        }
    }
}
