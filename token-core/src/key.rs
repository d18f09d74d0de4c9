//! The identity of an entry.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What an entry is, and so who may open it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// One per sign-in: what gets new access tokens. Sealed for refreshers.
    Credential,
    /// One per authority: its discovery document, and until when it asked to wait. Sealed for refreshers, since a
    /// forged token endpoint would steal refresh tokens.
    Metadata,
    /// One per sign-in, tenant, requested scopes and capabilities. Sealed for refreshers and readers.
    AccessToken,
    /// One per cache: who is signed in and what they see. Sealed for refreshers and readers.
    Profile,
}

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Credential, Self::Metadata, Self::AccessToken, Self::Profile];

    fn name(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Metadata => "metadata",
            Self::AccessToken => "access",
            Self::Profile => "profile",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A typed, stable, filename-safe identity for an entry, such as `access-3f…` (64 hexadecimal digits).
///
/// Everything that changes a token is in it, each part with its length before it, so that no two lists of
/// parts meet in one key (the flaw of joining with a separator). It reveals none of the parts.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Key {
    kind: Kind,
    id: [u8; 32],
}

impl Key {
    /// The key of an entry of this kind that these parts make.
    pub fn new(kind: Kind, parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in [kind.name()].iter().chain(parts) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self { kind, id: hash.finalize().into() }
    }

    /// The kind of the entry.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// A number that every process computes alike and that differs between keys: for spreading work.
    pub(crate) fn spread(&self) -> u32 {
        u32::from_be_bytes([self.id[0], self.id[1], self.id[2], self.id[3]])
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not byte by byte: a cache needs a name for every load, and that would be most of what it costs.
        let mut digits = [0; 64];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.id) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 0xf)];
        }
        f.write_str(self.kind.name())?;
        f.write_str("-")?;
        f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no [`Key`]: a foreign file in a cache's directory, say.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("not the name of an entry")]
pub struct NotAKey;

impl FromStr for Key {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let (name, digits) = text.split_once('-').ok_or(NotAKey)?;
        let kind = *Kind::ALL.iter().find(|kind| kind.name() == name).ok_or(NotAKey)?;
        Ok(Self { kind, id: bytes(digits).ok_or(NotAKey)? })
    }
}

/// The random name of a sign-in, which its credential and every access token belong to.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct SignInId(String);

impl SignInId {
    /// A new one, of 128 random bits.
    pub fn random() -> Self {
        Self(hex(&rand::random::<[u8; 16]>()))
    }

    /// The key of this sign-in's credential.
    pub fn credential(&self) -> Key {
        Key::new(Kind::Credential, &[&self.0])
    }
}

impl fmt::Display for SignInId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Lower-case hexadecimal digits of some bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn bytes<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let digits = digits.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_from_its_text() {
        for kind in Kind::ALL {
            let key = Key::new(kind, &["a", "b"]);
            assert_eq!(key.to_string().parse::<Key>().unwrap(), key);
        }
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(Key::new(Kind::AccessToken, &["ab", "c"]), Key::new(Kind::AccessToken, &["a", "bc"]));
        assert_ne!(Key::new(Kind::AccessToken, &["ab"]), Key::new(Kind::AccessToken, &["ab", ""]));
    }

    #[test]
    fn foreign_names_are_no_keys() {
        let upper = Key::new(Kind::Profile, &[]).to_string().to_uppercase();
        for text in ["", "access", "access-", "access-12", "other-00", &upper, "access-zz", "../access-00"] {
            assert!(text.parse::<Key>().is_err(), "{text}");
        }
    }
}
