//! An authority of the test's own, and what it signs.

use crate::server::unique;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair,
};
use std::{fs, path::Path, sync::Arc};
use tempfile::TempDir;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
        server::WebPkiClientVerifier,
    },
};

/// An authority, a daemon's certificate, and a client's.
pub struct Certificates {
    folder: TempDir,
    authority: CertificateDer<'static>,
    server: (CertificateDer<'static>, Vec<u8>),
}

impl Certificates {
    /// Makes all of them. The folder holds `ca.pem`, `cert.pem` and `key.pem`, as a client has them.
    pub fn new() -> Self {
        Self::of_hosts(&["localhost", "127.0.0.1"])
    }

    /// The same for a daemon that has other names.
    pub fn of_hosts(hosts: &[&str]) -> Self {
        let folder =
            tempfile::Builder::new().prefix("pgbackup-tls-").tempdir().expect("a folder can be made");
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = parameters(&unique("authority"), &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).expect("an authority can be made");
        let issuer = Issuer::new(params, key);

        let server_key = KeyPair::generate().expect("a key can be made");
        let mut params = parameters("a daemon", hosts);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let server = params.signed_by(&server_key, &issuer).expect("a certificate can be signed");

        let client_key = KeyPair::generate().expect("a key can be made");
        let mut params = parameters("a person", &[]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let client = params.signed_by(&client_key, &issuer).expect("a certificate can be signed");

        for (name, text) in
            [("ca.pem", authority.pem()), ("cert.pem", client.pem()), ("key.pem", client_key.serialize_pem())]
        {
            fs::write(folder.path().join(name), text).expect("the folder can be written");
        }
        Self {
            folder,
            authority: authority.der().clone(),
            server: (server.der().clone(), server_key.serialize_der()),
        }
    }

    /// Returns the client's folder, as `DOCKER_CERT_PATH` names it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns how a daemon with `--tlsverify` speaks TLS: clients have to show a certificate.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).expect("it is an authority");
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .expect("clients can be looked at");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.server.1.clone()));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring speaks them")
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![self.server.0.clone()], key)
            .expect("certificate and key belong together");
        TlsAcceptor::from(Arc::new(config))
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

fn parameters(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    let mut params = CertificateParams::new(hosts).expect("these are names");
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
