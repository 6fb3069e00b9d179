//! The slot of a channel: which part of a cluster it belongs to.

/// How many there are.
pub(crate) const SLOTS: u16 = 16384;

/// The CRC16 of what stands between the first `{` and the `}` behind it, if that is anything; else of the whole channel.
pub(crate) fn slot(channel: &str) -> u16 {
    crc16::State::<crc16::XMODEM>::calculate(hash_tag(channel).as_bytes()) % SLOTS
}

/// The part of a channel that decides where it goes: channels that share it stay together.
pub(crate) fn hash_tag(channel: &str) -> &str {
    let tag = channel.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    tag.filter(|tag| !tag.is_empty()).unwrap_or(channel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_that_redis_counts() {
        // As `CLUSTER KEYSLOT` answers.
        for (channel, expected) in
            [("", 0), ("123456789", 12739), ("foo", 12182), ("foo{}", 5542), ("{user1000}.following", 3443)]
        {
            assert_eq!(slot(channel), expected, "{channel}");
        }
        assert_eq!(slot("b/{user-1/graph-1}/all"), slot("b/{user-1/graph-1}/exec/run-1"));
        assert_eq!(hash_tag("a{{b}}c"), "{b");
    }
}
