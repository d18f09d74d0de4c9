//! How the answer is printed: `--output`.

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use crate::program;
use crate::query::Query;

#[derive(Args, Debug, Default)]
pub(crate) struct TokenOutput {
    /// Output format; header is the line `Authorization: Bearer …`
    #[arg(long = "output", short = 'o', value_name = "FORMAT", ignore_case = true)]
    pub(crate) format: Option<TokenFormat>,
    /// What of it to print, in JMESPath
    #[arg(long, value_name = "JMESPATH")]
    pub(crate) query: Option<Query>,
}

#[derive(Args, Debug, Default)]
pub(crate) struct Output {
    /// Output format
    #[arg(long = "output", short = 'o', value_name = "FORMAT", ignore_case = true)]
    pub(crate) format: Option<Format>,
    /// What of it to print, in JMESPath
    #[arg(long, value_name = "JMESPATH")]
    pub(crate) query: Option<Query>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Format {
    Json,
    Jsonc,
    Yaml,
    Yamlc,
    Table,
    Tsv,
    None,
}

/// The formats of a token: those of everything else, and one of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TokenFormat {
    Plain(Format),
    /// `Authorization: Bearer …`
    Header,
}

impl ValueEnum for TokenFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::Plain(Format::Json),
            Self::Plain(Format::Jsonc),
            Self::Plain(Format::Yaml),
            Self::Plain(Format::Yamlc),
            Self::Plain(Format::Table),
            Self::Plain(Format::Tsv),
            Self::Plain(Format::None),
            Self::Header,
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::Plain(format) => format.to_possible_value(),
            // Azure CLI has none, and says which it has.
            Self::Header => Some(PossibleValue::new("header").hide(program::is_az())),
        }
    }
}
