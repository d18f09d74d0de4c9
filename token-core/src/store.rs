//! A cache seen through its keys: typed values instead of sealed bytes.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::cache::{Entry, Swap, TokenCache, Version};
use crate::error::{BrokerError, CacheErrorKind, SealError};
use crate::key::Key;
use crate::seal::KeyRing;

/// A [`TokenCache`] with the [`KeyRing`] that opens it.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) cache: Arc<dyn TokenCache>,
    pub(crate) keys: KeyRing,
}

/// What is in the place of an entry.
#[derive(Clone, Debug)]
pub(crate) enum Slot<T> {
    Empty,
    Filled(Version, T),
    /// Something that cannot be read; by its version where the frame is whole. Replacing it takes that version.
    Damaged(Option<Version>, BrokerError),
}

/// What became of a write.
pub(crate) enum Written<T> {
    Done,
    Conflict(Slot<T>),
}

impl<T> Slot<T> {
    /// The version a swap has to expect to replace this.
    pub(crate) fn expected(&self) -> Option<&Version> {
        match self {
            Self::Empty | Self::Damaged(None, _) => None,
            Self::Filled(version, _) | Self::Damaged(Some(version), _) => Some(version),
        }
    }

    /// The value, where there is one.
    pub(crate) fn value(&self) -> Option<&T> {
        match self {
            Self::Filled(_, value) => Some(value),
            Self::Empty | Self::Damaged(..) => None,
        }
    }
}

impl Store {
    /// Reads an entry. One that is sealed under a key we do not hold is an error: it is never replaced.
    pub(crate) async fn load<T: DeserializeOwned>(&self, key: &Key) -> Result<Slot<T>, BrokerError> {
        match self.cache.load(key).await {
            Ok(entry) => self.open(key, entry),
            Err(error) if error.kind() == CacheErrorKind::Corrupt => Ok(Slot::Damaged(None, error.into())),
            Err(error) => Err(error.into()),
        }
    }

    /// The version of an entry, unopened; `None` where there is none or its frame cannot be read.
    pub(crate) async fn version(&self, key: &Key) -> Result<Option<Version>, BrokerError> {
        match self.cache.load(key).await {
            Ok(entry) => Ok(entry.map(|entry| entry.version)),
            Err(error) if error.kind() == CacheErrorKind::Corrupt => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Seals a value as a new entry, to be written by [`Store::write`].
    pub(crate) fn seal<T: Serialize>(
        &self,
        key: &Key,
        value: &T,
        discard_after: Option<i64>,
    ) -> Result<Entry, BrokerError> {
        let version = Version::random();
        let body = Zeroizing::new(serde_json::to_vec(value).map_err(|_| sealed(key, SealError::Damaged))?);
        let body = self.keys.seal(key, &version, &body).map_err(|error| sealed(key, error))?;
        Ok(Entry { version, body, discard_after })
    }

    /// Swaps an entry in. Where the answer is lost, the version that is there tells whether it took effect.
    pub(crate) async fn write<T: DeserializeOwned>(
        &self,
        key: &Key,
        expected: Option<&Version>,
        next: Option<&Entry>,
    ) -> Result<Written<T>, BrokerError> {
        let lost = match self.cache.swap(key, expected, next).await {
            Ok(Swap::Done) => return Ok(Written::Done),
            Ok(Swap::Conflict(current)) => return self.open(key, current).map(Written::Conflict),
            // The version we expect is not there to be read, and a swap that expects none sets aside what is.
            Err(error) if expected.is_some() && error.kind() == CacheErrorKind::Corrupt => {
                return Ok(Written::Conflict(Slot::Damaged(None, error.into())));
            }
            Err(error) => error,
        };
        match self.cache.load(key).await {
            Ok(current)
                if current.as_ref().map(|entry| &entry.version) == next.map(|entry| &entry.version) =>
            {
                Ok(Written::Done)
            }
            Ok(current) if current.as_ref().map(|entry| &entry.version) != expected => {
                self.open(key, current).map(Written::Conflict)
            }
            Ok(_) | Err(_) => Err(lost.into()),
        }
    }

    /// Seals a value and swaps it in for what `slot` shows.
    pub(crate) async fn replace<T: DeserializeOwned + Serialize>(
        &self,
        key: &Key,
        slot: &Slot<T>,
        value: &T,
        discard_after: Option<i64>,
    ) -> Result<Written<T>, BrokerError> {
        let entry = self.seal(key, value, discard_after)?;
        self.write(key, slot.expected(), Some(&entry)).await
    }

    fn open<T: DeserializeOwned>(&self, key: &Key, entry: Option<Entry>) -> Result<Slot<T>, BrokerError> {
        let Some(entry) = entry else {
            return Ok(Slot::Empty);
        };
        match self.read(key, &entry) {
            Ok(value) => Ok(Slot::Filled(entry.version, value)),
            Err(error @ SealError::Damaged) => Ok(Slot::Damaged(Some(entry.version), sealed(key, error))),
            Err(error) => Err(sealed(key, error)),
        }
    }

    /// Opens an entry that a rescue kept.
    pub(crate) fn read<T: DeserializeOwned>(&self, key: &Key, entry: &Entry) -> Result<T, SealError> {
        let body = self.keys.open(key, &entry.version, &entry.body)?;
        serde_json::from_slice(&body).map_err(|_| SealError::Damaged)
    }
}

fn sealed(key: &Key, source: SealError) -> BrokerError {
    BrokerError::Sealed { key: key.clone(), source }
}
