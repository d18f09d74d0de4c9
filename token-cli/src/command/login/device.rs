//! Signing in with a code that a person enters in any browser.

use std::io::{self, IsTerminal};
use std::pin::pin;
use std::time::Duration;

use rustix::termios::tcgetwinsize;
use token_core::grant::TokenAnswer;
use token_core::grant::device_code::{self, DeviceAuthorization, DeviceRequest};
use token_core::{Clock, IdClaims, Signed, Signer};

use super::{ANSWER, CONNECT, refused};
use crate::app::App;
use crate::countdown::countdown;
use crate::program;
use crate::qr;
use crate::report::{self, Failure};

/// Lets a person enter a code somewhere; the answer says who it was, verified, where the issuer says it at all.
pub(super) async fn sign_in(
    app: &App,
    request: &DeviceRequest,
    client_id: &str,
    signer: Option<&Signer>,
) -> Result<(TokenAnswer, Option<IdClaims>), Failure> {
    let (transport, clock) = (app.transport(), app.clock());
    let authorization = device_code::start(&*transport, request, &*clock, CONNECT, ANSWER)
        .await
        .map_err(|error| refused(&error, "could not start the sign-in"))?;
    show(&authorization);
    let mut poll = pin!(device_code::poll(&*transport, request, &authorization, &*clock));
    let outcome = loop {
        tokio::select! {
            outcome = &mut poll => break outcome,
            () = waiting(&authorization, &*clock) => {}
        }
    };
    report::progress("");
    let incomplete = |error| refused(&error, "the sign-in was not completed");
    let answer = outcome.map_err(incomplete)?;
    // There is no redirect that a nonce could belong to.
    let wanted = Signed { client_id, nonce: None };
    let claims = match signer.filter(|_| answer.id_token.is_some()) {
        Some(signer) => Some(
            signer
                .verify(&*transport, &answer, wanted, &*clock, CONNECT, ANSWER)
                .await
                .map_err(incomplete)?,
        ),
        None => None,
    };
    Ok((answer, claims))
}

/// What the person needs. Programs that show our output to theirs look for the first line.
fn show(authorization: &DeviceAuthorization) {
    if program::is_az() {
        return report::instruct_as_az(&authorization.message);
    }
    report::instruct(&authorization.message);
    if let Some(page) = &authorization.verification_uri_complete {
        report::instruct(&format!("Or open {page}"));
        let columns = tcgetwinsize(io::stderr()).map_or(0, |size| usize::from(size.ws_col));
        if io::stderr().is_terminal()
            && let Some(code) = qr::drawn(page, columns, report::colours())
        {
            report::drawing(&code);
        }
    }
    report::notice(
        "Enter only a code that you asked for yourself: one from somebody else signs in them, as you.",
    );
}

/// Says on a terminal how much time is left, for a second.
async fn waiting(authorization: &DeviceAuthorization, clock: &dyn Clock) {
    let left = authorization.expires_at.saturating_sub(clock.posix());
    if left > 0 {
        report::progress(&format!("Waiting; the code is good for another {}.", countdown(left)));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
}
