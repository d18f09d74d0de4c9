//! `--query`: JMESPath as jmespath.py 1.1 reads it, which Azure CLI uses.
//!
//! It is an evaluator of our own because the language's implementations in Rust sort the fields of every object, and
//! have floats for numbers: the order in which a query names its columns, which `-o table` and `-o tsv` show, would be
//! lost, and with it integers.

mod evaluation;
#[cfg(test)]
mod facts;
mod functions;
mod lexer;
mod parser;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::value::Value;

/// Where people read on.
pub(crate) const HELP: &str =
    "To learn more about --query, please visit: 'https://learn.microsoft.com/cli/azure/query-azure-cli'";

/// A query that can be meant.
#[derive(Clone, Debug)]
pub(crate) struct Query(Arc<parser::Node>);

/// A text that is no query.
#[derive(Debug, thiserror::Error)]
#[error("{message}, at column {column}")]
pub(crate) struct SyntaxError {
    message: String,
    /// From 1.
    column: usize,
}

/// A query that cannot be asked of this value.
#[derive(Debug)]
pub(crate) struct QueryError(String);

impl FromStr for Query {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        parser::parse(text).map(|node| Self(Arc::new(node)))
    }
}

impl Query {
    /// What the query finds in a value; [`Value::Null`] where that is nothing.
    pub(crate) fn search(&self, value: &Value) -> Result<Value, QueryError> {
        evaluation::evaluate(&self.0, value)
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
