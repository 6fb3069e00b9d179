//! Reads `#[bus(…)]` into plain values. What they may be together is decided in `valid.rs`.

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, MetaNameValue, Path, Token};

use crate::ctxt::Ctxt;
use crate::nearest::did_you_mean;
use crate::template::Template;

/// `#[bus(…)]` on the event type.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) name: Option<LitStr>,
    pub(crate) channels: Vec<Channel>,
    pub(crate) krate: Option<Path>,
}

/// One `channel(method = "template")`.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) method: Ident,
    pub(crate) template: Template,
}

/// `#[bus(…)]` on a variant.
#[derive(Debug, Default)]
pub(crate) struct Variant {
    /// `field(parameter = "field of this variant")`
    pub(crate) renames: Vec<Rename>,
}

#[derive(Debug)]
pub(crate) struct Rename {
    pub(crate) parameter: Ident,
    pub(crate) field: Ident,
}

impl Container {
    pub(crate) fn parse(cx: &Ctxt, attrs: &[Attribute]) -> Self {
        let mut container = Self { name: None, channels: Vec::new(), krate: None };
        for item in items(cx, attrs) {
            let key = item.path().get_ident().map(ToString::to_string).unwrap_or_default();
            match key.as_str() {
                "name" => set_once(cx, &mut container.name, item.span(), "name", text(cx, &item)),
                "crate" => {
                    let path = text(cx, &item).and_then(|path| cx.ok(path.parse()));
                    set_once(cx, &mut container.krate, item.span(), "crate", path);
                }
                "channel" => container.channels.extend(channels(cx, &item)),
                _ => unknown(cx, &item, &["name", "channel", "crate"]),
            }
        }
        container
    }
}

impl Variant {
    pub(crate) fn parse(cx: &Ctxt, attrs: &[Attribute]) -> Self {
        let mut variant = Self::default();
        for item in items(cx, attrs) {
            if item.path().is_ident("field") {
                variant.renames.extend(renames(cx, &item));
            } else {
                unknown(cx, &item, &["field"]);
            }
        }
        variant
    }
}

/// Fields take no `#[bus(…)]`: say so instead of ignoring one.
pub(crate) fn refuse_on_field(cx: &Ctxt, attrs: &[Attribute]) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("bus")) {
        cx.error(attr.span(), "`#[bus(…)]` stands on the event type or on a variant, not on a field");
    }
}

/// The items of all `#[bus(…)]` in `attrs`.
fn items(cx: &Ctxt, attrs: &[Attribute]) -> Vec<Meta> {
    let mut items = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("bus")) {
        match &attr.meta {
            Meta::List(_) => {
                let parsed = attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
                items.extend(cx.ok(parsed).into_iter().flatten());
            }
            other => cx.error(other.span(), "expected `#[bus(…)]` with parentheses"),
        }
    }
    items
}

fn channels(cx: &Ctxt, item: &Meta) -> Vec<Channel> {
    let pairs = named_texts(cx, item, "channel(method = \"key template\")");
    let channels = pairs.into_iter().map(|(method, template)| Channel {
        template: Template::parse(cx, &template),
        method,
    });
    channels.collect()
}

fn renames(cx: &Ctxt, item: &Meta) -> Vec<Rename> {
    let pairs = named_texts(cx, item, "field(parameter = \"field of this variant\")");
    let renames = pairs.into_iter().filter_map(|(parameter, field)| {
        let field = cx.ok(field.parse_with(Ident::parse_any))?;
        Some(Rename { parameter, field })
    });
    renames.collect()
}

/// The `name = "text"` pairs in a list such as `channel(…)`.
fn named_texts(cx: &Ctxt, item: &Meta, shape: &str) -> Vec<(Ident, LitStr)> {
    let Meta::List(list) = item else {
        cx.error(item.span(), format!("expected `{shape}`"));
        return Vec::new();
    };
    let pairs = list.parse_args_with(Punctuated::<MetaNameValue, Token![,]>::parse_terminated);
    let Some(pairs) = cx.ok(pairs) else { return Vec::new() };
    if pairs.is_empty() {
        cx.error(item.span(), format!("expected `{shape}`"));
    }
    let pairs = pairs.into_iter().filter_map(|pair| {
        let Some(name) = pair.path.get_ident().cloned() else {
            cx.error(pair.path.span(), "expected one plain name");
            return None;
        };
        Some((name, literal(cx, &pair.value)?))
    });
    pairs.collect()
}

fn text(cx: &Ctxt, item: &Meta) -> Option<LitStr> {
    match item {
        Meta::NameValue(pair) => literal(cx, &pair.value),
        other => {
            let key = other.path().get_ident().map(ToString::to_string).unwrap_or_default();
            cx.error(other.span(), format!("expected `{key} = \"…\"`"));
            None
        }
    }
}

fn literal(cx: &Ctxt, value: &Expr) -> Option<LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.clone()),
        other => {
            cx.error(other.span(), "expected a text in quotes");
            None
        }
    }
}

fn set_once<T>(cx: &Ctxt, place: &mut Option<T>, span: Span, key: &str, value: Option<T>) {
    if place.is_some() {
        cx.error(span, format!("`{key}` is given twice"));
    } else {
        *place = value;
    }
}

fn unknown(cx: &Ctxt, item: &Meta, known: &[&str]) {
    let path = item.path();
    let key = path.segments.iter().map(|segment| segment.ident.to_string()).collect::<Vec<_>>().join("::");
    cx.error(path.span(), format!("unknown key `{key}` in `#[bus(…)]`: {}", did_you_mean(&key, known)));
}
