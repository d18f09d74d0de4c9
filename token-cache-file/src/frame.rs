//! How an entry is laid out in its file.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | magic, the last byte of which is the format |
//! | 16 | the entry's version |
//! | 1 + 8 | whether it has a `discard_after`, and that, big-endian |
//! | 8 | the length of the body, big-endian |
//! | … | the body |
//! | 8 | the first bytes of SHA-256 over everything before |
//!
//! The checksum finds damage, not forgery: bodies are sealed before they get here.

use sha2::{Digest as _, Sha256};
use token_core::{Entry, Version};

const MAGIC: &[u8; 8] = b"token\0e\x01";
const CHECKSUM: usize = 8;

/// Lays out an entry.
pub(crate) fn encode(entry: &Entry) -> Vec<u8> {
    let mut frame = Vec::with_capacity(41 + entry.body.len() + CHECKSUM);
    frame.extend_from_slice(MAGIC);
    frame.extend_from_slice(entry.version.as_bytes());
    frame.push(entry.discard_after.is_some().into());
    frame.extend_from_slice(&entry.discard_after.unwrap_or(0).to_be_bytes());
    frame.extend_from_slice(&(entry.body.len() as u64).to_be_bytes());
    frame.extend_from_slice(&entry.body);
    frame.extend_from_slice(&checksum(&frame));
    frame
}

/// Reads an entry back, or says what is wrong with the frame.
pub(crate) fn decode(frame: &[u8]) -> Result<Entry, &'static str> {
    let (covered, sum) = frame.split_last_chunk::<CHECKSUM>().ok_or("it is too short")?;
    let rest = covered.strip_prefix(MAGIC).ok_or("it is no entry of a format that this version reads")?;
    if *sum != checksum(covered) {
        return Err("its checksum does not match: it was cut short or altered");
    }
    fields(rest).ok_or("its fields do not fit together")
}

fn fields(rest: &[u8]) -> Option<Entry> {
    let (version, rest) = rest.split_first_chunk()?;
    let (has_end, rest) = rest.split_first()?;
    let (end, rest) = rest.split_first_chunk()?;
    let (length, body) = rest.split_first_chunk()?;
    if u64::from_be_bytes(*length) != body.len() as u64 {
        return None;
    }
    let discard_after = match has_end {
        0 => None,
        1 => Some(i64::from_be_bytes(*end)),
        _ => return None,
    };
    Some(Entry { version: Version::from_bytes(*version), body: body.to_vec(), discard_after })
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back() {
        for discard_after in [None, Some(i64::MIN), Some(0), Some(1_764_000_000), Some(i64::MAX)] {
            for body in [vec![], vec![0], (0..=255).collect::<Vec<u8>>()] {
                let entry = Entry { version: Version::random(), body, discard_after };
                assert_eq!(decode(&encode(&entry)), Ok(entry));
            }
        }
    }

    #[test]
    fn a_frame_cut_short_at_any_length_is_damaged() {
        let frame = frame();
        for length in 0..frame.len() {
            assert!(decode(&frame[..length]).is_err(), "cut to {length} bytes");
        }
    }

    #[test]
    fn a_frame_altered_in_any_bit_is_damaged() {
        let frame = frame();
        for position in 0..frame.len() * 8 {
            let mut altered = frame.clone();
            altered[position / 8] ^= 1 << (position % 8);
            assert!(decode(&altered).is_err(), "altered in bit {position}");
        }
    }

    #[test]
    fn a_frame_with_more_behind_it_is_damaged() {
        let mut frame = frame();
        frame.push(0);
        assert!(decode(&frame).is_err());
    }

    fn frame() -> Vec<u8> {
        encode(&Entry {
            version: Version::random(),
            body: b"sealed".to_vec(),
            discard_after: Some(1_764_000_000),
        })
    }
}
