//! Lowers the parsed input to a model in which a wrong state can't be written: every channel parameter of every
//! struct or variant has its source.

use proc_macro2::Ident;
use quote::format_ident;
use syn::ext::IdentExt;
use syn::{Generics, LitStr, Path, Visibility, parse_quote};

use crate::ast::{Input, Shape, Values, Variant};
use crate::ctxt::Ctxt;
use crate::nearest::did_you_mean;
use crate::template::Piece;

pub(crate) struct Model<'a> {
    pub(crate) event: &'a Ident,
    pub(crate) bus: Ident,
    pub(crate) vis: &'a Visibility,
    pub(crate) generics: &'a Generics,
    pub(crate) krate: Path,
    pub(crate) bus_name: LitStr,
    pub(crate) channels: Vec<Channel>,
    pub(crate) cases: Cases,
}

pub(crate) struct Channel {
    pub(crate) method: Ident,
    /// The generated type that holds the parameters.
    pub(crate) holder: Ident,
    pub(crate) parameters: Vec<Ident>,
    pub(crate) pieces: Vec<Piece>,
    /// As the user wrote it, for the generated docs.
    pub(crate) template: String,
}

/// Where the parameters of an event are.
pub(crate) enum Cases {
    Struct(Vec<Source>),
    Enum(Vec<Case>),
}

pub(crate) struct Case {
    pub(crate) variant: Ident,
    pub(crate) place: Place,
    pub(crate) sources: Vec<Source>,
}

/// Where a variant keeps its values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Fields,
    Payload,
    /// It has no parameters to find.
    Nowhere,
}

/// The value of `parameter` is in `field`.
pub(crate) struct Source {
    pub(crate) parameter: Ident,
    pub(crate) field: Ident,
}

impl<'a> Model<'a> {
    /// `None` if something is missing; the mistakes are recorded.
    pub(crate) fn lower(cx: &Ctxt, input: Input<'a>) -> Option<Self> {
        let channels: Vec<Channel> = input.attrs.channels.iter().map(Channel::lower).collect();
        let mut parameters: Vec<&Ident> = Vec::new();
        for channel in &channels {
            parameters.extend(channel.parameters.iter());
        }
        parameters.sort();
        parameters.dedup();

        let cases = match &input.shape {
            Shape::Struct(values) => Cases::Struct(struct_sources(cx, &parameters, values)),
            Shape::Enum(variants) => {
                Cases::Enum(variants.iter().map(|variant| case(cx, &parameters, variant)).collect())
            }
        };
        Some(Self {
            event: input.ident,
            bus: format_ident!("{}Bus", input.ident.unraw(), span = input.ident.span()),
            vis: input.vis,
            generics: input.generics,
            krate: input.attrs.krate.unwrap_or_else(|| parse_quote!(::event_bus_core)),
            bus_name: input.attrs.name?,
            channels,
            cases,
        })
    }
}

impl Channel {
    fn lower(channel: &crate::attr::Channel) -> Self {
        let pieces = &channel.template.pieces;
        Self {
            method: channel.method.clone(),
            holder: format_ident!("{}Channel", pascal_case(&channel.method), span = channel.method.span()),
            parameters: channel.template.parameters().into_iter().cloned().collect(),
            template: pieces.iter().map(ToString::to_string).collect(),
            pieces: pieces.clone(),
        }
    }
}

impl std::fmt::Display for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Literal(text) => f.write_str(text),
            Self::Parameter(name) => write!(f, "<{}>", name.unraw()),
        }
    }
}

fn struct_sources(cx: &Ctxt, parameters: &[&Ident], values: &Values<'_>) -> Vec<Source> {
    let fields = match values {
        Values::Named(fields) => fields.as_slice(),
        Values::Payload | Values::None => &[],
    };
    let sources = parameters.iter().filter_map(|parameter| named_source(cx, parameter, parameter, fields));
    sources.collect()
}

fn case(cx: &Ctxt, parameters: &[&Ident], variant: &Variant<'_>) -> Case {
    for rename in &variant.attrs.renames {
        if !parameters.contains(&&rename.parameter) {
            let known: Vec<String> = parameters.iter().map(ToString::to_string).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let parameter = &rename.parameter;
            let hint = did_you_mean(&parameter.to_string(), &known);
            cx.error(parameter.span(), format!("no channel has a parameter `{parameter}`: {hint}"));
        }
    }
    let field_of = |parameter: &Ident| {
        let rename = variant.attrs.renames.iter().find(|rename| rename.parameter == *parameter);
        rename.map_or_else(|| parameter.clone(), |rename| rename.field.clone())
    };
    let (place, sources) = match &variant.values {
        _ if parameters.is_empty() => (Place::Nowhere, Vec::new()),
        Values::Named(fields) => {
            let sources = parameters
                .iter()
                .filter_map(|parameter| named_source(cx, parameter, &respanned(field_of(parameter), variant), fields));
            (Place::Fields, sources.collect())
        }
        Values::Payload => {
            let sources = parameters.iter().map(|parameter| Source {
                parameter: (*parameter).clone(),
                field: respanned(field_of(parameter), variant),
            });
            (Place::Payload, sources.collect())
        }
        Values::None => {
            let names: Vec<String> = parameters.iter().map(|name| format!("`{name}`")).collect();
            cx.error(
                variant.ident.span(),
                format!(
                    "the channels need {} of every variant: give `{}` one payload or named fields that have them",
                    names.join(", "),
                    variant.ident
                ),
            );
            (Place::Nowhere, Vec::new())
        }
    };
    Case { variant: variant.ident.clone(), place, sources }
}

/// The source of a parameter among named fields; a missing field is a mistake at `wanted`.
fn named_source(cx: &Ctxt, parameter: &Ident, wanted: &Ident, fields: &[&Ident]) -> Option<Source> {
    if let Some(field) = fields.iter().find(|field| **field == wanted) {
        return Some(Source { parameter: parameter.clone(), field: (*field).clone() });
    }
    let known: Vec<String> = fields.iter().map(|field| field.unraw().to_string()).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let hint = match known.as_slice() {
        [] => "it has no named fields".to_owned(),
        _ => did_you_mean(&wanted.unraw().to_string(), &known),
    };
    cx.error(wanted.span(), format!("the channel parameter `{{{parameter}}}` needs a field `{wanted}`: {hint}"));
    None
}

/// A field that a variant's payload turns out to lack is reported at the variant.
fn respanned(mut field: Ident, variant: &Variant<'_>) -> Ident {
    field.set_span(variant.ident.span());
    field
}

fn pascal_case(ident: &Ident) -> String {
    let words = ident.unraw().to_string();
    let words = words.split('_').map(|word| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    });
    words.collect()
}
