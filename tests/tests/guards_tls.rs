//! The servers with TLS that other tests stand on: they speak it to those who trust their authority, and to nobody else where
//! clients need certificates.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use event_bus_tests::{
    ClientCertificates, ClusterOptions, Identity, PATIENCE, RedisCluster, RedisSentinels, RedisServer,
    SentinelOptions, eventually,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// The first line that the server at `url` answers to `command`.
fn ask(url: &str, authority: &Path, client: Option<Identity>, command: &str) -> io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into());
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let config = match client {
        None => config.with_no_client_auth(),
        Some(Identity { certificate, key }) => {
            let chain = vec![CertificateDer::from_pem_file(certificate).unwrap()];
            config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap()).unwrap()
        }
    };
    let address = url.strip_prefix("rediss://").unwrap();
    let host = address.split(':').next().unwrap().to_owned();
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let connection = ClientConnection::new(Arc::new(config), ServerName::try_from(host).unwrap()).unwrap();
    let mut tls = StreamOwned::new(connection, stream);
    tls.write_all(format!("{command}\r\n").as_bytes())?;
    let mut line = String::new();
    match BufReader::new(tls).read_line(&mut line)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end().to_owned()),
    }
}

#[test]
fn a_server_speaks_tls_to_those_who_trust_its_authority() {
    let mut server = RedisServer::start_tls(ClientCertificates::NotAsked);
    let (url, certificates) = (server.tls_url(), server.certificates());
    assert_eq!(ask(&url, &certificates.authority(), None, "PING").unwrap(), "+PONG");
    let by_name = url.replace("127.0.0.1", "localhost");
    assert_eq!(ask(&by_name, &certificates.authority(), None, "PING").unwrap(), "+PONG");
    assert!(ask(&url, &certificates.foreign_authority(), None, "PING").is_err());
    server.restart();
    assert_eq!(ask(&url, &server.certificates().authority(), None, "PING").unwrap(), "+PONG");
    assert_eq!(server.command(&["PING"]), redis::Value::SimpleString("PONG".to_owned()));
}

#[test]
fn a_server_that_requires_certificates_takes_only_its_authoritys() {
    let server =
        RedisServer::start_tls_with(ClientCertificates::Required, &["--maxmemory-policy", "allkeys-lru"]);
    let (url, certificates) = (server.tls_url(), server.certificates());
    let ping = |client| ask(&url, &certificates.authority(), client, "PING");
    assert_eq!(ping(Some(certificates.client())).unwrap(), "+PONG");
    assert!(ping(None).is_err());
    assert!(ping(Some(certificates.foreign_client())).is_err());
}

#[tokio::test]
async fn a_cluster_speaks_tls_within_and_without() {
    let begin = Instant::now();
    let cluster = RedisCluster::start_with(ClusterOptions::default().tls(ClientCertificates::Required));
    println!("{} nodes with tls after {:?}", cluster.nodes(), begin.elapsed());
    let certificates = cluster.certificates();
    let at = |node, command: &str| {
        ask(&cluster.url(node), &certificates.authority(), Some(certificates.client()), command).unwrap()
    };
    let channel = cluster.channel_of(1);
    assert_eq!(at(1, &format!("SPUBLISH {channel} hello")), ":0");
    let slot = cluster.slot(&channel);
    assert_eq!(at(0, &format!("SPUBLISH {channel} hello")), format!("-MOVED {slot} {}", cluster.address(1)));
    let _ = cluster.command(1, &["SET", &channel, "value"]);
    cluster.migrate_slot(slot, 0);
    assert_eq!(at(0, &format!("SPUBLISH {channel} hello")), ":0");
    assert_eq!(at(0, &format!("GET {channel}")), "$5");
    cluster.kill(0);
    assert_eq!(cluster.elected(slot, 0).await.owner, 3);
    cluster.settled().await;
}

#[tokio::test]
async fn a_master_and_its_sentinels_speak_tls_within_and_without() {
    let begin = Instant::now();
    let options = SentinelOptions::default().tls(ClientCertificates::Required);
    let servers = RedisSentinels::start_with(options);
    println!("{} nodes under sentinels with tls after {:?}", servers.nodes(), begin.elapsed());
    let certificates = servers.certificates();
    let at = |url: &str, client, command| ask(url, &certificates.authority(), client, command);
    let own = || Some(certificates.client());
    for url in servers.sentinel_urls() {
        assert!(at(&url, None, "PING").is_err());
        assert_eq!(at(&url, own(), "PING").unwrap(), "+PONG");
        assert_eq!(at(&url, own(), "SENTINEL GET-MASTER-ADDR-BY-NAME main").unwrap(), "*2");
    }
    let url = |node| format!("rediss://{}", servers.address(node));
    assert!(at(&url(0), None, "PING").is_err());
    assert_eq!(at(&url(0), own(), "SET k v").unwrap(), "+OK");
    let copied = || at(&url(1), own(), "GET k").unwrap() == "$1";
    eventually("copied to the replica", copied).await;
    let new = servers.failover().await.owner;
    assert_eq!(at(&url(new), own(), "SET k w").unwrap(), "+OK");
    servers.settled().await;
    servers.kill(new);
    assert_ne!(servers.switched(new).await.owner, new);
    servers.restart(new);
    servers.settled().await;
}
