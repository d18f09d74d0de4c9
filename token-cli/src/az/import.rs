//! Bringing over who is signed in with Azure CLI. Its refresh tokens stay its own as well: at Microsoft a use does not
//! end one.

use std::path::PathBuf;
use std::time::Duration;

use token_core::authority::Cloud;
use token_core::{
    Account, AccountKind, Adopted, Adoption, AssertionSource, Broker, Client, ClientAuthentication,
    ClientCertificate, Credential, Grant, Profile, Register, SignInId, State, Subscription, TokenRequest,
};

use super::directory::{AzureDirectory, Contents, Entry, ServicePrincipal, Source};
use super::msal_cache::Found;
use super::subscriptions::{self, Scope};
use crate::app::App;
use crate::choice::Selected;
use crate::program;
use crate::report::Failure;

/// Which sign-ins are brought over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Which {
    /// Those that are new, and those that are newer than ours.
    All,
    /// Only those of accounts that are not signed in here.
    Missing,
}

/// Whether its active subscription becomes ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Follow {
    /// Where none is active here.
    IfNone,
    Always,
}

/// What came, and what did not.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    /// What concerns no account: files that could not be read.
    pub(crate) trouble: Vec<String>,
}

/// What became of an account.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) account: String,
    pub(crate) cloud: String,
    pub(crate) subscriptions: usize,
    pub(crate) outcome: Outcome,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Imported,
    /// In the place of an older sign-in.
    Updated,
    /// It was here before, or a newer one.
    Unchanged,
    /// For this reason.
    Left(String),
}

/// How often what was read is read again, where it changes under our hands.
const ROUNDS: usize = 5;

/// Imports what is in a directory.
pub(crate) fn run(
    app: &App,
    directory: &AzureDirectory,
    which: Which,
    follow: Follow,
) -> Result<Report, Failure> {
    let mut report = Report::default();
    for round in 0..ROUNDS {
        let state = directory.state();
        let contents = directory.read();
        let report_of_round = once(app, contents, which, follow)?;
        if round == 0 {
            report = report_of_round;
        }
        // Somebody else may have chosen another subscription meanwhile, and have followed it before we did.
        if directory.state() == state {
            break;
        }
    }
    Ok(report)
}

fn once(app: &App, contents: Contents, which: Which, follow: Follow) -> Result<Report, Failure> {
    let profile = app.profile()?;
    let mut report = Report { rows: Vec::new(), trouble: contents.trouble.clone() };
    let mut taken = Vec::new();
    for group in by_account(&contents.entries) {
        let (name, cloud_name) = (&group[0].user.name, &group[0].environment_name);
        let row = |outcome| Row {
            account: name.clone(),
            cloud: cloud_name.clone(),
            subscriptions: group.len(),
            outcome,
        };
        let known = profile.account(name, cloud_name);
        match known.filter(|_| which == Which::Missing) {
            Some(account) => taken.push((row(Outcome::Unchanged), account.clone(), None, group)),
            None => match adoption(app, &contents, &group, &mut report.trouble) {
                Ok((adoption, account)) => {
                    taken.push((row(Outcome::Unchanged), account, Some(adoption), group));
                }
                Err(why) => report.rows.push(row(Outcome::Left(why))),
            },
        }
    }
    if taken.is_empty() {
        return Ok(report);
    }
    let broker = app.broker_to_sign_in()?;
    let (rows, profile) = app.run(broker, bring(app, broker, taken))??;
    report.rows.splice(0..0, rows);
    choose(app, &profile, &contents.entries, follow)?;
    Ok(report)
}

type Taken<'a> = (Row, Account, Option<Adoption>, Vec<&'a Entry>);

/// Stores them, one after the other.
async fn bring(app: &App, broker: &Broker, taken: Vec<Taken<'_>>) -> Result<(Vec<Row>, Profile), Failure> {
    let (mut rows, mut profile) = (Vec::new(), Profile::default());
    for (mut row, account, adoption, entries) in taken {
        if let Some(adoption) = adoption {
            let adopted = broker.adopt(adoption).await.map_err(|error| app.failure(error, None))?;
            row.outcome = match adopted {
                Adopted::New => Outcome::Imported,
                Adopted::Newer => Outcome::Updated,
                _ => Outcome::Unchanged,
            };
        }
        let mut seen = subscriptions::Found::default();
        seen.subscriptions.extend(entries.into_iter().map(|entry| subscription(entry, &account)));
        profile = broker
            .update_profile(|profile| subscriptions::keep(profile, &account, Scope::EveryTenant, &seen))
            .await
            .map_err(|error| app.failure(error, None))?;
        rows.push(row);
    }
    Ok((rows, profile))
}

/// Makes what is active there active here.
fn choose(app: &App, profile: &Profile, entries: &[Entry], follow: Follow) -> Result<(), Failure> {
    let choice = app.choice.load().unwrap_or_default();
    if follow == Follow::IfNone && choice.active.is_some() {
        return Ok(());
    }
    let Some(active) = entries.iter().find(|entry| entry.is_default) else { return Ok(()) };
    let Some(account) = profile.account(&active.user.name, &active.environment_name) else { return Ok(()) };
    let seen =
        profile.subscriptions.iter().find(|seen| seen.id == active.id && crate::select::sees(account, seen));
    let selected = Selected::new(account, seen);
    app.choice.update(|choice| choice.choose(selected))
}

/// The entries, an account at a time, in the order in which they stand.
fn by_account(entries: &[Entry]) -> Vec<Vec<&Entry>> {
    let mut groups: Vec<Vec<&Entry>> = Vec::new();
    for entry in entries {
        let same = |group: &&mut Vec<&Entry>| {
            group[0].user.name.eq_ignore_ascii_case(&entry.user.name)
                && group[0].environment_name == entry.environment_name
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(entry),
            None => groups.push(vec![entry]),
        }
    }
    groups
}

/// The sign-in of an account, with what it takes to go on with it.
fn adoption(
    app: &App,
    contents: &Contents,
    group: &[&Entry],
    trouble: &mut Vec<String>,
) -> Result<(Adoption, Account), String> {
    let (user, cloud_name) = (&group[0].user, &group[0].environment_name);
    let cloud =
        super::cloud::find(&app.config, cloud_name).map_err(|failure| failure.one_line())?.ok_or_else(
            || format!("the cloud {cloud_name} is not known; [clouds.{cloud_name}] in the config names it"),
        )?;
    if user.name == "systemAssignedIdentity" || user.name == "userAssignedIdentity" {
        return Err(format!(
            "a managed identity has no credential to bring; '{} login --identity'",
            program::name()
        ));
    }
    match user.kind.as_str() {
        "user" => person(app, contents, group, &cloud, trouble),
        "servicePrincipal" => service_principal(app, contents, group, &cloud),
        other => Err(format!("an account of the type {other} is not known")),
    }
}

fn person(
    app: &App,
    contents: &Contents,
    group: &[&Entry],
    cloud: &Cloud,
    trouble: &mut Vec<String>,
) -> Result<(Adoption, Account), String> {
    let name = &group[0].user.name;
    let cache = match &contents.tokens {
        Source::There(cache) => cache,
        Source::Unreadable(why) => return Err(why.clone()),
        Source::Missing => return Err("Azure CLI keeps no tokens of theirs".to_owned()),
    };
    let person = cache.person(name, cloud)?;
    if person.namesakes > 0 {
        trouble.push(format!("{} more have the name {name}; the latest sign-in was taken", person.namesakes));
    }
    let tenant = person.tenant.clone().unwrap_or_else(|| group[0].tenant_id.clone());
    let account = account(app, group, AccountKind::User, cloud, &tenant, person.at)?;
    let register = Register::first(
        person.refresh_token.clone(),
        Duration::from_secs(u64::try_from(person.at).unwrap_or(0)),
    );
    let credential = Credential {
        sign_in: account.sign_in.clone(),
        account: account.name.clone(),
        endpoints: cloud.endpoints(tenant),
        client: Client { id: person.client_id.clone(), authentication: ClientAuthentication::None },
        scopes: person.scopes.clone(),
        state: State::Idle(Grant::RefreshToken(register)),
        last_refresh: None,
    };
    let found = cache.access_tokens_of(&person, cloud, app.clock().posix());
    Ok((Adoption { tokens: requests(&account, found), account: account.clone(), credential }, account))
}

fn service_principal(
    app: &App,
    contents: &Contents,
    group: &[&Entry],
    cloud: &Cloud,
) -> Result<(Adoption, Account), String> {
    let name = &group[0].user.name;
    let (entries, changed) = match &contents.service_principals {
        Source::There(there) => (&there.0, there.1),
        Source::Unreadable(why) => return Err(why.clone()),
        Source::Missing => return Err("Azure CLI keeps no secret of its".to_owned()),
    };
    let mut own = entries.iter().filter(|entry| entry.client_id.eq_ignore_ascii_case(name));
    let first = own.clone().next().ok_or("Azure CLI keeps no secret of its")?;
    // As Azure CLI does: the one of the tenant, or any, for it may be good in other tenants too.
    let tenants: Vec<&str> = group.iter().map(|entry| entry.tenant_id.as_str()).collect();
    let entry = own.find(|entry| tenants.contains(&entry.tenant.as_str())).unwrap_or(first);
    let authentication = authentication(entry, app.clock().posix())?;
    let account = account(app, group, AccountKind::ServicePrincipal, cloud, &entry.tenant, changed)?;
    let credential = Credential {
        sign_in: account.sign_in.clone(),
        account: account.name.clone(),
        endpoints: cloud.endpoints(entry.tenant.clone()),
        client: Client { id: entry.client_id.clone(), authentication },
        scopes: vec![cloud.default_scope()],
        state: State::Idle(Grant::ClientCredentials),
        last_refresh: None,
    };
    let found = match &contents.tokens {
        Source::There(cache) => cache.access_tokens_of_client(&entry.client_id, cloud, app.clock().posix()),
        _ => Vec::new(),
    };
    Ok((Adoption { tokens: requests(&account, found), account: account.clone(), credential }, account))
}

/// What a service principal proves itself with.
fn authentication(entry: &ServicePrincipal, now: i64) -> Result<ClientAuthentication, String> {
    if let Some(secret) = &entry.client_secret {
        return Ok(ClientAuthentication::Post(secret.clone()));
    }
    if let Some(path) = &entry.certificate {
        let certificate = ClientCertificate::load(PathBuf::from(path), None, now)
            .map_err(|error| format!("its certificate {path} cannot be used: {error}"))?;
        let certificate = ClientCertificate { sends_chain: entry.use_cert_sn_issuer, ..certificate };
        return Ok(ClientAuthentication::Certificate(certificate));
    }
    match &entry.client_assertion {
        // It ends after minutes, here as there.
        Some(assertion) => Ok(ClientAuthentication::Assertion(AssertionSource::Text(assertion.clone()))),
        None => Err("Azure CLI keeps no secret of its".to_owned()),
    }
}

fn account(
    app: &App,
    group: &[&Entry],
    kind: AccountKind,
    cloud: &Cloud,
    tenant: &str,
    signed_in_at: i64,
) -> Result<Account, String> {
    Ok(Account {
        name: group[0].user.name.clone(),
        kind,
        sign_in: SignInId::random(),
        authority: cloud.name.clone(),
        tenant: Some(tenant.to_owned()),
        scopes: Vec::new(),
        signed_in_from: app.state_id().map_err(|failure| failure.one_line())?,
        signed_in_at,
    })
}

/// Access tokens, as they will be asked for here.
fn requests(account: &Account, found: Vec<Found>) -> Vec<(TokenRequest, token_core::AccessToken)> {
    found
        .into_iter()
        .map(|found| {
            let request = TokenRequest {
                tenant: Some(found.tenant),
                scopes: vec![found.scope],
                // Azure CLI always says that it handles claims challenges.
                capabilities: super::capabilities(true),
                ..TokenRequest::new(account)
            };
            (request, found.token)
        })
        .collect()
}

fn subscription(entry: &Entry, account: &Account) -> Subscription {
    Subscription {
        id: entry.id.clone(),
        name: entry.name.clone(),
        state: entry.state.clone().unwrap_or_else(|| "Enabled".to_owned()),
        tenant_id: entry.tenant_id.clone(),
        home_tenant_id: entry.home_tenant_id.clone(),
        tenant_default_domain: entry.tenant_default_domain.clone(),
        tenant_display_name: entry.tenant_display_name.clone(),
        managed_by_tenants: entry
            .managed_by_tenants
            .as_ref()
            .map(|tenants| tenants.iter().map(|by| by.tenant_id.clone()).collect()),
        account: account.name.clone(),
        cloud: account.authority.clone(),
    }
}
