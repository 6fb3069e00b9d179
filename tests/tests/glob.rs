//! Glob matching against the server's own: generated patterns and keys, asked of a real Redis.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use event_bus_core::{ChannelKey, KeyPattern};
use event_bus_tests::RedisServer;

/// Few letters, so that matches are frequent; all that has a meaning in a glob.
const PATTERN_ALPHABET: &[char] = &['a', 'b', 'c', '-', '^', '*', '?', '[', ']', '\\', '/', 'é'];
const KEY_ALPHABET: &[char] = &['a', 'b', 'c', '-', '^', '?', '[', ']', '\\', '/', 'é'];

#[test]
fn patterns_match_exactly_what_the_server_matches() {
    let server = RedisServer::start();
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let mut text = |alphabet: &[char], max: usize| -> String {
        (0..random.usize(1..=max)).map(|_| *random.choice(alphabet).unwrap()).collect()
    };

    let keys: Vec<ChannelKey> =
        (0..400).filter_map(|_| ChannelKey::new(text(KEY_ALPHABET, 6)).ok()).collect();
    let mut fill = redis::pipe();
    keys.iter().for_each(|key| {
        fill.set(key.as_str(), 1).ignore();
    });
    fill.query::<()>(&mut connection).unwrap();

    let (mut patterns, mut matches) = (0, 0);
    while patterns < 5_000 {
        let Ok(pattern) = KeyPattern::new(text(PATTERN_ALPHABET, 8)) else { continue };
        patterns += 1;
        // KEYS matches with the same function as PSUBSCRIBE.
        let theirs: std::collections::HashSet<String> =
            redis::cmd("KEYS").arg(pattern.as_str()).query(&mut connection).unwrap();
        for key in &keys {
            let ours = pattern.matches(key);
            assert_eq!(ours, theirs.contains(key.as_str()), "{pattern:?} and {key:?}");
            matches += usize::from(ours);
        }
    }
    assert!(matches > 10_000, "only {matches} matches: the alphabets are badly chosen");
}
