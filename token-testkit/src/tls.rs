//! A certificate authority of the issuer's own, and the certificates it serves with.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

use crate::Transport;

/// What https needs: the authority to trust and the certificate to show.
pub(crate) struct Tls {
    pub(crate) ca_pem: String,
    pub(crate) acceptor: TlsAcceptor,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("ca_pem", &self.ca_pem).finish_non_exhaustive()
    }
}

impl Tls {
    /// `None` for plain http.
    pub(crate) fn new(transport: Transport, host: &str) -> Option<Self> {
        let trusted = Authority::generate();
        let unknown;
        let (signer, host, expired) = match transport {
            Transport::Http => return None,
            Transport::Https => (&trusted, host, false),
            Transport::UnknownAuthority => {
                unknown = Authority::generate();
                (&unknown, host, false)
            }
            Transport::WrongHost => (&trusted, "elsewhere.example", false),
            Transport::Expired => (&trusted, host, true),
        };
        let key = KeyPair::generate().unwrap();
        let mut names = vec![host.to_owned()];
        if transport != Transport::WrongHost {
            names.extend(["localhost".to_owned(), "::1".to_owned()]);
        }
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, host);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        if expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let certificate = params.signed_by(&key, &signer.issuer).unwrap();
        // Named, not the process's default: whatever is tested may install another.
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.into()))
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Some(Self { ca_pem: trusted.pem, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }
}

/// An authority made up on the spot.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A certificate and its key, both in PEM, for a server on loopback.
    pub(crate) fn sign_server(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned(), "::1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "localhost");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    pub(crate) fn generate() -> Self {
        let mut params = CertificateParams::default();
        // A name of its own: between two of one name, a client sees a bad signature where it should see a stranger.
        let name = format!("Token Testkit {}", crate::jwks::random_text(6));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }
}
