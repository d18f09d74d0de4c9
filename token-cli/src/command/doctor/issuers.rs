//! Whether issuers can be reached, and whether their clock and ours agree.

use std::time::Duration;

use token_core::{HttpRequest, Profile, send_within};
use url::Url;

use super::{Findings, SKEW, State};
use crate::app::App;
use crate::report::{Failure, TRIES_AGAIN};

/// Connecting, and the whole answer: a person waits.
const CONNECT: Duration = Duration::from_secs(3);
const ANSWER: Duration = Duration::from_secs(6);

/// Asks each issuer of a sign-in, and the cloud's where there is none, for the document that anybody may read.
pub(super) fn look(app: &App, profile: &Profile, findings: &mut Findings) {
    let mut documents: Vec<(String, Option<Url>)> = Vec::new();
    for account in &profile.accounts {
        let document = match account.kind.is_microsoft() {
            true if account.authority != app.cloud.name => continue,
            true => cloud(app, account.tenant.as_deref()),
            false => {
                let issuer = account.authority.trim_end_matches('/');
                (
                    account.authority.clone(),
                    Url::parse(&format!("{issuer}/.well-known/openid-configuration")).ok(),
                )
            }
        };
        if documents.iter().all(|(name, _)| *name != document.0) {
            documents.push(document);
        }
    }
    if documents.is_empty() {
        documents.push(cloud(app, None));
    }
    for (name, url) in documents {
        match url {
            Some(url) => ask(app, &name, url, findings),
            None => findings.add("issuer", State::Error, format!("{name} is not a URL"), "sign in anew"),
        }
    }
}

fn cloud(app: &App, tenant: Option<&str>) -> (String, Option<Url>) {
    let host = &app.cloud.authority_host;
    let tenant = tenant.unwrap_or("organizations");
    (host.to_string(), host.join(&format!("{tenant}/v2.0/.well-known/openid-configuration")).ok())
}

fn ask(app: &App, name: &str, url: Url, findings: &mut Findings) {
    let (transport, clock) = (app.transport(), app.clock());
    let asked = app.wait(send_within(&*transport, HttpRequest::get(url), &*clock, CONNECT, ANSWER));
    let response = match asked {
        Err(failure) => return findings.failure("issuer", &failure),
        Ok(Err(error)) => {
            return findings.failure("issuer", &Failure::of(&error).helped(&error, TRIES_AGAIN));
        }
        Ok(Ok(response)) => response,
    };
    // Not every issuer has this document (RFC 8414 knows another); that it says so is an answer.
    if matches!(response.status, 200 | 404) {
        findings.ok("issuer", format!("{name} answers"));
    } else {
        findings.add(
            "issuer",
            State::Error,
            format!("{name} answers with status {}", response.status),
            "check the issuer's URL, and whether a proxy answers in its place",
        );
    }
    let Some(date) = response.date else { return };
    let ahead = date - clock.posix();
    if ahead.abs() > SKEW {
        let direction = if ahead > 0 { "behind" } else { "ahead of" };
        findings.add(
            "clock",
            State::Warning,
            format!("this host's clock is {} seconds {direction} that of {name}", ahead.abs()),
            "let this host follow the network's time (NTP)",
        );
    } else {
        findings.ok("clock", format!("agrees with that of {name}"));
    }
}
