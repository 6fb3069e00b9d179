//! The rules that a bus declaration keeps to: one rule, one function, one why.
//! Which fields the event must have is not decided here, but in `model/cases.rs`.

mod types;

use proc_macro2::Ident;
use syn::LitStr;

use crate::ast::Input;
use crate::attr::{Channel, Container};
use crate::ctxt::Ctxt;
use crate::name::plain;
use crate::nearest::did_you_mean;
use crate::overlap::common_key;
use crate::template::Piece;

/// What a parameter's value never holds, so that a literal with one of them ends it for sure.
const SEPARATORS: [char; 3] = ['/', '{', '}'];

/// What a bus has without any channel, or a blocking one: whether there is one, only core knows. A method would hide the
/// functions of its traits too: with a channel `from` nobody could call `OrderBus::from`.
const TAKEN: [&str; 33] = [
    "new",
    "builder",
    "with_codec",
    "connect",
    "on",
    "runtime",
    "subscriber",
    "publish",
    "publish_to",
    "publish_batch",
    "publish_batch_to",
    "publish_event",
    "publish_or_log",
    "outbox",
    "unpublished",
    "listen",
    "listen_events",
    "wait",
    "wait_for_event",
    "read",
    "process_span",
    "acl",
    "close",
    "name",
    "channel",
    "capabilities",
    "health",
    "state",
    "watch_state",
    "clone",
    "from",
    "deref",
    "fmt",
];

pub(crate) fn check(cx: &Ctxt, input: &Input<'_>) {
    let Container { name, channels, overlaps, .. } = &input.attrs;
    check_name_given(cx, input);
    if let Some(name) = &name.value {
        check_bus_name(cx, name);
    }
    check_owned(cx, input);
    check_buses_differ(cx, input.ident);
    for channel in channels {
        check_method_is_free(cx, &channel.method);
        check_not_empty(cx, channel);
        check_literals(cx, channel);
        check_parameters_are_separated(cx, channel);
        check_has_a_type_to_name(cx, channel);
    }
    check_methods_differ(cx, channels);
    check_types_differ(cx, input.ident, channels);
    check_channels_differ(cx, channels);
    check_channels_are_apart(cx, channels, overlaps);
    check_overlaps_are_needed(cx, &input.attrs);
    types::check(cx, input);
}

/// Whether a bus has a method of that name already.
pub(crate) fn is_taken(method: &Ident) -> bool {
    TAKEN.contains(&plain(method).as_str())
}

/// Without a name there is no channel to agree on.
fn check_name_given(cx: &Ctxt, input: &Input<'_>) {
    if !input.attrs.name.is_given && !input.attrs.is_broken {
        let event = input.ident;
        cx.error(event.span(), format!("`{event}` needs the name of its bus: `#[bus(name = \"…\")]`"));
    }
}

/// The rules of `BusName`, found while compiling.
fn check_bus_name(cx: &Ctxt, name: &LitStr) {
    let text = name.value();
    if text.is_empty() {
        cx.error(name.span(), "the bus name is empty");
    } else if text.len() > 128 {
        cx.error(name.span(), format!("the bus name has {} bytes, at most 128 are allowed", text.len()));
    } else if let Some(c) = text.chars().find(|c| c.is_control() || "/{}*?[]\\".contains(*c)) {
        cx.error(name.span(), format!("the bus name holds {c:?}, which is not allowed there"));
    }
}

/// A received event outlives the message that it was decoded from.
fn check_owned(cx: &Ctxt, input: &Input<'_>) {
    if let Some(lifetime) = input.generics.lifetimes().next() {
        let (event, lifetime) = (input.ident, &lifetime.lifetime);
        cx.error(
            lifetime.span(),
            format!("an event owns what it holds: `{event}` can't borrow for `{lifetime}`"),
        );
    }
}

/// Whether the bus of that event would be called like one of core's, which stands beside it wherever that is imported, as
/// the derive itself is.
pub(crate) fn is_called_like_cores(event: &Ident) -> bool {
    matches!(plain(event).as_str(), "Event" | "BlockingEvent")
}

/// Whether there are blocking buses only core knows, and another crate may turn them on: a name that would clash then is
/// refused always.
fn check_buses_differ(cx: &Ctxt, event: &Ident) {
    if is_called_like_cores(event) {
        let message = format!(
            "the bus of `{event}` would be called `{event}Bus`, like the one of `event_bus_core`: call the event \
             otherwise"
        );
        cx.error(event.span(), message);
    }
    if let Some(twin) = plain(event).strip_suffix("Blocking").filter(|twin| !twin.is_empty()) {
        let message = format!(
            "the bus of `{event}` would have the name of the blocking bus of `{twin}`: call the event otherwise"
        );
        cx.error(event.span(), message);
    }
}

/// The generated method would hide the bus's own.
fn check_method_is_free(cx: &Ctxt, method: &Ident) {
    if is_taken(method) {
        cx.error(method.span(), format!("a bus has a method `{method}` already: name the channel otherwise"));
    }
}

/// A channel key is never empty.
fn check_not_empty(cx: &Ctxt, channel: &Channel) {
    let template = &channel.template;
    if template.pieces.is_empty() && !template.is_broken {
        cx.error(template.span, "the template is empty: a channel needs a key, for example \"all\"");
    }
}

/// A glob character would make the key match what it does not name; a control character is in no key.
fn check_literals(cx: &Ctxt, channel: &Channel) {
    for (offset, c) in &channel.template.forbidden {
        let why = if c.is_control() { "a control character" } else { "a glob character" };
        let message = format!(
            "at byte {offset} of the template: the template holds {c:?}, {why}, which is not allowed there"
        );
        cx.error(channel.template.span, message);
    }
}

/// `{a}{b}` and `{a}-{b}` read the same for different values: one user could listen to another's channel.
fn check_parameters_are_separated(cx: &Ctxt, channel: &Channel) {
    if channel.template.is_broken {
        return; // what would separate them may be what could not be read
    }
    let mut previous: Option<&Ident> = None;
    let mut is_separated = true;
    for (offset, piece) in channel.template.places() {
        match piece {
            Piece::Literal(text) => is_separated |= text.contains(SEPARATORS),
            Piece::Parameter(name) => {
                if let Some(before) = previous.filter(|_| !is_separated) {
                    let message = format!(
                        "at byte {offset} of the template: nothing separates `{{{}}}` from `{{{}}}`, so different \
                         values make the same channel: put a `/` between them",
                        plain(before),
                        plain(name),
                    );
                    cx.error(channel.template.span, message);
                }
                previous = Some(name);
                is_separated = false;
            }
        }
    }
}

/// A channel without parameters has no type for them.
fn check_has_a_type_to_name(cx: &Ctxt, channel: &Channel) {
    let Some(name) = &channel.holder_name else { return };
    if channel.template.parameters().is_empty() && !channel.template.is_broken {
        let method = &channel.method;
        cx.error(
            name.span(),
            format!("the channel `{method}` has no parameters, and so no type: leave out `as {name}`"),
        );
    }
}

/// Each becomes a method of the bus.
fn check_methods_differ(cx: &Ctxt, channels: &[Channel]) {
    for (at, channel) in channels.iter().enumerate() {
        if channels[..at].iter().any(|earlier| earlier.method == channel.method) {
            cx.error(channel.method.span(), format!("a channel `{}` is declared already", channel.method));
        }
    }
}

/// Each channel with parameters has a type for them, which stands beside the event.
fn check_types_differ(cx: &Ctxt, event: &Ident, channels: &[Channel]) {
    for (at, channel) in channels.iter().enumerate() {
        let (method, Some(holder)) = (&channel.method, channel.holder()) else { continue };
        let is_its = |other: &Channel| other.holder().is_some_and(|other| other == holder);
        let twin = channels[..at].iter().find(|earlier| earlier.method != *method && is_its(earlier));
        if let Some(twin) = twin {
            let message =
                format!("the channels `{}` and `{method}` would both have the type `{holder}`", twin.method);
            cx.error(method.span(), message);
        }
        if holder == *event {
            cx.error(
                method.span(),
                format!("the channel `{method}` has a type `{holder}`, which is the event's name"),
            );
        }
    }
}

/// Every event would be delivered twice to the same channel.
fn check_channels_differ(cx: &Ctxt, channels: &[Channel]) {
    for (earlier, channel) in pairs(channels) {
        if is_the_same(earlier, channel) {
            cx.error(
                channel.template.span,
                format!("the channels `{}` and `{}` are the same one", earlier.method, channel.method),
            );
        }
    }
}

/// Whoever controls a value of one channel would reach the other: a user called `all` would hear everybody.
fn check_channels_are_apart(cx: &Ctxt, channels: &[Channel], overlaps: &[Vec<Ident>]) {
    for (earlier, channel) in pairs(channels) {
        let [a, b] = [&earlier.method, &channel.method].map(plain);
        let is_meant =
            |names: &Vec<Ident>| [&a, &b].iter().all(|name| names.iter().any(|known| plain(known) == **name));
        let is_told = a == b || is_the_same(earlier, channel) || overlaps.iter().any(is_meant);
        if let Some(key) = overlap(earlier, channel).filter(|_| !is_told) {
            let message = format!(
                "the channels `{a}` and `{b}` can come out alike, as `{key}`: whoever chooses a value of one reaches the \
                 other. Put a literal before each that keeps them apart, such as `{a}/` and `{b}/`, or say that it is \
                 meant: `overlap({a}, {b})`"
            );
            cx.error(channel.template.span, message);
        }
    }
}

fn no_such_channel(cx: &Ctxt, channels: &[Channel], name: &Ident) {
    let known: Vec<String> = channels.iter().map(|channel| plain(&channel.method)).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let text = plain(name);
    cx.error(name.span(), format!("there is no channel `{text}`: {}", did_you_mean(&text, &known)));
}

/// One that is not needed any more would hide the next mistake.
fn check_overlaps_are_needed(cx: &Ctxt, attrs: &Container) {
    for name in attrs.overlaps.iter().flatten() {
        let text = plain(name);
        let named = attrs.channels.iter().find(|channel| plain(&channel.method) == text);
        let Some(channel) = named else {
            if !attrs.is_broken {
                no_such_channel(cx, &attrs.channels, name);
            }
            continue;
        };
        let lists = attrs.overlaps.iter().filter(|names| names.iter().any(|other| plain(other) == text));
        let others = lists.flatten().flat_map(|other| {
            let is_named = move |known: &&Channel| plain(&known.method) == plain(other);
            attrs.channels.iter().filter(is_named).filter(|known| known.method != channel.method)
        });
        let is_needed = others
            .into_iter()
            .any(|other| is_unreadable(channel, other) || overlap(channel, other).is_some());
        if !is_needed {
            cx.error(
                name.span(),
                format!("the channel `{text}` never comes out like the others: leave it out"),
            );
        }
    }
}

/// A key that both can be, if both could be read.
fn overlap(a: &Channel, b: &Channel) -> Option<String> {
    let is_whole = !is_unreadable(a, b) && !a.template.pieces.is_empty() && !b.template.pieces.is_empty();
    if is_whole { common_key(&a.template.pieces, &b.template.pieces) } else { None }
}

fn is_unreadable(a: &Channel, b: &Channel) -> bool {
    a.template.is_broken || b.template.is_broken
}

fn is_the_same(a: &Channel, b: &Channel) -> bool {
    !a.template.is_broken && !a.template.pieces.is_empty() && a.template.pieces == b.template.pieces
}

/// Each two channels, the earlier first.
fn pairs(channels: &[Channel]) -> impl Iterator<Item = (&Channel, &Channel)> {
    channels
        .iter()
        .enumerate()
        .flat_map(|(at, channel)| channels[..at].iter().map(move |earlier| (earlier, channel)))
}
