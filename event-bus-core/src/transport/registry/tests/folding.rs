//! Folding, played through over generated sequences beside a model of the server, and the cases worth a name.

use super::*;
use crate::channel::BusName;
use crate::glob;
use crate::shape::Shape;
use crate::transport::fold::Price;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const TOPICS: &[&str] = &["b/1*", "b/2*", "b/*1", "b/?2", "b/1?", "b/*", "c/1*", "*", "b/11", "b/21"];
/// The last two are no text, and shown alike.
const CHANNELS_TO_PUBLISH: &[&[u8]] =
    &[b"b/11", b"b/12", b"b/21", b"b/3", b"c/11", "b/1\u{FFFD}".as_bytes(), b"b/1\xFE", b"b/1\xFF"];
const FOLD_BEYOND: usize = 2;

fn topic_of(name: &str) -> Topic {
    topic(if name.contains(['*', '?']) { PATTERNS } else { CHANNELS }, name)
}

fn is_match(topic: &Topic, channel: &[u8]) -> bool {
    match topic.scope.kind {
        TopicKind::Pattern => glob::matches(topic.name.as_bytes(), channel),
        _ => topic.name.as_bytes() == channel,
    }
}

#[derive(Clone, Debug)]
enum Move {
    Join {
        inbox: usize,
        topic: usize,
    },
    Leave {
        inbox: usize,
        topic: usize,
    },
    /// The next request goes out, if none is under way, and the server carries it out.
    Ask {
        max: usize,
    },
    /// The same, but the server is not ready to subscribe, or does not unsubscribe; a wide pattern that comes alone it
    /// does not take at all.
    AskInVain,
    Publish(usize),
    /// The next of what the server has pushed arrives.
    Hear,
    /// The server's last no arrives: a task brings it, whatever the connection has pushed meanwhile.
    HearRefusal,
    /// The connection is lost, and patterns may be folded over the next one, or not.
    Cut {
        is_allowed: bool,
    },
    /// The server ends a subscription by itself.
    End(usize),
    /// From now on, or no longer, the server refuses this.
    Deny(usize),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        12 => (0..3_usize, 0..TOPICS.len()).prop_map(|(inbox, topic)| Move::Join { inbox, topic }),
        6 => (0..3_usize, 0..TOPICS.len()).prop_map(|(inbox, topic)| Move::Leave { inbox, topic }),
        10 => (1..4_usize).prop_map(|max| Move::Ask { max }),
        1 => Just(Move::AskInVain),
        12 => (0..CHANNELS_TO_PUBLISH.len()).prop_map(Move::Publish),
        30 => Just(Move::Hear),
        4 => Just(Move::HearRefusal),
        1 => any::<bool>().prop_map(|is_allowed| Move::Cut { is_allowed }),
        1 => (0..TOPICS.len()).prop_map(Move::End),
        1 => (0..TOPICS.len()).prop_map(Move::Deny),
    ];
    proptest::collection::vec(one, 1..200)
}

enum Push {
    Message { topic: Topic, channel: &'static [u8], number: u64, is_last: bool },
    Subscribed(Topic),
    Unsubscribed(Topic),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Believes {
    Joining,
    Live,
    CutOff,
}

/// One listener, what it believes of its topics by the registry's word, and what that obliges to.
struct Ear {
    inbox: Inbox,
    topics: BTreeMap<&'static str, Believes>,
    /// By whose word it must get which publish: as long as one of them stands.
    owed: BTreeMap<u64, BTreeSet<&'static str>>,
    last_heard: u64,
    heard: BTreeSet<u64>,
}

impl Ear {
    fn new() -> Self {
        Self {
            inbox: inbox(),
            topics: BTreeMap::new(),
            owed: BTreeMap::new(),
            last_heard: 0,
            heard: BTreeSet::new(),
        }
    }
}

struct Play {
    registry: Registry,
    ears: Vec<Ear>,
    has: Vec<Topic>,
    denied: BTreeSet<&'static str>,
    pushed: VecDeque<Push>,
    under_way: Option<Request>,
    refused: Option<(Scope, Vec<Arc<str>>)>,
    one_by_one: usize,
    published: u64,
}

impl Play {
    fn new() -> Self {
        Self::folding(FOLD_BEYOND, 8, 8)
    }

    /// Of what is folded, the ends are of at most so many lengths, and at most so many are alike.
    fn folding(beyond: usize, lengths: usize, alike: usize) -> Self {
        let folds = Folds::at_most(beyond, Price { lengths, alike });
        Self {
            registry: Registry { folds, ..Registry::default() },
            ears: (0..3).map(|_| Ear::new()).collect(),
            has: Vec::new(),
            denied: BTreeSet::new(),
            pushed: VecDeque::new(),
            under_way: None,
            refused: None,
            one_by_one: 0,
            published: 0,
        }
    }

    fn make(&mut self, step: &Move) {
        match *step {
            Move::Join { inbox, topic } => self.join(inbox, TOPICS[topic]),
            Move::Leave { inbox, topic } => self.leave(inbox, TOPICS[topic]),
            Move::Ask { max } => _ = self.ask(max),
            Move::AskInVain => self.ask_in_vain(),
            Move::Publish(channel) => self.publish(CHANNELS_TO_PUBLISH[channel]),
            Move::Hear => _ = self.hear(),
            Move::HearRefusal => _ = self.hear_refusal(),
            Move::Cut { is_allowed } => {
                self.registry.allow_folding(Endpoint(0), is_allowed);
                self.cut();
            }
            Move::End(topic) => self.end(&topic_of(TOPICS[topic])),
            Move::Deny(topic) => {
                if !self.denied.remove(TOPICS[topic]) {
                    self.denied.insert(TOPICS[topic]);
                }
            }
        }
        drop(self.registry.take_aftermath());
        self.check();
    }

    fn join(&mut self, ear: usize, name: &'static str) {
        if self.ears[ear].topics.contains_key(name) {
            return;
        }
        self.ears[ear].topics.insert(name, Believes::Joining);
        let inbox = self.ears[ear].inbox.clone();
        let live = self.registry.join(&topic_of(name), inbox);
        self.believe(&live);
    }

    fn leave(&mut self, ear: usize, name: &'static str) {
        let ear = &mut self.ears[ear];
        self.registry.leave(&topic_of(name), ear.inbox.id());
        ear.topics.remove(name);
        ear.owed.values_mut().for_each(|by| _ = by.remove(name));
    }

    fn believe(&mut self, live: &[Topic]) {
        for ear in &mut self.ears {
            let of_ear = ear.topics.iter_mut().filter(|(name, _)| live.contains(&topic_of(name)));
            of_ear.for_each(|(_, believes)| *believes = Believes::Live);
        }
    }

    /// `false` if there is nothing to ask for now.
    fn ask(&mut self, max: usize) -> bool {
        if self.is_waiting() {
            return false;
        }
        let max = if self.one_by_one > 0 { 1 } else { max };
        let Some(request) = self.registry.next_request(max) else { return false };
        match &request {
            Request::Subscribe(scope, names) => {
                self.one_by_one = self.one_by_one.saturating_sub(1);
                if names.iter().any(|name| self.denied.contains(&**name)) {
                    self.refused = Some((*scope, names.clone()));
                    return true;
                }
                for name in names {
                    let topic = topic(*scope, name);
                    assert!(!self.has.contains(&topic), "{name} was subscribed already");
                    self.has.push(topic.clone());
                    self.pushed.push_back(Push::Subscribed(topic));
                }
            }
            Request::Unsubscribe(scope, names) => {
                for name in names {
                    let topic = topic(*scope, name);
                    let before = self.has.len();
                    self.has.retain(|other| *other != topic);
                    assert!(self.has.len() < before, "{name} was not subscribed");
                    self.pushed.push_back(Push::Unsubscribed(topic));
                }
            }
        }
        self.under_way = Some(request);
        true
    }

    fn is_waiting(&mut self) -> bool {
        self.under_way = self.under_way.take().filter(|request| !self.registry.is_answered(request));
        self.under_way.is_some() || self.refused.is_some()
    }

    fn ask_in_vain(&mut self) {
        if self.is_waiting() {
            return;
        }
        match self.registry.next_request(2) {
            Some(Request::Subscribe(scope, names)) if self.registry.is_wide(&topic(scope, &names[0])) => {
                names.iter().for_each(|name| self.registry.unconfirm(scope, name));
                let live = self.registry.do_without(&topic(scope, &names[0]));
                self.believe(&live.unwrap());
            }
            Some(Request::Subscribe(scope, names)) => {
                names.iter().for_each(|name| self.registry.unconfirm(scope, name));
            }
            Some(Request::Unsubscribe(scope, names)) => {
                for name in names {
                    let live = self.registry.keep(scope, &name);
                    self.believe(&live);
                }
            }
            None => {}
        }
    }

    fn publish(&mut self, channel: &'static [u8]) {
        self.published += 1;
        let number = self.published;
        for ear in &mut self.ears {
            let live = ear.topics.iter().filter(|(name, believes)| {
                **believes == Believes::Live && is_match(&topic_of(name), channel)
            });
            ear.owed.insert(number, live.map(|(name, _)| *name).collect());
        }
        let mut matching: Vec<Topic> =
            self.has.iter().filter(|topic| is_match(topic, channel)).cloned().collect();
        matching.sort_by_key(|topic| topic.scope.kind == TopicKind::Pattern); // the channel comes first
        let last = matching.len();
        for (at, topic) in (1..).zip(matching) {
            self.pushed.push_back(Push::Message { topic, channel, number, is_last: at == last });
        }
        if last == 0 {
            self.settle_debts(number);
        }
    }

    /// While nothing is asked of it. Who is to be told is the registry's word.
    fn end(&mut self, topic: &Topic) {
        if self.has.contains(topic) && !self.is_waiting() {
            while self.hear() {}
            self.has.retain(|other| other != topic);
            self.hear_end(topic);
        }
    }

    fn hear_end(&mut self, topic: &Topic) {
        self.registry.unconfirm(topic.scope, &topic.name);
        for ear in &mut self.ears {
            for (name, believes) in &mut ear.topics {
                let of_topic = topic_of(name);
                let mut live = self.registry.listeners(of_topic.scope, name);
                if *believes == Believes::Live && live.all(|inbox| inbox.id() != ear.inbox.id()) {
                    *believes = Believes::CutOff;
                    assert!(
                        of_topic == *topic || &*topic.name == "b/*",
                        "{name} has nothing to do with that"
                    );
                    ear.owed.values_mut().for_each(|by| _ = by.remove(name));
                }
            }
        }
    }

    /// `false` if there is nothing.
    fn hear(&mut self) -> bool {
        match self.pushed.pop_front() {
            Some(Push::Message { topic, channel, number, is_last }) => {
                let at = CHANNELS_TO_PUBLISH.iter().position(|known| *known == channel).unwrap();
                let payload = Bytes::from(format!("{at} {number}"));
                self.registry.deliver(topic.scope, &topic.name, channel, payload);
                self.read();
                if is_last {
                    self.settle_debts(number);
                }
            }
            Some(Push::Subscribed(topic)) => {
                let live = self.registry.confirm(topic.scope, &topic.name);
                self.believe(&live);
            }
            Some(Push::Unsubscribed(topic)) => self.hear_end(&topic),
            None => return false,
        }
        true
    }

    fn hear_refusal(&mut self) -> bool {
        let Some((scope, names)) = self.refused.take() else { return false };
        if names.len() > 1 {
            self.one_by_one = names.len();
            names.iter().for_each(|name| self.registry.unconfirm(scope, name));
            return true;
        }
        let refusal = self.registry.refuse(&topic(scope, &names[0]));
        let ended: Vec<InboxId> = refusal.listeners.iter().map(Inbox::id).collect();
        for ear in 0..self.ears.len() {
            if ended.contains(&self.ears[ear].inbox.id()) {
                TOPICS.iter().for_each(|name| self.leave(ear, name)); // its leases end
                self.ears[ear] = Ear::new(); // who listens anew may hear the rest of a publish
            } else if refusal.is_denied {
                self.ears[ear].topics.remove(&*names[0]); // its `listen` fails, or it did not want it
            }
        }
        self.believe(&refusal.live);
        true
    }

    fn cut(&mut self) {
        self.registry.cut_off(Endpoint(0));
        self.has.clear();
        self.pushed.clear();
        (self.under_way, self.refused, self.one_by_one) = (None, None, 0);
        for ear in &mut self.ears {
            ear.owed.clear();
            let live = ear.topics.values_mut().filter(|believes| **believes == Believes::Live);
            live.for_each(|believes| *believes = Believes::CutOff);
        }
    }

    /// What has been queued was wanted, comes in order, and comes once.
    fn read(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        for ear in &mut self.ears {
            let mut hand = Hand::default();
            while let Poll::Ready(Some(item)) = ear.inbox.poll_next(&mut hand, &mut cx) {
                let Item::Message(message) = item else { continue };
                let text = String::from_utf8(message.payload().to_vec()).unwrap();
                let (at, number) = text.split_once(' ').unwrap();
                let channel = CHANNELS_TO_PUBLISH[at.parse::<usize>().unwrap()];
                assert_eq!(message.channel().as_str(), String::from_utf8_lossy(channel));
                assert!(ear.topics.keys().any(|name| is_match(&topic_of(name), channel)), "{message:?}");
                let number = number.parse().unwrap();
                assert!(number > ear.last_heard, "{number} after {}", ear.last_heard);
                ear.last_heard = number;
                ear.heard.insert(number);
            }
        }
    }

    /// All of a publish has arrived: whoever had to get it has it.
    fn settle_debts(&mut self, number: u64) {
        for ear in &mut self.ears {
            let by = ear.owed.remove(&number).unwrap_or_default();
            assert!(by.is_empty() || ear.heard.contains(&number), "{number} is missing, owed by {by:?}");
        }
    }

    fn check(&self) {
        let all = || self.ears.iter().flat_map(|ear| &ear.topics);
        let wanted: BTreeSet<&str> = all().map(|(name, _)| *name).collect();
        let live: BTreeSet<&str> =
            all().filter(|(_, it)| **it == Believes::Live).map(|(name, _)| *name).collect();
        assert_eq!(self.registry.wanted(), wanted.len());
        assert_eq!(self.registry.confirmed(), live.len());
        for ear in &self.ears {
            let is_cut_off = ear.topics.values().any(|believes| *believes == Believes::CutOff);
            assert_eq!(ear.inbox.is_cut_off(), is_cut_off);
        }
    }

    /// Everything that can be done is done: everybody listens, and the server has nothing more than it needs.
    fn settle(&mut self) {
        let mut steps = 0;
        while self.hear() || self.hear_refusal() || self.ask(3) {
            steps += 1;
            assert!(steps < 10_000, "it never comes to rest");
            drop(self.registry.take_aftermath());
            self.check();
        }
        for (name, believes) in self.ears.iter().flat_map(|ear| &ear.topics) {
            assert_eq!(*believes, Believes::Live, "{name}");
        }
    }

    fn count_at_server(&self, bus: &str) -> usize {
        self.has.iter().filter(|has| has.scope == PATTERNS && has.name.starts_with(bus)).count()
    }
}

proptest! {
    /// Whatever happens in whatever order, nobody misses an event that it was live for, or gets one twice.
    #[test]
    fn no_event_is_lost_or_doubled_whatever_folds_and_unfolds(
        beyond in 0..3_usize,
        lengths in 1..4_usize,
        alike in 0..3_usize,
        moves in moves(),
    ) {
        let mut play = Play::folding(beyond, lengths, alike);
        moves.iter().for_each(|step| play.make(step));
        play.settle();
        for channel in CHANNELS_TO_PUBLISH {
            play.publish(channel);
        }
        play.settle();
        for ear in 0..play.ears.len() {
            TOPICS.iter().for_each(|name| play.leave(ear, name));
        }
        play.settle();
        let kept = play.has.len(); // the server would not let go of these
        play.cut();
        play.settle();
        prop_assert!(play.has.is_empty() && play.registry.server.is_empty(), "{} were kept", kept);
    }
}

fn joined(play: &mut Play, names: &[&'static str]) {
    names.iter().for_each(|name| play.join(0, name));
}

#[test]
fn narrow_patterns_go_when_the_wide_one_is_confirmed_and_not_before() {
    let mut play = Play::new();
    joined(&mut play, &["b/1*", "b/2*"]);
    play.settle();
    assert_eq!(play.count_at_server("b/"), 2);
    joined(&mut play, &["b/*1", "b/?2"]);
    assert_eq!(play.registry.confirmed(), 2);
    assert!(play.ask(9));
    assert_eq!(play.count_at_server("b/"), 3, "the wide one alone was asked for");
    assert!(!play.ask(9));
    assert_eq!(play.registry.confirmed(), 2, "not confirmed yet");
    play.hear();
    assert_eq!(play.registry.confirmed(), 4);
    play.settle();
    assert_eq!(play.has, [topic(PATTERNS, "b/*")]);
    for name in ["b/1*", "b/2*", "b/*1"] {
        play.leave(0, name);
    }
    play.settle();
    assert_eq!(play.has, [topic(PATTERNS, "b/*")], "it stays folded");
    play.leave(0, "b/?2");
    play.settle();
    assert_eq!(play.has, []);
}

#[test]
fn an_event_amid_the_switch_comes_once_also_on_a_channel_with_a_replacement_character() {
    for channel in ["b/1x", "b/1\u{FFFD}"] {
        let mut registry = Registry::folding_beyond(1);
        let (first, second) = (inbox(), inbox());
        registry.join(&topic(PATTERNS, "b/1*"), first.clone());
        settle(&mut registry);
        registry.join(&topic(PATTERNS, "b/2*"), second);
        assert!(matches!(registry.next_request(9), Some(Request::Subscribe(..))));
        registry.confirm(PATTERNS, "b/*");
        for pattern in ["b/1*", "b/*"] {
            registry.deliver(PATTERNS, pattern, channel.as_bytes(), Bytes::from_static(b"x"));
        }
        assert_eq!(read(&first), ["message"], "{channel}");
    }
}

#[test]
fn a_switch_between_the_two_pushes_of_one_publish_loses_nothing() {
    for order in [["b/1?", "b/*"], ["b/*", "b/1?"]] {
        let mut registry = Registry::folding_beyond(1);
        let (wide, narrow, one_more) = (inbox(), inbox(), inbox());
        registry.join(&topic(PATTERNS, "b/*"), wide.clone());
        registry.join(&topic(PATTERNS, "b/1?"), narrow.clone());
        settle(&mut registry);
        registry.deliver(PATTERNS, order[0], b"b/11", Bytes::from_static(b"x"));
        registry.join(&topic(PATTERNS, "b/1*"), one_more.clone());
        registry.deliver(PATTERNS, order[1], b"b/11", Bytes::from_static(b"x"));
        assert_eq!((read(&wide), read(&narrow)), (vec!["message"], vec!["message"]), "{order:?}");
    }
}

#[test]
fn patterns_that_were_never_asked_for_are_not_asked_for_once_they_fold() {
    let mut play = Play::new();
    joined(&mut play, &["b/1*", "b/2*", "b/*1"]);
    play.settle();
    assert_eq!(play.has, [topic(PATTERNS, "b/*")]);
    play.cut();
    assert!(play.ask(9));
    assert_eq!(play.has, [topic(PATTERNS, "b/*")], "nor after a loss");
    play.settle();
    assert_eq!(read(&play.ears[0].inbox), ["interrupted", "resumed"]);
}

#[test]
fn a_new_connection_asks_for_few_patterns_by_themselves() {
    let mut play = Play::new();
    joined(&mut play, &["b/1*", "b/2*", "b/*1"]);
    play.settle();
    play.leave(0, "b/*1");
    play.settle();
    assert_eq!(play.has, [topic(PATTERNS, "b/*")]);
    play.cut();
    play.settle();
    assert_eq!(play.count_at_server("b/"), 2);
    assert!(!play.has.contains(&topic(PATTERNS, "b/*")));
}

#[test]
fn a_connection_over_which_nothing_may_be_folded_asks_for_all_patterns() {
    let mut play = Play::new();
    joined(&mut play, &["b/1*", "b/2*", "b/*1"]);
    assert!(!play.registry.is_flooded(Endpoint(0)));
    play.settle();
    assert!(play.registry.is_flooded(Endpoint(0)));
    play.make(&Move::Cut { is_allowed: false });
    play.settle();
    joined(&mut play, &["b/?2"]);
    play.settle();
    assert_eq!(play.count_at_server("b/"), 4);
    assert!(!play.registry.is_flooded(Endpoint(0)));
    play.make(&Move::Cut { is_allowed: true });
    play.settle();
    assert_eq!(play.has, [topic(PATTERNS, "b/*")]);
}

#[test]
fn a_wide_pattern_that_the_server_does_not_take_is_done_without() {
    let mut play = Play::new();
    joined(&mut play, &["b/1*", "b/2*"]);
    play.settle();
    joined(&mut play, &["b/*1"]);
    play.join(1, "b/*");
    assert!(play.registry.next_request(9).is_some());
    assert_eq!(play.registry.do_without(&topic_of("b/1*")), None);
    assert_eq!(play.registry.do_without(&topic_of("b/*")), Some(vec![]));
    play.settle();
    assert_eq!(play.count_at_server("b/"), 4, "who wants all of the bus asks again");
    assert_eq!(read(&play.ears[0].inbox), [""; 0], "nobody was told anything");
}

#[test]
fn a_pattern_that_is_dear_to_match_stays_at_the_server_beside_the_wide_one() {
    let mut play = Play::folding(1, 1, 0);
    joined(&mut play, &["b/1*", "b/2*", "b/*1"]);
    play.settle();
    assert_eq!(play.count_at_server("b/"), 2, "{:?}", play.has);
    play.denied.insert("b/*1");
    play.leave(0, "b/*1");
    play.settle();
    play.join(1, "b/*1");
    play.settle();
    assert_eq!((play.registry.wanted(), play.registry.confirmed()), (2, 2), "it needs a right of its own");
}

#[test]
fn a_wide_pattern_that_is_subscribed_already_serves_at_once() {
    let mut play = Play::new();
    play.join(1, "b/*");
    play.settle();
    joined(&mut play, &["b/1*", "b/2*"]);
    assert_eq!(play.registry.confirmed(), 1);
    let live = play.registry.join(&topic_of("b/*1"), play.ears[0].inbox.clone());
    assert_eq!(live.len(), 3, "those that waited as well");
    play.registry.leave(&topic_of("b/*1"), play.ears[0].inbox.id());
    play.leave(1, "b/*");
    assert_eq!(play.registry.next_request(9), None, "it is still needed");
}

#[test]
fn a_refused_wide_pattern_costs_nobody_his_own() {
    let mut play = Play::new();
    play.denied.insert("b/*");
    joined(&mut play, &["b/1*", "b/2*"]);
    play.settle();
    play.join(1, "b/*1");
    play.join(2, "b/*");
    play.settle();
    assert_eq!(play.registry.wanted(), 3, "who wants all of the bus is refused, and nobody else");
    assert_eq!(play.count_at_server("b/"), 3);
    play.join(1, "b/?2");
    assert!(play.ask(9));
    assert_eq!(play.count_at_server("b/"), 4, "the wide one is not tried again on this connection");
    play.denied.clear();
    play.cut();
    play.settle();
    assert_eq!(play.has, [topic(PATTERNS, "b/*")], "but on the next");
}

#[test]
fn a_narrow_pattern_that_is_refused_may_still_be_served_by_the_wide_one() {
    let mut play = Play::new();
    play.denied.insert("b/1*");
    joined(&mut play, &["b/1*"]);
    assert!(play.ask(9));
    joined(&mut play, &["b/2*", "b/*1"]);
    assert!(play.hear_refusal());
    play.settle();
    assert_eq!((play.registry.wanted(), play.registry.confirmed()), (3, 3));
    assert_eq!(play.has, [topic(PATTERNS, "b/*")]);
}

#[test]
fn a_wide_pattern_that_the_server_ends_is_told_to_those_it_served() {
    let mut play = Play::new();
    joined(&mut play, &["b/1*", "b/2*", "b/*1"]);
    play.join(1, "b/11");
    play.settle();
    play.registry.unconfirm(PATTERNS, "b/*");
    assert_eq!(play.registry.confirmed(), 1);
    assert_eq!(settle(&mut play.registry), ["+b/*"]);
    assert_eq!(read(&play.ears[0].inbox), ["interrupted", "resumed"]);
    assert_eq!(read(&play.ears[1].inbox), [""; 0]);
}

#[test]
fn a_pattern_that_comes_back_before_it_was_let_go_is_live_although_it_begins_the_fold() {
    let mut play = Play::new();
    play.denied.insert("b/*");
    joined(&mut play, &["b/1?"]);
    play.settle();
    play.leave(0, "b/1?");
    joined(&mut play, &["b/1*", "b/2*"]);
    play.join(1, "b/1?");
    assert_eq!(play.ears[1].topics["b/1?"], Believes::Live);
    play.settle();
    assert_eq!(play.count_at_server("b/"), 3);
}

#[test]
fn a_pattern_that_was_not_let_go_yet_serves_again_when_the_wide_one_is_refused() {
    let mut play = Play::new();
    joined(&mut play, &["b/1*"]);
    play.settle();
    joined(&mut play, &["b/2*", "b/*1"]);
    assert!(play.ask(1) && play.hear());
    assert!(play.registry.next_request(9).is_some(), "the narrow one is no longer needed, and kept");
    let live = play.registry.keep(PATTERNS, "b/1*");
    assert_eq!(live, [], "the wide one serves");
    play.denied.insert("b/*");
    play.end(&topic_of("b/*"));
    play.settle();
    assert_eq!(play.count_at_server("b/"), 3);
    assert_eq!(read(&play.ears[0].inbox), ["interrupted", "resumed"]);
}

#[test]
fn a_door_stands_before_a_folded_pattern_too() {
    let mut registry = Registry::folding_beyond(0);
    let (bus, mut shape) = (BusName::new("b").unwrap(), Shape::new());
    shape.text("u");
    shape.open(0);
    let narrowed = inbox().narrowed(&bus, Arc::new(shape));
    registry.join(&topic(PATTERNS, "b/u*"), narrowed.clone());
    settle(&mut registry);
    for channel in [&b"b/u1"[..], b"b/u1/2", b"b/1"] {
        registry.deliver(PATTERNS, "b/*", channel, Bytes::from_static(b"x"));
    }
    assert_eq!(read(&narrowed), ["message"]);
}
