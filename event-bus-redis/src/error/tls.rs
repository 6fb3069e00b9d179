//! What failures of TLS mean, in words that say what to do.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use redis::RedisError;
use rustls::{AlertDescription, CertificateError, Error as TlsError};

/// What to do about it, if it is one of TLS.
pub(super) fn advice(server: &str, error: &RedisError) -> Option<String> {
    if let Some(advice) = tls_error(error).and_then(|error| advice_on(server, error)) {
        return Some(advice);
    }
    // Redis-rs puts what it reads later into words of its own.
    let text = error.to_string();
    (text.contains("CertificateRequired")).then(|| demands_certificate(server))
}

fn advice_on(server: &str, error: &TlsError) -> Option<String> {
    let of_certificate = |what: &str| Some(format!("the certificate of redis at {server} {what}"));
    match error {
        TlsError::InvalidCertificate(fault) => of_certificate(match fault {
            CertificateError::UnknownIssuer => {
                "is of an authority that is not trusted here: give that one with `ca_certificates`"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "is not for this host: connect by a name or address that it is for"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "has expired, or a clock is wrong"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "is not valid yet, or a clock is wrong"
            }
            _ => "can't be verified",
        }),
        TlsError::AlertReceived(alert) => match alert {
            AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure => {
                Some(demands_certificate(server))
            }
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::DecryptError => {
                Some(format!("redis at {server} does not accept our certificate (`client_certificate`)"))
            }
            AlertDescription::ProtocolVersion => Some(format!(
                "redis at {server} speaks no version of tls that is safe: 1.2 or newer is needed"
            )),
            _ => None,
        },
        TlsError::InvalidMessage(_) => {
            Some(format!("redis at {server} does not speak tls at this port (`redis://`, or another port)"))
        }
        _ => None,
    }
}

fn demands_certificate(server: &str) -> String {
    format!("redis at {server} demands a certificate of its clients: give one with `client_certificate`")
}

fn tls_error(error: &RedisError) -> Option<&TlsError> {
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(mut error) = next {
        if let Some(shared) = error.downcast_ref::<Arc<dyn StdError + Send + Sync>>() {
            error = &**shared; // as redis-rs keeps them
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let found = inner.and_then(|inner| inner.downcast_ref()).or_else(|| error.downcast_ref());
        if found.is_some() {
            return found;
        }
        next = error.source();
    }
    None
}
