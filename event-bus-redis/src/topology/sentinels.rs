//! What sentinels say of the master, and whom to believe.

use redis::{RedisError, Value};

use crate::config::Address;

/// What one sentinel says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// Grows with every master that the sentinels agree on.
    pub(super) epoch: u64,
    pub(super) master: Address,
}

impl Word {
    /// From the answers to `SENTINEL MASTER` and to `SENTINEL GET-MASTER-ADDR-BY-NAME`, which alone names the new master
    /// while the old one is being replaced.
    pub(super) fn read(master: &Value, address: &Value) -> Result<Self, RedisError> {
        let told: Option<(String, u16)> = redis::from_redis_value_ref(address)?;
        let Some((host, port)) = told else {
            return Err(
                (redis::ErrorKind::MasterNameNotFoundBySentinel, "there is no master of that name").into()
            );
        };
        let fields: std::collections::HashMap<String, String> = redis::from_redis_value_ref(master)?;
        let epoch = fields.get("config-epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or(0);
        Ok(Self { epoch, master: Address::Tcp(host, port) })
    }
}

/// The newest word counts: a sentinel that was cut off may still name the old master.
pub(super) fn newest(words: &[Word]) -> Option<&Word> {
    words.iter().max_by_key(|word| word.epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(epoch: u64, port: u16) -> Word {
        Word { epoch, master: Address::Tcp("10.0.0.1".into(), port) }
    }

    #[test]
    fn the_newest_word_counts() {
        let words = [word(3, 1), word(4, 2), word(3, 1)];
        assert_eq!(newest(&words), Some(&word(4, 2)));
        assert_eq!(newest(&[]), None);
    }

    #[test]
    fn answers_are_read_in_either_protocol() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let address = Value::Array(vec![text("10.0.0.1"), text("7")]);
        let flat = Value::Array(["name", "x", "config-epoch", "9"].map(text).into());
        let map = Value::Map(vec![(text("config-epoch"), text("9"))]);
        for master in [flat, map] {
            assert_eq!(Word::read(&master, &address).unwrap(), word(9, 7));
        }
        assert!(Word::read(&Value::Map(Vec::new()), &Value::Nil).is_err());
    }
}
