//! How often a host is asked that does not answer yet.

use std::sync::Arc;
use std::time::Duration;

use token_core::grant::{Means, TokenAnswer, asking, obtain};
use token_core::{
    ClientAuthentication, Destination, Endpoints, Grant, GrantError, GrantErrorKind, ManagedIdentity,
    ManualClock, State, Surroundings,
};

use crate::support::*;

const TOKEN: &str = r#"{"access_token":"at","expires_in":"3600"}"#;

/// Asks a host that answers so, within that time; with the seconds at which it was asked.
async fn ask(
    statuses: &[u16],
    within: u64,
    variables: &'static [(&str, &str)],
) -> (Result<TokenAnswer, GrantError>, Vec<u64>) {
    let clock = Arc::new(ManualClock::at(NOW));
    let script = statuses.iter().fold(Script::new(clock.clone()), |script, status| {
        script.answer(*status, if *status == 200 { TOKEN } else { "" })
    });
    let mut credential = service(Endpoints::Host { tenant: None }, ClientAuthentication::None, &[ARM]);
    credential.state = State::Idle(Grant::ManagedIdentity(ManagedIdentity::SystemAssigned));
    let surroundings = Surroundings::new(|name| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    })
    .below("/nonexistent");
    let means =
        Means { transport: &script, surroundings: &surroundings, clock: &*clock, connect_timeout: CONNECT };
    let request = wanted(&[]);
    let asking = asking(&credential, &request).unwrap();
    let answer = obtain(&means, &credential, &asking, &request, Duration::from_secs(within)).await;
    assert!(script.asked.lock().unwrap().iter().all(|(_, request)| request.destination == Destination::Host));
    (answer, script.seconds())
}

#[tokio::test(start_paused = true)]
async fn metadata_is_asked_again_as_documented() {
    let (answer, seconds) = ask(&[404, 429, 500, 200], 80, &[]).await;
    assert_eq!((answer.is_ok(), seconds), (true, vec![0, 1, 3, 7]));
    let (answer, seconds) = ask(&[410, 410, 410, 410, 410, 410, 410, 200], 80, &[]).await;
    assert_eq!((answer.is_ok(), seconds), (true, vec![0, 10, 20, 30, 40, 50, 60, 70]));
    // A fourth time is one too many, and what is surely wrong is not asked again.
    let (answer, seconds) = ask(&[500, 503, 408, 500], 80, &[]).await;
    assert!(matches!(answer.unwrap_err().kind, GrantErrorKind::Unintelligible { status: 500 }));
    assert_eq!(seconds, [0, 1, 3, 7]);
    let (_, seconds) = ask(&[400], 80, &[]).await;
    assert_eq!(seconds, [0]);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_waits_no_longer_than_it_may() {
    let (answer, seconds) = ask(&[500, 500, 500], 6, &[]).await;
    assert!(
        matches!(answer.unwrap_err().kind, GrantErrorKind::Throttled { retry_after } if retry_after.as_secs() == 4)
    );
    assert_eq!(seconds, [0, 1, 3]);
    let (answer, _) = ask(&[410], 8, &[]).await;
    assert!(
        matches!(answer.unwrap_err().kind, GrantErrorKind::Throttled { retry_after } if retry_after.as_secs() == 10)
    );
}

#[tokio::test(start_paused = true)]
async fn other_platforms_are_asked_again_after_a_second() {
    const APP: &[(&str, &str)] =
        &[("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi/token"), ("IDENTITY_HEADER", "h")];
    let (answer, seconds) = ask(&[500, 429, 503, 200], 80, APP).await;
    assert_eq!((answer.is_ok(), seconds), (true, vec![0, 1, 2, 3]));
}
