//! Lowers the parsed input to a model in which a wrong state can't be written: every channel parameter of every
//! struct or variant has its source. The outline, without sources, is there even after a mistake.

use proc_macro2::Ident;
use quote::format_ident;
use syn::{Generics, Path, Visibility, parse_quote};

use crate::ast::{Input, Shape, Values, Variant};
use crate::attr::{self, Rename};
use crate::ctxt::Ctxt;
use crate::name::plain;
use crate::nearest::did_you_mean;
use crate::template::Piece;
use crate::valid;

pub(crate) struct Model<'a> {
    pub(crate) outline: Outline<'a>,
    pub(crate) cases: Cases,
}

/// What the generated items are called and take.
pub(crate) struct Outline<'a> {
    pub(crate) event: &'a Ident,
    pub(crate) bus: Ident,
    pub(crate) blocking_bus: Ident,
    pub(crate) vis: &'a Visibility,
    pub(crate) generics: &'a Generics,
    pub(crate) krate: Path,
    pub(crate) bus_name: String,
    pub(crate) channels: Vec<Channel>,
}

pub(crate) struct Channel {
    pub(crate) method: Ident,
    /// The generated type that holds the parameters.
    pub(crate) holder: Ident,
    pub(crate) parameters: Vec<Ident>,
    pub(crate) pieces: Vec<Piece>,
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

impl<'a> Outline<'a> {
    /// What can be generated whatever mistakes there are. Channels that would clash are left out.
    pub(crate) fn of(input: &Input<'a>) -> Self {
        let declared = &input.attrs.channels;
        let clean = declared.iter().enumerate().filter(|(at, channel)| {
            let clashes = |earlier: &attr::Channel| earlier.holder() == channel.holder();
            let is_free = !valid::is_taken(&channel.method) && channel.holder() != *input.ident;
            is_free && !declared[..*at].iter().any(clashes)
        });
        Self {
            event: input.ident,
            bus: format_ident!("{}Bus", plain(input.ident), span = input.ident.span()),
            blocking_bus: format_ident!("{}BlockingBus", plain(input.ident), span = input.ident.span()),
            vis: input.vis,
            generics: input.generics,
            krate: input.attrs.krate.value.clone().unwrap_or_else(|| parse_quote!(::event_bus_core)),
            bus_name: input.attrs.name.value.as_ref().map(syn::LitStr::value).unwrap_or_default(),
            channels: clean.map(|(_, channel)| Channel::of(channel)).collect(),
        }
    }
}

impl Channel {
    fn of(channel: &attr::Channel) -> Self {
        Self {
            method: channel.method.clone(),
            holder: channel.holder(),
            parameters: channel.template.parameters().into_iter().cloned().collect(),
            pieces: channel.template.pieces.clone(),
        }
    }

    /// For the generated docs: `user-1/<graph_id>`.
    pub(crate) fn shown(&self) -> String {
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Literal(text) => text.clone(),
            Piece::Parameter(name) => format!("<{}>", plain(name)),
        });
        pieces.collect()
    }
}

impl Cases {
    /// Finds the source of every parameter; what is missing is recorded.
    pub(crate) fn lower(cx: &Ctxt, input: &Input<'_>) -> Self {
        let parameters = parameters(&input.attrs.channels);
        match &input.shape {
            Shape::Struct(values) => Self::Struct(struct_sources(cx, input.ident, &parameters, values)),
            Shape::Enum(variants) => {
                let is_complete = !input.attrs.channels.iter().any(|channel| channel.template.is_broken);
                let case = |variant| {
                    if is_complete && !input.attrs.is_broken {
                        check_renames(cx, &parameters, variant);
                    }
                    Case::of(cx, &parameters, variant)
                };
                Self::Enum(variants.iter().map(case).collect())
            }
            Shape::Union => Self::Enum(Vec::new()),
        }
    }
}

/// All parameters of all channels, each once.
fn parameters(channels: &[attr::Channel]) -> Vec<&Ident> {
    let mut parameters = Vec::new();
    for parameter in channels.iter().flat_map(|channel| channel.template.parameters()) {
        if !parameters.contains(&parameter) {
            parameters.push(parameter);
        }
    }
    parameters
}

fn struct_sources(cx: &Ctxt, event: &Ident, parameters: &[&Ident], values: &Values<'_>) -> Vec<Source> {
    let Values::Named(fields) = values else {
        if !parameters.is_empty() {
            cx.error(
                event.span(),
                format!(
                    "the channels need {}: give `{event}` named fields that have them",
                    listed(parameters)
                ),
            );
        }
        return Vec::new();
    };
    let sources = parameters.iter().filter_map(|parameter| {
        let field = fields.iter().find(|field| plain(field) == plain(parameter));
        if field.is_none() {
            let name = plain(parameter);
            let hint = hint(&name, fields);
            cx.error(
                parameter.span(),
                format!("the channel parameter `{{{name}}}` is no field of `{event}`: {hint}"),
            );
        }
        Some(Source { parameter: (*parameter).clone(), field: (*field?).clone() })
    });
    sources.collect()
}

/// A rename of what nobody asks for is a typo.
fn check_renames(cx: &Ctxt, parameters: &[&Ident], variant: &Variant<'_>) {
    let renames = &variant.attrs.renames;
    for (at, Rename { parameter, .. }) in renames.iter().enumerate() {
        let name = plain(parameter);
        if !parameters.iter().any(|known| plain(known) == name) {
            let hint = hint(&name, parameters);
            cx.error(parameter.span(), format!("no channel has a parameter `{{{name}}}`: {hint}"));
        } else if renames[..at].iter().any(|earlier| plain(&earlier.parameter) == name) {
            cx.error(parameter.span(), format!("the field of `{{{name}}}` is given twice"));
        }
    }
}

impl Case {
    fn of(cx: &Ctxt, parameters: &[&Ident], variant: &Variant<'_>) -> Self {
        let (place, sources) = match &variant.values {
            _ if parameters.is_empty() => (Place::Nowhere, Vec::new()),
            Values::Named(fields) => {
                let sources =
                    parameters.iter().filter_map(|parameter| named_source(cx, parameter, variant, fields));
                (Place::Fields, sources.collect())
            }
            Values::Unnamed(1) => {
                let sources = parameters.iter().map(|parameter| Source {
                    parameter: (*parameter).clone(),
                    field: wanted_field(parameter, variant),
                });
                (Place::Payload, sources.collect())
            }
            Values::Unnamed(_) | Values::None => {
                let (needed, name) = (listed(parameters), variant.ident);
                let message = format!(
                    "the channels need {needed} of every variant: give `{name}` one payload or named fields that \
                     have them"
                );
                cx.error(name.span(), message);
                (Place::Nowhere, Vec::new())
            }
        };
        Self { variant: variant.ident.clone(), place, sources }
    }
}

fn named_source(cx: &Ctxt, parameter: &Ident, variant: &Variant<'_>, fields: &[&Ident]) -> Option<Source> {
    let wanted = wanted_field(parameter, variant);
    let field = fields.iter().find(|field| plain(field) == plain(&wanted));
    if field.is_none() && !variant.attrs.is_broken {
        let (parameter, wanted_name) = (plain(parameter), plain(&wanted));
        let hint = hint(&wanted_name, fields);
        let message = format!(
            "the channel parameter `{{{parameter}}}` needs a field `{wanted_name}` in `{}`: {hint} \
             (`#[bus(field({parameter} = \"…\"))]` takes it from another field)",
            variant.ident
        );
        cx.error(wanted.span(), message);
    }
    Some(Source { parameter: parameter.clone(), field: (*field?).clone() })
}

/// The field that `variant` should have for `parameter`. Should it lack it, that is reported at the variant, or
/// where the variant names the field.
fn wanted_field(parameter: &Ident, variant: &Variant<'_>) -> Ident {
    let rename = variant.attrs.renames.iter().find(|rename| plain(&rename.parameter) == plain(parameter));
    let mut field = rename.map_or(parameter, |rename| &rename.field).clone();
    if rename.is_none() {
        field.set_span(variant.ident.span());
    }
    field
}

fn hint(word: &str, known: &[&Ident]) -> String {
    let known: Vec<String> = known.iter().map(|name| plain(name)).collect();
    did_you_mean(word, &known.iter().map(String::as_str).collect::<Vec<_>>())
}

fn listed(parameters: &[&Ident]) -> String {
    let names: Vec<String> = parameters.iter().map(|name| format!("`{}`", plain(name))).collect();
    names.join(", ")
}
