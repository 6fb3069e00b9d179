//! TLS: whose certificates are believed, and which one we show. Read once for each config, and only when it is needed.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event_bus_core::{Error, ErrorKind, Result};
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, IntoConnectionInfo, RedisError, RedisResult, TlsCertificates,
};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;

use super::RedisConfig;

/// Clones share what has been read.
#[derive(Clone, Default)]
pub(crate) struct Tls {
    authorities: Authorities,
    identity: Option<Identity>,
    ready: Arc<OnceCell<Ready>>,
}

#[derive(Clone, Default)]
enum Authorities {
    #[default]
    Platform,
    /// As PEM.
    Own(Arc<[u8]>),
}

/// As PEM. It has no `Debug`: the key is a secret.
#[derive(Clone)]
struct Identity {
    certificates: Arc<[u8]>,
    key: Arc<[u8]>,
}

/// What connections are made with.
struct Ready {
    client: Arc<ClientConfig>,
    /// The same for redis-rs, which can't take it as it is: an address of no host with it.
    nowhere: ConnectionAddr,
}

impl RedisConfig {
    /// Speaks TLS, to servers whose certificate one of the platform's authorities has signed for the host that is named here;
    /// as `rediss://` in a URL does. Needs the feature `tls`, as all that is said here of certificates.
    ///
    /// The platform's authorities are read once, before the first connection: from the system's store, or from the file that
    /// `SSL_CERT_FILE` names. There is no way not to verify a server: for one with a certificate of its own, give that as
    /// [`ca_certificates`](Self::ca_certificates).
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls.get_or_insert_default();
        self
    }

    /// Speaks TLS, to servers that one of these authorities vouches for, and no other: PEM, one certificate or many.
    ///
    /// ```no_run
    /// # fn config() -> Result<event_bus_redis::RedisConfig, Box<dyn std::error::Error>> {
    /// let config = event_bus_redis::RedisConfig::new("redis.internal", 6379)
    ///     .ca_certificates(std::fs::read("/etc/redis/ca.crt")?);
    /// # Ok(config) }
    /// ```
    #[must_use]
    pub fn ca_certificates(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.change_tls(|tls| tls.authorities = Authorities::Own(pem.as_ref().into()));
        self
    }

    /// Speaks TLS, and shows this certificate to servers that demand one: PEM, ours first and then those between it and the
    /// authority; and its private key, which must not be encrypted. The key is shown nowhere.
    #[must_use]
    pub fn client_certificate(mut self, certificates: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        let identity = Identity { certificates: certificates.as_ref().into(), key: key.as_ref().into() };
        self.change_tls(|tls| tls.identity = Some(identity));
        self
    }

    fn change_tls(&mut self, change: impl FnOnce(&mut Tls)) {
        let tls = self.tls.get_or_insert_default();
        change(tls);
        tls.ready = Arc::default();
    }

    /// What a socket is made safe with, if it has to be.
    pub(crate) async fn tls_client(&self) -> RedisResult<Option<Arc<ClientConfig>>> {
        match &self.tls {
            Some(tls) => Ok(Some(Arc::clone(&tls.ready().await?.client))),
            None => Ok(None),
        }
    }
}

impl Tls {
    /// Refuses what can't be read. The platform's authorities are not looked at: they may come later, and take time.
    pub(super) fn check(&self) -> Result<()> {
        let roots = match &self.authorities {
            Authorities::Platform => RootCertStore::empty(),
            Authorities::Own(pem) => own_roots(pem)?,
        };
        self.client(roots).map(drop)
    }

    /// The address as redis-rs wants it.
    pub(super) async fn address(&self, host: &str, port: u16) -> RedisResult<ConnectionAddr> {
        let mut address = self.ready().await?.nowhere.clone();
        if let ConnectionAddr::TcpTls { host: its_host, port: its_port, .. } = &mut address {
            host.clone_into(its_host);
            *its_port = port;
        }
        Ok(address)
    }

    async fn ready(&self) -> RedisResult<&Ready> {
        let reading = || async {
            let tls = self.clone();
            // Files are read, and many keys parsed.
            let read = tokio::task::spawn_blocking(move || tls.read()).await;
            read.unwrap_or_else(|_| Err(fault("the tokio runtime that reads the certificates is ending")))
        };
        self.ready.get_or_try_init(reading).await
    }

    fn read(&self) -> RedisResult<Ready> {
        let (roots, pem) = match &self.authorities {
            Authorities::Platform => platform_roots()?,
            Authorities::Own(pem) => {
                (own_roots(pem).map_err(|error| fault(&error.to_string()))?, pem.to_vec())
            }
        };
        let client = self.client(roots).map_err(|error| fault(&error.to_string()))?;
        if CryptoProvider::get_default().is_none() {
            // Redis-rs knows only the default of the process, and panics without one.
            let _ = ring::default_provider().install_default(); // or somebody else's, who was faster
        }
        Ok(Ready { client: Arc::new(client), nowhere: self.nowhere(pem)? })
    }

    fn client(&self, roots: RootCertStore) -> Result<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| invalid("tls can't be set up").with_source(error))?
            .with_root_certificates(roots);
        let Some(Identity { certificates, key }) = &self.identity else {
            return Ok(builder.with_no_client_auth());
        };
        let certificates = certificates_in(certificates)
            .ok_or_else(|| invalid("`client_certificate` can't be read: expected certificates as PEM"))?;
        // The error is not told: it may quote what it can't read, and that may be the key.
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
            invalid("the key of `client_certificate` can't be read: expected one private key as PEM, not encrypted")
        })?;
        builder.with_client_auth_cert(certificates, key).map_err(|_| {
            invalid("the key of `client_certificate` does not belong to the certificate, or is of an unknown sort")
        })
    }

    fn nowhere(&self, authorities: Vec<u8>) -> RedisResult<ConnectionAddr> {
        let client_tls = self.identity.as_ref().map(|identity| ClientTlsConfig {
            client_cert: identity.certificates.to_vec(),
            client_key: identity.key.to_vec(),
        });
        let nowhere =
            ConnectionAddr::TcpTls { host: "host".to_owned(), port: 1, insecure: false, tls_params: None };
        let certificates = TlsCertificates { client_tls, root_cert: Some(authorities) };
        let client = Client::build_with_tls(nowhere.into_connection_info()?, certificates)?;
        Ok(client.get_connection_info().addr().clone())
    }
}

fn own_roots(pem: &[u8]) -> Result<RootCertStore> {
    let unreadable = || invalid("`ca_certificates` can't be read: expected certificates as PEM");
    let mut roots = RootCertStore::empty();
    for certificate in certificates_in(pem).ok_or_else(unreadable)? {
        roots.add(certificate).map_err(|error| unreadable().with_source(error))?;
    }
    Ok(roots)
}

/// As rustls wants them, and as PEM. Stores hold some that nobody can use: what can be used counts.
fn platform_roots() -> RedisResult<(RootCertStore, Vec<u8>)> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let mut pem = String::new();
    for certificate in found.certs {
        if roots.add(certificate.clone()).is_ok() {
            pem.push_str("-----BEGIN CERTIFICATE-----\n");
            pem.push_str(&STANDARD.encode(&certificate));
            pem.push_str("\n-----END CERTIFICATE-----\n");
        }
    }
    if roots.is_empty() {
        let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(fault(&format!("the platform has no certificate authorities{why}")));
    }
    Ok((roots, pem.into_bytes()))
}

/// None if there is none, or if one can't be read.
fn certificates_in(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<std::result::Result<_, _>>().ok()?;
    (!certificates.is_empty()).then_some(certificates)
}

fn invalid(text: &'static str) -> Error {
    Error::new(ErrorKind::InvalidConfig, text)
}

fn fault(text: &str) -> RedisError {
    (redis::ErrorKind::InvalidClientConfig, "tls can't be set up", text.to_owned()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nczNjcmV0\n-----END CERTIFICATE-----\n";

    fn refusal(config: &RedisConfig) -> String {
        let error = config.check().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(!format!("{error:?} {config:?}").contains("s3cret"), "{error:?}");
        error.to_string()
    }

    #[test]
    fn what_is_no_pem_is_refused_without_being_shown() {
        let config = || RedisConfig::new("host", 6379);
        assert!(refusal(&config().ca_certificates("s3cret")).contains("`ca_certificates`"));
        assert!(refusal(&config().ca_certificates("")).contains("`ca_certificates`"));
        assert!(refusal(&config().ca_certificates(CERTIFICATE)).contains("`ca_certificates`"));
        assert!(refusal(&config().client_certificate("s3cret", "s3cret")).contains("`client_certificate`"));
        let key = "-----BEGIN s3cret\ns3cret";
        assert!(refusal(&config().client_certificate(CERTIFICATE, key)).contains("the key"));
    }

    #[test]
    fn tls_is_for_networks() {
        assert!(refusal(&RedisConfig::unix_socket("/tmp/redis.sock").tls()).contains("unix socket"));
        RedisConfig::new("host", 6379).tls().check().unwrap();
    }
}
