//! Keys and certificates as the openssl program makes them.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A directory in which it works.
pub(crate) struct OpenSsl {
    directory: TempDir,
}

impl OpenSsl {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs `openssl` with these words, in the directory.
    pub(crate) fn run(&self, words: &str) {
        let output = Command::new("openssl")
            .args(words.split(' '))
            .current_dir(self.directory.path())
            .output()
            .expect("the openssl program is installed");
        assert!(output.status.success(), "openssl {words}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A key in PKCS#8, `NAME.key`, and a certificate for it, `NAME.crt`.
    pub(crate) fn certificate(&self, name: &str, key: &str) {
        self.run(&format!("genpkey {key} -out {name}.key"));
        self.run(&format!("req -x509 -key {name}.key -out {name}.crt -days 30 -subj /CN={name}"));
    }

    /// A certificate for the key `KEY.key` that is valid between two dates, `NAME.crt`.
    pub(crate) fn dated(&self, key: &str, name: &str, from: &str, to: &str) {
        self.write("index", "");
        self.write("serial", "01\n");
        self.write(
            "ca.cnf",
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n\
             [p]\ncommonName=supplied\n",
        );
        self.run(&format!("req -new -key {key}.key -subj /CN={name} -out {name}.csr"));
        self.run(&format!(
            "ca -batch -selfsign -config ca.cnf -keyfile {key}.key -in {name}.csr -startdate {from} -enddate {to} -notext \
             -out {name}.crt"
        ));
    }

    /// Several files as one.
    pub(crate) fn join(&self, to: &str, names: &[&str]) -> PathBuf {
        let whole: String = names.iter().map(|name| self.read(name)).collect();
        self.write(to, &whole)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }
}

pub(crate) const RSA: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";
pub(crate) const P256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
pub(crate) const P384: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-384";
