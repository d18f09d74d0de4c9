//! The blocks of a PEM file (RFC 7468), and what OpenSSL wrote before it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// One block.
pub(super) struct Block {
    /// As in `BEGIN CERTIFICATE`.
    pub(super) label: String,
    /// Whether its headers say that it is encrypted (RFC 1421).
    pub(super) is_encrypted: bool,
    /// `None` where it does not decode.
    pub(super) content: Option<Zeroizing<Vec<u8>>>,
}

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// Whether a file has any block. Text may stand around them.
pub(super) fn is_pem(file: &[u8]) -> bool {
    file.windows(BEGIN.len()).any(|window| window == BEGIN.as_bytes())
}

/// The blocks of a file, in its order.
pub(super) fn blocks(file: &[u8]) -> Vec<Block> {
    let text = Zeroizing::new(String::from_utf8_lossy(file).into_owned());
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(DASHES)) else {
            continue;
        };
        let end = format!("-----END {label}-----");
        let mut encoded = Zeroizing::new(String::with_capacity(text.len()));
        let (mut is_encrypted, mut ended) = (false, false);
        for line in lines.by_ref() {
            if line == end {
                ended = true;
                break;
            }
            if line.contains(':') {
                is_encrypted |= line.contains("ENCRYPTED");
            } else {
                encoded.push_str(line);
            }
        }
        let content = STANDARD.decode(encoded.as_bytes()).ok().filter(|_| ended && !is_encrypted);
        blocks.push(Block { label: label.to_owned(), is_encrypted, content: content.map(Zeroizing::new) });
    }
    blocks
}
