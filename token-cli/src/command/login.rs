//! `login`

mod browser;
mod certificate;
mod device;
mod federated_token;
mod first_token;
mod issuer;
mod managed_identity;
mod microsoft;
mod person;
mod secret;
mod selector;
mod service_principal;
mod way;

use std::time::Duration;

use token_core::grant::TokenAnswer;
use token_core::{
    Account, Broker, Choice as SharedDefault, Credential, Grant, GrantError, GrantErrorKind, Register,
    SignIn, State, Subscription, TokenRequest,
};

use crate::app::App;
use crate::args::{Login, Output, given};
use crate::az;
use crate::az::view::{self, CloudKey};
use crate::choice::Selected;
use crate::output::{self, Shape};
use crate::program;
use crate::report::{self, Failure};
use crate::value::Value;

/// How long connecting to an issuer may take, and a whole answer.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(20);

pub(super) fn run(app: &App, typed: &Login) -> Result<(), Failure> {
    if given(&typed.issuer.url).is_some() { issuer::run(app, typed) } else { microsoft::run(app, typed) }
}

/// Why a sign-in brought nothing, with what helps.
fn refused(error: &GrantError, message: &str) -> Failure {
    if let (true, GrantErrorKind::Refused(refusal)) = (program::is_az(), &error.kind) {
        return az::refusal::told(refusal, None, &[]);
    }
    let failure = Failure::new(message).caused_by(error);
    match &error.kind {
        GrantErrorKind::Refused(refusal) => failure.advised(refusal, None),
        _ => failure.helped(error, report::TRIES_AGAIN),
    }
}

/// Fails where a person would have to be asked and nobody shall be.
fn may_ask(typed: &Login) -> Result<(), Failure> {
    if !typed.no_interactive {
        return Ok(());
    }
    Err(Failure::new("this sign-in asks a person, and --no-interactive forbids that")
        .hint(format!("without it '{} login' asks", program::name()))
        .hint("--service-principal and --identity sign in without a person"))
}

/// What `login` knows once it has an answer.
struct Signed {
    account: Account,
    credential: Credential,
    request: TokenRequest,
    answer: TokenAnswer,
}

impl Signed {
    async fn keep(self, broker: &Broker) -> Result<Account, Failure> {
        let Self { account, credential, request, answer } = self;
        broker
            .sign_in(SignIn { account: account.clone(), credential, request, answer })
            .await
            .map_err(|error| Failure::new("could not store the sign-in").caused_by(&error))?;
        Ok(account)
    }
}

/// A refresh token as the credential's first.
fn register(app: &App, answer: &TokenAnswer) -> Result<State, Failure> {
    let refresh_token = answer.refresh_token.clone().ok_or_else(|| {
        Failure::new("the issuer gave no refresh token, so the sign-in would end with its first access token")
            .hint("the issuer may want another client, or a scope such as offline_access")
    })?;
    Ok(State::Idle(Grant::RefreshToken(Register::first(refresh_token, app.clock().now()))))
}

/// Makes the account active here, and for everybody where nobody has chosen yet; then says what came of it.
async fn conclude<'a>(
    app: &App,
    broker: &Broker,
    typed: &'a Login,
    account: &Account,
    active: Option<&Subscription>,
    found: &[Subscription],
) -> Result<Conclusion<'a>, Failure> {
    let default = SharedDefault {
        subscription: active.map(|seen| seen.id.clone()),
        account: account.name.clone(),
        authority: account.authority.clone(),
    };
    broker
        .update_profile(|profile| {
            profile.default.get_or_insert_with(|| default.clone());
        })
        .await
        .map_err(|error| app.failure(error, None))?;
    let selected = Selected::new(account, active);
    app.choice.update(|choice| choice.choose(selected.clone()))?;
    let mut seen: Vec<Option<&Subscription>> = found.iter().map(Some).collect();
    if seen.is_empty() {
        seen.push(None);
    }
    let is_active =
        |seen: Option<&Subscription>| seen.map(|seen| &seen.id) == active.map(|active| &active.id);
    // Azure CLI calls it otherwise for a managed identity alone.
    let key = if account.kind.is_managed_identity() { CloudKey::InShow } else { CloudKey::InList };
    let list = seen.iter().map(|seen| view::subscription(account, *seen, is_active(*seen), key)).collect();
    Ok(Conclusion {
        lines: [
            format!("Signed in as {} at {}.", account.name, account.authority),
            active_line(&selected, active),
            next_line(account),
        ],
        list,
        output: &typed.output,
    })
}

/// The end of a sign-in, to be printed when nothing can fail any more.
struct Conclusion<'a> {
    lines: [String; 3],
    list: Vec<Value>,
    output: &'a Output,
}

impl Conclusion<'_> {
    fn print(self) -> Result<(), Failure> {
        output::print(self.output, self.list, Shape::Text(&(self.lines.join("\n") + "\n")))
    }
}

/// What is active, in a sentence.
pub(super) fn active_line(selected: &Selected, seen: Option<&Subscription>) -> String {
    match seen {
        Some(seen) if seen.id != seen.tenant_id => {
            let tenant = seen.tenant_display_name.as_deref().unwrap_or(&seen.tenant_id);
            format!("Active subscription: {}, tenant {tenant}.", seen.name)
        }
        Some(seen) => format!("Active: tenant {}, without a subscription.", seen.tenant_id),
        None => format!("Active account: {} (it has no subscriptions).", selected.account),
    }
}

fn next_line(account: &Account) -> String {
    let program = program::name();
    if account.kind.is_microsoft() {
        format!("Next: {program} account get-access-token, or {program} get graph")
    } else {
        format!("Next: {program} account get-access-token, or {program} get")
    }
}
