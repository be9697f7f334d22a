//! Whom TLS trusts, and by what this client is known.

use crate::endpoint::{Pem, Tls};
use pgbackup_engine::error::{Error, Result};
use rustls_platform_verifier::BuilderVerifierExt;
use std::sync::Arc;
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};

/// Makes of the files what TLS is spoken by: versions 1.2 and 1.3.
///
/// With an authority of the user's own, no other is trusted; without one, the system's are.
///
/// # Errors
///
/// When a file holds no certificate or no key, or the two do not belong together.
pub fn config(tls: &Tls) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let failed = |error: TlsError| Error::failed("TLS cannot be set up").caused_by(error);
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(failed)?;
    let builder = if !tls.verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider)))
    } else if let Some(ca) = &tls.ca {
        builder.with_root_certificates(authorities(ca)?)
    } else {
        builder.with_platform_verifier().map_err(failed)?
    };
    // One without the other is no certificate, to docker neither.
    let config = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            builder.with_client_auth_cert(certificates(certificate)?, private_key(key)?).map_err(|error| {
                Error::failed(format!(
                    "`{}` and `{}` cannot be used together",
                    certificate.path.display(),
                    key.path.display()
                ))
                .caused_by(error)
            })?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

fn authorities(ca: &Pem) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(|error| unusable(ca, "certificate").caused_by(error))?;
    }
    Ok(roots)
}

/// The certificates in a file, of which there is at least one.
fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem.bytes).collect();
    let certificates = read.map_err(|error| unusable(pem, "certificate").caused_by(error))?;
    if certificates.is_empty() {
        return Err(unusable(pem, "certificate").caused_by("it holds none in PEM format"));
    }
    Ok(certificates)
}

fn private_key(pem: &Pem) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(&pem.bytes).map_err(|error| {
        let made = unusable(pem, "key");
        // PKCS #8 says so in the line that begins it, the older form in a header below.
        if String::from_utf8_lossy(&pem.bytes).contains("ENCRYPTED") {
            made.caused_by("it is encrypted, which Docker does not take either")
        } else {
            made.caused_by(error)
        }
    })
}

fn unusable(pem: &Pem, what: &str) -> Error {
    Error::failed(format!("`{}` holds no {what} that can be used", pem.path.display()))
}

/// Takes any certificate, as `--tls` without `--tlsverify` asks for. The daemon still has to have
/// the key of the certificate that it shows.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(name: &str, text: &str) -> Pem {
        Pem { path: name.into(), bytes: text.into() }
    }

    #[test]
    fn files_that_hold_nothing_of_use_are_named() {
        let none = Tls { verify: true, ca: Some(pem("ca.pem", "words")), certificate: None, key: None };
        let error = config(&none).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`ca.pem` holds no certificate that can be used: it holds none in PEM format"
        );

        let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let error = private_key(&pem("key.pem", locked)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`key.pem` holds no key that can be used: it is encrypted, which Docker does not take either"
        );
    }
}
