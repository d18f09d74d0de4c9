//! The file of a client's certificate, here or as it was at sign-in.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::Certificate;
use crate::credential::{ClientCertificate, RsaPadding};
use crate::grant::client_assertion::CertificateTrouble;
use crate::secret::Secret;

/// A certificate with its key and chain is some kilobytes; what is larger is something else.
const LARGEST: u64 = 256 * 1024;

impl ClientCertificate {
    /// The certificate in a file, which has to be usable now.
    pub fn load(path: PathBuf, password: Option<Secret>, now: i64) -> Result<Self, CertificateTrouble> {
        let file =
            read(&path).map_err(|source| CertificateTrouble::Unreadable { path: path.clone(), source })?;
        let held = Secret::new(STANDARD.encode(&*file));
        let certificate = Self { path, held, password, padding: RsaPadding::default(), sends_chain: false };
        certificate.opened(&file)?.check(now).map_err(|source| certificate.unusable(source))?;
        Ok(certificate)
    }

    /// The certificate as it is now: that of the file where the file is, else that of sign-in.
    pub fn open(&self) -> Result<Certificate, CertificateTrouble> {
        match read(&self.path) {
            Ok(file) => self.opened(&file),
            // It is on another host, or another user's: what was there then is as good as ever.
            Err(_) => {
                let held = Zeroizing::new(STANDARD.decode(self.held.expose()).unwrap_or_default());
                self.opened(&held)
            }
        }
    }

    fn opened(&self, file: &[u8]) -> Result<Certificate, CertificateTrouble> {
        Certificate::open(file, self.password.as_ref()).map_err(|source| self.unusable(source))
    }

    fn unusable(&self, source: super::CertificateError) -> CertificateTrouble {
        CertificateTrouble::Unusable { path: self.path.clone(), source: source.into() }
    }
}

fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut content = Zeroizing::new(Vec::with_capacity(16 * 1024));
    File::open(path)?.take(LARGEST).read_to_end(&mut content)?;
    Ok(content)
}
