//! Whether two templates can make the same key: then whoever controls a value of one reaches the channel of the other.
//! Knows templates only, not what they are for.

use crate::name::plain;
use crate::template::Piece;

/// What no value of a parameter can hold, and so divides keys into segments that hold one value at most.
const SEPARATORS: [char; 3] = ['/', '{', '}'];

/// What stands between two separators.
#[derive(Debug, Default)]
struct Segment {
    before: String,
    /// The parameter, and what stands behind it.
    value: Option<(String, String)>,
}

/// A key that both templates can make, with `<parameter>` for what may be anything; `None` if there is none.
pub(crate) fn common_key(a: &[Piece], b: &[Piece]) -> Option<String> {
    let (a, b) = (segments(a), segments(b));
    if a.len() != b.len() {
        return None;
    }
    let common = a.iter().zip(&b).map(|((a, a_end), (b, b_end))| {
        let text = a.common(b)?;
        (a_end == b_end).then(|| text + &a_end.map(String::from).unwrap_or_default())
    });
    common.collect()
}

/// The segments of a template, each with the separator that ends it.
fn segments(pieces: &[Piece]) -> Vec<(Segment, Option<char>)> {
    let mut segments = Vec::new();
    let mut segment = Segment::default();
    for piece in pieces {
        match piece {
            Piece::Parameter(name) => segment.value = Some((plain(name), String::new())),
            Piece::Literal(text) => {
                for c in text.chars() {
                    if SEPARATORS.contains(&c) {
                        segments.push((std::mem::take(&mut segment), Some(c)));
                    } else {
                        segment.value.as_mut().map_or(&mut segment.before, |(_, behind)| behind).push(c);
                    }
                }
            }
        }
    }
    segments.push((segment, None));
    segments
}

impl Segment {
    /// A text that both can be.
    fn common(&self, other: &Self) -> Option<String> {
        match (&self.value, &other.value) {
            (None, None) => (self.before == other.before).then(|| self.before.clone()),
            (None, Some(_)) => other.can_be(&self.before),
            (Some(_), None) => self.can_be(&other.before),
            (Some((name, behind)), Some((_, other_behind))) => {
                let before = longer(&self.before, &other.before, |long, short| long.starts_with(short))?;
                let behind = longer(behind, other_behind, |long, short| long.ends_with(short))?;
                Some(format!("{before}<{name}>{behind}"))
            }
        }
    }

    /// `text`, if a value makes it of this.
    fn can_be(&self, text: &str) -> Option<String> {
        let (_, behind) = self.value.as_ref()?;
        let value = text.strip_prefix(self.before.as_str())?.strip_suffix(behind.as_str())?;
        (!value.is_empty()).then(|| text.to_owned())
    }
}

/// The longer of two texts, if it covers the shorter.
fn longer<'a>(a: &'a str, b: &'a str, covers: impl Fn(&str, &str) -> bool) -> Option<&'a str> {
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    covers(long, short).then_some(long)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctxt::Ctxt;
    use crate::template::Template;
    use proc_macro2::Span;
    use syn::LitStr;

    fn common(a: &str, b: &str) -> Option<String> {
        let cx = Ctxt::new();
        let [a, b] = [a, b].map(|text| Template::parse(&cx, &LitStr::new(text, Span::call_site())).pieces);
        cx.check().expect("right templates");
        let (key, mirrored) = (common_key(&a, &b), common_key(&b, &a));
        assert_eq!(key.is_some(), mirrored.is_some());
        key
    }

    #[test]
    fn a_key_of_both_is_found() {
        for (a, b, key) in [
            ("all", "{user}", "all"),
            ("user/{sender}", "user/{receiver}", "user/<sender>"),
            ("{a}/x-{b}", "{c}/{d}-y", "<a>/x-<b>-y"),
            ("a-{x}", "{y}", "a-<x>"),
            ("{{{a}/{b}}}/all", "{{u/{c}}}/{d}", "{u/<b>}/all"),
            ("aba", "a{x}a", "aba"),
        ] {
            assert_eq!(common(a, b).as_deref(), Some(key), "{a} {b}");
        }
    }

    #[test]
    fn templates_without_a_common_key_never_make_the_same() {
        let cx = Ctxt::new();
        let tokens = ["a", "b", "/", "{x}", "{{"];
        let texts = (0..tokens.len().pow(4)).map(|number| -> String {
            (0..4).map(|place| tokens[number / tokens.len().pow(place) % tokens.len()]).collect()
        });
        let texts = texts.filter(|text| text.matches("{x}").count() <= 1);
        let templates: Vec<Vec<Piece>> =
            texts.map(|text| Template::parse(&cx, &LitStr::new(&text, Span::call_site())).pieces).collect();
        cx.check().expect("right templates");
        let keys = |pieces: &[Piece]| -> Vec<String> {
            let with = |value: &str| {
                let texts = pieces.iter().map(|piece| match piece {
                    Piece::Literal(text) => text.clone(),
                    Piece::Parameter(_) => value.to_owned(),
                });
                texts.collect()
            };
            ["a", "b", "aa", "ab", "ba", "bb", "aba", "bab", "aab", "baa"].map(with).to_vec()
        };
        let all: Vec<Vec<String>> = templates.iter().map(|pieces| keys(pieces)).collect();
        let mut alike = 0;
        for (a, a_keys) in templates.iter().zip(&all) {
            for (b, b_keys) in templates.iter().zip(&all) {
                let meet = a_keys.iter().any(|key| b_keys.contains(key));
                alike += usize::from(meet);
                assert!(!meet || common_key(a, b).is_some(), "{a:?} {b:?}");
            }
        }
        assert!(alike > templates.len() * 2, "too few meet to prove anything: {alike}");
    }

    #[test]
    fn what_no_value_can_bridge_keeps_templates_apart() {
        for (a, b) in [
            ("{user}", "{user}/{graph}"),
            ("user/{id}", "graph/{id}"),
            ("{{{a}/{b}}}/all", "{{{a}/{b}}}/exec/{c}"),
            ("{{{a}}}/x", "{a}/x"),
            ("a", "a{x}"),
            ("aa", "a{x}a"),
            ("a-{x}", "b-{x}"),
        ] {
            assert_eq!(common(a, b), None, "{a} {b}");
        }
    }
}
