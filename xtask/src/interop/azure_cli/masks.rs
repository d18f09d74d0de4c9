//! What differs between two sides because they are two: addresses, homes, tokens and times.

use std::path::Path;
use std::process::Output;

use anyhow::Result;
use regex::{Captures, Regex};
use token_testkit::RunningIssuer;

/// What one side calls what both have.
#[derive(Debug)]
pub(super) struct Masks<'a> {
    issuer: &'a RunningIssuer,
    places: Vec<(String, &'static str)>,
    token: Regex,
    rest: Vec<(Regex, &'static str)>,
}

/// An outcome, as it is compared.
#[derive(Debug)]
pub(super) struct Masked {
    pub(super) stdout: String,
    pub(super) code: String,
    /// Of standard error.
    pub(super) first_line: String,
}

impl<'a> Masks<'a> {
    pub(super) fn new(issuer: &'a RunningIssuer, home: &Path) -> Result<Self> {
        let url = issuer.base_url();
        let rest = [
            (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.000000\b", "LOCAL-TIME"),
            (r"\b1[789]\d{8}\b", "POSIX-TIME"),
            (r"enter the code \S+", "enter the code USER-CODE"),
            (r"(Trace|Correlation) ID: [0-9a-f-]+", "$1 ID: ID"),
            (r"Timestamp: \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "Timestamp: TIME"),
        ];
        Ok(Self {
            issuer,
            places: vec![
                (url.to_owned(), "ISSUER"),
                (url.trim_start_matches("https://").to_owned(), "ISSUER"),
                (home.display().to_string(), "HOME"),
            ],
            token: Regex::new(r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+")?,
            rest: rest
                .into_iter()
                .map(|(pattern, mask)| Ok((Regex::new(pattern)?, mask)))
                .collect::<Result<_>>()?,
        })
    }

    pub(super) fn apply(&self, output: &Output) -> Masked {
        let stderr = self.text(&output.stderr);
        Masked {
            stdout: self.text(&output.stdout),
            code: output.status.to_string(),
            first_line: stderr.lines().next().unwrap_or_default().to_owned(),
        }
    }

    fn text(&self, bytes: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        for (place, mask) in &self.places {
            text = text.replace(place, mask);
        }
        text = self.token.replace_all(&text, |token: &Captures<'_>| self.about(&token[0])).into_owned();
        for (pattern, mask) in &self.rest {
            text = pattern.replace_all(&text, *mask).into_owned();
        }
        text
    }

    /// Two tokens are the same where they are for the same: whose, of which tenant, for what.
    fn about(&self, token: &str) -> String {
        match self.issuer.access_token(token) {
            Some(issued) => {
                let tenant = issued.tenant.unwrap_or_default();
                format!("TOKEN({} {tenant} {})", issued.account, issued.scopes.join(" "))
            }
            None => "A-TOKEN-OF-NOBODY".to_owned(),
        }
    }
}
