//! The envelope every entry is sealed in before a cache sees it.
//!
//! XChaCha20-Poly1305 with a random nonce. The associated data are the format, the key id, the entry's [`Key`] and
//! its [`Version`], so that an entry can be neither read, nor altered, nor moved to another name or version.
//!
//! From one master key two are derived (HKDF-SHA256): *credential* and *access*. Who holds the master refreshes;
//! who holds only the access key reads access tokens and never sees a refresh token.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::cache::Version;
use crate::error::SealError;
use crate::key::{Key, Kind, hex};
use crate::secret::Secret;

/// The keys entries are sealed under. Any key in it opens; the first one seals, so that a new key is added
/// everywhere first and made the current one afterwards.
#[derive(Clone)]
pub struct KeyRing(Vec<RingKey>);

/// One master key, or the access key derived from it.
#[derive(Clone)]
struct RingKey {
    id: [u8; ID],
    credential: Option<Zeroizing<[u8; 32]>>,
    access: Zeroizing<[u8; 32]>,
}

/// A text that is no key ring.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is no key in it.
    #[error("it holds no key")]
    Empty,
    /// A line is not the base64 of 32 bytes.
    #[error("line {line} is no key: a key is 32 bytes in base64, alone on its line")]
    Malformed {
        /// Counted from 1.
        line: usize,
    },
}

const PLAINTEXT: u8 = 0;
const SEALED: u8 = 1;
const ID: usize = 8;
const NONCE: usize = 24;
const ACCESS_PREFIX: &str = "access:";

impl KeyRing {
    /// Reads a ring: one key a line, the current one first. A master key is the base64 of 32 bytes; a line
    /// `access:` with base64 behind it is a reader's key. Empty lines and lines that begin with `#` do not count.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let malformed = KeyError::Malformed { line: index + 1 };
            keys.push(match line.strip_prefix(ACCESS_PREFIX) {
                Some(access) => RingKey::reader(decode(access).ok_or(malformed)?),
                None => RingKey::master(&*decode(line).ok_or(malformed)?),
            });
        }
        if keys.is_empty() { Err(KeyError::Empty) } else { Ok(Self(keys)) }
    }

    /// No encryption. Entries made this way say so, and no other ring reads them.
    pub fn plaintext() -> Self {
        Self(Vec::new())
    }

    /// A new master key, as the line of a ring.
    pub fn generate_line() -> Secret {
        let mut master: [u8; 32] = rand::random();
        let line = STANDARD.encode(master);
        master.zeroize();
        Secret::new(line)
    }

    /// The line that gives a reader the current key: it opens access tokens and the profile, and nothing else.
    /// `None` for [`KeyRing::plaintext`].
    pub fn readers_line(&self) -> Option<Secret> {
        self.0.first().map(|key| Secret::new(format!("{ACCESS_PREFIX}{}", STANDARD.encode(*key.access))))
    }

    /// The public id of the current key; `None` for [`KeyRing::plaintext`].
    pub fn key_id(&self) -> Option<String> {
        self.0.first().map(|key| hex(&key.id))
    }

    /// Whether this ring can seal credentials, and so refresh.
    pub fn refreshes(&self) -> bool {
        self.0.first().is_none_or(|key| key.credential.is_some())
    }

    /// Seals the body of an entry under the current key.
    pub fn seal(&self, key: &Key, version: &Version, body: &[u8]) -> Result<Vec<u8>, SealError> {
        let Some(current) = self.0.first() else {
            return Ok([&[PLAINTEXT], body].concat());
        };
        let nonce: [u8; NONCE] = rand::random();
        let associated = associated_data(&current.id, key, version);
        let sealed = current
            .cipher(key.kind())?
            .encrypt(&nonce.into(), Payload { msg: body, aad: &associated })
            .map_err(|_| SealError::Damaged)?;
        Ok([&[SEALED], &current.id[..], &nonce, &sealed].concat())
    }

    /// Opens the body of an entry under whichever key sealed it.
    pub fn open(
        &self,
        key: &Key,
        version: &Version,
        envelope: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (&format, rest) = envelope.split_first().ok_or(SealError::Damaged)?;
        match format {
            PLAINTEXT if self.0.is_empty() => Ok(Zeroizing::new(rest.to_vec())),
            PLAINTEXT => Err(SealError::Plaintext),
            SEALED => {
                let (id, rest) = rest.split_at_checked(ID).ok_or(SealError::Damaged)?;
                let (nonce, sealed) = rest.split_at_checked(NONCE).ok_or(SealError::Damaged)?;
                let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| SealError::Damaged)?;
                let holder = self.0.iter().find(|ours| ours.id == id);
                let ours = holder.ok_or_else(|| SealError::MissingKey { key_id: hex(id) })?;
                ours.cipher(key.kind())?
                    .decrypt(
                        &nonce.into(),
                        Payload { msg: sealed, aad: &associated_data(&ours.id, key, version) },
                    )
                    .map(Zeroizing::new)
                    .map_err(|_| SealError::Damaged)
            }
            _ => Err(SealError::Damaged),
        }
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| hex(&key.id))).finish()
    }
}

/// The public id of the key that an envelope is sealed under; `None` for plaintext and what is no envelope.
pub fn key_id_of(envelope: &[u8]) -> Option<String> {
    match envelope.split_first() {
        Some((&SEALED, rest)) => rest.get(..ID).map(hex),
        _ => None,
    }
}

impl RingKey {
    fn master(master: &[u8; 32]) -> Self {
        let derive = Hkdf::<Sha256>::new(Some(b"token"), master);
        Self { credential: Some(expand(&derive, b"credential")), ..Self::reader(expand(&derive, b"access")) }
    }

    /// The id comes from the access key, which refreshers and readers both hold: they mean the same key by it.
    fn reader(access: Zeroizing<[u8; 32]>) -> Self {
        let wide = expand(&Hkdf::<Sha256>::new(Some(b"token"), &*access), b"key id");
        let mut id = [0; ID];
        id.copy_from_slice(&wide[..ID]);
        Self { id, credential: None, access }
    }

    fn cipher(&self, kind: Kind) -> Result<XChaCha20Poly1305, SealError> {
        let key = match kind {
            Kind::Credential | Kind::Metadata => self.credential.as_ref().ok_or(SealError::ReadersKey)?,
            Kind::AccessToken | Kind::Profile => &self.access,
        };
        Ok(XChaCha20Poly1305::new((&**key).into()))
    }
}

fn expand(derive: &Hkdf<Sha256>, label: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    // HKDF-SHA256 can expand to 8160 bytes; 32 never fail.
    let expanded = derive.expand(label, &mut *key);
    debug_assert!(expanded.is_ok());
    key
}

fn associated_data(id: &[u8; ID], key: &Key, version: &Version) -> Vec<u8> {
    [&[SEALED], &id[..], version.as_bytes(), key.to_string().as_bytes()].concat()
}

fn decode(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let bytes = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
    let mut key = Zeroizing::new([0; 32]);
    if bytes.len() != key.len() {
        return None;
    }
    key.copy_from_slice(&bytes);
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> KeyRing {
        KeyRing::parse(KeyRing::generate_line().expose()).unwrap()
    }

    fn keys() -> [Key; 4] {
        Kind::ALL.map(|kind| Key::new(kind, &["x"]))
    }

    #[test]
    fn what_is_sealed_opens_again() {
        let (ring, version) = (ring(), Version::random());
        for key in keys() {
            let sealed = ring.seal(&key, &version, b"body").unwrap();
            assert!(!sealed.windows(4).any(|window| window == b"body"));
            assert_eq!(*ring.open(&key, &version, &sealed).unwrap(), b"body");
        }
    }

    #[test]
    fn no_byte_can_be_changed_and_none_left_out() {
        let (ring, version, key) = (ring(), Version::random(), Key::new(Kind::AccessToken, &["x"]));
        let sealed = ring.seal(&key, &version, b"body").unwrap();
        for index in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[index] ^= 1;
            assert!(ring.open(&key, &version, &altered).is_err(), "byte {index}");
            assert!(ring.open(&key, &version, &sealed[..index]).is_err(), "length {index}");
        }
    }

    #[test]
    fn an_entry_cannot_be_moved_to_another_name_or_version() {
        let (ring, version) = (ring(), Version::random());
        let key = Key::new(Kind::AccessToken, &["x"]);
        let sealed = ring.seal(&key, &version, b"body").unwrap();
        let other = Key::new(Kind::AccessToken, &["y"]);
        assert_eq!(ring.open(&other, &version, &sealed), Err(SealError::Damaged));
        assert_eq!(ring.open(&key, &Version::random(), &sealed), Err(SealError::Damaged));
    }

    #[test]
    fn a_reader_opens_access_tokens_and_the_profile_only() {
        let (ring, version) = (ring(), Version::random());
        let reader = KeyRing::parse(ring.readers_line().unwrap().expose()).unwrap();
        assert_eq!(reader.key_id(), ring.key_id());
        assert!(ring.refreshes() && !reader.refreshes());
        for key in keys() {
            let sealed = ring.seal(&key, &version, b"body").unwrap();
            let opened = reader.open(&key, &version, &sealed);
            match key.kind() {
                Kind::AccessToken | Kind::Profile => assert_eq!(*opened.unwrap(), b"body"),
                Kind::Credential | Kind::Metadata => assert_eq!(opened, Err(SealError::ReadersKey)),
            }
        }
    }

    #[test]
    fn any_key_of_a_ring_opens_and_the_first_one_seals() {
        let (old, new) = (KeyRing::generate_line(), KeyRing::generate_line());
        let before = KeyRing::parse(old.expose()).unwrap();
        let both = KeyRing::parse(&format!("# ours\n{}\n\n{}\n", new.expose(), old.expose())).unwrap();
        let (key, version) = (Key::new(Kind::Credential, &["x"]), Version::random());
        let sealed = before.seal(&key, &version, b"body").unwrap();
        assert_eq!(*both.open(&key, &version, &sealed).unwrap(), b"body");
        let sealed = both.seal(&key, &version, b"body").unwrap();
        let key_id = both.key_id().unwrap();
        assert_eq!(key_id_of(&sealed), Some(key_id.clone()));
        assert_eq!(before.open(&key, &version, &sealed), Err(SealError::MissingKey { key_id }));
    }

    #[test]
    fn nothing_falls_back_to_plaintext() {
        let (ring, open) = (ring(), KeyRing::plaintext());
        let (key, version) = (Key::new(Kind::AccessToken, &["x"]), Version::random());
        let bare = open.seal(&key, &version, b"body").unwrap();
        assert_eq!(*open.open(&key, &version, &bare).unwrap(), b"body");
        assert_eq!(ring.open(&key, &version, &bare), Err(SealError::Plaintext));
        let sealed = ring.seal(&key, &version, b"body").unwrap();
        let key_id = ring.key_id().unwrap();
        assert_eq!(open.open(&key, &version, &sealed), Err(SealError::MissingKey { key_id }));
    }

    #[test]
    fn a_malformed_ring_names_the_line_and_not_the_key() {
        assert_eq!(KeyRing::parse("\n# none\n").unwrap_err(), KeyError::Empty);
        let text = format!("{}\nAAAA\n", KeyRing::generate_line().expose());
        let error = KeyRing::parse(&text).unwrap_err();
        assert_eq!(error, KeyError::Malformed { line: 2 });
        assert!(!error.to_string().contains("AAAA"));
    }
}
