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
    let page = authorization.verification_uri_complete.as_deref();
    if !io::stderr().is_terminal() {
        report::instruct(&authorization.message);
        page.inspect(|page| report::instruct(&format!("Or open {page}")));
        return;
    }
    // The issuer's sentence does not fit in a line.
    report::instruct(&format!("To sign in, open    {}", authorization.verification_uri));
    report::instruct(&format!("and enter the code  {}", authorization.user_code));
    if let Some(page) = page {
        report::instruct(&format!("or open             {page}"));
        let columns = tcgetwinsize(io::stderr()).map_or(0, |size| usize::from(size.ws_col));
        if let Some(code) = qr::drawn(page, columns, report::colours()) {
            report::drawing(&code);
        }
    }
    report::notice("Never enter a code that somebody else gave you: it would sign them in as you.");
}

/// Says on a terminal how much time is left, for a second.
async fn waiting(authorization: &DeviceAuthorization, clock: &dyn Clock) {
    let left = authorization.expires_at.saturating_sub(clock.posix());
    if left > 0 {
        report::progress(&format!("Waiting; the code is good for another {}.", countdown(left)));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
}
