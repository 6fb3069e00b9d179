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

mod redis_over_tls {
    use std::fs::read;

    use event_bus_redis::{RedisConfig, RedisTransport};
    use event_bus_tests::{ClientCertificates, RedisServer};

    event_bus_core::transport_conformance!(async {
        let server = RedisServer::start_tls(ClientCertificates::NotAsked);
        let config = RedisConfig::from_url(server.tls_url()).expect("a right URL");
        let config =
            config.ca_certificates(read(server.certificates().authority()).expect("its certificate"));
        (RedisTransport::connect(config).await.expect("our own server lets us in"), server)
    });
}

mod cluster {
    use super::several::cluster;

    event_bus_core::transport_conformance!(async { cluster(std::convert::identity).await });
}

mod cluster_sharded {
    use super::several::cluster;
    use event_bus_redis::RedisConfig;

    event_bus_core::transport_conformance!(async { cluster(RedisConfig::sharded).await });
}

mod cluster_over_tls {
    use super::several::cluster_over_tls;

    event_bus_core::transport_conformance!(async { cluster_over_tls(std::convert::identity).await });
}

mod cluster_sharded_over_tls {
    use super::several::cluster_over_tls;
    use event_bus_redis::RedisConfig;

    event_bus_core::transport_conformance!(async { cluster_over_tls(RedisConfig::sharded).await });
}

mod sentinel {
    use super::several::sentinel;

    event_bus_core::transport_conformance!(async { sentinel(std::convert::identity).await });
}

mod sentinel_sharded {
    use super::several::sentinel;
    use event_bus_redis::RedisConfig;

    event_bus_core::transport_conformance!(async { sentinel(RedisConfig::sharded).await });
}

mod sentinel_over_tls {
    use super::several::sentinel_over_tls;

    event_bus_core::transport_conformance!(async { sentinel_over_tls(std::convert::identity).await });
}

mod sentinel_sharded_over_tls {
    use super::several::sentinel_over_tls;
    use event_bus_redis::RedisConfig;

    event_bus_core::transport_conformance!(async { sentinel_over_tls(RedisConfig::sharded).await });
}

mod several {
    use std::fs::read;

    use event_bus_redis::{RedisConfig, RedisTransport};
    use event_bus_tests::{
        Certificates, ClientCertificates, ClusterOptions, Lender, Loan, RedisCluster, RedisSentinels,
        SentinelOptions,
    };

    static CLUSTERS: Lender<RedisCluster> = Lender::new(RedisCluster::start);
    static CLUSTERS_WITH_TLS: Lender<RedisCluster> = Lender::new(|| {
        RedisCluster::start_with(ClusterOptions::default().replicas(0).tls(ClientCertificates::Required))
    });
    static SENTINELS: Lender<RedisSentinels> = Lender::new(RedisSentinels::start);
    static SENTINELS_WITH_TLS: Lender<RedisSentinels> = Lender::new(|| {
        RedisSentinels::start_with(SentinelOptions::default().tls(ClientCertificates::Required))
    });

    pub(super) async fn cluster(
        adapt: impl Fn(RedisConfig) -> RedisConfig,
    ) -> (RedisTransport, Loan<RedisCluster>) {
        let cluster = CLUSTERS.borrow();
        let config = adapt(RedisConfig::cluster(cluster.seeds()));
        (RedisTransport::connect(config).await.expect("our own cluster lets us in"), cluster)
    }

    /// Where every node, and every client, shows a certificate.
    pub(super) async fn cluster_over_tls(
        adapt: impl Fn(RedisConfig) -> RedisConfig,
    ) -> (RedisTransport, Loan<RedisCluster>) {
        let cluster = CLUSTERS_WITH_TLS.borrow();
        let config = with_tls(RedisConfig::cluster(cluster.seeds()), cluster.certificates());
        let config = adapt(config);
        (RedisTransport::connect(config).await.expect("our own cluster lets us in"), cluster)
    }

    pub(super) async fn sentinel(
        adapt: impl Fn(RedisConfig) -> RedisConfig,
    ) -> (RedisTransport, Loan<RedisSentinels>) {
        let sentinels = SENTINELS.borrow();
        let config = adapt(RedisConfig::sentinel(sentinels.master_name(), sentinels.seeds()));
        (RedisTransport::connect(config).await.expect("our own sentinels know a master"), sentinels)
    }

    /// Where every server, every sentinel and every client shows a certificate.
    pub(super) async fn sentinel_over_tls(
        adapt: impl Fn(RedisConfig) -> RedisConfig,
    ) -> (RedisTransport, Loan<RedisSentinels>) {
        let sentinels = SENTINELS_WITH_TLS.borrow();
        let config = RedisConfig::sentinel(sentinels.master_name(), sentinels.seeds());
        let config = adapt(with_tls(config, sentinels.certificates()));
        (RedisTransport::connect(config).await.expect("our own sentinels know a master"), sentinels)
    }

    fn with_tls(config: RedisConfig, certificates: &Certificates) -> RedisConfig {
        let pem = |path| read(path).expect("one of our own certificates");
        let client = certificates.client();
        config
            .ca_certificates(pem(certificates.authority()))
            .client_certificate(pem(client.certificate), pem(client.key))
    }
}
