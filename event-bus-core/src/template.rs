//! The template of a channel key: keys and patterns are made from it and values, and keys split back into their
//! values. No value changes the meaning of the key around it. Used by generated code, which keeps to the rules.

use std::fmt::{self, Display, Write};

use crate::channel::{ChannelFilter, ChannelKey, KeyPattern};
use crate::key_error::{KeyError, MAX_KEY_BYTES, check_parameter, check_written};
use crate::shape::Shape;

/// A key with places for values. Between two parameters stands a character that no value can hold.
#[derive(Clone, Copy, Debug)]
pub struct Template {
    parameters: &'static [&'static str],
    pieces: &'static [Piece],
}

/// A piece of a template.
#[derive(Clone, Copy, Debug)]
pub enum Piece {
    /// Stands for itself.
    Literal(&'static str),
    /// The value of the parameter of this number.
    Parameter(usize),
}

impl Template {
    /// The template of `pieces`, with parameters of these names.
    #[must_use]
    pub const fn new(parameters: &'static [&'static str], pieces: &'static [Piece]) -> Self {
        Self { parameters, pieces }
    }

    /// The key with these values, one for each parameter.
    ///
    /// # Errors
    /// A [`KeyError`] that names the parameter if a value is empty, too long, or holds `/`, `*`, a brace or a
    /// control character; one of the key if the whole is too long.
    pub fn key(&self, values: &[&dyn Display]) -> Result<ChannelKey, KeyError> {
        let mut key = String::new();
        for piece in self.pieces {
            match *piece {
                Piece::Literal(text) => key.push_str(text),
                Piece::Parameter(number) => self.append(&mut key, number, values[number])?,
            }
        }
        ChannelKey::new(key)
    }

    /// The key with these values; where some are open, the pattern for all keys that have the others.
    ///
    /// # Errors
    /// As for [`key`](Self::key).
    pub fn filter(&self, values: &[Option<&dyn Display>]) -> Result<ChannelFilter, KeyError> {
        match values.iter().copied().collect::<Option<Vec<_>>>() {
            Some(values) => self.key(&values).map(ChannelFilter::Key),
            None => self.pattern(values).map(ChannelFilter::Pattern),
        }
    }

    fn pattern(&self, values: &[Option<&dyn Display>]) -> Result<KeyPattern, KeyError> {
        let mut shape = Shape::new();
        for piece in self.pieces {
            match *piece {
                Piece::Literal(text) => shape.text(text),
                Piece::Parameter(number) => match values[number] {
                    None => shape.open(number),
                    Some(value) => {
                        let mut text = String::new();
                        self.append(&mut text, number, value)?;
                        shape.text(&text);
                    }
                },
            }
        }
        KeyPattern::shaped(shape)
    }

    /// Appends the value of the parameter `number` to `key`.
    fn append(&self, key: &mut String, number: usize, value: &dyn Display) -> Result<(), KeyError> {
        let (name, start) = (self.parameters[number], key.len());
        let mut bounded = Bounded { text: key, left: MAX_KEY_BYTES + 1, bytes: 0 };
        let written = write!(bounded, "{value}");
        check_written(name, bounded.bytes, written.is_ok())?;
        check_parameter(name, &key[start..])
    }

    /// The values that `key` was made from; `None` if it was not made from this template.
    #[must_use]
    pub fn parse<'k, const N: usize>(&self, key: &'k str) -> Option<[&'k str; N]> {
        let mut shape = Shape::new();
        for piece in self.pieces {
            match *piece {
                Piece::Literal(text) => shape.text(text),
                Piece::Parameter(number) => shape.open(number),
            }
        }
        let mut values = [""; N];
        for (number, value) in shape.split(key)? {
            *values.get_mut(number)? = value;
        }
        Some(values)
    }
}

/// Keeps what can be part of a key, and counts what is too much for one.
struct Bounded<'a> {
    text: &'a mut String,
    left: usize,
    bytes: usize,
}

impl Write for Bounded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes = self.bytes.saturating_add(text.len());
        if text.len() <= self.left {
            self.left -= text.len();
            self.text.push_str(text);
        } else {
            self.left = 0;
        }
        Ok(())
    }
}

/// The keys of one event, of the channels that it goes to.
///
/// # Errors
/// The first [`KeyError`].
pub fn keys(channels: &[(&Template, &[&dyn Display])]) -> Result<Vec<ChannelKey>, KeyError> {
    channels.iter().map(|(template, values)| template.key(values)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: Template = Template::new(
        &["user_id", "graph_id"],
        &[
            Piece::Literal("{"),
            Piece::Parameter(0),
            Piece::Literal("/"),
            Piece::Parameter(1),
            Piece::Literal("}/all"),
        ],
    );

    fn key(user_id: &str, graph_id: &str) -> Result<String, String> {
        let key = ALL.key(&[&user_id, &graph_id]);
        key.map(|key| key.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn values_that_would_change_the_key_around_them_are_refused_by_name() {
        assert_eq!(key("user-1", "graph-1").as_deref(), Ok("{user-1/graph-1}/all"));
        assert_eq!(key("", "g").unwrap_err(), "the channel parameter `user_id` is empty");
        for evil in ["u/g", "*", "u}", "{u", "u\n"] {
            assert!(
                key("u", evil).unwrap_err().starts_with("the channel parameter `graph_id` holds"),
                "{evil:?}"
            );
        }
        assert!(key("u", &"g".repeat(2_000)).unwrap_err().contains("has 2000 bytes, at most 1024"));
        assert!(key(&"u".repeat(1_000), &"g".repeat(1_000)).unwrap_err().contains("the channel key has"));
    }

    #[test]
    fn a_value_that_can_not_be_written_whole_is_refused() {
        struct Failing;
        impl Display for Failing {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("half of")?;
                Err(fmt::Error)
            }
        }
        let error = ALL.key(&[&"u", &Failing]).unwrap_err().to_string();
        assert_eq!(error, "the channel parameter `graph_id` can't be written: its Display failed");
    }

    #[test]
    fn what_is_too_long_for_a_key_is_not_one_of_an_open_channel() {
        let long = "g".repeat(1_024 - "{u/}/all".len());
        let pattern = match ALL.filter(&[Some(&"u"), None]).unwrap() {
            ChannelFilter::Pattern(pattern) => pattern,
            other => panic!("{other:?}"),
        };
        assert!(pattern.matches(&ChannelKey::new(format!("{{u/{long}}}/all")).unwrap()));
        assert_eq!(ALL.parse::<2>(&format!("{{u/{long}g}}/all")), None);
        assert!(ALL.filter(&[Some(&"[".repeat(1_000)), None]).is_ok(), "escaping counts for nothing");
        assert!(ALL.filter(&[Some(&"u".repeat(1_022)), None]).is_err());
    }

    #[test]
    fn an_open_parameter_makes_a_pattern_in_which_all_else_stands_for_itself() {
        let pattern = |values: [Option<&dyn Display>; 2]| match ALL.filter(&values).unwrap() {
            ChannelFilter::Pattern(pattern) => pattern,
            other => panic!("{other:?}"),
        };
        let of_user = pattern([Some(&"u[1]?"), None]);
        assert_eq!(of_user.as_str(), "{u\\[1\\]\\?/*}/all");
        for (key, is_matched) in [
            ("{u[1]?/g}/all", true),
            ("{u1x/g}/all", false),
            ("{u[1]?/g/h}/all", false),
            ("{u[1]?/g}/all}/all", false),
        ] {
            assert_eq!(of_user.matches(&ChannelKey::new(key).unwrap()), is_matched, "{key}");
        }
        assert_eq!(pattern([None, None]).as_str(), "{*/*}/all");
        assert!(ALL.filter(&[None, Some(&"a/b")]).unwrap_err().to_string().contains("`graph_id` holds '/'"));
    }

    /// Templates as the derive lets them through: between two parameters stands what no value holds.
    fn templates() -> impl Strategy<Value = Template> {
        let literal = || prop::sample::select(vec!["a", "-", "a-", "b"]);
        let separator = prop::sample::select(vec!["/", "}{", "}/a{", "a/", "/-", "{"]);
        let part = (prop::option::of(literal()), 0..3_usize, prop::option::of(literal()), separator);
        prop::collection::vec(part, 1..5).prop_map(|parts| {
            let mut pieces = Vec::new();
            let last = parts.len() - 1;
            for (at, (before, parameter, behind, separator)) in parts.into_iter().enumerate() {
                pieces.extend(before.map(Piece::Literal));
                pieces.push(Piece::Parameter(parameter));
                pieces.extend(behind.map(Piece::Literal));
                pieces.extend((at < last).then_some(Piece::Literal(separator)));
            }
            Template::new(&["x", "y", "z"], pieces.leak())
        })
    }

    /// Values that look like what stands around them.
    fn values() -> impl Strategy<Value = [String; 3]> {
        prop::array::uniform3("[-ab?é\\[\\]\\\\. ]{1,4}")
    }

    /// The values of the parameters that the template has.
    fn used(template: &Template, values: &[String; 3]) -> [String; 3] {
        let is_used = |number| {
            template.pieces.iter().any(|piece| matches!(piece, Piece::Parameter(used) if *used == number))
        };
        [0, 1, 2].map(|number| if is_used(number) { values[number].clone() } else { String::new() })
    }

    fn displayed(values: &[String; 3]) -> [&dyn Display; 3] {
        values.each_ref().map(|value| value as &dyn Display)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn a_key_parses_back_to_exactly_what_it_was_made_from(template in templates(), values in values()) {
            let key = template.key(&displayed(&values)).unwrap();
            let parsed = template.parse::<3>(key.as_str()).map(|values| values.map(str::to_owned));
            prop_assert_eq!(parsed, Some(used(&template, &values)), "{}", key);
        }

        #[test]
        fn nobody_reaches_the_channel_of_other_values(
            template in templates(),
            mine in values(),
            yours in values(),
            open in prop::array::uniform3(any::<bool>()),
        ) {
            let key = template.key(&displayed(&yours)).unwrap();
            let (mine_used, yours_used) = (used(&template, &mine), used(&template, &yours));
            prop_assert_eq!(template.key(&displayed(&mine)).unwrap() == key, mine_used == yours_used);

            let given = displayed(&mine);
            let is_mine = (0..3).all(|at| open[at] || mine_used[at] == yours_used[at]);
            let given = [0, 1, 2].map(|at| (!open[at]).then_some(given[at]));
            match template.filter(&given).unwrap() {
                ChannelFilter::Pattern(pattern) => {
                    prop_assert_eq!(pattern.matches(&key), is_mine, "{:?} {:?}", pattern, key);
                    let is_sent = KeyPattern::new(pattern.as_str()).unwrap().matches(&key);
                    prop_assert!(is_sent || !is_mine, "the server does not send {key:?} for {pattern:?}");
                }
                ChannelFilter::Key(own) => prop_assert_eq!(own == key, is_mine),
            }
        }
    }

    #[test]
    fn a_key_splits_back_into_its_values() {
        assert_eq!(ALL.parse("{user-1/graph-1}/all"), Some(["user-1", "graph-1"]));
        assert_eq!(ALL.parse::<2>("{user-1/graph-1}/exec"), None);
    }
}
