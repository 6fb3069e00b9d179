//! Certificates of a test's own: of an authority that servers and clients trust, and of another one that nobody should.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tempfile::TempDir;

/// Whom a server of the certificates' wants to see one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Clients may come without.
    NotAsked,
    /// Clients need one that the authority has signed.
    Required,
}

/// An authority, a server and a client that it vouches for, and the same of another authority. As PEM files, until dropped.
#[derive(Debug)]
pub struct Certificates {
    folder: TempDir,
}

/// A certificate and its private key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The file with the certificate.
    pub certificate: PathBuf,
    /// The file with the key.
    pub key: PathBuf,
}

impl Certificates {
    /// New ones, of names that nobody else uses.
    ///
    /// # Panics
    /// If they can't be written.
    #[must_use]
    pub fn make() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for authority in ["trusted", "foreign"] {
            write_all(folder.path(), authority).expect("rcgen signs what it is asked for");
        }
        Self { folder }
    }

    /// The authority that servers have their certificates from.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.file("trusted-authority.crt")
    }

    /// A server at 127.0.0.1 and localhost, which may be a client of its kind, too.
    #[must_use]
    pub fn server(&self) -> Identity {
        self.identity("trusted-server")
    }

    /// A client that servers accept.
    #[must_use]
    pub fn client(&self) -> Identity {
        self.identity("trusted-client")
    }

    /// An authority that has nothing to do with the servers.
    #[must_use]
    pub fn foreign_authority(&self) -> PathBuf {
        self.file("foreign-authority.crt")
    }

    /// A client that only the foreign authority vouches for.
    #[must_use]
    pub fn foreign_client(&self) -> Identity {
        self.identity("foreign-client")
    }

    /// The same as lines of a configuration.
    pub(crate) fn lines(&self, clients: ClientCertificates) -> impl Iterator<Item = String> {
        self.settings(clients).into_iter().map(|(name, value)| format!("{name} {value}"))
    }

    /// The settings of a server that has the certificate, besides its ports.
    pub(crate) fn settings(&self, clients: ClientCertificates) -> Vec<(&'static str, String)> {
        let Identity { certificate, key } = self.server();
        let is_asked = clients == ClientCertificates::Required;
        vec![
            ("tls-cert-file", certificate.display().to_string()),
            ("tls-key-file", key.display().to_string()),
            ("tls-ca-cert-file", self.authority().display().to_string()),
            ("tls-auth-clients", if is_asked { "yes" } else { "no" }.to_owned()),
        ]
    }

    fn identity(&self, name: &str) -> Identity {
        Identity { certificate: self.file(&format!("{name}.crt")), key: self.file(&format!("{name}.key")) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn write_all(folder: &Path, authority: &str) -> Result<(), rcgen::Error> {
    let mut own = named(&format!("{authority} authority of a test"), &[])?;
    own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    own.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate()?;
    write(folder, &format!("{authority}-authority.crt"), &own.self_signed(&key)?.pem());
    let issuer = Issuer::new(own, key);

    let mut server = named("server of a test", &["127.0.0.1", "localhost"])?;
    // The nodes of a cluster are each other's clients, and so are sentinels and those that they watch.
    server.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let mut client = named("client of a test", &[])?;
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    for (who, params) in [("server", server), ("client", client)] {
        let key = KeyPair::generate()?;
        write(folder, &format!("{authority}-{who}.crt"), &params.signed_by(&key, &issuer)?.pem());
        write(folder, &format!("{authority}-{who}.key"), &key.serialize_pem());
    }
    Ok(())
}

fn named(name: &str, addresses: &[&str]) -> Result<CertificateParams, rcgen::Error> {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(addresses)?; // finds out which of them are IP addresses
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).expect("a folder of our own can be written to");
}
