//! A bus in an axum service: requests publish, and `/healthz` says whether the bus works. The program asks itself, as `curl` would.
//! How events reach browsers is shown by `web_monitor`.
//!
//! In memory by default; on Redis with `REDIS_URL=redis://127.0.0.1`.

use std::env;
use std::error::Error;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use event_bus_core::{EventBus, MemoryTransport};
use event_bus_redis::RedisTransport;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "example_orders", channel(order = "{id}"))]
struct Ordered {
    id: u64,
}

/// A bus is cheap to clone: all of them are one, over one connection.
async fn order(State(bus): State<OrderedBus>, Path(id): Path<u64>) -> (StatusCode, String) {
    match bus.publish(&Ordered { id }).await {
        Ok(_) => (StatusCode::ACCEPTED, "ordered".to_owned()),
        // The error names channels and servers, which the public need not know.
        Err(error) if error.is_retryable() => (StatusCode::SERVICE_UNAVAILABLE, "try again".to_owned()),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "not ordered".to_owned()),
    }
}

/// The status alone: `to_json` is for those who may know the servers.
async fn healthz(State(bus): State<OrderedBus>) -> StatusCode {
    if bus.health().is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let bus = match env::var("REDIS_URL") {
        Ok(url) => OrderedBus::new(RedisTransport::connect(url).await?),
        Err(_) => OrderedBus::new(MemoryTransport::new()),
    };
    let routes =
        Router::new().route("/orders/{id}", post(order)).route("/healthz", get(healthz)).with_state(bus);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    tokio::select! {
        served = async { axum::serve(listener, routes).await } => served?,
        asked = ask(&address, &["POST /orders/7", "GET /healthz"]) => asked?,
    }
    Ok(())
}

async fn ask(address: &str, requests: &[&str]) -> Result<(), Box<dyn Error>> {
    let mut statuses = Vec::new();
    for request in requests {
        let mut stream = TcpStream::connect(address).await?;
        let head = format!("{request} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        println!("{request}\n{answer}");
        statuses.extend(answer.split(' ').nth(1).map(str::to_owned));
    }
    println!("axum_service: {}", statuses.join(", "));
    Ok(())
}
