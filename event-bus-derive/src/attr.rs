//! Reads `#[bus(…)]` into plain values. What they may be together is decided in `valid.rs`.
//! After a mistake it goes on with what was meant, so that one mistake is one message.

use proc_macro2::{Ident, Span};
use quote::format_ident;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprCast, Index, LitStr, Member, Meta, Path, Type};

use crate::ctxt::Ctxt;
use crate::name;
use crate::nearest::{did_you_mean, nearest};
use crate::syntax::{items, list, names, text, text_of, ungrouped, word};
use crate::template::Template;

/// What `#[bus(…)]` has on the event type.
const ON_A_TYPE: [&str; 7] = ["name", "channel", "overlap", "field", "event_type", "decode_by_tag", "crate"];

/// What it has on a variant.
const ON_A_VARIANT: [&str; 4] = ["field", "to", "event_type", "other"];

/// `#[bus(…)]` on the event type.
#[derive(Debug, Default)]
pub(crate) struct Container {
    pub(crate) name: Once<LitStr>,
    pub(crate) channels: Vec<Channel>,
    /// `overlap(channel, channel)`: these may come out alike.
    pub(crate) overlaps: Vec<Vec<Ident>>,
    pub(crate) renames: Vec<Rename>,
    /// What the type of a struct is called on the wire.
    pub(crate) event_type: Once<LitStr>,
    /// `decode_by_tag`: an event is decoded as the payload of the variant that its tag names.
    pub(crate) decode_by_tag: Once<Span>,
    pub(crate) krate: Once<Path>,
    /// Something could not be understood, so what is missing may stand in it.
    pub(crate) is_broken: bool,
}

/// What may be given once.
#[derive(Debug)]
pub(crate) struct Once<T> {
    pub(crate) value: Option<T>,
    pub(crate) is_given: bool,
}

/// One `channel(method = "template")`, or `channel(method = "template" as Type)`.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) method: Ident,
    pub(crate) template: Template,
    /// What the type of its parameters is to be called.
    pub(crate) holder_name: Option<Ident>,
}

/// `#[bus(…)]` on a variant.
#[derive(Debug, Default)]
pub(crate) struct Variant {
    /// `field(parameter = "field of this variant")`
    pub(crate) renames: Vec<Rename>,
    /// `to(channel)`: the channels that its events go to, all if not given.
    pub(crate) to: Once<Vec<Ident>>,
    /// What it is called on the wire.
    pub(crate) event_type: Once<LitStr>,
    /// `other`: events of unknown types land in it.
    pub(crate) other: Once<Span>,
    /// Something could not be understood, so a rename may stand in it.
    pub(crate) is_broken: bool,
}

#[derive(Debug)]
pub(crate) struct Rename {
    pub(crate) parameter: Ident,
    /// The field, and if need be a field in that, and so on. Its spans are those of the text.
    pub(crate) path: Vec<Member>,
}

impl Container {
    pub(crate) fn parse(cx: &Ctxt, attrs: &[Attribute]) -> Self {
        let mut container = Self::default();
        let (items, is_complete) = items(cx, bus_attributes(attrs));
        container.is_broken = !is_complete;
        for item in items {
            match known_key(cx, &item, "a type", &ON_A_TYPE) {
                Some("name") => container.name.set(cx, item.span(), "name", text(cx, &item)),
                Some("channel") => container.channels.extend(channels(cx, &item)),
                Some("overlap") => {
                    container.overlaps.extend(names(cx, &item, "overlap(channel, channel)"));
                }
                Some("field") => container.renames.extend(renames(cx, &item, "field(parameter = \"field\")")),
                Some("event_type") => {
                    container.event_type.set(cx, item.span(), "event_type", text(cx, &item));
                }
                Some("decode_by_tag") => {
                    container.decode_by_tag.set(cx, item.span(), "decode_by_tag", word(cx, &item));
                }
                Some(_) => {
                    let path = text(cx, &item).and_then(|path| crate_path(cx, &path));
                    container.krate.set(cx, item.span(), "crate", path);
                }
                None => container.is_broken = true,
            }
        }
        container
    }
}

impl Variant {
    pub(crate) fn parse(cx: &Ctxt, attrs: &[Attribute]) -> Self {
        let (items, is_complete) = items(cx, bus_attributes(attrs));
        let mut variant = Self { is_broken: !is_complete, ..Self::default() };
        for item in items {
            match known_key(cx, &item, "a variant", &ON_A_VARIANT) {
                Some("field") => {
                    let renames = renames(cx, &item, "field(parameter = \"field of this variant\")");
                    variant.is_broken |= renames.is_empty();
                    variant.renames.extend(renames);
                }
                Some("to") => variant.to.set(cx, item.span(), "to", names(cx, &item, "to(channel, …)")),
                Some("event_type") => {
                    variant.event_type.set(cx, item.span(), "event_type", text(cx, &item));
                }
                Some(_) => variant.other.set(cx, item.span(), "other", word(cx, &item)),
                None => variant.is_broken = true,
            }
        }
        variant
    }
}

impl Channel {
    /// The generated type that holds the parameters, if there are any.
    pub(crate) fn holder(&self) -> Option<Ident> {
        if self.template.parameters().is_empty() {
            return None;
        }
        let by_method =
            || format_ident!("{}Channel", name::pascal_case(&self.method), span = self.method.span());
        Some(self.holder_name.clone().unwrap_or_else(by_method))
    }
}

/// Fields take no `#[bus(…)]`: say so instead of ignoring one.
pub(crate) fn refuse_on_field(cx: &Ctxt, attrs: &[Attribute]) {
    for attr in bus_attributes(attrs) {
        cx.error(attr.span(), "`#[bus(…)]` stands on the event type or on a variant, not on a field");
    }
}

impl<T> Once<T> {
    /// Takes `value`, which is `None` if it could not be read.
    fn set(&mut self, cx: &Ctxt, span: Span, key: &str, value: Option<T>) {
        if self.is_given {
            cx.error(span, format!("`{key}` is given twice"));
            return;
        }
        *self = Self { value, is_given: true };
    }
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self { value: None, is_given: false }
    }
}

fn bus_attributes(attrs: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("bus"))
}

/// The key of `item`, or the known one that was meant.
fn known_key(cx: &Ctxt, item: &Meta, place: &str, known: &[&'static str]) -> Option<&'static str> {
    let path = item.path();
    let key = path.segments.iter().map(|segment| name::plain(&segment.ident)).collect::<Vec<_>>().join("::");
    if let Some(key) = known.iter().find(|known| **known == key) {
        return Some(key);
    }
    let hint = if ON_A_VARIANT.contains(&key.as_str()) {
        "it stands on a variant of an enum".to_owned()
    } else if ON_A_TYPE.contains(&key.as_str()) {
        "it stands on the event type".to_owned()
    } else {
        did_you_mean(&key, known)
    };
    cx.error(path.span(), format!("unknown key `{key}` in the `#[bus(…)]` of {place}: {hint}"));
    nearest(&key, known)
}

fn crate_path(cx: &Ctxt, text: &LitStr) -> Option<Path> {
    let path = text.parse_with(Path::parse_mod_style);
    if path.is_err() {
        cx.error(text.span(), "expected the path of the crate, for example \"my_facade::event_bus_core\"");
    }
    path.ok()
}

fn channels(cx: &Ctxt, item: &Meta) -> Vec<Channel> {
    let pairs = list(cx, item, "channel(method = \"key template\")").into_iter();
    let channels = pairs.filter_map(|(method, value)| {
        let (template, holder_name) = named_type(cx, value);
        let template = text_of(cx, &template).map(|text| Template::parse(cx, &text));
        let Some(usable) = name::usable(&name::plain(&method), method.span()) else {
            cx.error(
                method.span(),
                format!("a method can't be called `{method}`: name the channel otherwise"),
            );
            return None;
        };
        let template = template.unwrap_or_else(|| Template::broken(method.span()));
        Some(Channel { method: usable, template, holder_name })
    });
    channels.collect()
}

/// `template as Type` in its parts.
fn named_type(cx: &Ctxt, value: Expr) -> (Expr, Option<Ident>) {
    let Expr::Cast(ExprCast { expr, ty, .. }) = value else { return (value, None) };
    let name = match ungrouped(&ty) {
        Type::Path(path) if path.qself.is_none() => path.path.get_ident().cloned(),
        _ => None,
    };
    if name.is_none() {
        cx.error(ty.span(), "expected the name that the type of the parameters is to have");
    }
    (*expr, name)
}

fn renames(cx: &Ctxt, item: &Meta, shape: &str) -> Vec<Rename> {
    let pairs = list(cx, item, shape).into_iter();
    let renames = pairs.filter_map(|(parameter, field)| {
        let text = text_of(cx, &field)?;
        let value = text.value();
        let path: Option<Vec<Member>> = value.split('.').map(|name| member(name, text.span())).collect();
        if path.is_none() {
            let message = format!(
                "expected the name of a field, or a path of fields such as \"run.id\" or \"0.id\", found {value:?}"
            );
            cx.error(text.span(), message);
        }
        Some(Rename { parameter, path: path? })
    });
    renames.collect()
}

/// A field by its name, or one without a name by its number.
fn member(name: &str, span: Span) -> Option<Member> {
    if !name.is_empty() && name.bytes().all(|c| c.is_ascii_digit()) {
        let index = name.parse().ok().filter(|_| name == "0" || !name.starts_with('0'))?;
        return Some(Member::Unnamed(Index { index, span }));
    }
    name::usable(name.strip_prefix("r#").unwrap_or(name), span).map(Member::Named)
}
