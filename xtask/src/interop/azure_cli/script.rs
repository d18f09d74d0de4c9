//! What is run on both sides: a file of shell lines.
//!
//! A line is an invocation that is compared. One that begins with `#` is a comment, one with `+` is run and not
//! compared, and one with `!` tells both issuers something:
//!
//! | order | from now on |
//! |---|---|
//! | `!lifetime SECONDS` | tokens live that long |
//! | `!refuse ERROR DESCRIPTION` | every token request is refused like that |
//! | `!status STATUS` | every token request is answered with that, and nothing else |
//! | `!accept` | token requests are answered as they deserve |
//! | `!certificate FILE` | the client is known by the certificate in this file of the home |
//! | `!assertion FILE` | this file of the home holds a token of a provider that the client's issuer trusts |
//! | `!end USER` | the user's refresh tokens are worth nothing |

use std::path::Path;

use anyhow::{Context, Result, bail};
use token_testkit::{Fault, OAuthError, Route, RunningIssuer, Times, World};

use crate::process::root;

/// A file of them.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) name: String,
    pub(super) lines: Vec<Line>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Line {
    Compare(String),
    Prepare(String),
    Tell(Order),
}

/// What both issuers are told.
#[derive(Debug, PartialEq)]
pub(super) enum Order {
    Lifetime(u64),
    Refuse { error: String, description: String },
    Status(u16),
    Accept,
    Certificate(String),
    Assertion(String),
    End(String),
}

impl Script {
    /// All of them, by name.
    pub(super) fn all() -> Result<Vec<Self>> {
        let directory = root().join("xtask/interop/azure-cli");
        let mut scripts = Vec::new();
        for entry in std::fs::read_dir(&directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "script") {
                scripts.push(Self::read(&path).with_context(|| path.display().to_string())?);
            }
        }
        scripts.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(scripts)
    }

    fn read(path: &Path) -> Result<Self> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path)?;
        let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        Ok(Self { name, lines: lines.map(Line::parse).collect::<Result<_>>()? })
    }
}

impl Line {
    fn parse(line: &str) -> Result<Self> {
        if let Some(order) = line.strip_prefix('!') {
            return Ok(Self::Tell(Order::parse(order).with_context(|| format!("'{line}'"))?));
        }
        match line.strip_prefix('+') {
            Some(shell) => Ok(Self::Prepare(shell.trim().to_owned())),
            None => Ok(Self::Compare(line.trim().to_owned())),
        }
    }
}

impl Order {
    fn parse(text: &str) -> Result<Self> {
        let (order, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        Ok(match order {
            "lifetime" => Self::Lifetime(rest.parse()?),
            "refuse" => {
                let (error, description) = rest.split_once(' ').context("it needs a description")?;
                Self::Refuse { error: error.to_owned(), description: description.to_owned() }
            }
            "status" => Self::Status(rest.parse()?),
            "accept" => Self::Accept,
            "certificate" => Self::Certificate(rest.to_owned()),
            "assertion" => Self::Assertion(rest.to_owned()),
            "end" => Self::End(rest.to_owned()),
            _ => bail!("there is no such order"),
        })
    }

    /// Tells the issuer of the side with this home.
    pub(super) fn carry_out(&self, issuer: &RunningIssuer, home: &Path) -> Result<()> {
        match self {
            Self::Lifetime(seconds) => issuer.settings(|settings| settings.lifetime = *seconds),
            Self::Refuse { error, description } => {
                let error = OAuthError::new(error).description(description);
                issuer.fault(Route::Token, Fault::OAuth(error), Times::Always);
            }
            Self::Status(status) => issuer.fault(Route::Token, Fault::Status(*status), Times::Always),
            Self::Accept => issuer.clear_faults(),
            Self::Certificate(file) => {
                let certificate = std::fs::read_to_string(home.join(file))?;
                issuer.settings(|settings| settings.world.clients[0].certificates = vec![certificate]);
            }
            Self::Assertion(file) => {
                let assertion = issuer.assertion("cluster", World::POD_SUBJECT, World::AUDIENCE, 600);
                std::fs::write(home.join(file), assertion)?;
            }
            Self::End(user) => issuer.end_sign_ins(user),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart_by_how_they_begin() {
        let parse = |line| Line::parse(line).unwrap();
        assert_eq!(parse("az version"), Line::Compare("az version".into()));
        assert_eq!(parse("+ rm -r .azure"), Line::Prepare("rm -r .azure".into()));
        assert_eq!(parse("!lifetime 60"), Line::Tell(Order::Lifetime(60)));
        assert_eq!(
            parse("!refuse invalid_grant AADSTS70043: over"),
            Line::Tell(Order::Refuse {
                error: "invalid_grant".into(),
                description: "AADSTS70043: over".into()
            })
        );
        assert!(Line::parse("!lifetimes 60").is_err());
    }
}
