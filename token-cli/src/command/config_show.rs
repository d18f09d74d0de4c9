//! `config show`

use serde_json::{Value, json};

use crate::app::App;
use crate::args::Listing;
use crate::output::{self, Column, Shape, Table};
use crate::report::Failure;

pub(super) fn run(app: &App, typed: &Listing) -> Result<(), Failure> {
    let config = &app.config;
    let mut settings = vec![
        ("config", path(&config.file), if config.file.exists() { "" } else { "does not exist" }.to_owned()),
        ("cache", config.cache.value.to_string(), config.cache.origin.shown().to_owned()),
        ("key", config.key.value.to_string(), config.key.origin.shown().to_owned()),
        ("cloud", app.cloud.name.clone(), config.cloud.origin.shown().to_owned()),
        ("authority", app.cloud.authority_host.to_string(), format!("cloud {}", app.cloud.name)),
        ("state", path(&config.paths.state), String::new()),
    ];
    if let Some(subscription) = &config.subscription {
        settings.push(("subscription", subscription.clone(), "TOKEN_SUBSCRIPTION".to_owned()));
    }
    for (name, issuer) in &config.issuers {
        settings.push(("issuer", format!("{name}: {}", issuer.issuer), "config file".to_owned()));
    }
    let mut table = Table::new(&[Column::whole("Setting"), Column::cut("Value"), Column::whole("From")]);
    for (name, value, from) in &settings {
        table.row([(*name).to_owned(), value.clone(), from.clone()]);
    }
    let list: Vec<Value> = settings
        .iter()
        .map(|(name, value, from)| json!({ "setting": name, "value": value, "from": from }))
        .collect();
    output::print(&typed.output, json!(list), Shape::List(&table))
}

fn path(path: &std::path::Path) -> String {
    path.display().to_string()
}
