//! `cargo xtask bench`: what a token costs, as ratios within one run. One file a measurement.

mod agents;
mod azure_cli;
mod hit;
mod services;
mod stores;
mod waits;

use anyhow::{Result, bail, ensure};

use crate::measure::Times;
use crate::process::milliseconds;

/// A measurement: it prints what it finds, and says which limits were missed.
type Measurement = fn(&mut Limits) -> Result<()>;

const MEASUREMENTS: [(&str, Measurement); 6] = [
    ("hit", hit::measure),
    ("azure-cli", azure_cli::measure),
    ("stores", stores::measure),
    ("waits", waits::measure),
    ("services", services::measure),
    ("agents", agents::measure),
];

/// Which limits were missed.
#[derive(Debug, Default)]
struct Limits(Vec<String>);

/// Runs those that are named, or all of them. Limits that are missed are printed; with `check`, they are an error.
pub(crate) fn run(names: &[&str], check: bool) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| !MEASUREMENTS.iter().any(|(known, _)| known == *name)) {
        bail!("'{unknown}' is not a measurement; there is {}", MEASUREMENTS.map(|(name, _)| name).join(", "));
    }
    crate::install::run()?;
    let mut limits = Limits::default();
    for (name, measure) in MEASUREMENTS {
        if names.is_empty() || names.contains(&name) {
            measure(&mut limits)?;
            println!();
        }
    }
    let Limits(missed) = limits;
    if !missed.is_empty() {
        println!("missed: {}", missed.join(", "));
        ensure!(!check, "limits missed: {}", missed.join(", "));
    }
    Ok(())
}

impl Limits {
    /// Remembers what was missed.
    fn hold(&mut self, name: impl Into<String>, is_held: bool) {
        if !is_held {
            self.0.push(name.into());
        }
    }
}

/// The head of a table of times.
fn head(what: &str) {
    println!("{what:<36}{:>10}{:>12}{:>8}{:>8}", "fastest", "median", "ratio", "limit");
}

/// A line of it.
fn row(name: &str, times: &Times, ratio: f64, limit: Option<f64>) {
    let (min, median) = (milliseconds(times.min()), milliseconds(times.median()));
    let limit = limit.map(|limit| format!("{limit:.2}")).unwrap_or_default();
    let line = format!("{name:<36}{min:>10}{median:>12}{ratio:>8.2}{limit:>8}");
    println!("{}", line.trim_end());
}
