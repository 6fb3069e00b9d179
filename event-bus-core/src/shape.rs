//! Which keys a template with open parameters stands for. A Redis glob can't say «one value»: its `*` runs over
//! slashes too, so what the server sends for a pattern is looked at once more.

use crate::key_error::{MAX_KEY_BYTES, ends_value};

/// A key of which some values are open.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Shape {
    pieces: Vec<Piece>,
    /// A parameter stands in several places.
    has_twins: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Piece {
    Text(String),
    /// The value of the parameter of this number, the same wherever that stands.
    Open(usize),
}

impl Shape {
    pub(crate) fn new() -> Self {
        Self { pieces: Vec::new(), has_twins: false }
    }

    /// Appends text that stands for itself.
    pub(crate) fn text(&mut self, text: &str) {
        match self.pieces.last_mut() {
            Some(Piece::Text(before)) => before.push_str(text),
            _ => self.pieces.push(Piece::Text(text.to_owned())),
        }
    }

    /// Appends the open parameter `number`.
    pub(crate) fn open(&mut self, number: usize) {
        self.has_twins |= self.pieces.contains(&Piece::Open(number));
        self.pieces.push(Piece::Open(number));
    }

    /// How long its text is without any value, in bytes.
    pub(crate) fn text_bytes(&self) -> usize {
        let texts =
            self.pieces.iter().map(|piece| if let Piece::Text(text) = piece { text.len() } else { 0 });
        texts.sum()
    }

    /// The Redis pattern for it, which matches more than this.
    pub(crate) fn glob(&self) -> String {
        let mut glob = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Open(_) => glob.push('*'),
                Piece::Text(text) => {
                    for c in text.chars() {
                        if matches!(c, '*' | '?' | '[' | ']' | '\\') {
                            glob.push('\\');
                        }
                        glob.push(c);
                    }
                }
            }
        }
        glob
    }

    /// Whether `key` is one of these.
    pub(crate) fn matches(&self, key: &str) -> bool {
        if self.has_twins { self.split(key).is_some() } else { self.walk(key, |_, _| true) }
    }

    /// The values of the open parameters in `key`, by number; `None` if it is another key.
    pub(crate) fn split<'k>(&self, key: &'k str) -> Option<Vec<(usize, &'k str)>> {
        let mut values: Vec<(usize, &str)> = Vec::new();
        let is_whole = self.walk(key, |number, value| {
            let is_right = values.iter().all(|(known, before)| *known != number || *before == value);
            values.push((number, value));
            is_right
        });
        is_whole.then_some(values)
    }

    /// Shows the value in each open place, as long as they are right; whether it came to the end. There is one way at
    /// most: a value ends before the next character that none can hold.
    fn walk<'k>(&self, key: &'k str, mut is_right: impl FnMut(usize, &'k str) -> bool) -> bool {
        let mut rest = key;
        for (at, piece) in self.pieces.iter().enumerate() {
            let length = match piece {
                Piece::Text(text) => rest.starts_with(text.as_str()).then_some(text.len()),
                Piece::Open(number) => {
                    let run = &rest[..rest.find(ends_value).unwrap_or(rest.len())];
                    let value = run.strip_suffix(self.behind(at)).filter(|value| !value.is_empty());
                    value.filter(|value| is_right(*number, value)).map(str::len)
                }
            };
            let Some(length) = length else { return false };
            rest = &rest[length..];
        }
        rest.is_empty() && key.len() <= MAX_KEY_BYTES
    }

    /// What belongs to the text behind the piece `at`, though a value could hold it.
    fn behind(&self, at: usize) -> &str {
        match self.pieces.get(at + 1) {
            Some(Piece::Text(text)) => &text[..text.find(ends_value).unwrap_or(text.len())],
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(pieces: &[Result<&str, usize>]) -> Shape {
        let mut shape = Shape::new();
        for piece in pieces {
            match piece {
                Ok(text) => shape.text(text),
                Err(number) => shape.open(*number),
            }
        }
        shape
    }

    #[test]
    fn an_open_value_is_one_value_and_no_more() {
        let user = shape(&[Ok("user/"), Err(0)]);
        assert_eq!(user.split("user/7"), Some(vec![(0, "7")]));
        for other in ["user/", "user/7/", "user/7/x", "user/{7}", "user/7\n", "users/7", ""] {
            assert_eq!(user.split(other), None, "{other:?}");
        }
        assert_eq!(user.glob(), "user/*");
    }

    #[test]
    fn text_beside_a_value_is_told_from_it() {
        let both = shape(&[Ok("a-"), Err(1), Ok("-b"), Ok("/"), Err(0), Ok("-c")]);
        assert_eq!(both.split("a-x-b/y-c"), Some(vec![(1, "x"), (0, "y")]));
        assert_eq!(both.split("a--b-b/-c-c"), Some(vec![(1, "-b"), (0, "-c")]));
        assert_eq!(both.split("a--b/y-c"), None);
    }

    #[test]
    fn a_parameter_has_one_value_wherever_it_stands() {
        let twice = shape(&[Err(0), Ok("/"), Err(1), Ok("/"), Err(0)]);
        assert_eq!(twice.split("a/b/a"), Some(vec![(0, "a"), (1, "b"), (0, "a")]));
        assert_eq!(twice.split("a/b/c"), None);
    }

    #[test]
    fn text_is_escaped_for_redis() {
        assert_eq!(shape(&[Ok("a?[b]\\*/"), Err(0)]).glob(), "a\\?\\[b\\]\\\\\\*/*");
    }
}
