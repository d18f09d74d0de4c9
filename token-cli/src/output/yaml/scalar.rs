//! Texts: plain where a reader takes them for the text they are, else quoted; folded where they are long.

use super::{WIDTH, Writer};

/// How a text is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
}

/// What ends a line, to YAML.
const BREAKS: [char; 4] = ['\n', '\u{85}', '\u{2028}', '\u{2029}'];

/// Whether a text may be a key that its colon follows.
pub(super) fn fits_one_line(text: &str) -> bool {
    !text.is_empty() && !text.contains(BREAKS)
}

impl Style {
    pub(super) fn of(text: &str, is_key: bool) -> Self {
        let breaks = text.contains(BREAKS);
        if may_be_plain(text) && !breaks && !means_something_else(text) {
            Self::Plain
        } else if may_be_single_quoted(text) && !(is_key && breaks) {
            Self::Single
        } else {
            Self::Double
        }
    }
}

fn may_be_plain(text: &str) -> bool {
    !text.starts_with([' ', '\n'])
        && !text.ends_with([' ', '\n'])
        && may_be_single_quoted(text)
        && !has_signs(text)
}

/// Signs of YAML's own, where they count.
fn has_signs(text: &str) -> bool {
    let is_space = |c: Option<char>| {
        c.is_none_or(|c| c == '\0' || c == ' ' || c == '\t' || c == '\r' || BREAKS.contains(&c))
    };
    let mut before = None;
    let mut rest = text.chars();
    let mut has_signs = text.starts_with("---") || text.starts_with("...");
    while let Some(c) = rest.next() {
        let after = rest.clone().next();
        has_signs |= match (c, before) {
            (
                '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@'
                | '`',
                None,
            ) => true,
            ('?' | '-', None) | (':', _) => is_space(after),
            ('#', _) => is_space(before),
            _ => false,
        };
        before = Some(c);
    }
    has_signs
}

/// Not with spaces beside the end of a line, which would be lost, nor with what only an escape can show.
fn may_be_single_quoted(text: &str) -> bool {
    let mut before = None;
    text.chars().all(|c| {
        let lost = match (before, c) {
            (Some(before), ' ') => BREAKS.contains(&before),
            (Some(' '), c) => BREAKS.contains(&c),
            _ => false,
        };
        before = Some(c);
        !lost && (c == '\n' || c == '\u{85}' || is_shown(c))
    })
}

fn is_shown(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10fffe}')
        && c != '\u{feff}'
}

/// Whether a plain text would be read as a boolean, null, number, date or merge key (YAML 1.1, as PyYAML resolves).
fn means_something_else(text: &str) -> bool {
    const WORDS: [&str; 8] = ["yes", "no", "true", "false", "on", "off", "null", "~"];
    // PyYAML knows these words in lower case, capitalized and in upper case.
    let spelt = |word: &str| {
        let capitalized = word.get(..1).map(|first| first.to_uppercase() + &word[1..]);
        text == word || text == word.to_uppercase() || Some(text) == capitalized.as_deref()
    };
    WORDS.into_iter().any(spelt) || matches!(text, "" | "=" | "<<") || is_number(text) || is_date(text)
}

fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let all = |text: &str, belongs: fn(char) -> bool| {
        !text.is_empty() && text.chars().all(|c| c == '_' || belongs(c))
    };
    let decimal =
        |text: &str| text.starts_with(|c: char| c.is_ascii_digit()) && all(text, |c| c.is_ascii_digit());
    let is_fraction = |text: &str| text.chars().all(|c| c == '_' || c.is_ascii_digit());
    if let Some(digits) = unsigned.strip_prefix("0b") {
        return all(digits, |c| matches!(c, '0' | '1'));
    }
    if let Some(digits) = unsigned.strip_prefix("0x") {
        return all(digits, |c| c.is_ascii_hexdigit());
    }
    if decimal(unsigned) {
        // `09` is neither a decimal nor an octal number.
        return !unsigned.starts_with('0')
            || unsigned == "0"
            || all(&unsigned[1..], |c| matches!(c, '0'..='7'));
    }
    // Base 60, as in `1:30`. Only with a fraction may it begin with 0.
    if let Some((first, rest)) = unsigned.split_once(':') {
        let (rest, fraction) =
            rest.split_once('.').map_or((rest, None), |(rest, fraction)| (rest, Some(fraction)));
        let sixty = |part: &str| match part.as_bytes() {
            [digit] => digit.is_ascii_digit(),
            [tens, digit] => matches!(tens, b'0'..=b'5') && digit.is_ascii_digit(),
            _ => false,
        };
        return decimal(first)
            && rest.split(':').all(sixty)
            && fraction.map_or(!first.starts_with('0'), is_fraction);
    }
    // A float has a point, and its exponent a sign.
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let is_exponent = |text: &str| {
        text.strip_prefix(['+', '-'])
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit()))
    };
    let is_mantissa = |(whole, fraction): (&str, &str)| match whole {
        // Nothing but digits may begin with the point, not even a sign.
        "" => unsigned == text && decimal(fraction),
        whole => decimal(whole) && is_fraction(fraction),
    };
    mantissa.split_once('.').is_some_and(is_mantissa) && exponent.is_none_or(is_exponent)
}

/// `2026-11-22` alone, or with a time behind it.
fn is_date(text: &str) -> bool {
    let digits = |text: &str, least: usize, most: usize| {
        (least..=most).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit())
    };
    let (date, time) = match text.find(['T', 't', ' ', '\t']) {
        Some(index) if text[index..].starts_with([' ', '\t']) => {
            (&text[..index], Some(text[index..].trim_start_matches([' ', '\t'])))
        }
        Some(index) => (&text[..index], Some(&text[index + 1..])),
        None => (text, None),
    };
    let mut parts = date.splitn(3, '-');
    let (Some(year), Some(month), Some(day)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let Some(time) = time else { return digits(year, 4, 4) && digits(month, 2, 2) && digits(day, 2, 2) };
    if !(digits(year, 4, 4) && digits(month, 1, 2) && digits(day, 1, 2)) {
        return false;
    }
    let (clock, zone) = match time.find([' ', '\t', 'Z', '+', '-']) {
        Some(index) => (&time[..index], time[index..].trim_start_matches([' ', '\t'])),
        None => (time, "Z"),
    };
    let zone_is_one = zone == "Z"
        || zone.strip_prefix(['+', '-']).is_some_and(|offset| match offset.split_once(':') {
            Some((hours, minutes)) => digits(hours, 1, 2) && digits(minutes, 2, 2),
            None => digits(offset, 1, 2),
        });
    let mut parts = clock.splitn(3, ':');
    let (Some(hour), Some(minute), Some(second)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let (second, fraction) = second.split_once('.').unwrap_or((second, ""));
    zone_is_one
        && digits(hour, 1, 2)
        && digits(minute, 2, 2)
        && digits(second, 2, 2)
        && digits(fraction, 0, usize::MAX)
}

impl Writer {
    /// Writes a text; a long one in several lines, where it may be.
    pub(super) fn write(&mut self, text: &str, style: Style, may_be_folded: bool) {
        if style == Style::Double {
            return self.double_quoted(text, may_be_folded);
        }
        if style == Style::Single {
            self.sign("'", false);
        } else if !self.after_space {
            self.put(" ");
        }
        (self.after_space, self.at_indent) = (false, false);
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let kind: fn(char) -> bool = match first {
                ' ' => |c| c == ' ',
                c if BREAKS.contains(&c) => |c| BREAKS.contains(&c),
                _ => |c| c != ' ' && !BREAKS.contains(&c),
            };
            let (run, behind) = rest.split_at(rest.find(|c| !kind(c)).unwrap_or(rest.len()));
            let at_an_end = rest.len() == text.len() || behind.is_empty();
            if run == " " && self.column > WIDTH && may_be_folded && !at_an_end {
                self.new_line_at_indent();
            } else if BREAKS.contains(&first) {
                // The first of them would be read as a space.
                if first == '\n' {
                    self.line_break('\n');
                }
                run.chars().for_each(|c| self.line_break(c));
                self.new_line_at_indent();
            } else if style == Style::Single {
                self.put(&run.replace('\'', "''"));
            } else {
                self.put(run);
            }
            (self.after_space, self.at_indent) = (false, false);
            rest = behind;
        }
        if style == Style::Single {
            self.put("'");
        }
    }

    fn double_quoted(&mut self, text: &str, may_be_folded: bool) {
        self.sign("\"", false);
        let characters: Vec<char> = text.chars().collect();
        let last = characters.len().saturating_sub(1);
        // What is not written yet counts for the width of the line.
        let mut waiting = String::new();
        for (index, &c) in characters.iter().enumerate() {
            let escaped = escaped(c);
            if let Some(escaped) = &escaped {
                self.put(&std::mem::take(&mut waiting));
                self.put(escaped);
            }
            let may_break = (c == ' ' || waiting.is_empty()) && 0 < index && index < last;
            // PyYAML counts an escape one column short.
            let column = self.column + waiting.chars().count() - usize::from(escaped.is_some());
            if may_break && may_be_folded && column > WIDTH {
                self.put(&std::mem::take(&mut waiting));
                self.put("\\");
                self.new_line_at_indent();
                (self.after_space, self.at_indent) = (false, false);
                let next = if escaped.is_some() { characters[index + 1] } else { c };
                if next == ' ' {
                    self.put("\\");
                }
            }
            if escaped.is_none() {
                waiting.push(c);
            }
        }
        self.put(&waiting);
        self.put("\"");
    }
}

/// How a character is written that cannot stand in quotes as it is.
fn escaped(c: char) -> Option<String> {
    let sign = match c {
        '"' => '"',
        '\\' => '\\',
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '\u{85}' => 'N',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        // Shown elsewhere, what is beyond the first plane is escaped here.
        c if c < '\u{10000}' && is_shown(c) => return None,
        c if c <= '\u{ff}' => return Some(format!("\\x{:02X}", u32::from(c))),
        c if c <= '\u{ffff}' => return Some(format!("\\u{:04X}", u32::from(c))),
        c => return Some(format!("\\U{:08X}", u32::from(c))),
    };
    Some(format!("\\{sign}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_mean_something_else_are_quoted() {
        for text in [
            "",
            "yes",
            "Yes",
            "NO",
            "on",
            "null",
            "~",
            "1",
            "-1",
            "0x1f",
            "017",
            "1_000",
            "1.5",
            "1.",
            ".5",
            "1.e+5",
            "1:30",
            "01:30.5",
            "2026-11-22",
            "2026-1-2 3:04:05",
            "2026-01-02T03:04:05.5 +01:00",
            "=",
            "<<",
            "- a",
            "a: b",
            "a #b",
            "a:",
            " a",
            "a ",
            "'a",
            "@a",
            "{a",
            "*a",
            "#a",
            "---a",
            "a\nb",
        ] {
            assert_eq!(Style::of(text, false), Style::Single, "{text}");
        }
        for text in [
            "yEs",
            "08",
            "-a",
            "a:b",
            "a#b",
            "Sub One",
            "a-b",
            "1-2",
            "https://x/",
            "1.2.3",
            "1e5",
            "1e3x",
            "it's",
            "-.5",
            "01:30",
            "2026-1-2",
            "2026-01-02 03:04",
            "1:60",
            "0b2",
            "é",
            "😀",
        ] {
            assert_eq!(Style::of(text, false), Style::Plain, "{text}");
        }
        for text in ["a\tb", "a \nb", "a\n b", "\u{1b}[31m", "\u{feff}", "\u{7f}"] {
            assert_eq!(Style::of(text, false), Style::Double, "{text}");
        }
    }
}
