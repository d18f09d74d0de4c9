//! Whom we trust at the other end of a `rediss:` connection.

use std::path::Path;
use std::sync::Arc;

use token_core::CacheErrorKind;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::fault::Fault;

/// Reads the authorities: those of a file, or the system's. It blocks on the disk.
pub(crate) fn config(ca: Option<&Path>) -> Result<Arc<ClientConfig>, Fault> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(file) => {
            let refuse = |reason| {
                Fault::new(CacheErrorKind::Unsuitable, format!("the CA {}: {reason}", file.display()))
            };
            let certificates =
                CertificateDer::pem_file_iter(file).map_err(|error| refuse(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| refuse(error.to_string()))?;
                roots.add(certificate).map_err(|error| refuse(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(refuse("there is no certificate in it".to_owned()));
            }
        }
        None => {
            // One that cannot be read is no reason to distrust the others.
            let system = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(system.certs);
            if roots.is_empty() {
                let why = system.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
                let text =
                    format!("there is no authority to trust{why}; name one with `ca` or SSL_CERT_FILE");
                return Err(Fault::new(CacheErrorKind::Unsuitable, text));
            }
        }
    }
    // Named, since the process' default may be none or another library's, which rustls answers with a panic.
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::new(CacheErrorKind::Unsuitable, "TLS cannot be set up").because(error))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
