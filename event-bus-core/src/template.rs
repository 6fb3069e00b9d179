//! Building a channel key from a template and values, so that no value changes the meaning of the key around it.
//! Used by generated code.

use std::fmt::{Display, Write};

use crate::channel::ChannelKey;
use crate::key_error::{KeyError, check_parameter};

/// A key under construction: literals of the template stand for themselves, values are checked.
#[derive(Debug, Default)]
pub struct KeyBuilder {
    key: String,
}

impl KeyBuilder {
    /// An empty key.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a literal of the template.
    #[must_use]
    pub fn literal(mut self, literal: &str) -> Self {
        self.key.push_str(literal);
        self
    }

    /// Appends the value of the parameter `name`.
    ///
    /// # Errors
    /// A [`KeyError`] that names the parameter, if the value is empty, too long, or holds `/`, `*`, a brace or
    /// a control character.
    pub fn parameter(mut self, name: &'static str, value: &dyn Display) -> Result<Self, KeyError> {
        let start = self.key.len();
        let _ = write!(self.key, "{value}"); // a Display that fails leaves what it wrote, and that is checked
        check_parameter(name, &self.key[start..])?;
        Ok(self)
    }

    /// The key.
    ///
    /// # Errors
    /// A [`KeyError`] if the whole is no key, for example too long.
    pub fn finish(self) -> Result<ChannelKey, KeyError> {
        ChannelKey::new(self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(user_id: &str, graph_id: &str) -> Result<String, String> {
        let key = KeyBuilder::new()
            .literal("{")
            .parameter("user_id", &user_id)
            .and_then(|key| key.literal("/").parameter("graph_id", &graph_id))
            .and_then(|key| key.literal("}/all").finish());
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
        assert!(key("u", &"g".repeat(2_000)).unwrap_err().contains("at most 1024"));
        assert!(key(&"u".repeat(1_000), &"g".repeat(1_000)).unwrap_err().contains("the channel key has"));
    }
}
