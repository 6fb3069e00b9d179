//! What others see of a bus: its spans as OpenTelemetry exports them, each handler in the trace of its publish; its metrics as
//! Prometheus scrapes them; its health as a probe gets it.
//!
//! In memory by default; on Redis with `REDIS_URL=redis://127.0.0.1`.

mod open_telemetry;

use std::env;
use std::error::Error;
use std::time::Duration;

use event_bus_core::MemoryTransport;
use event_bus_core::transport::Transport;
use event_bus_examples::{ExecutionEventBus, GraphChannel, run_events};
use event_bus_redis::RedisTransport;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use open_telemetry::OpenTelemetry;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::sync::mpsc;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Before the bus is made, which takes its handles from the recorder.
    let seconds = [0.000_1, 0.001, 0.01, 0.1, 1.0, 10.0];
    let metrics = PrometheusBuilder::new()
        .with_recommended_naming(true)
        .set_buckets_for_metric(Matcher::Suffix("duration".to_owned()), &seconds)?
        .install_recorder()?;
    let exporter = opentelemetry_stdout::SpanExporter::default();
    let traces = SdkTracerProvider::builder().with_simple_exporter(exporter).build();
    let spans = tracing_opentelemetry::layer()
        .with_tracer(traces.tracer("observability"))
        .with_filter(Targets::new().with_target("event_bus::span", LevelFilter::DEBUG));
    tracing_subscriber::registry().with(spans).init();

    let (published, handled, health) = match env::var("REDIS_URL") {
        Ok(url) => run(RedisTransport::connect(url).await?).await?,
        Err(_) => run(MemoryTransport::new()).await?,
    };
    traces.shutdown()?;
    println!("{}", metrics.render()); // at `/metrics`
    println!("{health}"); // at `/healthz`
    println!("observability: {published} published, {handled} handled");
    Ok(())
}

async fn run(transport: impl Transport) -> Result<(usize, u64, String), Box<dyn Error>> {
    let bus = ExecutionEventBus::builder(transport).trace_context(OpenTelemetry).build()?;
    let user = format!("user-{}", fastrand::u32(..));
    let (done, mut handled) = mpsc::channel(16);
    let (of_run, of_node) = (done.clone(), done);
    let monitor = bus
        .subscriber()
        .on_graph_execution_update(move |_| {
            let done = of_run.clone();
            async move { done.send(()).await.unwrap_or_default() }
        })
        .on_node_execution_update(move |_| {
            let done = of_node.clone();
            async move { done.send(()).await.unwrap_or_default() }
        })
        .on_notice(async |notice| eprintln!("missed: {notice}"))
        .start([bus.graph(GraphChannel { user_id: &user, graph_id: "newsletter" })])
        .await?;
    let events = run_events(&user, "newsletter", "run-1", &["fetch"], None);
    for event in &events {
        bus.publish(event).await?;
        tokio::time::timeout(Duration::from_secs(10), handled.recv()).await?;
    }
    let health = bus.health();
    let report = monitor.shutdown(Duration::from_secs(10)).await;
    Ok((events.len(), report.handled, format!("{} {}", health.http_status(), health.to_json())))
}
