//! `account import`

use serde_json::{Value, json};

use crate::app::App;
use crate::args::Import;
use crate::az::directory::AzureDirectory;
use crate::az::import::{self, Follow, Outcome, Report, Which};
use crate::config::PROCESS;
use crate::output::{self, Column, Shape, Table};
use crate::report::{self, Exit, Failure};

pub(super) fn run(app: &App, typed: &Import) -> Result<(), Failure> {
    let directory = AzureDirectory::of(&PROCESS)?;
    let report = import::run(app, &directory, Which::All, Follow::IfNone)?;
    for trouble in &report.trouble {
        report::warning(&format!("{trouble} (in {})", directory.path().display()));
    }
    if report.rows.is_empty() {
        let failure =
            Failure::new(format!("nobody is signed in with Azure CLI in {}", directory.path().display()));
        return Err(failure.hint("AZURE_CONFIG_DIR names another directory").exit(Exit::NotFound));
    }
    let (list, table) = shown(&report);
    output::print(&typed.output, json!(list), Shape::List(&table))?;
    if report.rows.iter().all(|row| matches!(row.outcome, Outcome::Left(_))) {
        return Err(Failure::new("nothing could be imported"));
    }
    Ok(())
}

fn shown(report: &Report) -> (Vec<Value>, Table) {
    let mut table = Table::new(&[
        Column::cut("Account"),
        Column::whole("Cloud"),
        Column::whole("Subscriptions"),
        Column::whole("Outcome"),
        Column::cut("Why"),
    ]);
    let mut list = Vec::new();
    for row in &report.rows {
        let (outcome, why) = match &row.outcome {
            Outcome::Imported => ("imported", None),
            Outcome::Updated => ("updated", None),
            Outcome::Unchanged => ("unchanged", None),
            Outcome::Left(why) => ("left", Some(why.as_str())),
        };
        table.row([
            row.account.clone(),
            row.cloud.clone(),
            row.subscriptions.to_string(),
            outcome.to_owned(),
            why.unwrap_or_default().to_owned(),
        ]);
        list.push(json!({
            "account": row.account,
            "cloud": row.cloud,
            "subscriptions": row.subscriptions,
            "outcome": outcome,
            "why": why,
        }));
    }
    (list, table)
}
