//! Who may spend which refresh token.

use token_testkit::{Authority, Ended, Issuer, RefreshTokenState, Rotation, Settings};

use crate::client::{CLIENT, USER, post, refresh, text};

async fn issuer(rotation: Rotation, grace: u64) -> (Issuer, String) {
    let issuer = Issuer::start(Settings { rotation, grace, ..Settings::default() }).await;
    let token = issuer.sign_in(Authority::OpenIdConnect, USER, CLIENT, &["api:read"]);
    (issuer, token)
}

async fn successor(issuer: &Issuer, token: &str) -> String {
    let (status, body) = refresh(issuer, token).await;
    assert_eq!(status, 200, "{body}");
    text(&body, "refresh_token").to_owned()
}

#[tokio::test]
async fn strict_rotation_ends_the_family_when_a_spent_token_comes_back() {
    let (issuer, first) = issuer(Rotation::Strict, 0).await;
    let second = successor(&issuer, &first).await;
    assert_ne!(first, second);
    assert_eq!(issuer.refresh_token(&first), RefreshTokenState::Superseded);
    assert_eq!(issuer.refresh_token(&second), RefreshTokenState::Current);

    let (status, body) = refresh(&issuer, &first).await;
    assert_eq!((status, text(&body, "error")), (400, "invalid_grant"));
    assert!(!issuer.is_alive(USER));
    assert_eq!(issuer.family_of(&second).unwrap().ended, Some(Ended::Reuse));

    let (status, body) = refresh(&issuer, &second).await;
    assert_eq!((status, text(&body, "error")), (400, "invalid_grant"));
    let counts = issuer.counts();
    assert_eq!((counts.refreshes, counts.refreshes_succeeded, counts.refreshes_refused), (3, 1, 2));
    assert_eq!((counts.reuses, counts.families_revoked), (1, 1));
}

#[tokio::test]
async fn another_family_outlives_a_reuse() {
    let (issuer, first) = issuer(Rotation::Strict, 0).await;
    let other = issuer.sign_in(Authority::OpenIdConnect, USER, CLIENT, &["api:read"]);
    successor(&issuer, &first).await;
    refresh(&issuer, &first).await;
    assert_eq!(issuer.families().iter().filter(|family| family.is_alive()).count(), 1);
    successor(&issuer, &other).await;
}

#[tokio::test]
async fn the_grace_forgives_the_previous_token_but_none_before_it() {
    let (issuer, first) = issuer(Rotation::Strict, 600).await;
    let second = successor(&issuer, &first).await;
    let sibling = successor(&issuer, &first).await;
    assert_ne!(second, sibling);
    assert_eq!(issuer.counts().graced, 1);
    // The sibling that lost is forgiven too, for as long.
    let third = successor(&issuer, &second).await;
    assert_eq!(issuer.refresh_token(&third), RefreshTokenState::Current);

    let (status, _) = refresh(&issuer, &first).await;
    assert_eq!(status, 400);
    assert!(!issuer.is_alive(USER));
}

#[tokio::test]
async fn lenient_rotation_takes_every_token_of_a_living_family() {
    let (issuer, first) = issuer(Rotation::Lenient, 0).await;
    let second = successor(&issuer, &first).await;
    successor(&issuer, &second).await;
    successor(&issuer, &first).await;
    assert!(issuer.is_alive(USER));
    assert_eq!(issuer.counts().reuses, 0);
}

#[tokio::test]
async fn without_rotation_an_answer_holds_no_refresh_token() {
    let (issuer, token) = issuer(Rotation::Never, 0).await;
    for _ in 0..2 {
        let (status, body) = refresh(&issuer, &token).await;
        assert_eq!(status, 200);
        assert!(body.get("refresh_token").is_none());
    }
}

#[tokio::test]
async fn a_revocation_ends_the_family() {
    let (issuer, first) = issuer(Rotation::Strict, 0).await;
    let second = successor(&issuer, &first).await;
    let revoke = format!("{}/oauth/revoke", issuer.oidc_issuer());
    let (status, _) = post(&revoke, &[("client_id", "another"), ("token", &second)]).await;
    assert_eq!(status, 400);
    assert!(issuer.is_alive(USER));

    let (status, _) = post(&revoke, &[("client_id", CLIENT), ("token", &second)]).await;
    assert_eq!(status, 200);
    assert_eq!(issuer.families()[0].ended, Some(Ended::Revoked));
    assert_eq!(issuer.counts().families_signed_out, 1);
    let (status, _) = refresh(&issuer, &second).await;
    assert_eq!(status, 400);
    // Not valid any more is no error.
    let (status, _) = post(&revoke, &[("client_id", CLIENT), ("token", &second)]).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_refresh_token_belongs_to_its_client_and_its_issuer() {
    let (issuer, token) = issuer(Rotation::Strict, 0).await;
    let url = crate::client::token_url(&issuer);
    let grant = ("grant_type", "refresh_token");
    let (status, body) = post(&url, &[grant, ("client_id", "another"), ("refresh_token", &token)]).await;
    assert_eq!((status, text(&body, "error")), (400, "invalid_grant"));

    let url = format!("{}/organizations/oauth2/v2.0/token", issuer.base_url());
    let scope = ("scope", "https://graph.microsoft.com/.default");
    let (status, _) = post(&url, &[grant, ("client_id", CLIENT), ("refresh_token", &token), scope]).await;
    assert_eq!(status, 400);
    // Neither was a reuse.
    successor(&issuer, &token).await;
}

#[tokio::test]
async fn an_ended_sign_in_says_so() {
    let (issuer, token) = issuer(Rotation::Lenient, 0).await;
    issuer.end_sign_ins(USER);
    assert_eq!(issuer.refresh_token(&token), RefreshTokenState::Ended);
    let (status, body) = refresh(&issuer, &token).await;
    assert_eq!((status, text(&body, "error")), (400, "invalid_grant"));
}
