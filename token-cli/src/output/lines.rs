//! The lines of a text, as Python's `splitlines` finds them.

/// Every line with what ends it; nothing behind the last end.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(is_end).unwrap_or(rest.len());
        let length = match &rest[end..] {
            ended if ended.starts_with("\r\n") => 2,
            ended => ended.chars().next().map_or(0, char::len_utf8),
        };
        let (line, behind) = rest.split_at(end);
        let (ended, behind) = behind.split_at(length);
        rest = behind;
        Some((line, ended))
    })
}

fn is_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What Python takes for white space.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}
