//! Codecs of one's own: an event as MessagePack, and a sealed bus: its keys change, and others can't open its events.
//!
//! In memory by default; on Redis with `REDIS_URL=redis://127.0.0.1`.

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use chacha20poly1305::aead::Generate;
use event_bus_core::transport::Transport;
use event_bus_core::{
    Bytes, Channel, ChannelKey, Codec, Envelope, Error, Json, MemoryTransport, Message, Notice, Subscription,
};
use event_bus_examples::codecs::{KeyRing, MessagePack, Sealed};
use event_bus_examples::{Notification, NotificationBus, NotificationPayload, UserChannel};
use event_bus_redis::RedisTransport;

#[tokio::main]
async fn main() -> ExitCode {
    match choose_transport_and_run().await {
        Ok(Tally { heard, refused }) => {
            println!("codecs: {heard} heard, {refused} refused");
            if (heard, refused) == (3, 3) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("codecs: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn choose_transport_and_run() -> Result<Tally, Error> {
    if let Ok(url) = env::var("REDIS_URL") {
        println!("on the redis of REDIS_URL");
        run(RedisTransport::connect(url).await?).await
    } else {
        println!("in memory (set REDIS_URL=redis://127.0.0.1 to run on Redis)");
        run(MemoryTransport::new()).await
    }
}

async fn run(transport: impl Transport + Clone) -> Result<Tally, Error> {
    let mut tally = Tally::default();
    pack(&transport, &mut tally).await?;
    seal(&transport, &mut tally).await?;
    Ok(tally)
}

async fn pack(transport: &(impl Transport + Clone), tally: &mut Tally) -> Result<(), Error> {
    let bus = NotificationBus::with_codec(transport.clone(), MessagePack).build()?;
    let user = new_user();
    let mut events = listen(&bus, &user).await?;
    let event = notification(&user, "packed");
    bus.publish(&event).await?;
    if let Some(packed) = tally.next("the listener", &mut events).await {
        let json = Json.encode(&channel(&bus, &user)?, &Envelope::new(&event));
        let json = json.map_or(0, |json| json.len());
        println!("{} bytes of MessagePack, {json} as JSON", packed.len());
    }
    Ok(())
}

async fn seal(transport: &(impl Transport + Clone), tally: &mut Tally) -> Result<(), Error> {
    let bus = |keys| -> Result<NotificationBus, Error> {
        NotificationBus::with_codec(transport.clone(), Sealed::new(keys)).build()
    };
    // In earnest they come from where you keep your secrets.
    let [old, new, other] = [(); 3].map(|()| <[u8; 32]>::generate());
    let reader = bus(KeyRing::new(1, [(1, &old), (2, &new)])?)?;
    let stranger = bus(KeyRing::new(1, [(1, &other)])?)?;

    let (ann, ben) = (new_user(), new_user());
    let mut at_reader = listen(&reader, &ann).await?;
    let mut at_stranger = listen(&stranger, &ann).await?;
    let mut elsewhere = listen(&reader, &ben).await?;

    // The readers have both keys by now, so publishers may go over to the new one.
    let before = bus(KeyRing::new(1, [(1, &old)])?)?;
    let after = bus(KeyRing::new(2, [(1, &old), (2, &new)])?)?;
    let mut sealed = None;
    for (publisher, text) in [(before, "sealed with the old key"), (after, "sealed with the new key")] {
        publisher.publish(&notification(&ann, text)).await?;
        sealed = tally.next("the reader", &mut at_reader).await;
        tally.next("a stranger", &mut at_stranger).await;
    }

    // Whoever may publish can copy a sealed message to another channel, but there it does not open.
    if let Some(sealed) = sealed {
        let copy = Message::new(channel(&reader, &ben)?, sealed);
        transport.publish(vec![copy]).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        tally.next("the reader, elsewhere", &mut elsewhere).await;
    }
    Ok(())
}

/// What the listeners could and could not read.
#[derive(Default)]
struct Tally {
    heard: usize,
    refused: usize,
}

impl Tally {
    /// Prints what comes next, and gives the bytes in which an event came.
    async fn next(&mut self, who: &str, events: &mut Subscription<Notification>) -> Option<Bytes> {
        match tokio::time::timeout(Duration::from_secs(10), events.recv()).await {
            Ok(Some(Ok(event))) => {
                println!("{who} hears: {}", event.payload.event);
                self.heard += 1;
                return Some(event.raw().clone());
            }
            Ok(Some(Err(notice))) => {
                println!("{who} is told: {notice}");
                self.refused += usize::from(matches!(notice, Notice::Undecodable { .. }));
            }
            Ok(None) | Err(_) => println!("{who} hears nothing"),
        }
        None
    }
}

async fn listen(bus: &NotificationBus, user: &str) -> Result<Subscription<Notification>, Error> {
    bus.user(UserChannel { user_id: user }).listen().await
}

fn channel(bus: &NotificationBus, user: &str) -> Result<Channel, Error> {
    Ok(bus.channel(&ChannelKey::new(user)?))
}

/// A user of our own, so that two runs of this program on one Redis don't hear each other.
fn new_user() -> String {
    format!("user-{}", fastrand::u32(..))
}

fn notification(user: &str, text: &str) -> Notification {
    let payload =
        NotificationPayload { kind: "example".into(), event: text.into(), extra: serde_json::Map::new() };
    Notification { user_id: user.into(), payload }
}
