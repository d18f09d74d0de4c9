//! The first token of a sign-in that needs no person. What is wrong with the credential shows here, before it is
//! stored.

use std::time::Duration;

use token_core::grant::managed_identity::probe;
use token_core::grant::{self, Means, TokenAnswer};
use token_core::{Credential, Grant, TokenRequest};

use super::{CONNECT, refused};
use crate::app::App;
use crate::report::Failure;

/// Asks an issuer, or the host for its own.
pub(super) async fn first_token(
    app: &App,
    credential: &Credential,
    request: &TokenRequest,
    within: Duration,
) -> Result<TokenAnswer, Failure> {
    let (transport, clock, surroundings) = (app.transport(), app.clock(), app.surroundings());
    let means = Means {
        transport: &*transport,
        surroundings: &surroundings,
        clock: &*clock,
        connect_timeout: CONNECT,
    };
    let is_of_the_host = matches!(credential.state.grant(), Some(Grant::ManagedIdentity(_)));
    let failed = match is_of_the_host {
        true => "could not sign in with the managed identity of this host".to_owned(),
        false => format!("could not sign in as {}", credential.account),
    };
    if is_of_the_host {
        probe(&means).await.map_err(|error| refused(&error, &failed))?;
    }
    let asking =
        grant::asking(credential, request).map_err(|error| Failure::new(&failed).caused_by(&error))?;
    let answer = grant::obtain(&means, credential, &asking, request, within).await;
    answer.map_err(|error| refused(&error, &failed))
}
