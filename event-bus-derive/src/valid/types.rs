//! The rules for the types of events: what each is called, where it goes, and the one that takes the unknown.

use proc_macro2::{Ident, Span};
use syn::spanned::Spanned;

use super::no_such_channel;
use crate::ast::{Input, Shape, Tag, Values, Variant};
use crate::attr::Container;
use crate::ctxt::Ctxt;
use crate::name::{constant, handler, plain};
use crate::serde_attr::Obstacle;

pub(super) fn check(cx: &Ctxt, input: &Input<'_>) {
    check_place_of_event_type(cx, input);
    check_names_are_told(cx, input);
    check_names_differ(cx, input);
    check_handlers_differ(cx, input.variants());
    check_one_takes_the_unknown(cx, input.variants());
    check_decodes_by_tag(cx, input);
    for variant in input.variants() {
        check_name_is_text(cx, variant);
        check_goes_to_channels(cx, input, variant);
        check_takes_the_unknown(cx, variant);
    }
}

/// An enum has a type for each variant.
fn check_place_of_event_type(cx: &Ctxt, input: &Input<'_>) {
    let Some(text) = &input.attrs.event_type.value else { return };
    if matches!(input.shape, Shape::Enum(_)) {
        cx.error(text.span(), "an enum has a type of events for each variant: say it there");
    } else if text.value().is_empty() {
        cx.error(text.span(), "the event type is empty");
    }
}

/// A name that is guessed wrong would let listeners skip what they want.
fn check_names_are_told(cx: &Ctxt, input: &Input<'_>) {
    let needs_a_name = |variant: &&Variant<'_>| {
        !variant.attrs.event_type.is_given && !variant.attrs.other.is_given && !variant.attrs.is_broken
    };
    if let Some(obstacle) = &input.serde.obstacle {
        let nameless: Vec<&Ident> =
            input.variants().iter().filter(needs_a_name).map(|variant| variant.ident).collect();
        let is_nameless_struct = matches!(input.shape, Shape::Struct(_))
            && !input.attrs.event_type.is_given
            && !input.attrs.is_broken;
        if is_nameless_struct {
            cx.error(obstacle.span, hidden(obstacle, input.ident));
        } else if let [first, ..] = nameless.as_slice() {
            let names: Vec<String> = nameless.iter().map(|name| format!("`{name}`")).collect();
            let message = match nameless.as_slice() {
                [_] => hidden(obstacle, first),
                _ => format!(
                    "`#[serde({})]` hides what the types of events are called on the wire: say it with \
                     `#[bus(event_type = \"…\")]` at each variant ({})",
                    obstacle.attribute,
                    names.join(", ")
                ),
            };
            cx.error(obstacle.span, message);
        }
        return;
    }
    for variant in input.variants().iter().filter(needs_a_name) {
        if let Some(obstacle) = &variant.serde.obstacle {
            cx.error(obstacle.span, hidden(obstacle, variant.ident));
        }
    }
}

fn hidden(Obstacle { attribute, .. }: &Obstacle, name: &Ident) -> String {
    format!(
        "`#[serde({attribute})]` hides what `{name}` is called on the wire: say it with `#[bus(event_type = \"…\")]`"
    )
}

/// Nobody could tell them apart. What is not read may be called like what is read in its stead.
fn check_names_differ(cx: &Ctxt, input: &Input<'_>) {
    let known: Vec<&Variant<'_>> = input.variants().iter().filter(|variant| variant.is_known()).collect();
    for (at, variant) in known.iter().enumerate() {
        let name = input.wire_name(variant);
        if let Some(twin) = known[..at].iter().find(|earlier| input.wire_name(earlier) == name) {
            let message =
                format!("`{}` and `{}` are both called {name:?} on the wire", twin.ident, variant.ident);
            cx.error(span_of_name(variant), message);
        }
    }
}

fn span_of_name(variant: &Variant<'_>) -> Span {
    variant.attrs.event_type.value.as_ref().map_or_else(|| variant.ident.span(), Spanned::span)
}

/// An event without a type is skipped by everybody who wants one.
fn check_name_is_text(cx: &Ctxt, variant: &Variant<'_>) {
    if let Some(text) = variant.attrs.event_type.value.as_ref().filter(|text| text.value().is_empty()) {
        cx.error(text.span(), "the event type is empty");
    }
}

/// Each is a method of the subscriber, and a constant of the event.
fn check_handlers_differ(cx: &Ctxt, variants: &[Variant<'_>]) {
    for (at, Variant { ident, .. }) in variants.iter().enumerate() {
        let twin = variants[..at].iter().find(|earlier| {
            handler(earlier.ident) == handler(ident) || constant(earlier.ident) == constant(ident)
        });
        if let Some(twin) = twin {
            let message = format!(
                "`{}` and `{ident}` would both have the handler `{}` and the constant `{}`: name one otherwise \
                 (serde's `rename` keeps its name on the wire)",
                twin.ident,
                handler(ident),
                constant(ident),
            );
            cx.error(ident.span(), message);
        }
    }
}

/// A misspelt channel would get nothing.
fn check_goes_to_channels(cx: &Ctxt, input: &Input<'_>, variant: &Variant<'_>) {
    let Container { channels, is_broken, .. } = &input.attrs;
    let names = variant.attrs.to.value.as_deref().unwrap_or_default();
    for (at, name) in names.iter().enumerate() {
        let text = plain(name);
        if !is_broken && !channels.iter().any(|channel| plain(&channel.method) == text) {
            no_such_channel(cx, channels, name);
        } else if names[..at].iter().any(|earlier| plain(earlier) == text) {
            cx.error(name.span(), format!("the channel `{text}` is given twice"));
        }
    }
}

/// An unknown event can't land in two places.
fn check_one_takes_the_unknown(cx: &Ctxt, variants: &[Variant<'_>]) {
    let mut others = variants.iter().filter(|variant| variant.attrs.other.is_given);
    let Some(first) = others.next() else { return };
    for other in others {
        let message = format!("events of unknown types land in `{}` already", first.ident);
        cx.error(other.ident.span(), message);
    }
}

/// What would never be decoded so is a mistake.
fn check_decodes_by_tag(cx: &Ctxt, input: &Input<'_>) {
    let Some(place) = input.attrs.decode_by_tag.value else { return };
    let obstacles = input.variants().iter().filter_map(|variant| variant.serde.obstacle.as_ref());
    let obstacle = input.serde.obstacle.iter().chain(obstacles).next();
    if let (Some(_), Some(Obstacle { attribute, .. })) = (&input.serde.tag, obstacle) {
        let message =
            format!("what stands in the tag can't be relied on, because of `#[serde({attribute})]`");
        cx.error(place, message);
    } else if !matches!(input.tag(), Tag::Field(_)) || input.serde.is_beside_tag {
        cx.error(
            place,
            "there is no tag to decode by: that is for an enum with `#[serde(tag = \"…\")]` and without `content`",
        );
    } else if input.generics.type_params().next().is_some() {
        cx.error(place, "an event with type parameters can't be decoded by its tag");
    } else if !input.variants().iter().any(Variant::stands_alone) {
        cx.error(
            place,
            "there is nothing to decode by itself: no variant has one payload that is read by the traits of its type",
        );
    }
}

/// It stands for what nobody here knows: it has no name and no channels, and serde can't read it.
fn check_takes_the_unknown(cx: &Ctxt, variant: &Variant<'_>) {
    let Some(other) = variant.attrs.other.value else { return };
    let name = variant.ident;
    if !matches!(&variant.values, Values::Unnamed(types) if types.len() == 1) {
        let message =
            format!("`{name}` takes events of unknown types: give it one payload, `{name}(UnknownEvent)`");
        cx.error(name.span(), message);
    } else if !variant.serde.is_skipped {
        let message = format!("`{name}` is made of what serde can't read: add `#[serde(skip)]`");
        cx.error(other, message);
    }
    let needless = [
        (!variant.attrs.renames.is_empty(), "field"),
        (variant.attrs.to.is_given, "to"),
        (variant.attrs.event_type.is_given, "event_type"),
    ];
    for (_, key) in needless.into_iter().filter(|(is_given, _)| *is_given) {
        let message = format!("`{name}` takes events of unknown types: leave out `{key}`");
        cx.error(other, message);
    }
}
