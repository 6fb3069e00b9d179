use super::lives::STABLE;
use super::*;
use event_bus_core::transport::{Capabilities, Filter, Lease, Request, Transport};
use event_bus_core::{
    ChannelKey, Event, EventBus, KeyError, KeyPattern, Message, Notice, Receipt, Subscription,
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

#[derive(Debug, Serialize, Deserialize)]
struct Number(u64);

impl Event for Number {
    const BUS_NAME: &'static str = "n";

    fn channel_keys(&self) -> Result<Vec<ChannelKey>, KeyError> {
        Ok(Vec::new())
    }
}

/// A transport whose server is played by the test: subscribing returns before anything is confirmed.
#[derive(Clone)]
struct Stage(Arc<Mutex<State>>);

impl Transport for Stage {
    async fn publish(&self, _: Vec<Message>) -> Vec<Result<Receipt>> {
        Vec::new()
    }

    async fn subscribe(&self, filter: Filter, inbox: Inbox) -> Result<Lease> {
        let is_pattern = matches!(filter, Filter::Pattern(_));
        let kind = if is_pattern { TopicKind::Pattern } else { TopicKind::Channel };
        let topic = Topic { scope: scope(kind), name: filter.to_string().into() };
        let (stage, id) = (self.clone(), inbox.id());
        drop(changing(&self.0).want(&topic, inbox));
        Ok(Lease::new(move || changing(&stage.0).unwant(&topic, id)))
    }

    async fn close(&self) {}

    fn capabilities(&self) -> Capabilities {
        Capabilities::default().patterns(true)
    }
}

/// What is held is delivered before anything else changes.
fn changing(state: &Mutex<State>) -> MutexGuard<'_, State> {
    let mut state = state.lock().unwrap();
    state.deliver_held();
    state
}

fn ready<F: Future>(future: F) -> F::Output {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing here waits"),
    }
}

#[derive(Clone, Debug)]
enum Move {
    Listen(u8),
    DropOne(usize),
    /// The task carries out its next step, and the server does its part.
    Go,
    /// The same, but the server denies every subscription to this channel.
    GoDenying(u8),
    FailToConnect,
    Kill,
    Publish(u8),
    /// A message that the last but one connection still delivers.
    PublishStale(u8),
    Sleep(u64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => (0..4_u8).prop_map(Move::Listen),
        2 => any::<usize>().prop_map(Move::DropOne),
        10 => Just(Move::Go),
        1 => (0..4_u8).prop_map(Move::GoDenying),
        1 => Just(Move::FailToConnect),
        1 => Just(Move::Kill),
        6 => (0..4_u8).prop_map(Move::Publish),
        1 => (0..4_u8).prop_map(Move::PublishStale),
        2 => (0..8_000_u64).prop_map(Move::Sleep),
    ];
    proptest::collection::vec(one, 1..120)
}

/// The server and the task of the play.
struct Play {
    state: Arc<Mutex<State>>,
    bus: EventBus<Number>,
    now: Instant,
    connection: Option<Epoch>,
    previous: Option<Epoch>,
    subscribed: HashSet<Arc<str>>,
    listeners: Vec<Listening>,
    published: u64,
}

struct Listening {
    channel: u8,
    events: Subscription<Number>,
    /// Numbers that it must hear, since it was live when they were published.
    expected: Vec<u64>,
    is_live: bool,
    /// Its `listen` has returned; before that, a refusal is for `listen` to tell.
    was_live: bool,
    is_denied: bool,
}

fn name(channel: u8) -> String {
    format!("n/{channel}")
}

impl Play {
    fn new() -> Self {
        let backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        let config = RedisConfig::new("nowhere", 6379);
        let (registry, day) = (Registry::folding_beyond(2), Duration::from_secs(3600 * 24));
        let state = Arc::new(Mutex::new(State::new(registry, backoff, &config, day)));
        Self {
            bus: EventBus::new(Stage(Arc::clone(&state))),
            state,
            now: Instant::now(),
            connection: None,
            previous: None,
            subscribed: HashSet::new(),
            listeners: Vec::new(),
            published: 0,
        }
    }

    fn step(&self) -> Step {
        let mut state = self.state();
        let task = state.need_task(self.now).or(state.task).expect("a task");
        state.step(task, self.now)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        changing(&self.state)
    }

    fn make(&mut self, step: &Move) {
        match step {
            Move::Listen(channel) => self.listen(*channel),
            Move::DropOne(at) if !self.listeners.is_empty() => {
                self.listeners.swap_remove(at % self.listeners.len());
            }
            Move::Go => drop(self.go(None)),
            Move::GoDenying(channel) => drop(self.go(Some(*channel))),
            Move::FailToConnect if self.connection.is_none() => {
                let step = self.step();
                if let Step::Connect(epoch) = step {
                    assert!(self.state().lost(epoch, &Cause::new("refused"), self.now));
                }
            }
            Move::Kill => self.kill(),
            Move::Publish(channel) => self.publish(*channel),
            Move::PublishStale(channel) => {
                if let Some(previous) = self.previous {
                    self.push_message(previous, *channel, u64::MAX);
                }
            }
            Move::Sleep(milliseconds) => self.now += Duration::from_millis(*milliseconds),
            Move::DropOne(_) | Move::FailToConnect => {}
        }
    }

    fn listen(&mut self, channel: u8) {
        let events = ready(self.bus.listen(&*channel.to_string())).unwrap();
        let is_live = self.connection.is_some() && self.subscribed.contains(&*name(channel));
        let expected = Vec::new();
        let was_live = is_live;
        self.listeners.push(Listening { channel, events, expected, is_live, was_live, is_denied: false });
    }

    /// `false` if there was nothing to do.
    fn go(&mut self, denied: Option<u8>) -> bool {
        let step = self.step();
        match step {
            Step::Connect(epoch) => {
                assert!(self.state().connected(epoch, self.now));
                self.connection = Some(epoch);
                self.subscribed.clear();
            }
            Step::Ask(epoch, Request::Subscribe(scope, names)) => {
                self.subscribe(epoch, scope, &names, denied);
            }
            Step::Ask(epoch, Request::Unsubscribe(scope, names)) => {
                for name in &names {
                    assert!(self.subscribed.remove(name), "{name} was not subscribed");
                    self.state().pushed(epoch, Push::Unsubscribed(scope.kind, name), self.now);
                }
            }
            Step::Ping(epoch) => {
                self.state().pinging(epoch);
                self.state().ponged(epoch, self.now);
            }
            Step::Sleep(until) => {
                self.now = until;
                return self.connection.is_none();
            }
            Step::Park | Step::Stop => return false,
        }
        true
    }

    fn subscribe(&mut self, epoch: Epoch, scope: Scope, names: &[Arc<str>], denied: Option<u8>) {
        assert_eq!(Some(epoch), self.connection);
        let denied = denied.map(name);
        if names.iter().any(|name| Some(&**name) == denied.as_deref()) {
            let refused =
                self.state().refused(epoch, scope, names, ErrorKind::Denied, &"no".into(), self.now);
            refused
                .listeners
                .iter()
                .for_each(|inbox| inbox.end(event_bus_core::transport::End::Denied("no".into())));
            if names.len() == 1 {
                let gone =
                    self.listeners.iter_mut().filter(|listening| Some(name(listening.channel)) == denied);
                gone.for_each(|listening| (listening.is_denied, listening.is_live) = (true, false));
            }
            return;
        }
        for name in names {
            assert!(self.subscribed.insert(Arc::clone(name)), "{name} was subscribed already");
            self.state().pushed(epoch, Push::Subscribed(scope.kind, name), self.now);
        }
        for listening in &mut self.listeners {
            listening.is_live |= !listening.is_denied && self.subscribed.contains(&*name(listening.channel));
            listening.was_live |= listening.is_live;
        }
    }

    fn kill(&mut self) {
        if let Some(epoch) = self.connection.take() {
            assert!(self.state().hung_up(epoch, &Cause::new("killed"), self.now));
            assert!(!self.state().hung_up(epoch, &Cause::new("killed"), self.now), "it is told once");
            self.previous = Some(epoch);
            self.listeners.iter_mut().for_each(|listening| listening.is_live = false);
        }
    }

    fn publish(&mut self, channel: u8) {
        self.published += 1;
        if let Some(epoch) = self.connection.filter(|_| self.subscribed.contains(&*name(channel))) {
            self.push_message(epoch, channel, self.published);
            let live = self.listeners.iter_mut().filter(|other| other.channel == channel && other.is_live);
            live.for_each(|listening| listening.expected.push(self.published));
        }
    }

    fn push_message(&self, epoch: Epoch, channel: u8, number: u64) {
        let name = name(channel);
        let payload = format!("{{\"payload\":{number}}}").into();
        let message = PushedMessage {
            scope: scope(TopicKind::Channel),
            topic: &name,
            channel: name.as_bytes(),
            payload,
        };
        let mut state = self.state.lock().unwrap();
        if !state.can_hold(&message) {
            state.deliver_held();
        }
        state.hold(epoch, message, || self.now);
    }

    /// Everything that can be done is done: what is wanted is subscribed, and nothing else.
    fn settle(&mut self) {
        while self.go(None) {}
        let wanted: HashSet<String> = self
            .listeners
            .iter()
            .filter(|listening| !listening.is_denied)
            .map(|other| name(other.channel))
            .collect();
        if self.connection.is_some() {
            let subscribed: HashSet<String> = self.subscribed.iter().map(ToString::to_string).collect();
            assert_eq!(subscribed, wanted);
        } else {
            assert!(wanted.is_empty(), "somebody listens, and nothing connects");
        }
        let state = self.state();
        assert_eq!(state.registry.wanted(), wanted.len());
        assert_eq!(state.registry.confirmed(), if self.connection.is_some() { wanted.len() } else { 0 });
    }

    /// Every listener heard what it had to, in order, and was told of every interruption, in pairs.
    fn check_streams(mut self) {
        drop(self.state());
        for listening in &mut self.listeners {
            let (mut heard, mut is_cut_off, mut is_over) = (Vec::new(), false, false);
            while let Poll::Ready(item) = poll(&mut listening.events) {
                match item {
                    Some(Ok(event)) => {
                        assert!(!is_cut_off, "a message between Interrupted and Resumed");
                        heard.push(event.0);
                    }
                    Some(Err(Notice::Interrupted)) => assert!(!std::mem::replace(&mut is_cut_off, true)),
                    Some(Err(Notice::Resumed { .. })) => assert!(std::mem::replace(&mut is_cut_off, false)),
                    Some(Err(Notice::Denied { .. })) => is_over = true,
                    Some(Err(notice)) => panic!("{notice}"),
                    None => break,
                }
            }
            assert_eq!(heard, listening.expected, "channel {}", listening.channel);
            assert_eq!(is_over, listening.is_denied && listening.was_live);
            assert!(!is_cut_off || is_over, "it was never resumed");
        }
    }
}

fn poll(
    events: &mut Subscription<Number>,
) -> Poll<Option<std::result::Result<event_bus_core::Delivery<Number>, Notice>>> {
    std::pin::pin!(events.recv()).poll(&mut Context::from_waker(Waker::noop()))
}

proptest! {
    /// Whatever happens in whatever order, in the end everybody hears, and nobody was left in the dark.
    #[test]
    fn whatever_happens_nobody_is_left_deaf(moves in moves()) {
        let mut play = Play::new();
        for step in &moves {
            play.make(step);
        }
        play.settle();
        for channel in 0..4 {
            play.publish(channel);
        }
        play.check_streams();
    }
}

#[test]
fn a_connection_that_never_lives_long_is_retried_ever_more_slowly() {
    let mut play = Play::new();
    play.listen(0);
    let mut longest = Duration::ZERO;
    for _ in 0..60 {
        while play.connection.is_none() {
            let before = play.now;
            play.go(None);
            longest = longest.max(play.now - before);
        }
        play.kill();
    }
    assert!(longest > Duration::from_millis(500), "the backoff was reset by connections that died at once");
    while play.go(None) {}
    play.now += STABLE;
    play.kill();
    let Step::Sleep(until) = play.step() else { panic!("no backoff") };
    assert!(until - play.now <= Duration::from_millis(50), "a long life earns a fresh start");
}

#[test]
fn a_task_is_replaced_if_it_stands_still_but_not_while_there_is_nothing_to_do() {
    let mut play = Play::new();
    let longest = Duration::from_secs(3600 * 24);
    let first = play.state().need_task(play.now).expect("the first task");
    assert_eq!(play.state().step(first, play.now), Step::Park);
    play.now += longest * 3;
    assert_eq!(play.state().need_task(play.now), None, "it is parked, not stuck");
    play.listen(0);
    assert!(matches!(play.state().step(first, play.now), Step::Connect(_)));
    play.now += longest * 2;
    let second = play.state().need_task(play.now).expect("the first one stands still");
    assert_eq!(play.state().step(first, play.now), Step::Stop);
    assert!(play.state().task_ended(first).is_empty(), "its end concerns nobody any more");
    assert!(matches!(play.state().step(second, play.now), Step::Sleep(_)));
}

#[test]
fn a_refused_login_is_told_to_those_who_wait() {
    let mut play = Play::new();
    play.listen(0);
    let topic = Topic { scope: scope(TopicKind::Channel), name: name(0).into() };
    let mut confirmation = play.state().waiters.wait(&topic);
    let Step::Connect(epoch) = play.step() else { panic!("it does not connect") };
    let cause = Cause::new("WRONGPASS").with_denial(Some("the login is refused".into()));
    assert!(play.state().lost(epoch, &cause, play.now));
    drop(play.state().take_aftermath());
    assert_eq!(confirmation.try_recv().unwrap().unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(play.state().link_state(), LinkState::Interrupted);
}

#[test]
fn names_are_asked_for_in_chunks_and_alone_after_a_refusal() {
    let mut play = Play::new();
    let chunk = crate::config::Listening::Classic.most_names_of_a_command();
    let listeners: HashMap<u16, _> =
        (0..600_u16).map(|number| (number, ready(play.bus.listen(&*number.to_string())).unwrap())).collect();
    play.go(None);
    let Step::Ask(epoch, Request::Subscribe(scope, names)) = play.step() else { panic!("no request") };
    assert_eq!(names.len(), chunk);
    let refused = play.state().refused(epoch, scope, &names, ErrorKind::Denied, &"no".into(), play.now);
    assert!(refused.listeners.is_empty(), "nobody is condemned for the others");
    for _ in 0..chunk {
        let Step::Ask(epoch, Request::Subscribe(scope, names)) = play.step() else { panic!("no request") };
        assert_eq!(names.len(), 1);
        play.state().pushed(epoch, Push::Subscribed(scope.kind, &names[0]), play.now);
    }
    drop(listeners);
}

#[test]
fn a_fence_is_answered_by_a_ping_that_was_sent_after_it() {
    let mut play = Play::new();
    let answer = |play: &Play, fence: &mut oneshot::Receiver<Result<()>>| {
        drop(play.state().take_aftermath());
        fence.try_recv().ok().map(|answer| answer.err().map(|error| error.kind()))
    };
    play.listen(1);
    while play.connection.is_none() {
        play.go(None);
    }
    let epoch = play.connection.unwrap();
    let mut early = play.state().fence();
    assert_eq!(play.step(), Step::Ping(epoch), "before anything else");
    play.state().pinging(epoch);
    let mut late = play.state().fence();
    play.state().ponged(epoch, play.now);
    assert_eq!(answer(&play, &mut early), Some(None));
    assert_eq!(answer(&play, &mut late), None, "its question is still to be put");
    while play.step() != Step::Ping(epoch) {}
    play.state().pinging(epoch);
    play.state().heard(epoch, play.now);
    assert_eq!(answer(&play, &mut late), None, "a push or another answer is none");
    play.kill();
    assert_eq!(answer(&play, &mut late), Some(Some(ErrorKind::NotConnected)));
    let mut without_connection = play.state().fence();
    assert_eq!(answer(&play, &mut without_connection), Some(Some(ErrorKind::NotConnected)));
}

#[test]
fn fences_do_not_starve_requests() {
    let mut play = Play::new();
    play.listen(1);
    while play.connection.is_none() {
        play.go(None);
    }
    for _ in 0..10 {
        drop(play.state().fence()); // one more wait, while the last ping was under way
        if let Step::Ask(..) = play.step() {
            return;
        }
        let epoch = play.connection.unwrap();
        play.state().pinging(epoch);
        play.state().ponged(epoch, play.now);
    }
    panic!("pings alone, and the subscription is never asked for");
}

/// Three, which are more than are subscribed by themselves.
fn listen_to_patterns(play: &Play) -> Vec<Subscription<Number>> {
    let texts = ["1*", "2*", "3*"].into_iter();
    texts.map(|text| ready(play.bus.listen(KeyPattern::new(text).unwrap())).unwrap()).collect()
}

fn asked(play: &Play) -> (Epoch, Scope, Vec<Arc<str>>) {
    match play.step() {
        Step::Ask(epoch, Request::Subscribe(scope, mut names)) => {
            names.sort();
            (epoch, scope, names)
        }
        other => panic!("{other:?} instead of a subscription"),
    }
}

#[test]
fn a_wide_pattern_that_the_server_does_not_take_keeps_nobody_waiting() {
    let mut play = Play::new();
    let _listeners = listen_to_patterns(&play);
    play.go(None);
    let (epoch, scope, names) = asked(&play);
    assert_eq!(names.join(" "), "n/*");
    play.state().postponed(epoch, scope, &names, "LOADING", play.now);
    let Step::Sleep(until) = play.step() else { panic!("it is not the time to ask") };
    play.now = until;
    assert_eq!(asked(&play).2.join(" "), "n/*", "the server was not ready, and that is all");
    assert!(play.state().failed(epoch, scope, &names, "ERR no", play.now));
    let (_, _, names) = asked(&play);
    assert_eq!(names.join(" "), "n/1* n/2* n/3*");
    assert!(!play.state().failed(epoch, scope, &names, "ERR no", play.now));
    let Step::Sleep(until) = play.step() else { panic!("it is not the time to ask") };
    play.now = until;
    assert_eq!(asked(&play).2, names, "they can't be done without");
}

#[test]
fn a_wide_pattern_that_fails_among_others_is_asked_for_alone() {
    let mut play = Play::new();
    let _listeners = listen_to_patterns(&play);
    play.go(None);
    let (epoch, scope, mut names) = asked(&play);
    names.push("n/1".into());
    assert!(!play.state().failed(epoch, scope, &names, "ERR no", play.now));
    let (epoch, scope, names) = asked(&play);
    assert_eq!(names.join(" "), "n/*");
    assert!(play.state().failed(epoch, scope, &names, "ERR no", play.now));
}

#[test]
fn folding_rests_when_connections_are_lost_soon_with_it_until_one_was_stable() {
    let mut play = Play::new();
    let _listeners = listen_to_patterns(&play);
    let connect = |play: &mut Play| {
        while play.connection.is_none() {
            play.go(None);
        }
        while play.go(None) {}
        play.subscribed.len()
    };
    for life in [Duration::ZERO, STABLE, Duration::ZERO, Duration::ZERO] {
        assert_eq!(connect(&mut play), 1, "one in a row may be chance");
        play.now += life;
        play.kill();
    }
    for life in [Duration::ZERO, Duration::ZERO, STABLE] {
        assert_eq!(connect(&mut play), 3);
        play.now += life;
        play.kill();
    }
    assert_eq!(connect(&mut play), 1, "it is tried again");
}

/// The same as one of several.
fn of_node() -> Play {
    let play = Play::new();
    play.state().gives_up = true;
    play
}

#[test]
fn a_node_that_failed_rests_although_it_has_given_everything_up() {
    let mut play = of_node();
    let topic = Topic { scope: scope(TopicKind::Channel), name: name(0).into() };
    let mut longest = Duration::ZERO;
    play.listen(0);
    for _ in 0..50 {
        let begin = play.now;
        let epoch = loop {
            match play.step() {
                Step::Connect(epoch) => break epoch,
                Step::Sleep(until) => play.now = until,
                other => panic!("{other:?}"),
            }
        };
        longest = longest.max(play.now - begin);
        assert!(play.state().lost(epoch, &Cause::new("refused"), play.now));
        let displaced = play.state().take_displaced().pop().expect("it gives up what it can't serve");
        assert_eq!(play.step(), Step::Park, "nobody wants anything");
        play.state().take_over(&topic, displaced); // no other serves it
    }
    assert!(longest > Duration::from_millis(500) && longest <= Duration::from_secs(2), "{longest:?}");
    let Step::Sleep(until) = play.step() else { panic!("it rests") };
    assert!(until > play.now);
    let epoch = play.state().epoch();
    play.state().hasten(epoch, play.now);
    assert!(
        matches!(play.step(), Step::Connect(_)),
        "it is to go as somebody else: there is nothing to wait for"
    );
}

#[test]
fn who_listens_to_a_channel_that_a_node_is_just_letting_go_of_stays_there() {
    let mut play = of_node();
    play.listen(0);
    while play.go(None) {}
    play.listeners.clear();
    let Step::Ask(epoch, Request::Unsubscribe(scope, names)) = play.step() else { panic!("no request") };
    play.listen(0);
    play.state().pushed(epoch, Push::Unsubscribed(scope.kind, &names[0]), play.now);
    assert!(play.state().take_displaced().is_empty(), "it was asked to");
    assert_eq!(asked(&play).2, names);
    play.state().pushed(epoch, Push::Unsubscribed(scope.kind, &names[0]), play.now);
    assert_eq!(play.state().take_displaced().len(), 1, "the slot has moved");
}
