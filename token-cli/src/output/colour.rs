//! The colours of Azure CLI's output on a terminal: those of `pygments`, which names parts of JSON and YAML and paints
//! each name. Every line of a part is painted for itself.

use super::lines::{is_space, lines};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Paint {
    None,
    Space,
    Key,
    Text,
    /// Numbers and words of JSON's own.
    Word,
    /// What `pygments` takes for a variable: a reference, and the spaces in a quoted text.
    Variable,
    /// The mark of a document's end.
    Mark,
    /// What it does not expect.
    Unexpected,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Space => "\x1b[37m",
            Self::Key => "\x1b[94m",
            Self::Text => "\x1b[33m",
            Self::Word => "\x1b[34m",
            Self::Variable => "\x1b[31m",
            Self::Mark => "\x1b[04m\x1b[36m",
            Self::Unexpected => "\x1b[04m\x1b[91m",
        }
    }
}

const RESET: &str = "\x1b[39;49;00m";

/// JSON that we wrote, painted.
pub(super) fn json(text: &str) -> String {
    let mut painter = Painter::new(text);
    while let Some(c) = painter.peek() {
        match c {
            '"' => {
                let end = end_of_string(painter.rest);
                let is_key = painter.rest[end..].starts_with(':');
                painter.take(end, if is_key { Paint::Key } else { Paint::Text });
            }
            c if is_json_space(c) => painter.take_while(Paint::Space, is_json_space),
            '0'..='9' | '-' => {
                painter.take_while(Paint::Word, |c| matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'));
            }
            't' | 'f' | 'n' => painter.take_while(Paint::Word, |c| "truefalsn".contains(c)),
            '{' | '}' | '[' | ']' | ',' | ':' => painter.take(1, Paint::None),
            // Python's NaN and Infinity are no words of JSON.
            other => painter.take(other.len_utf8(), Paint::Unexpected),
        }
    }
    painter.painted
}

fn is_json_space(c: char) -> bool {
    matches!(c, ' ' | '\n' | '\r' | '\t')
}

fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (index, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

/// YAML that we wrote, painted.
pub(super) fn yaml(text: &str) -> String {
    let mut painter = Painter::new(text);
    while let Some(c) = painter.peek() {
        if c == '\n' {
            painter.take(1, Paint::Space);
        } else if painter.rest.starts_with("...\n") {
            painter.take(3, Paint::Mark);
        } else {
            painter.line();
        }
    }
    painter.painted
}

struct Painter<'a> {
    rest: &'a str,
    painted: String,
    /// The columns of the open levels, of which a plain text that goes on is right.
    levels: Vec<usize>,
}

impl<'a> Painter<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text, painted: String::new(), levels: Vec::new() }
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take(&mut self, length: usize, paint: Paint) {
        let (part, rest) = self.rest.split_at(length);
        self.rest = rest;
        for (line, end) in lines(part) {
            // Other ends of lines are painted with their lines.
            let (line, end) = if end == "\n" { (line.to_owned(), end) } else { (format!("{line}{end}"), "") };
            self.painted.push_str(&match paint {
                Paint::None => line,
                paint => format!("{}{line}{RESET}", paint.code()),
            });
            self.painted.push_str(end);
        }
    }

    fn take_while(&mut self, paint: Paint, belongs: impl Fn(char) -> bool) {
        let length = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        self.take(length, paint);
    }

    /// How many characters of this kind come next; all of them are one byte long.
    fn count(&self, wanted: char) -> usize {
        self.rest.len() - self.rest.trim_start_matches(wanted).len()
    }

    /// Whether one of these signs of YAML's own comes next, with nothing or a space behind it.
    fn is_at_sign(&self, signs: &[char]) -> bool {
        self.rest.starts_with(signs) && self.rest[1..].starts_with([' ', '\n'])
    }

    /// A level begins in this column, unless it is open.
    fn open(&mut self, column: usize) {
        if self.levels.last().is_none_or(|level| *level < column) {
            self.levels.push(column);
        }
    }

    /// A line, and those in which its texts go on.
    fn line(&mut self) {
        let mut column = self.count(' ');
        self.take(column, Paint::Space);
        self.levels.retain(|level| *level <= column);
        while self.is_at_sign(&['-', '?', ':']) {
            self.open(column);
            self.take(1, Paint::None);
            let spaces = self.count(' ');
            self.take(spaces, Paint::Space);
            column += 1 + spaces;
        }
        while let Some(c) = self.peek().filter(|c| *c != '\n') {
            if let Some(length) = self.key() {
                self.open(column);
                self.take(length, Paint::Key);
                self.take(1, Paint::None);
            } else {
                match c {
                    ' ' => self.take_while(Paint::Space, |c| c == ' '),
                    ':' if self.is_at_sign(&[':']) => {
                        self.open(column);
                        self.take(1, Paint::None);
                    }
                    '&' => self.take_while(Paint::None, |c| c == '&' || c.is_alphanumeric()),
                    '*' => self.take_while(Paint::Variable, |c| c == '*' || c.is_alphanumeric()),
                    '[' | ']' | '{' | '}' => self.take(1, Paint::None),
                    '\'' => self.single_quoted(),
                    '"' => self.double_quoted(),
                    c if is_space(c) => self.take(c.len_utf8(), Paint::Unexpected),
                    _ => self.plain(),
                }
            }
        }
    }

    /// The length of a key that needs no quotes, with its colon behind it.
    fn key(&self) -> Option<usize> {
        let foreign = ['#', ',', '?', '[', ']', '{', '}', '"', '\'', '\n'];
        let end = self.rest.find(foreign).unwrap_or(self.rest.len());
        let is_colon = |index: &usize| *index > 0 && self.rest[index + 1..].starts_with([' ', '\n']);
        self.rest[..end].rmatch_indices(':').map(|(index, _)| index).find(is_colon)
    }

    fn plain(&mut self) {
        while let Some(c) = self.peek() {
            let ends = |text: &str| text.chars().nth(1).is_none_or(is_space);
            if self.is_at_sign(&[':']) {
                return;
            }
            if c == '\n' {
                let next = &self.rest[1..];
                let indent = next.len() - next.trim_start_matches(' ').len();
                if self.levels.last().map_or(indent == 0, |level| indent <= *level) {
                    return;
                }
                self.take(1, Paint::Space);
                self.take(indent, Paint::Space);
            } else if c == ' ' || c == '\u{a0}' || !(is_space(c) || c == ':' && ends(self.rest)) {
                self.take(c.len_utf8(), Paint::None);
            } else {
                self.take(c.len_utf8(), Paint::Unexpected);
            }
        }
    }

    fn single_quoted(&mut self) {
        self.take(1, Paint::Text);
        while let Some(c) = self.peek() {
            match c {
                '\'' if self.rest.starts_with("''") => self.take(2, Paint::Text),
                '\'' => return self.take(1, Paint::Text),
                c if is_space(c) => self.space(c),
                _ => self.take_while(Paint::Text, |c| c != '\'' && !is_space(c)),
            }
        }
    }

    fn double_quoted(&mut self) {
        self.take(1, Paint::Text);
        while let Some(c) = self.peek() {
            match c {
                '"' => return self.take(1, Paint::Text),
                '\\' => {
                    let digits = match self.rest.as_bytes().get(1) {
                        Some(b'x') => 2,
                        Some(b'u') => 4,
                        Some(b'U') => 8,
                        _ => 0,
                    };
                    self.take(2 + digits, Paint::Text);
                }
                c if is_space(c) => self.space(c),
                _ => self.take_while(Paint::Text, |c| !matches!(c, '"' | '\\') && !is_space(c)),
            }
        }
    }

    /// Space in quotes.
    fn space(&mut self, c: char) {
        let at_start = self.painted.ends_with('\n');
        let spaces = self.count(' ');
        match c {
            '\n' => self.take(1, Paint::Space),
            ' ' if at_start || self.rest[spaces..].starts_with('\n') => self.take(spaces, Paint::Space),
            ' ' | '\u{a0}' => self.take_while(Paint::Variable, |c| matches!(c, ' ' | '\u{a0}')),
            other => self.take(other.len_utf8(), Paint::Unexpected),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_painted_as_by_azure_cli() {
        let text =
            "{\n  \"accessToken\": \"<JWT>\",\n  \"expires_on\": 1795377838,\n  \"x\": [\n    null\n  ]\n}\n";
        insta::assert_snapshot!(json(text).replace('\x1b', "^"), @r#"
        {^[37m^[39;49;00m
        ^[37m  ^[39;49;00m^[94m"accessToken"^[39;49;00m:^[37m ^[39;49;00m^[33m"<JWT>"^[39;49;00m,^[37m^[39;49;00m
        ^[37m  ^[39;49;00m^[94m"expires_on"^[39;49;00m:^[37m ^[39;49;00m^[34m1795377838^[39;49;00m,^[37m^[39;49;00m
        ^[37m  ^[39;49;00m^[94m"x"^[39;49;00m:^[37m ^[39;49;00m[^[37m^[39;49;00m
        ^[37m    ^[39;49;00m^[34mnull^[39;49;00m^[37m^[39;49;00m
        ^[37m  ^[39;49;00m]^[37m^[39;49;00m
        }^[37m^[39;49;00m
        "#);
    }

    #[test]
    fn yaml_is_painted_as_by_azure_cli() {
        let text = "expiresOn: '2026-11-22 20:03:58.000000'\nexpires_on: 1795377838\ntags:\n- a b\n- {}\n";
        insta::assert_snapshot!(yaml(text).replace('\x1b', "^"), @r"
        ^[94mexpiresOn^[39;49;00m:^[37m ^[39;49;00m^[33m'^[39;49;00m^[33m2026-11-22^[39;49;00m^[31m ^[39;49;00m^[33m20:03:58.000000^[39;49;00m^[33m'^[39;49;00m^[37m^[39;49;00m
        ^[94mexpires_on^[39;49;00m:^[37m ^[39;49;00m1795377838^[37m^[39;49;00m
        ^[94mtags^[39;49;00m:^[37m^[39;49;00m
        -^[37m ^[39;49;00ma b^[37m^[39;49;00m
        -^[37m ^[39;49;00m{}^[37m^[39;49;00m
        ");
        insta::assert_snapshot!(yaml("Bearer\n...\n").replace('\x1b', "^"), @r"
        Bearer^[37m^[39;49;00m
        ^[04m^[36m...^[39;49;00m^[37m^[39;49;00m
        ");
    }
}
