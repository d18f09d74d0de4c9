//! From words to a tree, by binding power. What jmespath.py lets pass is let pass: commas that are missing between
//! the fields of a hash and between arguments, and one too many behind the last argument.

use std::sync::Arc;

use super::SyntaxError;
use super::lexer::{Token, tokens};
use crate::value::Value;

/// A part of a query.
#[derive(Debug)]
pub(super) enum Node {
    Current,
    Field(Arc<str>),
    Literal(Value),
    Index(i128),
    Slice(Slice),
    /// One on what the other one finds: `a.b`, `a | b`.
    Then(Box<Self>, Box<Self>),
    /// An element, and elements of it: `a[0][1]`.
    Indexed(Vec<Self>),
    Flatten(Box<Self>),
    /// The right side for each element of the list on the left: `a[*].b`.
    Each(Box<Self>, Box<Self>),
    /// The right side for each value of the object on the left: `a.*.b`.
    EachValue(Box<Self>, Box<Self>),
    /// The right side for each element that meets the condition: `a[?b].c`.
    Filtered {
        list: Box<Self>,
        condition: Box<Self>,
        then: Box<Self>,
    },
    Or(Box<Self>, Box<Self>),
    And(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Compared(Comparator, Box<Self>, Box<Self>),
    List(Vec<Self>),
    Hash(Vec<(Arc<str>, Self)>),
    Call(Arc<str>, Vec<Self>),
    /// An expression that a function applies itself.
    Reference(Box<Self>),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Slice {
    pub(super) start: Option<i128>,
    pub(super) stop: Option<i128>,
    pub(super) step: Option<i128>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// How deep a query may be nested: the stack has to hold all of it, and jmespath.py's gives up not much later.
const DEEPEST: usize = 200;
/// What binds less ends a projection.
const ENDS_PROJECTION: u8 = 10;
const FLATTEN: u8 = 9;
const STAR: u8 = 20;
const FILTER: u8 = 21;
const DOT: u8 = 40;
const NOT: u8 = 45;

pub(super) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let mut parser = Parser { tokens: tokens(text)?, position: 0, depth: 0 };
    if parser.tokens.len() == 1 {
        return Err(parser.error("it is empty"));
    }
    let node = parser.expression(0)?;
    match parser.peek() {
        Token::End => Ok(node),
        _ => Err(parser.unexpected()),
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    position: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.peek_after(0)
    }

    fn peek_after(&self, tokens: usize) -> &Token {
        self.tokens.get(self.position + tokens).map_or(&Token::End, |(_, token)| token)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.position += 1;
        token
    }

    fn error(&self, message: impl Into<String>) -> SyntaxError {
        let token = self.tokens.get(self.position).or(self.tokens.last());
        SyntaxError { message: message.into(), column: token.map_or(1, |(column, _)| *column) }
    }

    fn unexpected(&self) -> SyntaxError {
        self.error(match self.peek() {
            Token::End => "something is missing",
            _ => "this cannot stand here",
        })
    }

    fn expect(&mut self, wanted: &Token) -> Result<(), SyntaxError> {
        if std::mem::discriminant(self.peek()) != std::mem::discriminant(wanted) {
            return Err(self.unexpected());
        }
        self.position += 1;
        Ok(())
    }

    fn expression(&mut self, least: u8) -> Result<Node, SyntaxError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error("it is nested too deeply"));
        }
        let mut left = self.beginning()?;
        while least < power(self.peek()) {
            left = self.continuation(left)?;
            if left.depth() > DEEPEST {
                return Err(self.error("it is nested too deeply"));
            }
        }
        self.depth -= 1;
        Ok(left)
    }

    fn boxed(&mut self, least: u8) -> Result<Box<Node>, SyntaxError> {
        self.expression(least).map(Box::new)
    }

    /// What can begin an expression.
    fn beginning(&mut self) -> Result<Node, SyntaxError> {
        let here = || Box::new(Node::Current);
        let start = self.position;
        match self.next() {
            Token::Current => Ok(Node::Current),
            Token::Literal(value) => Ok(Node::Literal(value)),
            Token::Identifier(name) => Ok(Node::Field(name.into())),
            Token::Quoted(_) if matches!(self.peek(), Token::LeftParenthesis) => {
                Err(self.error("the name of a function is not quoted"))
            }
            Token::Quoted(name) => Ok(Node::Field(name.into())),
            Token::Star if matches!(self.peek(), Token::RightBracket) => Ok(Node::EachValue(here(), here())),
            Token::Star => Ok(Node::EachValue(here(), self.projected(STAR)?)),
            Token::Filter => self.filter(Node::Current),
            Token::Flatten => Ok(Node::Each(Box::new(Node::Flatten(here())), self.projected(FLATTEN)?)),
            Token::Not => Ok(Node::Not(self.boxed(NOT)?)),
            Token::Reference => Ok(Node::Reference(self.boxed(0)?)),
            Token::LeftBrace => self.hash(),
            Token::LeftParenthesis => {
                let inner = self.expression(0)?;
                self.expect(&Token::RightParenthesis)?;
                Ok(inner)
            }
            Token::LeftBracket => match (self.peek(), self.peek_after(1)) {
                (Token::Number(_) | Token::Colon, _) => self.index(Node::Current),
                (Token::Star, Token::RightBracket) => {
                    self.position += 2;
                    Ok(Node::Each(here(), self.projected(STAR)?))
                }
                _ => self.list(),
            },
            _ => {
                self.position = start;
                Err(self.unexpected())
            }
        }
    }

    /// What goes on with the expression on the left.
    fn continuation(&mut self, left: Node) -> Result<Node, SyntaxError> {
        let start = self.position;
        let token = self.next();
        let binding = power(&token);
        let left = Box::new(left);
        match token {
            Token::Dot if matches!(self.peek(), Token::Star) => {
                self.position += 1;
                Ok(Node::EachValue(left, self.projected(DOT)?))
            }
            Token::Dot => Ok(Node::Then(left, Box::new(self.behind_dot(DOT)?))),
            Token::Pipe => Ok(Node::Then(left, self.boxed(binding)?)),
            Token::Or => Ok(Node::Or(left, self.boxed(binding)?)),
            Token::And => Ok(Node::And(left, self.boxed(binding)?)),
            Token::Equal => Ok(Node::Compared(Comparator::Equal, left, self.boxed(binding)?)),
            Token::NotEqual => Ok(Node::Compared(Comparator::NotEqual, left, self.boxed(binding)?)),
            Token::Less => Ok(Node::Compared(Comparator::Less, left, self.boxed(binding)?)),
            Token::LessOrEqual => Ok(Node::Compared(Comparator::LessOrEqual, left, self.boxed(binding)?)),
            Token::Greater => Ok(Node::Compared(Comparator::Greater, left, self.boxed(binding)?)),
            Token::GreaterOrEqual => {
                Ok(Node::Compared(Comparator::GreaterOrEqual, left, self.boxed(binding)?))
            }
            Token::Flatten => Ok(Node::Each(Box::new(Node::Flatten(left)), self.projected(FLATTEN)?)),
            Token::Filter => self.filter(*left),
            Token::LeftBracket if matches!(self.peek(), Token::Number(_) | Token::Colon) => self.index(*left),
            Token::LeftBracket => {
                self.expect(&Token::Star)?;
                self.expect(&Token::RightBracket)?;
                Ok(Node::Each(left, self.projected(STAR)?))
            }
            Token::LeftParenthesis => match *left {
                Node::Field(name) => self.call(name),
                _ => {
                    self.position = start;
                    Err(self.error("only the name of a function can stand before this"))
                }
            },
            _ => {
                self.position = start;
                Err(self.unexpected())
            }
        }
    }

    fn call(&mut self, name: Arc<str>) -> Result<Node, SyntaxError> {
        let mut arguments = Vec::new();
        while !matches!(self.peek(), Token::RightParenthesis) {
            arguments.push(self.expression(0)?);
            self.position += usize::from(matches!(self.peek(), Token::Comma));
        }
        self.position += 1;
        Ok(Node::Call(name, arguments))
    }

    fn filter(&mut self, list: Node) -> Result<Node, SyntaxError> {
        let condition = self.boxed(0)?;
        self.expect(&Token::RightBracket)?;
        let then = match self.peek() {
            Token::Flatten => Box::new(Node::Current),
            _ => self.projected(FILTER)?,
        };
        Ok(Node::Filtered { list: Box::new(list), condition, then })
    }

    /// An index or a slice behind its bracket. Only the first slice of several in a row is a projection.
    fn index(&mut self, left: Node) -> Result<Node, SyntaxError> {
        let right = match (self.peek(), self.peek_after(1)) {
            (Token::Colon, _) | (_, Token::Colon) => self.slice()?,
            _ => {
                let index = self.number()?;
                self.expect(&Token::RightBracket)?;
                Node::Index(index)
            }
        };
        if let Node::Indexed(mut steps) = left {
            steps.push(right);
            return Ok(Node::Indexed(steps));
        }
        let is_slice = matches!(right, Node::Slice(_));
        let indexed = Node::Indexed(vec![left, right]);
        if is_slice { Ok(Node::Each(Box::new(indexed), self.projected(STAR)?)) } else { Ok(indexed) }
    }

    fn slice(&mut self) -> Result<Node, SyntaxError> {
        let mut parts = [None; 3];
        let mut part = 0;
        loop {
            match self.peek() {
                Token::RightBracket => break,
                Token::Colon if part < 2 => {
                    part += 1;
                    self.position += 1;
                }
                _ => parts[part] = Some(self.number()?),
            }
        }
        self.position += 1;
        let [start, stop, step] = parts;
        Ok(Node::Slice(Slice { start, stop, step }))
    }

    fn number(&mut self) -> Result<i128, SyntaxError> {
        let Token::Number(number) = *self.peek() else { return Err(self.unexpected()) };
        self.position += 1;
        Ok(number)
    }

    fn list(&mut self) -> Result<Node, SyntaxError> {
        let mut elements = vec![self.expression(0)?];
        while !matches!(self.peek(), Token::RightBracket) {
            self.expect(&Token::Comma)?;
            elements.push(self.expression(0)?);
        }
        self.position += 1;
        Ok(Node::List(elements))
    }

    fn hash(&mut self) -> Result<Node, SyntaxError> {
        let mut fields = Vec::new();
        loop {
            let (Token::Identifier(name) | Token::Quoted(name)) = self.peek().clone() else {
                return Err(self.unexpected());
            };
            self.position += 1;
            self.expect(&Token::Colon)?;
            fields.push((name.into(), self.expression(0)?));
            match self.peek() {
                Token::Comma => self.position += 1,
                Token::RightBrace => {
                    self.position += 1;
                    return Ok(Node::Hash(fields));
                }
                _ => {}
            }
        }
    }

    /// The right side of a projection.
    fn projected(&mut self, binding: u8) -> Result<Box<Node>, SyntaxError> {
        let right = match self.peek() {
            token if power(token) < ENDS_PROJECTION => Node::Current,
            Token::LeftBracket | Token::Filter => self.expression(binding)?,
            Token::Dot => {
                self.position += 1;
                self.behind_dot(binding)?
            }
            _ => return Err(self.unexpected()),
        };
        Ok(Box::new(right))
    }

    fn behind_dot(&mut self, binding: u8) -> Result<Node, SyntaxError> {
        match self.peek() {
            Token::Identifier(_) | Token::Quoted(_) | Token::Star => self.expression(binding),
            Token::LeftBracket => {
                self.position += 1;
                self.list()
            }
            Token::LeftBrace => {
                self.position += 1;
                self.hash()
            }
            _ => Err(self.unexpected()),
        }
    }
}

/// How strongly a token binds what stands before it.
fn power(token: &Token) -> u8 {
    match token {
        Token::Pipe => 1,
        Token::Or => 2,
        Token::And => 3,
        Token::Equal
        | Token::NotEqual
        | Token::Less
        | Token::LessOrEqual
        | Token::Greater
        | Token::GreaterOrEqual => 5,
        Token::Flatten => FLATTEN,
        Token::Star => STAR,
        Token::Filter => FILTER,
        Token::Dot => DOT,
        Token::Not => NOT,
        Token::LeftBrace => 50,
        Token::LeftBracket => 55,
        Token::LeftParenthesis => 60,
        _ => 0,
    }
}

impl Node {
    fn depth(&self) -> usize {
        1 + self.parts().into_iter().map(Self::depth).max().unwrap_or(0)
    }

    fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Current | Self::Field(_) | Self::Literal(_) | Self::Index(_) | Self::Slice(_) => Vec::new(),
            Self::Flatten(inner) | Self::Not(inner) | Self::Reference(inner) => vec![inner],
            Self::Then(left, right)
            | Self::Each(left, right)
            | Self::EachValue(left, right)
            | Self::Or(left, right)
            | Self::And(left, right)
            | Self::Compared(_, left, right) => vec![left, right],
            Self::Filtered { list, condition, then } => vec![list, condition, then],
            Self::Indexed(nodes) | Self::List(nodes) | Self::Call(_, nodes) => nodes.iter().collect(),
            Self::Hash(fields) => fields.iter().map(|(_, node)| node).collect(),
        }
    }
}
