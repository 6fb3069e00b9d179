//! The suite that every transport passes, on each of ours.

mod memory {
    use event_bus_core::MemoryTransport;

    event_bus_core::transport_conformance!(async { (MemoryTransport::new(), ()) });
}

mod redis {
    use event_bus_redis::RedisTransport;
    use event_bus_tests::RedisServer;

    event_bus_core::transport_conformance!(async {
        let server = RedisServer::start();
        (RedisTransport::connect(server.url()).await.expect("our own server lets us in"), server)
    });
}

mod redis_with_four_lanes {
    use event_bus_redis::{RedisConfig, RedisTransport};
    use event_bus_tests::RedisServer;

    event_bus_core::transport_conformance!(async {
        let server = RedisServer::start();
        let config =
            RedisConfig::from_url(format!("unix://{}", server.socket())).expect("a right URL").lanes(4);
        (RedisTransport::connect(config).await.expect("our own server lets us in"), server)
    });
}

mod redis_sharded {
    use event_bus_redis::{RedisConfig, RedisTransport};
    use event_bus_tests::RedisServer;

    event_bus_core::transport_conformance!(async {
        let server = RedisServer::start();
        let config = RedisConfig::from_url(server.url()).expect("a right URL").sharded();
        (RedisTransport::connect(config).await.expect("our own server lets us in"), server)
    });
}

mod redis_published_with_both {
    use event_bus_redis::{Listening, Publishing, RedisConfig, RedisTransport};
    use event_bus_tests::RedisServer;

    event_bus_core::transport_conformance!(async {
        let server = RedisServer::start();
        let config = RedisConfig::from_url(server.url()).expect("a right URL");
        let config = config.publishing(Publishing::Both).listening(Listening::Sharded);
        (RedisTransport::connect(config).await.expect("our own server lets us in"), server)
    });
}
