//! The routes: the page, the state for fetching, the stream of changes, and whether all is well.

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use crate::board::{Board, Link};
use crate::runs::Wanted;
use crate::stream::to_browser;

/// How many pages may be open: each costs some memory.
const MOST_BROWSERS: usize = 500;
/// Nothing but our own files runs or is loaded in the page, whatever an event says.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page, file by file.
const PAGE: [(&str, &str, &str); 7] = [
    ("/", "text/html", include_str!("page/index.html")),
    ("/style.css", "text/css", include_str!("page/style.css")),
    ("/app.js", "text/javascript", include_str!("page/app.js")),
    ("/looks.js", "text/javascript", include_str!("page/looks.js")),
    ("/model.js", "text/javascript", include_str!("page/model.js")),
    ("/screen.js", "text/javascript", include_str!("page/screen.js")),
    ("/stream.js", "text/javascript", include_str!("page/stream.js")),
];

pub(crate) fn routes(board: Board) -> Router {
    let mut routes = Router::new();
    for (path, kind, text) in PAGE {
        routes = routes.route(path, get(move || async move { with_type(kind, text) }));
    }
    routes
        .route("/api/runs", get(runs))
        .route("/events", get(events))
        .route("/healthz", get(health))
        .layer(middleware::from_fn(only_this_machine))
        .with_state(board)
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    user: String,
    #[serde(default)]
    graph: String,
}

impl Asked {
    /// Where users log in, this is the place to leave them what is theirs.
    fn wanted(&self) -> Wanted {
        Wanted::new(&self.user, &self.graph)
    }
}

async fn runs(State(board): State<Board>, Query(asked): Query<Asked>) -> Response {
    with_type("application/json", board.snapshot(&asked.wanted()))
}

async fn events(State(board): State<Board>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    if board.browsers() >= MOST_BROWSERS {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many pages are open: try again later").into_response();
    }
    let last_id = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    match to_browser(board, asked.wanted(), last_id) {
        Some(stream) => with_type("text/event-stream", Body::from_stream(stream)),
        None => (StatusCode::SERVICE_UNAVAILABLE, "the monitor is ending").into_response(),
    }
}

async fn health(State(board): State<Board>) -> Response {
    let (status, text) = match board.link() {
        Link::Live => (StatusCode::OK, "{\"bus\":\"live\"}"),
        Link::Interrupted => (StatusCode::OK, "{\"bus\":\"interrupted\"}"), // it heals itself: no reason to restart us
        Link::Ended => (StatusCode::SERVICE_UNAVAILABLE, "{\"bus\":\"ended\"}"),
    };
    (status, with_type("application/json", text)).into_response()
}

fn with_type(kind: &'static str, body: impl Into<Body>) -> Response {
    let headers: [(HeaderName, HeaderValue); 4] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    ];
    (headers, body.into()).into_response()
}

/// A page of a stranger can point a name of its own at 127.0.0.1 and would then read all this as its own: so it is
/// served under the names of this machine alone.
async fn only_this_machine(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if matches!(name, "127.0.0.1" | "localhost") {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "this monitor is served as 127.0.0.1 or localhost only").into_response()
    }
}
