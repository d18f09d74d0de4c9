//! A sign-in at an issuer of the tests, whose access token has run out.

use std::time::Duration;

use token_core::grant::TokenAnswer;
use token_core::{
    AccessToken, Account, AccountKind, Client, ClientAuthentication, Credential, Endpoints, Expiry, Grant,
    RefreshToken, Register, Secret, SignIn, SignInId, State, TokenRequest,
};
use token_testkit::{Authority, Issuer, World};

/// Which has these scopes, too.
pub(crate) fn sign_in(issuer: &Issuer, scopes: &[&str]) -> SignIn {
    let wanted = [&["openid", "offline_access"], scopes].concat();
    let refresh_token = issuer.sign_in(Authority::OpenIdConnect, World::USER, "service", &wanted);
    let scopes: Vec<String> = wanted.into_iter().map(str::to_owned).collect();
    let account = Account {
        name: World::USER.to_owned(),
        kind: AccountKind::Subject,
        sign_in: SignInId::random(),
        authority: issuer.oidc_issuer(),
        tenant: None,
        scopes: scopes.clone(),
        signed_in_from: "here".to_owned(),
        signed_in_at: 0,
    };
    let token = format!("{}/oauth/token", issuer.oidc_issuer()).parse().unwrap();
    let credential = Credential {
        sign_in: account.sign_in.clone(),
        account: account.name.clone(),
        endpoints: Endpoints::Issuer { issuer: issuer.oidc_issuer(), token, revocation: None },
        client: Client { id: "service".to_owned(), authentication: ClientAuthentication::None },
        scopes,
        state: State::Idle(Grant::RefreshToken(Register::first(
            RefreshToken::new(refresh_token),
            Duration::ZERO,
        ))),
        last_refresh: None,
    };
    let access_token = AccessToken {
        secret: Secret::new("ran-out"),
        token_type: "Bearer".to_owned(),
        scopes: Vec::new(),
        received_at: 0,
        expires_on: Expiry::from_posix(1),
        refresh_in: None,
        claims: None,
    };
    let answer = TokenAnswer { access_token, refresh_token: None, id_token: None, client_info: None };
    SignIn { request: TokenRequest::new(&account), account, credential, answer }
}
