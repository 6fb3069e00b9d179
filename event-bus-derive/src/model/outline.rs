//! What the generated items are called and take, whatever mistakes there are: what would clash is left out.

use proc_macro2::{Ident, TokenStream};
use quote::format_ident;
use syn::{GenericArgument, Generics, Path, PathArguments, Type, TypePath, Visibility, parse_quote};

use crate::ast::{Input, Shape, Tag, Values, Variant};
use crate::attr;
use crate::name::{constant, handler, plain};
use crate::syntax::ungrouped;
use crate::template::Piece;
use crate::valid;

pub(crate) struct Outline<'a> {
    pub(crate) event: &'a Ident,
    pub(crate) bus: Ident,
    pub(crate) blocking_bus: Ident,
    pub(crate) subscriber: Ident,
    /// A hidden module with a type for each handler that is missing.
    pub(crate) missing: Ident,
    pub(crate) vis: &'a Visibility,
    pub(crate) generics: &'a Generics,
    /// The lints that generated items are allowed, as attributes.
    pub(crate) lints: &'a TokenStream,
    pub(crate) krate: Path,
    pub(crate) bus_name: String,
    pub(crate) channels: Vec<Channel>,
    pub(crate) kinds: Kinds,
    pub(crate) tag: Tag,
    /// Payloads are decoded by themselves where they can be.
    pub(crate) decodes_by_tag: bool,
}

pub(crate) struct Channel {
    pub(crate) method: Ident,
    /// The generated type that holds the parameters, if there are any.
    pub(crate) holder: Option<Ident>,
    pub(crate) parameters: Vec<Ident>,
    pub(crate) pieces: Vec<Piece>,
}

/// The types of events.
pub(crate) enum Kinds {
    /// A struct is one, called this.
    Struct(String),
    Enum(Vec<Kind>),
}

/// One type of events: a variant.
pub(crate) struct Kind {
    pub(crate) variant: Ident,
    pub(crate) constant: Ident,
    /// The method of the subscriber.
    pub(crate) handler: Ident,
    /// What it is called on the wire; `None` for the one that takes the unknown.
    pub(crate) name: Option<String>,
    /// What a newtype variant carries.
    pub(crate) payload: Option<Payload>,
    /// Listeners know it; else it is only written, or takes the unknown.
    pub(crate) is_known: bool,
    /// The payload can be decoded by itself.
    pub(crate) stands_alone: bool,
}

pub(crate) struct Payload {
    /// Without its `Box`.
    pub(crate) ty: Type,
    pub(crate) is_boxed: bool,
}

impl<'a> Outline<'a> {
    pub(crate) fn of(input: &'a Input<'a>) -> Self {
        let declared = &input.attrs.channels;
        let clean = declared.iter().enumerate().filter(|(at, channel)| {
            let holder = channel.holder();
            let clashes = |earlier: &attr::Channel| {
                earlier.method == channel.method || (holder.is_some() && earlier.holder() == holder)
            };
            let is_free = !valid::is_taken(&channel.method) && holder.as_ref() != Some(input.ident);
            is_free && !declared[..*at].iter().any(clashes)
        });
        let beside =
            |suffix: &str| format_ident!("{}{suffix}", plain(input.ident), span = input.ident.span());
        Self {
            event: input.ident,
            // What imports the name of core's bus still means that one.
            bus: if valid::is_called_like_cores(input.ident) { beside("_Bus") } else { beside("Bus") },
            blocking_bus: beside("BlockingBus"),
            subscriber: beside("Subscriber"),
            missing: format_ident!("__{}_subscriber", plain(input.ident), span = input.ident.span()),
            vis: input.vis,
            generics: input.generics,
            lints: &input.lints,
            krate: input.attrs.krate.value.clone().unwrap_or_else(|| parse_quote!(::event_bus_core)),
            bus_name: input.attrs.name.value.as_ref().map(syn::LitStr::value).unwrap_or_default(),
            channels: clean.map(|(_, channel)| Channel::of(channel)).collect(),
            kinds: Kinds::of(input),
            tag: input.tag(),
            decodes_by_tag: input.attrs.decode_by_tag.is_given,
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

impl Kinds {
    fn of(input: &Input<'_>) -> Self {
        match &input.shape {
            Shape::Struct(_) | Shape::Union => {
                let told = input.attrs.event_type.value.as_ref().map(syn::LitStr::value);
                Self::Struct(told.unwrap_or_else(|| input.serde.name(input.ident)))
            }
            Shape::Enum(variants) => {
                let mut kinds: Vec<Kind> = Vec::new();
                for kind in variants.iter().map(|variant| Kind::of(input, variant)) {
                    let clashes =
                        |earlier: &Kind| earlier.handler == kind.handler || earlier.constant == kind.constant;
                    if !kinds.iter().any(clashes) {
                        kinds.push(kind);
                    }
                }
                Self::Enum(kinds)
            }
        }
    }
}

impl Kind {
    /// Whether listeners ever get such an event.
    pub(crate) fn is_heard(&self) -> bool {
        self.is_known || self.name.is_none()
    }

    fn of(input: &Input<'_>, variant: &Variant<'_>) -> Self {
        let payload = match &variant.values {
            Values::Unnamed(types) if types.len() == 1 => Some(Payload::of(types[0])),
            _ => None,
        };
        Self {
            variant: variant.ident.clone(),
            constant: constant(variant.ident),
            handler: handler(variant.ident),
            name: (!variant.attrs.other.is_given).then(|| input.wire_name(variant)),
            is_known: variant.is_known(),
            stands_alone: variant.stands_alone(),
            payload,
        }
    }
}

impl Payload {
    fn of(ty: &Type) -> Self {
        let ty = ungrouped(ty);
        match in_box(ty) {
            Some(inner) => Self { ty: inner.clone(), is_boxed: true },
            None => Self { ty: ty.clone(), is_boxed: false },
        }
    }
}

/// What is in the `Box` that `ty` is. Another type that is called so has a path of its own.
fn in_box(ty: &Type) -> Option<&Type> {
    let Type::Path(TypePath { qself: None, path, .. }) = ty else { return None };
    let names: Vec<String> = path.segments.iter().map(|segment| plain(&segment.ident)).collect();
    if !matches!(names.join("::").as_str(), "Box" | "std::boxed::Box" | "alloc::boxed::Box") {
        return None;
    }
    let PathArguments::AngleBracketed(arguments) = &path.segments.last()?.arguments else { return None };
    match arguments.args.first() {
        Some(GenericArgument::Type(inner)) if arguments.args.len() == 1 => Some(ungrouped(inner)),
        _ => None,
    }
}
