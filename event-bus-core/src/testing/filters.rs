//! Cases about what a subscription listens to: keys, patterns, and several of them.

use std::collections::HashMap;

use super::tools::{
    Bus, Numbered, SHORT, Witness, bus, event, next, of_several_channels, publish_to, within,
};
use crate::channel::KeyPattern;
use crate::error::ErrorKind;
use crate::subscription::Subscription;
use crate::template::{Piece, Template};
use crate::transport::Transport;

/// A pattern hears the channels that it matches, or is refused as `Unsupported`.
pub async fn patterns_hear_what_matches<T: Transport + Clone>(transport: T) {
    let supported = transport.capabilities().patterns;
    let bus = bus(transport);
    let pattern = KeyPattern::new("user-[13]/*").expect("a pattern");
    let listening = bus.listen(&pattern).await;
    if !supported {
        assert_eq!(listening.expect_err("no patterns here").kind(), ErrorKind::Unsupported);
        return;
    }
    let mut events = listening.expect("listening");
    for (number, key) in (0..).zip(["user-1/a?", "user-2/a?", "user-3/b", "other", "user-1/"]) {
        publish_to(&bus, key, number).await;
    }
    assert_eq!(of_several_channels(&mut events).await, [0, 2, 4]);
}

/// A channel with an open parameter hears every value of it, and nothing that its pattern matches besides. The same
/// pattern without that limit can stand beside it.
pub async fn an_open_parameter_hears_one_value_and_no_more<T: Transport + Clone>(transport: T) {
    const PIECES: &[Piece] = &[Piece::Parameter(0), Piece::Literal("/"), Piece::Parameter(1)];
    let template = Template::new(&["source", "number"], PIECES);
    let supported = transport.capabilities().patterns;
    let bus = bus(transport);
    let filter = template.filter(&[Some(&"s"), None]).expect("a right value");
    let listening = bus.listen(filter.clone()).await;
    if !supported {
        let error = listening.expect_err("no patterns here");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        return;
    }
    let mut events = listening.expect("listening");
    let mut witness = Witness::of(&bus, KeyPattern::any()).await;
    let mut send = async |numbers: std::ops::Range<u64>| {
        for (number, key) in numbers.zip(["s/1", "s/1/x", "s/", "s", "s/{1}", "t/1", "s/2"]) {
            publish_to(&bus, key, number).await;
        }
        witness.heard(7).await;
    };
    send(0..7).await;
    assert_eq!(of_several_channels(&mut events).await, [0, 6]);

    events.add(KeyPattern::new("s/*").expect("a pattern")).await.expect("listening");
    send(10..17).await;
    assert_eq!(of_several_channels(&mut events).await, [10, 11, 12, 14, 16], "each once");

    events.remove(KeyPattern::new("s/*").expect("a pattern")).expect("a right filter");
    assert_eq!(events.filters().collect::<Vec<_>>(), [&filter]);
    publish_to(&bus, "s/3", 20).await; // may still come for the pattern that was removed
    assert_eq!(next(&mut events).await, 20);
    send(30..37).await;
    assert_eq!(of_several_channels(&mut events).await, [30, 36]);
}

/// `listen` takes text for a key, in which a `*` is refused; `listen_events` and `wait_for_event` take it for a
/// pattern if it holds a `*`. Nobody can publish to one.
pub async fn a_star_makes_a_pattern_only_where_it_is_asked_for<T: Transport + Clone>(transport: T) {
    let supported = transport.capabilities().patterns;
    let bus = bus(transport);
    assert_eq!(bus.listen("s/*").await.expect_err("no key").kind(), ErrorKind::InvalidKey);
    assert_eq!(bus.publish_to("s/*", &event(1)).await.expect_err("no key").kind(), ErrorKind::InvalidKey);
    let mut exact = bus.listen_events("s/1").await.expect("listening");
    let pattern = bus.listen_events("s/*").await;
    publish_to(&bus, "s/1", 1).await;
    publish_to(&bus, "s/2", 2).await;
    publish_to(&bus, "s/1", 3).await;
    assert_eq!([next(&mut exact).await, next(&mut exact).await], [1, 3]);
    if supported {
        let mut pattern = pattern.expect("listening");
        assert_eq!(of_several_channels(&mut pattern).await, [1, 2, 3]);
        assert!(bus.wait_for_event("t/*", SHORT).await.expect("nothing was missed").is_none());
    } else {
        assert_eq!(pattern.expect_err("no patterns here").kind(), ErrorKind::Unsupported);
    }
}

/// Whatever a key holds that a name may hold, it is that channel and no other, also inside a pattern that escapes it.
pub async fn a_key_stands_for_itself_whatever_it_holds<T: Transport + Clone>(transport: T) {
    let supported = transport.capabilities().patterns;
    let bus = bus(transport);
    let keys =
        ["a?", "ab", "a[b]", "a\\b", "{a}/b", "a b", "ü/漢/😀", "a/b//c/", "'\"`$;", "^", "-", "user:1@x.y"];
    let mut listeners: Vec<(&str, Subscription<Numbered>)> = Vec::new();
    for key in keys {
        listeners.push((key, bus.listen(key).await.expect("listening")));
        if supported {
            let escaped = KeyPattern::new(escape(key) + "*").expect("a pattern");
            listeners.push((key, bus.listen(escaped).await.expect("listening")));
        }
    }
    for (number, key) in (0..).zip(keys) {
        publish_to(&bus, key, number).await;
    }
    for (key, events) in &mut listeners {
        let event = within("an event", events.recv()).await.expect("not the end").expect("an event");
        assert_eq!((event.channel().key(), keys[usize::try_from(event.number).unwrap_or(0)]), (*key, *key));
    }
    bus.close().await;
    for (key, events) in &mut listeners {
        let more = within("the end", events.recv()).await;
        assert!(more.is_none(), "{key} heard {more:?} too");
    }
}

fn escape(key: &str) -> String {
    let is_glob = |c: &char| ['*', '?', '[', ']', '\\', '^', '-'].contains(c);
    key.chars().flat_map(|c| is_glob(&c).then_some('\\').into_iter().chain([c])).collect()
}

/// Of several filters that match an event, a subscription hears it through one.
pub async fn an_event_that_several_filters_match_comes_once<T: Transport + Clone>(transport: T) {
    let supported = transport.capabilities().patterns;
    let bus = bus(transport);
    let mut events = bus.listen("a").await.expect("listening");
    events.add("a").await.expect("once more changes nothing");
    events.add("b").await.expect("listening");
    if supported {
        events.add(KeyPattern::new("a*").expect("a pattern")).await.expect("listening");
        events.add(KeyPattern::any()).await.expect("listening");
    }
    let key = |number: u64| if number.is_multiple_of(3) { "b" } else { "a" };
    for number in 0..100 {
        publish_to(&bus, key(number), number).await;
    }
    let mut heard = [Vec::new(), Vec::new()];
    for _ in 0..100 {
        let number = next(&mut events).await;
        heard[usize::from(key(number) == "b")].push(number);
    }
    for (heard, key_of_it) in heard.into_iter().zip(["a", "b"]) {
        let published: Vec<u64> = (0..100).filter(|number| key(*number) == key_of_it).collect();
        assert_eq!(heard, published, "each once, and those of a channel in order");
    }
    assert!(events.remove("a").expect("a key"));
    assert!(!events.remove("a").expect("a key"), "it is gone");
    assert_eq!(events.filters().count(), if supported { 3 } else { 1 });
    publish_to(&bus, "a", 100).await;
    if supported {
        assert_eq!(next(&mut events).await, 100, "a pattern still matches `a`");
    }
    publish_to(&bus, "b", 101).await;
    assert_eq!(next(&mut events).await, 101);
}

/// While events flow on all channels, filters are added and removed: one that stays hears everything, in order and
/// once, and one that is added hears everything from then on, until it is removed.
pub async fn filters_come_and_go_while_events_flow<T: Transport + Clone>(transport: T) {
    let bus = super::tools::builder(transport).queue_messages(100_000).build().expect("a bus");
    let mut events = bus.listen("stays").await.expect("listening");
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let publishing = tokio::spawn(publish_until(bus.clone(), stopped));
    let mut expected = HashMap::from([("stays".to_owned(), 0)]);
    for round in 0..60 {
        let key = format!("comes-{}", round % 3);
        events.add(&key).await.expect("listening");
        expected.remove(&key); // it may begin with any number
        for _ in 0..2 {
            while heard_in_order(&mut events, &mut expected).await.source != key {}
        }
        assert!(events.remove(&key).expect("a key"));
    }
    stop.send(true).expect("the publisher listens");
    let published = within("the publisher", publishing).await.expect("the publisher");
    let last = Numbered { source: "stays".to_owned(), number: published };
    bus.publish_to("stays", &last).await.expect("published");
    while heard_in_order(&mut events, &mut expected).await != last {}
}

async fn heard_in_order(
    events: &mut Subscription<Numbered>,
    expected: &mut HashMap<String, u64>,
) -> Numbered {
    let event = within("an event", events.recv()).await.expect("not the end").expect("an event");
    assert_eq!(event.channel().key(), event.source);
    let number = *expected.entry(event.source.clone()).or_insert(event.number);
    assert_eq!(event.number, number, "on {}", event.source);
    expected.insert(event.source.clone(), number + 1);
    event.into_event()
}

/// Publishes the same number to all channels, then the next.
async fn publish_until(bus: Bus, stopped: tokio::sync::watch::Receiver<bool>) -> u64 {
    let mut number = 0;
    while !*stopped.borrow() {
        for key in ["stays", "comes-0", "comes-1", "comes-2"] {
            let event = Numbered { source: key.to_owned(), number };
            bus.publish_to(key, &event).await.expect("published");
        }
        number += 1;
    }
    number
}
