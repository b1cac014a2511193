//! Encrypted connections, by rustls.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure::bad_address;
use crate::error::Result;

/// What is checked of a server's certificate.
#[derive(Debug, Clone)]
pub(super) enum Verification {
    /// Nothing, as libpq does for `prefer` and `require`: the connection is encrypted, whoever is at its end.
    None,
    /// That one of these authorities has issued it for the server's name.
    Full(Arc<RootCertStore>),
}

/// The authorities in a file, or else those of the system.
pub(super) fn verification(name: &str, root: Option<&Path>) -> Result<Verification> {
    let certificates: Vec<CertificateDer<'static>> = match root {
        Some(path) => CertificateDer::pem_file_iter(path).and_then(Iterator::collect).unwrap_or_default(),
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 {
        let place = root.map_or_else(|| "on this machine".to_owned(), |path| format!("in {}", path.display()));
        let problem = format!("there is no certificate of an authority {place}");
        return bad_address(name, &problem, "name a file with sslrootcert (PGSSLROOTCERT)");
    }
    Ok(Verification::Full(Arc::new(roots)))
}

/// What encrypts a connection.
pub(super) fn connector(verification: &Verification) -> MakeRustlsConnect {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions");
    let config = match verification {
        Verification::Full(roots) => builder.with_root_certificates(Arc::clone(roots)).with_no_client_auth(),
        Verification::None => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))).with_no_client_auth()
        }
    };
    MakeRustlsConnect::new(config)
}

/// Accepts every certificate.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
