//! What stands in for TLS without the feature `tls`: there is none to be had.

use std::convert::Infallible;

use event_bus_core::Result;
use redis::{ConnectionAddr, RedisResult};

#[derive(Clone)]
pub(crate) struct Tls(Infallible);

impl Tls {
    pub(super) fn check(&self) -> Result<()> {
        match self.0 {}
    }

    #[expect(clippy::unused_async, reason = "as with TLS")]
    pub(super) async fn address(&self, _: &str, _: u16) -> RedisResult<ConnectionAddr> {
        match self.0 {}
    }
}
