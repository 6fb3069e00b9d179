//! Types of events, subscribers and open channels: with every shape, generic, in a function, under other paths, beside
//! names of one's own.

#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, clippy::all)]

use std::fmt::Display;

use event_bus_core::{Any, EventBus, MemoryTransport, Notice, UnknownEvent};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Meta {
    user_id: String,
    ids: (u64, u64),
}

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[serde(tag = "kind", content = "of", rename_all = "kebab-case")]
#[bus(name = "jobs", channel(job = "{user_id}/{id}", user = "user/{user_id}/all", all = "all"))]
#[bus(field(user_id = "meta.user_id", id = "meta.ids.0"))]
enum Job {
    Queued { meta: Meta },
    #[bus(field(user_id = "1", id = "0.ids.1"))]
    Running(Meta, String),
    #[bus(field(user_id = "user_id", id = "ids.0"))]
    Done(Box<Meta>),
    #[bus(field(user_id = "0"), to(user, all))]
    Forgotten(String),
    #[bus(to(all))]
    Cleared,
    #[bus(to(all))]
    Notice,
    #[serde(skip)]
    #[bus(other)]
    Unknown(UnknownEvent),
}

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "numbers", channel(number = "{n}"), field(n = "0"))]
struct Number(u64);

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "more_numbers", channel(number = "{n}" as MoreNumbers))] // beside `NumberChannel`
struct More {
    n: u64,
}

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[serde(untagged)]
#[bus(name = "choices", channel(choice = "{UserId}/{OnLeft}"), field(UserId = "0", OnLeft = "1"))]
#[allow(non_snake_case)]
enum Choice<UserId: Display, OnLeft>
where
    OnLeft: Display,
{
    #[bus(event_type = "left")]
    Left(UserId, OnLeft),
    #[bus(event_type = "right")]
    Right(OnLeft, UserId),
}

async fn everything() -> event_bus_core::Result<()> {
    let bus = JobBus::new(MemoryTransport::new());
    let open = bus.job(JobChannel { user_id: "u", id: Any });
    let mut events = open.listen().await?;
    events.add(bus.user(UserChannel { user_id: "u" })).await?;
    let done = bus.all().listen().await?.only(Job::DONE);
    let several = bus.all().listen().await?.only((Job::QUEUED, Job::RUNNING, Job::UNKNOWN));
    drop((events, done, several, JobChannel::parse("u/1"), open.pattern()?));
    let running = bus
        .subscriber()
        .on_queued(async |job| println!("{job:?}"))
        .on_running(async |job| println!("{:?}", job.event()))
        .on_done(async |meta| println!("{}", meta.user_id))
        .on_forgotten(async |user_id| println!("{}", user_id.len()))
        .on_cleared(async |_| {})
        .on_notice_event(async |_| {})
        .on_unknown(async |unknown| println!("{}", unknown.event_type()))
        .on_notice(async |notice: Notice| println!("{notice}"))
        .on_panic(|panic| println!("{panic}"))
        .concurrency(4)
        .start([open.filter()?.clone(), bus.all().key()?.into()])
        .await?;
    drop(running);

    let numbers = NumberBus::new(MemoryTransport::new());
    let running = numbers.subscriber().on_event(async |number| println!("{}", number.0)).ignore_notices();
    drop(running.start([numbers.number(NumberChannel { n: 1 })]).await?);

    let more = MoreBus::new(MemoryTransport::new());
    more.publish(&More { n: 7 }).await?;
    drop((more.number(MoreNumbers { n: 7 }), MoreNumbers::parse("7")));

    let choices = ChoiceBus::<u64, char>::new(MemoryTransport::new());
    choices.publish(&Choice::Left(1, 'a')).await?;
    choices.publish(&Choice::Right('a', 1)).await?;
    let running = choices.subscriber().on_left(async |_| {}).ignore_rest().ignore_notices();
    drop(running.start([choices.choice(ChoiceChannel { UserId: 1, OnLeft: 'a' })]).await?);
    drop(choices.choice(ChoiceChannel { UserId: 1, OnLeft: Any }).listen().await?.only(Choice::LEFT));
    Ok(())
}

fn main() {
    #[derive(Debug, Serialize, Deserialize, EventBus)]
    #[bus(name = "locals", channel(local = "{id}"))]
    enum Local {
        One { id: u64 },
    }

    let bus = LocalBus::new(MemoryTransport::new());
    drop(bus.subscriber().on_one(async |_| {}).ignore_notices().start([bus.local(LocalChannel { id: 1 })]));
    drop((Local::One { id: 1 }, everything()));
}
