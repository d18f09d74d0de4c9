//! How an entry is laid out in its hash, and what everything is called.
//!
//! | field | what |
//! |---|---|
//! | `v` | the entry's version, 16 bytes |
//! | `b` | the body |
//! | `d` | `discard_after`, 8 bytes, big-endian; empty where it has none |
//!
//! A hash with none of these is no entry, and one with some of them is damaged. `swap.lua` judges by the same rule.

use token_core::{Entry, Key, Kind, Version};

/// Beyond this (the end of the year 9999) a moment is no date, and Redis may refuse it.
const END_OF_DATES: i64 = 253_402_300_799;

/// The names of one key. What is in braces decides the slot, so all of them share one, also in a cluster.
pub(crate) struct Names<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) key: &'a Key,
}

impl Names<'_> {
    pub(crate) fn entry(&self) -> String {
        self.name("entry")
    }

    pub(crate) fn lease(&self) -> String {
        self.name("lease")
    }

    pub(crate) fn damaged(&self, at: u128) -> String {
        self.name(&format!("damaged:{at}"))
    }

    fn name(&self, what: &str) -> String {
        use std::fmt::Write as _;
        let mut name = String::with_capacity(self.prefix.len() + what.len() + 80);
        // Writing to a String cannot fail.
        let _ = write!(name, "{}:{{{}}}:{what}", self.prefix, self.key);
        name
    }
}

/// A pattern for the names of all entries of a kind. Nothing in a prefix or a kind is special in a pattern.
pub(crate) fn pattern(prefix: &str, kind: Kind) -> String {
    format!("{prefix}:{{{kind}-*}}:entry")
}

/// The key that an entry's name belongs to; `None` for a name that no entry has.
pub(crate) fn key_of(prefix: &str, name: &[u8]) -> Option<Key> {
    let name = std::str::from_utf8(name).ok()?;
    name.strip_prefix(prefix)?.strip_prefix(":{")?.strip_suffix("}:entry")?.parse().ok()
}

pub(crate) type Field = Option<Vec<u8>>;

/// Reads `v`, `b` and `d`.
pub(crate) fn decode(fields: [Field; 3]) -> Result<Option<Entry>, &'static str> {
    match fields {
        [None, None, None] => Ok(None),
        [Some(v), Some(body), Some(d)] => {
            let (version, discard_after) = head(&v, &d).ok_or("its fields are not of the right size")?;
            Ok(Some(Entry { version, body, discard_after }))
        }
        _ => Err("some of its fields are missing"),
    }
}

/// Reads `v` and `d`.
pub(crate) fn head(v: &[u8], d: &[u8]) -> Option<(Version, Option<i64>)> {
    let discard_after = match d {
        [] => None,
        d => Some(i64::from_be_bytes(d.try_into().ok()?)),
    };
    Some((Version::from_bytes(v.try_into().ok()?), discard_after))
}

/// Writes `d`.
pub(crate) fn discard_field(entry: &Entry) -> Vec<u8> {
    entry.discard_after.map(|end| end.to_be_bytes().to_vec()).unwrap_or_default()
}

/// When the server may drop an entry: in the second after `discard_after`, which is still a part of its life.
pub(crate) fn drop_at(entry: &Entry) -> Option<i64> {
    let end = entry.discard_after.filter(|end| *end < END_OF_DATES)?;
    // Redis takes no moment before the epoch; the first second after it is as long ago as any.
    Some(end.saturating_add(1).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back() {
        for discard_after in [None, Some(i64::MIN), Some(0), Some(1_764_000_000), Some(i64::MAX)] {
            let entry = Entry { version: Version::random(), body: b"sealed".to_vec(), discard_after };
            let fields = [entry.version.as_bytes().to_vec(), entry.body.clone(), discard_field(&entry)];
            assert_eq!(decode(fields.map(Some)), Ok(Some(entry)));
        }
    }

    #[test]
    fn the_server_drops_an_entry_after_its_last_second() {
        let cases = [
            (None, None),
            (Some(i64::MIN), Some(1)),
            (Some(0), Some(1)),
            (Some(1_764_000_000), Some(1_764_000_001)),
            (Some(i64::MAX), None),
        ];
        for (discard_after, expected) in cases {
            let entry = Entry { version: Version::random(), body: Vec::new(), discard_after };
            assert_eq!(drop_at(&entry), expected);
        }
    }

    #[test]
    fn a_hash_that_misses_something_is_damaged() {
        let whole = || [vec![7; 16], b"sealed".to_vec(), vec![0; 8]].map(Some);
        assert_eq!(decode([None, None, None]), Ok(None));
        for missing in 0..3 {
            let mut fields = whole();
            fields[missing] = None;
            assert!(decode(fields).is_err(), "without field {missing}");
        }
        for (field, size) in [(0, 15), (0, 17), (0, 0), (2, 7), (2, 9)] {
            let mut fields = whole();
            fields[field] = Some(vec![0; size]);
            assert!(decode(fields).is_err(), "{size} bytes in field {field}");
        }
    }

    #[test]
    fn a_name_leads_back_to_its_key() {
        let key = Key::new(Kind::AccessToken, &["a"]);
        let names = Names { prefix: "team:1", key: &key };
        assert_eq!(key_of("team:1", names.entry().as_bytes()), Some(key.clone()));
        for foreign in
            [names.lease(), names.damaged(1), key.to_string(), "team:1:{access-12}:entry".to_owned()]
        {
            assert_eq!(key_of("team:1", foreign.as_bytes()), None, "{foreign}");
        }
        assert_eq!(key_of("team", names.entry().as_bytes()), None);
        assert_eq!(key_of("team:1", b"\xff"), None);
    }

    #[test]
    fn all_names_of_a_key_share_a_slot() {
        let key = Key::new(Kind::Profile, &[]);
        let names = Names { prefix: "token", key: &key };
        let tag = |name: String| name.split_once('{').unwrap().1.split_once('}').unwrap().0.to_owned();
        for name in [names.entry(), names.lease(), names.damaged(1)] {
            assert_eq!(tag(name), key.to_string());
        }
    }
}
