//! `doctor`: tries what a token takes, and says what is wrong and what to do. It signs nobody in, spends no token, and
//! prints no secret.

mod host;
mod issuers;
mod server;
mod sign_ins;

use std::io::{self, IsTerminal};

use serde_json::{Value, json};
use token_core::{Broker, Probe};

use crate::app::App;
use crate::args::{Format, Listing, Output};
use crate::config::{KeySource, PROCESS};
use crate::key_ring;
use crate::output::{self, Shape};
use crate::report::Failure;

pub(super) fn run(app: &App, typed: &Listing) -> Result<(), Failure> {
    let mut findings = Findings::default();
    host::config(app, &mut findings);
    let broker = key(app, &mut findings);
    if let Some(broker) = &broker {
        cache(app, broker, &mut findings);
    }
    // A cache that fails would fail again for each of them.
    let (profile, sign_ins) = match &broker {
        Some(broker) if findings.count(State::Error) == 0 => sign_ins::look(app, broker, &mut findings),
        _ => Default::default(),
    };
    server::look(app, &sign_ins, &mut findings);
    host::rescue(app, broker.is_some(), &mut findings);
    issuers::look(app, &profile, &mut findings);
    host::az(&mut findings);
    findings.conclude(typed, &sign_ins)
}

/// The answer where the config cannot be used, and so nothing else can be tried.
pub(super) fn unconfigured(typed: &Listing, failure: &Failure) -> Result<(), Failure> {
    let mut findings = Findings::default();
    findings.failure("config", failure);
    findings.conclude(typed, &[])
}

/// How it stands with something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Ok,
    /// Could not be found out.
    Unknown,
    /// Works, and will not always.
    Warning,
    Error,
}

/// What was looked at, and what was found.
#[derive(Debug)]
struct Finding {
    check: &'static str,
    state: State,
    found: String,
    help: Option<String>,
}

#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, check: &'static str, found: impl Into<String>) {
        self.0.push(Finding { check, state: State::Ok, found: found.into(), help: None });
    }

    fn add(&mut self, check: &'static str, state: State, found: impl Into<String>, help: impl Into<String>) {
        self.0.push(Finding { check, state, found: found.into(), help: Some(help.into()) });
    }

    fn failure(&mut self, check: &'static str, failure: &Failure) {
        self.0.push(Finding { check, state: State::Error, found: failure.one_line(), help: failure.help() });
    }

    fn count(&self, state: State) -> usize {
        self.0.iter().filter(|finding| finding.state == state).count()
    }

    /// Prints them, and fails where something is wrong.
    fn conclude(&self, typed: &Listing, sign_ins: &[sign_ins::Seen]) -> Result<(), Failure> {
        self.print(&typed.output, sign_ins)?;
        match self.count(State::Error) {
            0 => Ok(()),
            1 => Err(Failure::new("something is wrong")),
            number => Err(Failure::new(format!("{number} things are wrong"))),
        }
    }

    /// A screen for people, and a value for everybody else.
    fn print(&self, typed: &Output, sign_ins: &[sign_ins::Seen]) -> Result<(), Failure> {
        let terminal = io::stdout().is_terminal();
        let style = match terminal && PROCESS.text("NO_COLOR").is_none() {
            true => Style::COLOURED,
            false => Style::PLAIN,
        };
        match (typed.format, &typed.query) {
            (Some(Format::Table), None) => output::text(&self.screen(sign_ins, style)),
            (None, None) if terminal => output::text(&self.screen(sign_ins, style)),
            _ => output::print(typed, self.value(sign_ins), Shape::Value),
        }
    }

    fn value(&self, sign_ins: &[sign_ins::Seen]) -> Value {
        let checks = self.0.iter().map(|Finding { check, state, found, help }| {
            json!({ "check": check, "state": state.shown(), "found": found, "help": help })
        });
        json!({
            "checks": checks.collect::<Vec<_>>(),
            "signIns": sign_ins.iter().map(sign_ins::Seen::value).collect::<Vec<_>>(),
            "errors": self.count(State::Error),
            "warnings": self.count(State::Warning),
        })
    }

    fn screen(&self, sign_ins: &[sign_ins::Seen], style: Style) -> String {
        let mut text = String::new();
        for Finding { check, state, found, help } in &self.0 {
            let (begin, end) = style.of(*state);
            text += &format!("{begin}{:<7}{end}  {check:<8}  {found}\n", state.shown());
            if let Some(help) = help {
                text += &format!("{:19}{help}\n", "");
            }
        }
        if !sign_ins.is_empty() {
            text += &format!("\n{}", sign_ins::table(sign_ins).render(None, false));
        }
        let warnings = match self.count(State::Warning) {
            0 => "no warnings".to_owned(),
            1 => "1 warning".to_owned(),
            number => format!("{number} warnings"),
        };
        text + &match self.count(State::Error) {
            0 => format!("\nNothing is wrong; {warnings}.\n"),
            number => format!("\nWrong: {number}; {warnings}.\n"),
        }
    }
}

impl State {
    fn shown(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Colours for a terminal.
#[derive(Clone, Copy)]
struct Style(bool);

impl Style {
    const PLAIN: Self = Self(false);
    const COLOURED: Self = Self(true);

    fn of(self, state: State) -> (&'static str, &'static str) {
        match state {
            _ if !self.0 => ("", ""),
            State::Ok => ("\x1b[32m", "\x1b[0m"),
            State::Unknown => ("\x1b[2m", "\x1b[0m"),
            State::Warning => ("\x1b[1;33m", "\x1b[0m"),
            State::Error => ("\x1b[1;31m", "\x1b[0m"),
        }
    }
}

/// The key, and a broker that has it; `None` where there is none yet or the cache cannot be opened.
fn key(app: &App, findings: &mut Findings) -> Option<Broker> {
    let source = &app.config.key.value;
    let backend = match app.backend() {
        Ok(backend) => backend,
        Err(failure) => {
            findings.failure("cache", &failure);
            return None;
        }
    };
    match app.poll(key_ring::load(source, &PROCESS, backend)) {
        Err(failure) => {
            findings.failure("key", &failure);
            None
        }
        Ok(None) => {
            findings.ok(
                "key",
                format!("{source} does not exist yet; nobody has signed in to {}", backend.cache()),
            );
            None
        }
        Ok(Some(keys)) => {
            match (keys.key_id(), source) {
                (None, _) => findings.add(
                    "key",
                    State::Warning,
                    "none: nothing in the cache is encrypted",
                    "`key` in the config, or TOKEN_KEY, names a key; entries that are there have to be made again",
                ),
                (Some(id), KeySource::File { path, .. }) if host::others_can_read(path) => findings.add(
                    "key",
                    State::Warning,
                    format!("{source} (key {id}) can be read by other users"),
                    format!("chmod 600 {}", path.display()),
                ),
                (Some(id), _) if keys.refreshes() => findings.ok("key", format!("{source} (key {id})")),
                (Some(id), _) => {
                    findings.ok("key", format!("{source} (key {id}, which can only read: others refresh)"));
                }
            }
            let refreshes = keys.refreshes();
            let broker = app.broker_on(backend, keys);
            if !refreshes {
                findings.add(
                    "cache",
                    State::Unknown,
                    format!("{}", backend.cache()),
                    "a reader writes nothing to try",
                );
            }
            Some(broker)
        }
    }
}

/// The clocks of hosts may be apart as far as this without harm (seconds).
const SKEW: i64 = 60;

fn cache(app: &App, broker: &Broker, findings: &mut Findings) {
    let location = &app.config.cache.value;
    let refreshes = match app.poll(broker.probe()) {
        Err(token_core::BrokerError::Sealed { source: token_core::SealError::ReadersKey, .. }) => return,
        probed => probed,
    };
    match refreshes {
        Err(error) => findings.failure("cache", &app.failure(error, None)),
        Ok(Probe::Unsound(what)) => findings.add(
            "cache",
            State::Error,
            format!("{location}: {what}"),
            "no refresh is safe there; TOKEN_CACHE or `cache` in the config names another place",
        ),
        Ok(Probe::Sound { took, clock_ahead }) => {
            findings.ok(
                "cache",
                format!(
                    "{location}: create, swap, lease and delete took {} ms",
                    took.as_micros().div_ceil(1000)
                ),
            );
            if clock_ahead.abs() > SKEW {
                findings.add(
                    "clock",
                    State::Warning,
                    format!("the clock of {location} is {clock_ahead} seconds ahead of this host's"),
                    "let both follow the network's time (NTP)",
                );
            }
        }
    }
}
