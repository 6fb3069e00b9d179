//! Where the channels of an event get their values from: every parameter of every channel that a struct or variant goes
//! to has its source. What is missing is recorded.

use proc_macro2::{Ident, Span};
use syn::{Index, Member};

use crate::ast::{Input, Shape, Values, Variant};
use crate::attr::{self, Rename};
use crate::ctxt::Ctxt;
use crate::name::plain;
use crate::nearest::did_you_mean;

/// A struct is one case; an enum has one for each variant.
pub(crate) enum Cases {
    Struct(Case),
    Enum(Vec<Case>),
}

/// One shape of events.
pub(crate) struct Case {
    pub(crate) variant: Option<Ident>,
    /// The channels that it goes to, by their place in the outline.
    pub(crate) channels: Vec<usize>,
    /// For each of their parameters.
    pub(crate) sources: Vec<Source>,
}

/// The value of `parameter` is in the field `root`, or in what `path` leads to from there.
pub(crate) struct Source {
    pub(crate) parameter: Ident,
    pub(crate) root: Member,
    pub(crate) path: Vec<Member>,
}

impl Cases {
    /// Finds the source of every parameter.
    pub(crate) fn lower(cx: &Ctxt, input: &Input<'_>) -> Self {
        let declared = &input.attrs.channels;
        let is_complete =
            !input.attrs.is_broken && !declared.iter().any(|channel| channel.template.is_broken);
        if is_complete {
            check_renames(cx, &parameters(declared), &input.attrs.renames);
        }
        match &input.shape {
            Shape::Struct(values) => {
                let holder = Holder { input, name: input.ident, values, variant: None };
                Self::Struct(holder.case(cx, (0..declared.len()).collect()))
            }
            Shape::Enum(variants) => {
                let case = |variant: &Variant<'_>| {
                    let channels = channels_of(declared, variant);
                    if is_complete && !variant.attrs.other.is_given {
                        let chosen = channels.iter().map(|at| &declared[*at]);
                        check_renames(cx, &parameters(chosen), &variant.attrs.renames);
                    }
                    let (name, values) = (variant.ident, &variant.values);
                    Holder { input, name, values, variant: Some(variant) }.case(cx, channels)
                };
                Self::Enum(variants.iter().map(case).collect())
            }
            Shape::Union => Self::Enum(Vec::new()),
        }
    }
}

/// The channels that the events of `variant` go to.
fn channels_of(declared: &[attr::Channel], variant: &Variant<'_>) -> Vec<usize> {
    let goes_to = |channel: &attr::Channel| match &variant.attrs.to {
        _ if variant.attrs.other.is_given => false, // it has no parameters that anybody could know
        to if to.is_given => to.value.iter().flatten().any(|name| plain(name) == plain(&channel.method)),
        _ => true,
    };
    declared.iter().enumerate().filter(|(_, channel)| goes_to(channel)).map(|(at, _)| at).collect()
}

/// All parameters of `channels`, each once.
fn parameters<'c>(channels: impl IntoIterator<Item = &'c attr::Channel>) -> Vec<&'c Ident> {
    let mut parameters = Vec::new();
    for parameter in channels.into_iter().flat_map(|channel| channel.template.parameters()) {
        if !parameters.contains(&parameter) {
            parameters.push(parameter);
        }
    }
    parameters
}

/// A rename of what nobody asks for is a typo.
fn check_renames(cx: &Ctxt, parameters: &[&Ident], renames: &[Rename]) {
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

/// A struct or variant, whose fields hold the values.
struct Holder<'a> {
    input: &'a Input<'a>,
    name: &'a Ident,
    values: &'a Values<'a>,
    variant: Option<&'a Variant<'a>>,
}

/// Which field a parameter is to be taken from.
struct Wish {
    path: Vec<Member>,
    is_told: bool,
    /// Where to say that it is not there.
    span: Span,
}

impl Holder<'_> {
    fn case(&self, cx: &Ctxt, channels: Vec<usize>) -> Case {
        let chosen = channels.iter().map(|at| &self.input.attrs.channels[*at]);
        let parameters = parameters(chosen);
        let homeless: Vec<&Ident> =
            parameters.iter().copied().filter(|parameter| self.has_no_place_for(parameter)).collect();
        if !homeless.is_empty() && !self.is_broken() {
            cx.error(self.name.span(), self.needs(&homeless));
        }
        let settled = parameters.iter().filter(|parameter| !homeless.contains(parameter));
        let sources = settled.filter_map(|parameter| self.source(cx, parameter)).collect();
        Case { variant: self.variant.map(|variant| variant.ident.clone()), channels, sources }
    }

    /// Whether it has no fields among which one could look for `parameter`.
    fn has_no_place_for(&self, parameter: &Ident) -> bool {
        let is_named = matches!(self.wish(parameter).path.first(), Some(Member::Named(_)) | None);
        match self.values {
            Values::Named(_) => false,
            Values::Unnamed(types) => types.len() != 1 && is_named,
            Values::None => true,
        }
    }

    fn needs(&self, homeless: &[&Ident]) -> String {
        let (needed, name) = (listed(homeless), self.name);
        let example = homeless.first().map(|parameter| plain(parameter)).unwrap_or_default();
        let by_number = match self.values {
            Values::Unnamed(types) if !types.is_empty() => {
                format!(", or take them by number: `#[bus(field({example} = \"0\"))]`")
            }
            _ => String::new(),
        };
        match self.variant {
            None => {
                format!("the channels need {needed}: give `{name}` named fields that have them{by_number}")
            }
            Some(_) => format!(
                "the channels need {needed} of every variant: give `{name}` one payload or named fields that have \
                 them{by_number}, or say with `#[bus(to(…))]` which channels it goes to"
            ),
        }
    }

    /// The source of `parameter`, if there is one.
    fn source(&self, cx: &Ctxt, parameter: &Ident) -> Option<Source> {
        let Wish { path, is_told, span } = self.wish(parameter);
        let (root, rest) = path.split_first()?;
        let found = match (self.values, root) {
            (Values::Named(fields), Member::Named(root)) => {
                let field = fields.iter().find(|field| plain(field) == plain(root));
                field.map(|field| (Member::Named((*field).clone()), rest.to_vec()))
            }
            (Values::Unnamed(types), Member::Unnamed(Index { index, .. })) => {
                ((*index as usize) < types.len()).then(|| (root.clone(), rest.to_vec()))
            }
            // In the payload, where only the compiler can look.
            (Values::Unnamed(_), Member::Named(_)) => {
                Some((Member::Unnamed(Index { index: 0, span }), path.clone()))
            }
            _ => None,
        };
        if found.is_none() && !self.is_broken() {
            cx.error(span, self.lacks(parameter, root, is_told));
        }
        let (root, path) = found?;
        Some(Source { parameter: parameter.clone(), root, path })
    }

    fn lacks(&self, parameter: &Ident, root: &Member, is_told: bool) -> String {
        let (parameter_name, name) = (plain(parameter), self.name);
        let root = match root {
            Member::Named(root) => plain(root),
            Member::Unnamed(root) => root.index.to_string(),
        };
        let hint = match self.values {
            Values::Named(fields) => hint(&root, fields),
            Values::Unnamed(types) => format!("it has fields 0 to {}", types.len().saturating_sub(1)),
            Values::None => "it has none".to_owned(),
        };
        match self.variant {
            None if !is_told => {
                let channels = &self.input.attrs.channels;
                let offset = channels.iter().find_map(|channel| channel.template.offset_of(parameter));
                let place = offset.map(|at| format!("at byte {at} of the template: ")).unwrap_or_default();
                format!("{place}the channel parameter `{{{parameter_name}}}` is no field of `{name}`: {hint}")
            }
            _ => format!(
                "the channel parameter `{{{parameter_name}}}` needs a field `{root}` in `{name}`: {hint} \
                 (`#[bus(field({parameter_name} = \"…\"))]` takes it from another field)"
            ),
        }
    }

    /// Where `parameter` is to be taken from: as the variant says, else as the type does, else the field of that name.
    fn wish(&self, parameter: &Ident) -> Wish {
        let of_variant = self.variant.iter().flat_map(|variant| &variant.attrs.renames);
        let told = of_variant
            .chain(&self.input.attrs.renames)
            .find(|rename| plain(&rename.parameter) == plain(parameter));
        match (told, self.variant) {
            (Some(rename), _) => {
                let span = rename.path.first().map_or_else(|| rename.parameter.span(), member_span);
                Wish { path: rename.path.clone(), is_told: true, span }
            }
            (None, variant) => {
                let span = variant.map_or_else(|| parameter.span(), |variant| variant.ident.span());
                let mut field = parameter.clone();
                field.set_span(span);
                Wish { path: vec![Member::Named(field)], is_told: false, span }
            }
        }
    }

    /// Whether what is missing may stand in what could not be understood.
    fn is_broken(&self) -> bool {
        self.variant.map_or(self.input.attrs.is_broken, |variant| variant.attrs.is_broken)
    }
}

fn member_span(member: &Member) -> Span {
    match member {
        Member::Named(name) => name.span(),
        Member::Unnamed(index) => index.span,
    }
}

fn hint(word: &str, known: &[&Ident]) -> String {
    let known: Vec<String> = known.iter().map(|name| plain(name)).collect();
    did_you_mean(word, &known.iter().map(String::as_str).collect::<Vec<_>>())
}

fn listed(parameters: &[&Ident]) -> String {
    let names: Vec<String> = parameters.iter().map(|name| format!("`{}`", plain(name))).collect();
    names.join(", ")
}
