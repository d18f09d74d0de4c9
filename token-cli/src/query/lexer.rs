//! The words of a query.

use super::SyntaxError;
use crate::value::{Value, json};

#[derive(Clone, Debug)]
pub(super) enum Token {
    Identifier(String),
    Quoted(String),
    Literal(Value),
    Number(i128),
    Dot,
    Star,
    Flatten,
    Filter,
    LeftBracket,
    RightBracket,
    LeftBrace,
    RightBrace,
    LeftParenthesis,
    RightParenthesis,
    Comma,
    Colon,
    Current,
    Reference,
    Pipe,
    Or,
    And,
    Not,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    End,
}

/// Every token with the column it begins in, from 1, and [`Token::End`] last.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, SyntaxError> {
    let mut lexer = Lexer { characters: text.chars().collect(), position: 0 };
    let mut tokens = Vec::new();
    loop {
        while lexer.peek().is_some_and(|c| matches!(c, ' ' | '\t' | '\n' | '\r')) {
            lexer.position += 1;
        }
        let column = lexer.position + 1;
        let token = lexer.token().map_err(|message| SyntaxError { message, column })?;
        let is_last = matches!(token, Token::End);
        tokens.push((column, token));
        if is_last {
            return Ok(tokens);
        }
    }
}

struct Lexer {
    characters: Vec<char>,
    position: usize,
}

impl Lexer {
    fn peek(&self) -> Option<char> {
        self.characters.get(self.position).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.position += usize::from(next.is_some());
        next
    }

    fn one_of(&mut self, next: char, both: Token, alone: Token) -> Token {
        if self.peek() != Some(next) {
            return alone;
        }
        self.position += 1;
        both
    }

    fn while_it_is(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let start = self.position;
        while self.peek().is_some_and(&belongs) {
            self.position += 1;
        }
        self.characters[start..self.position].iter().collect()
    }

    fn token(&mut self) -> Result<Token, String> {
        let Some(c) = self.next() else { return Ok(Token::End) };
        let token = match c {
            '.' => Token::Dot,
            '*' => Token::Star,
            ']' => Token::RightBracket,
            ',' => Token::Comma,
            ':' => Token::Colon,
            '@' => Token::Current,
            '(' => Token::LeftParenthesis,
            ')' => Token::RightParenthesis,
            '{' => Token::LeftBrace,
            '}' => Token::RightBrace,
            '[' => match self.peek() {
                Some(']') => self.one_of(']', Token::Flatten, Token::LeftBracket),
                _ => self.one_of('?', Token::Filter, Token::LeftBracket),
            },
            '|' => self.one_of('|', Token::Or, Token::Pipe),
            '&' => self.one_of('&', Token::And, Token::Reference),
            '<' => self.one_of('=', Token::LessOrEqual, Token::Less),
            '>' => self.one_of('=', Token::GreaterOrEqual, Token::Greater),
            '!' => self.one_of('=', Token::NotEqual, Token::Not),
            '=' if self.peek() == Some('=') => self.one_of('=', Token::Equal, Token::Equal),
            'a'..='z' | 'A'..='Z' | '_' => {
                let rest = self.while_it_is(|c| c.is_ascii_alphanumeric() || c == '_');
                Token::Identifier(format!("{c}{rest}"))
            }
            '0'..='9' | '-' => {
                let number = format!("{c}{}", self.while_it_is(|c| c.is_ascii_digit()));
                if number == "-" {
                    return Err("'-' without a number behind it".to_owned());
                }
                // Beyond the integers there is no index either.
                let last = if c == '-' { i128::MIN } else { i128::MAX };
                Token::Number(number.parse().unwrap_or(last))
            }
            '\'' => Token::Literal(self.until('\'')?.replace("\\'", "'").into()),
            '"' => {
                let text = format!("\"{}\"", self.until('"')?);
                match json::parse(&text) {
                    Some(Value::Text(name)) => Token::Quoted(name.to_string()),
                    _ => return Err(format!("{text} is no JSON")),
                }
            }
            '`' => Token::Literal(self.literal()?),
            '=' => return Err("'=' alone; equality is '=='".to_owned()),
            other => return Err(format!("'{other}' means nothing here")),
        };
        Ok(token)
    }

    /// What is between two of these, with every backslash and what it escapes.
    fn until(&mut self, delimiter: char) -> Result<String, String> {
        let mut text = String::new();
        loop {
            let unclosed = || format!("{delimiter} is not closed");
            let c = self.next().ok_or_else(unclosed)?;
            if c == delimiter {
                return Ok(text);
            }
            text.push(c);
            if c == '\\' {
                text.push(self.next().ok_or_else(unclosed)?);
            }
        }
    }

    /// JSON, or a text whose quotes were left out.
    fn literal(&mut self) -> Result<Value, String> {
        let text = self.until('`')?.replace("\\`", "`");
        json::parse(&text)
            .or_else(|| json::parse(&format!("\"{}\"", text.trim_start())))
            .ok_or_else(|| format!("`{text}` is no JSON"))
    }
}
