//! `cache list`

use serde_json::{Map, Value, json};
use token_core::{CachedToken, Freshness, Profile};

use crate::app::App;
use crate::args::Listing;
use crate::countdown::countdown;
use crate::output::{self, Column, Shape, Table};
use crate::report::Failure;

pub(super) fn run(app: &App, typed: &Listing) -> Result<(), Failure> {
    let tokens = match app.broker()? {
        Some(broker) => app.poll(broker.list()).map_err(|error| app.failure(error, None))?,
        None => Vec::new(),
    };
    let profile = app.profile()?;
    let now = app.clock().posix();
    let mut table = Table::new(&[
        Column::cut("Account"),
        Column::cut("For"),
        Column::cut("Tenant"),
        Column::whole("Until"),
        Column::whole("Left"),
        Column::whole("State"),
    ]);
    for token in &tokens {
        let left = token.expires_on.posix() - now;
        table.row([
            token.account.clone(),
            purpose(app, token),
            tenant(token, &profile),
            token.expires_on.local().to_string(),
            countdown(left),
            state(token.freshness).to_owned(),
        ]);
    }
    let list: Vec<Value> = tokens.iter().map(|token| value(token, now)).collect();
    output::print(&typed.output, json!(list), Shape::List(&table))
}

fn value(token: &CachedToken, now: i64) -> Value {
    let wall_clock = token.expires_on.local();
    let mut fields = Map::new();
    fields.insert("account".to_owned(), json!(token.account));
    fields.insert("authority".to_owned(), json!(token.authority));
    fields.insert("scopes".to_owned(), json!(token.scopes));
    fields.insert("expires_on".to_owned(), json!(token.expires_on.posix()));
    fields.insert("expiresOn".to_owned(), json!(wall_clock.azure_cli()));
    fields.insert("until".to_owned(), json!(wall_clock.to_string()));
    fields.insert("secondsLeft".to_owned(), json!((token.expires_on.posix() - now).max(0)));
    fields.insert("state".to_owned(), json!(state(token.freshness)));
    if let Some(tenant) = &token.tenant {
        fields.insert("tenant".to_owned(), json!(tenant));
    }
    if let Some(resource) = &token.resource {
        fields.insert("resource".to_owned(), json!(resource));
    }
    Value::Object(fields)
}

/// What a token is for, as short as it can be told: by the resource's short name where it has one.
fn purpose(app: &App, token: &CachedToken) -> String {
    let scopes = match (&token.resource, &token.scopes[..]) {
        (Some(resource), _) => return resource.clone(),
        (None, []) => return "what was granted at sign-in".to_owned(),
        (None, [scope]) => scope.clone(),
        (None, scopes) => return scopes.join(" "),
    };
    let Some(resource) = scopes.strip_suffix("/.default") else { return scopes };
    let known = |name: &&str| app.cloud.resource_named(name) == Some(resource);
    ["arm", "graph", "vault", "storage"]
        .iter()
        .find(|name| known(name))
        .map_or(resource, |name| name)
        .to_owned()
}

/// A tenant by its name where it is known.
fn tenant(token: &CachedToken, profile: &Profile) -> String {
    let Some(id) = &token.tenant else { return String::new() };
    let known = profile.subscriptions.iter().filter(|seen| seen.tenant_id == *id);
    known.filter_map(|seen| seen.tenant_display_name.clone()).next().unwrap_or_else(|| id.clone())
}

fn state(freshness: Freshness) -> &'static str {
    match freshness {
        Freshness::Fresh => "fresh",
        Freshness::Due => "due",
        Freshness::Short => "short",
        Freshness::Dead => "expired",
    }
}
