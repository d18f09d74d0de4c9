//! Every sign-in: its age, its state, and who refreshed it last.

use serde_json::{Map, Value, json};
use token_core::{Account, Broker, BrokerError, Expiry, LastRefresh, Profile, SETTLE, SealError};

use super::{Findings, State};
use crate::app::App;
use crate::choice::Selected;
use crate::countdown::countdown;
use crate::output::{Column, Table};

/// A sign-in, without anything secret.
#[derive(Debug)]
pub(super) struct Seen {
    account: Account,
    state: &'static str,
    /// Whether its refresh token changes with every use, and ends it when a spent one comes back.
    pub(super) rotates: bool,
    last_refresh: Option<LastRefresh>,
    now: i64,
}

pub(super) fn look(app: &App, broker: &Broker, findings: &mut Findings) -> (Profile, Vec<Seen>) {
    let profile = match app.poll(broker.profile()) {
        Ok(profile) => profile,
        Err(error) => {
            findings.failure("profile", &app.failure(error, None));
            return Default::default();
        }
    };
    let mut seen = Vec::new();
    for account in &profile.accounts {
        seen.push(sign_in(app, broker, account, findings));
    }
    (profile, seen)
}

fn sign_in(app: &App, broker: &Broker, account: &Account, findings: &mut Findings) -> Seen {
    let now = app.clock().posix();
    let selected = Selected::new(account, None);
    let missing = || BrokerError::NotSignedIn { account: account.name.clone() };
    let found = app.poll(broker.credential(&account.sign_in)).and_then(|found| found.ok_or_else(missing));
    let mut seen =
        Seen { account: account.clone(), state: "unknown", rotates: false, last_refresh: None, now };
    let credential = match found {
        Ok(credential) => credential,
        // Only refreshers see more.
        Err(BrokerError::Sealed { source: SealError::ReadersKey, .. }) => return seen,
        Err(error) => {
            findings.failure("sign-in", &app.failure(error, Some(&selected)));
            return Seen { state: "lost", ..seen };
        }
    };
    (seen.rotates, seen.last_refresh) = (credential.rotates(), credential.last_refresh);
    let (state, wrong) = match credential.state {
        token_core::State::Idle(_) => ("good", None),
        token_core::State::Spending(_, note) => {
            let at = i64::try_from(note.at.as_secs()).unwrap_or(now);
            if now - at > i64::try_from(SETTLE.as_secs()).unwrap_or(0) {
                findings.add(
                    "sign-in",
                    State::Warning,
                    format!(
                        "a refresh of {} was interrupted at {} by {note}",
                        account.name,
                        Expiry::from_posix(at).local()
                    ),
                    "the next request for a token goes on with it, and says if the sign-in was lost",
                );
                ("interrupted", None)
            } else {
                ("refreshing", None)
            }
        }
        token_core::State::SignInNeeded { refusal, interrupted, .. } => (
            "sign-in needed",
            Some(BrokerError::SignInNeeded { account: account.name.clone(), refusal, interrupted }),
        ),
        token_core::State::Moving(_, to) => {
            ("moving", Some(BrokerError::Moving { account: account.name.clone(), to }))
        }
        token_core::State::Ended | token_core::State::Replaced => ("ended", None),
    };
    if let Some(error) = wrong {
        findings.failure("sign-in", &app.failure(error, Some(&selected)));
    }
    Seen { state, ..seen }
}

impl Seen {
    pub(super) fn value(&self) -> Value {
        let Self { account, state, rotates, last_refresh, now } = self;
        let mut fields = Map::new();
        fields.insert("account".to_owned(), json!(account.name));
        fields.insert("authority".to_owned(), json!(account.authority));
        fields.insert("state".to_owned(), json!(state));
        fields.insert("rotates".to_owned(), json!(rotates));
        fields.insert("signedInAt".to_owned(), json!(account.signed_in_at));
        fields.insert("ageSeconds".to_owned(), json!(now - account.signed_in_at));
        if let Some(LastRefresh { at, by }) = last_refresh {
            let value = json!({ "at": at, "ageSeconds": now - at, "by": by });
            fields.insert("lastRefresh".to_owned(), value);
        }
        Value::Object(fields)
    }
}

pub(super) fn table(sign_ins: &[Seen]) -> Table {
    let mut table = Table::new(&[
        Column::whole("Sign-in"),
        Column::whole("At"),
        Column::whole("State"),
        Column::whole("Age"),
        Column::whole("Refreshed"),
        Column::whole("By"),
    ]);
    for Seen { account, state, last_refresh, now, .. } in sign_ins {
        let last = last_refresh.as_ref();
        table.row([
            account.name.clone(),
            account.authority.clone(),
            (*state).to_owned(),
            countdown((now - account.signed_in_at).max(1)),
            last.map_or_else(
                || "never".to_owned(),
                |last| format!("{} ago", countdown((now - last.at).max(1))),
            ),
            last.map(|last| last.by.clone()).unwrap_or_default(),
        ]);
    }
    table
}
