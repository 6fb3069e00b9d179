//! What serde's attributes say of the names of event types on the wire. Serde reports its own mistakes; here it only
//! matters what can be relied on.

use proc_macro2::{Ident, Span};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprGroup, ExprLit, Lit, Meta, Token};

use crate::name::plain;

/// `#[serde(…)]` on the event type.
#[derive(Debug, Default)]
pub(crate) struct Container {
    /// Serde's own derives have something to go by; else the impls may be written by hand.
    pub(crate) is_given: bool,
    pub(crate) tag: Option<String>,
    /// `content`: the event stands beside its tag, in a field of its own.
    pub(crate) is_beside_tag: bool,
    rename: Option<String>,
    rename_all: Option<Rule>,
    /// Why names can't be told from the attributes.
    pub(crate) obstacle: Option<Obstacle>,
}

/// `#[serde(…)]` on a variant.
#[derive(Debug, Default)]
pub(crate) struct Variant {
    rename: Option<String>,
    /// Serde neither writes nor reads it.
    pub(crate) is_skipped: bool,
    pub(crate) is_read: bool,
    /// Serde writes and reads what is in it by the traits of its type.
    pub(crate) is_plain: bool,
    pub(crate) obstacle: Option<Obstacle>,
}

/// An attribute behind which the name on the wire can't be seen.
#[derive(Clone, Debug)]
pub(crate) struct Obstacle {
    pub(crate) span: Span,
    /// As it is written, in short.
    pub(crate) attribute: String,
}

impl Container {
    /// Of `rename` and `rename_all` one is about types of events, and the other about nothing that matters here: the name
    /// of an enum is on no wire, and in a struct it is fields that follow the rule.
    pub(crate) fn parse(attrs: &[Attribute], is_enum: bool) -> Self {
        let is_given = is_any_given(attrs);
        let mut container = Self { is_given, ..Self::default() };
        for item in items(attrs) {
            let Ok(item) = item.map_err(|obstacle| container.obstacle = Some(obstacle)) else { continue };
            match key(&item).as_str() {
                "tag" => container.tag = text(&item),
                "content" => container.is_beside_tag = true,
                "rename" if !is_enum => container.rename = text_or_obstacle(&item, &mut container.obstacle),
                "rename_all" if is_enum => {
                    let rule = text_or_obstacle(&item, &mut container.obstacle);
                    container.rename_all = rule.and_then(|rule| Rule::named(&rule));
                }
                "untagged" | "from" | "into" | "try_from" | "remote" => {
                    container.obstacle = Some(Obstacle::of(&item));
                }
                _ => {}
            }
        }
        container
    }

    /// What the struct `event` is called.
    pub(crate) fn name(&self, event: &Ident) -> String {
        self.rename.clone().unwrap_or_else(|| plain(event))
    }
}

impl Variant {
    pub(crate) fn parse(attrs: &[Attribute]) -> Self {
        let mut variant = Self { is_plain: true, ..Self::default() };
        let (mut is_written, mut is_read) = (true, true);
        for item in items(attrs) {
            let Ok(item) = item.map_err(|obstacle| variant.obstacle = Some(obstacle)) else { continue };
            match key(&item).as_str() {
                "rename" => variant.rename = text_or_obstacle(&item, &mut variant.obstacle),
                "alias" | "other" | "untagged" => variant.obstacle = Some(Obstacle::of(&item)),
                "skip" => (is_written, is_read) = (false, false),
                "skip_serializing" => is_written = false,
                "skip_deserializing" => is_read = false,
                _ => variant.is_plain = false, // such as `with`
            }
        }
        variant.is_skipped = !is_written && !is_read;
        variant.is_read = is_read;
        variant.is_plain &= is_read && variant.obstacle.is_none();
        variant
    }

    /// What the variant `ident` of the event in `container` is called.
    pub(crate) fn name(&self, container: &Container, ident: &Ident) -> String {
        let name =
            || container.rename_all.map_or_else(|| plain(ident), |rule| rule.of_variant(&plain(ident)));
        self.rename.clone().unwrap_or_else(name)
    }
}

impl Obstacle {
    fn of(item: &Meta) -> Self {
        let attribute = match item {
            Meta::Path(_) => key(item),
            Meta::NameValue(_) => format!("{} = …", key(item)),
            Meta::List(_) => format!("{}(…)", key(item)),
        };
        Self { span: item.span(), attribute }
    }
}

/// Whether serde's attributes say anything of a field.
pub(crate) fn is_any_given(attrs: &[Attribute]) -> bool {
    attrs.iter().any(is_serde)
}

fn is_serde(attr: &Attribute) -> bool {
    attr.path().is_ident("serde")
}

fn items(attrs: &[Attribute]) -> Vec<Result<Meta, Obstacle>> {
    let mut items = Vec::new();
    for attr in attrs.iter().filter(|attr| is_serde(attr)) {
        match attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated) {
            Ok(read) => items.extend(read.into_iter().map(Ok)),
            Err(_) => items.push(Err(Obstacle { span: attr.span(), attribute: "…".to_owned() })),
        }
    }
    items
}

fn key(item: &Meta) -> String {
    item.path().get_ident().map(plain).unwrap_or_default()
}

/// The text of `key = "text"`.
fn text(item: &Meta) -> Option<String> {
    match item {
        Meta::NameValue(pair) => literal(&pair.value),
        _ => None,
    }
}

fn literal(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        Expr::Group(ExprGroup { expr, .. }) => literal(expr), // a `$text` of a macro around the event
        _ => None,
    }
}

/// The text of `key = "text"`; the other form names one thing twice, for writing and for reading.
fn text_or_obstacle(item: &Meta, obstacle: &mut Option<Obstacle>) -> Option<String> {
    let text = text(item);
    if text.is_none() {
        *obstacle = Some(Obstacle::of(item));
    }
    text
}

/// Serde's ways to make a name on the wire of a variant's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

impl Rule {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "lowercase" => Self::Lower,
            "UPPERCASE" => Self::Upper,
            "PascalCase" => Self::Pascal,
            "camelCase" => Self::Camel,
            "snake_case" => Self::Snake,
            "SCREAMING_SNAKE_CASE" => Self::ScreamingSnake,
            "kebab-case" => Self::Kebab,
            "SCREAMING-KEBAB-CASE" => Self::ScreamingKebab,
            _ => return None,
        })
    }

    fn of_variant(self, name: &str) -> String {
        match self {
            Self::Pascal => name.to_owned(),
            Self::Lower => name.to_ascii_lowercase(),
            Self::Upper => name.to_ascii_uppercase(),
            Self::Camel => match name.chars().next() {
                Some(first) => first.to_ascii_lowercase().to_string() + &name[first.len_utf8()..],
                None => String::new(),
            },
            Self::Snake => snake_case(name),
            Self::ScreamingSnake => snake_case(name).to_ascii_uppercase(),
            Self::Kebab => snake_case(name).replace('_', "-"),
            Self::ScreamingKebab => snake_case(name).to_ascii_uppercase().replace('_', "-"),
        }
    }
}

/// As serde has it: each capital begins a word.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for (at, c) in name.char_indices() {
        if at > 0 && c.is_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn the_name_is_the_renamed_one_or_follows_the_rule() {
        let container =
            Container::parse(&[parse_quote!(#[serde(tag = "kind", rename_all = "snake_case")])], true);
        assert_eq!(container.tag.as_deref(), Some("kind"));
        let plain_one = Variant::parse(&[]);
        assert_eq!(plain_one.name(&container, &parse_quote!(NodeDone)), "node_done");
        let renamed = Variant::parse(&[parse_quote!(#[serde(rename = "done!")]), parse_quote!(#[doc = "x"])]);
        assert_eq!(renamed.name(&container, &parse_quote!(NodeDone)), "done!");
        assert_eq!(plain_one.name(&Container::default(), &parse_quote!(r#Box)), "Box");
    }

    #[test]
    fn what_hides_the_name_is_an_obstacle() {
        let of = |attr, is_enum| Container::parse(&[attr], is_enum).obstacle;
        let of_enum = |attr| of(attr, true).map(|obstacle| obstacle.attribute);
        let of_struct = |attr| of(attr, false).map(|obstacle| obstacle.attribute);
        for (attr, shown) in [
            (parse_quote!(#[serde(default, untagged)]), "untagged"),
            (parse_quote!(#[serde(from = "Wire")]), "from = …"),
            (parse_quote!(#[serde(rename_all(serialize = "lowercase"))]), "rename_all(…)"),
            (parse_quote!(#[serde(no rust)]), "…"),
        ] {
            assert_eq!(of_enum(attr).as_deref(), Some(shown));
        }
        let renamed: Attribute = parse_quote!(#[serde(rename(deserialize = "x"), crate = "serde")]);
        assert_eq!(of_struct(renamed.clone()).as_deref(), Some("rename(…)"));
        assert_eq!(of_enum(renamed), None);
        assert_eq!(of_struct(parse_quote!(#[serde(rename_all(serialize = "lowercase"))])), None);
        assert_eq!(of_enum(parse_quote!(#[serde(bound = "T: X", deny_unknown_fields)])), None);
        let of_variant = |attr| Variant::parse(&[attr]).obstacle.map(|obstacle| obstacle.attribute);
        assert_eq!(of_variant(parse_quote!(#[serde(alias = "x")])).as_deref(), Some("alias = …"));
        assert_eq!(of_variant(parse_quote!(#[serde(other)])).as_deref(), Some("other"));
        assert_eq!(of_variant(parse_quote!(#[serde(skip, with = "x")])), None);
    }
}
