//! A client that does nothing on its own account: no retry, no redirect, no cache.

use std::time::Duration;

use serde_json::Value;
use token_testkit::Issuer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::rustls::crypto::ring;

pub(crate) const CLIENT: &str = "build-tools";
pub(crate) const USER: &str = "ada@contoso.example";

pub(crate) fn http() -> reqwest::Client {
    client()
        // Reading the machine's certificates takes longer than a whole test.
        .tls_certs_only([])
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap()
}

/// A client yet to be built, with the cryptography that all of this workspace uses.
pub(crate) fn client() -> reqwest::ClientBuilder {
    // Whoever comes second finds it installed.
    drop(ring::default_provider().install_default());
    reqwest::Client::builder().no_proxy()
}

/// Status and JSON of a GET.
pub(crate) async fn get(url: &str) -> (u16, Value) {
    let response = http().get(url).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

/// Status and JSON of a form.
pub(crate) async fn post(url: &str, form: &[(&str, &str)]) -> (u16, Value) {
    let response = http().post(url).form(form).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

pub(crate) fn token_url(issuer: &Issuer) -> String {
    format!("{}/oauth/token", issuer.oidc_issuer())
}

/// A refresh at the OpenID Connect issuer.
pub(crate) async fn refresh(issuer: &Issuer, refresh_token: &str) -> (u16, Value) {
    post(&token_url(issuer), &refresh_form(refresh_token)).await
}

pub(crate) fn refresh_form(refresh_token: &str) -> [(&str, &str); 3] {
    [("grant_type", "refresh_token"), ("client_id", CLIENT), ("refresh_token", refresh_token)]
}

/// Everything that is sent back for a refresh, byte for byte, until the connection ends.
pub(crate) async fn raw_refresh(issuer: &Issuer, refresh_token: &str) -> Vec<u8> {
    let mut stream = send_refresh(issuer, refresh_token).await;
    let mut answer = Vec::new();
    // A reset is an end too.
    stream.read_to_end(&mut answer).await.ok();
    answer
}

/// Sends a refresh and leaves the answer to the caller.
pub(crate) async fn send_refresh(issuer: &Issuer, refresh_token: &str) -> TcpStream {
    let body = format!("grant_type=refresh_token&client_id={CLIENT}&refresh_token={refresh_token}");
    let request = format!(
        "POST /realms/eng/oauth/token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let address = issuer.base_url().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

pub(crate) fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_else(|| panic!("no '{name}' in {body}"))
}
