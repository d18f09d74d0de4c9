//! https, trusted and not.

use token_testkit::{Issuer, Settings, Transport};

async fn reached(transport: Transport, trusts: bool) -> Result<u16, String> {
    let issuer = Issuer::start(Settings { transport, ..Settings::default() }).await;
    assert!(issuer.base_url().starts_with("https://127.0.0.1:"));
    let mut client = crate::client::client();
    if trusts {
        let ca = reqwest::Certificate::from_pem(issuer.ca_pem().unwrap().as_bytes()).unwrap();
        client = client.tls_certs_only([ca]);
    }
    let url = format!("{}/.well-known/openid-configuration", issuer.oidc_issuer());
    match client.build().unwrap().get(url).send().await {
        Ok(answer) => Ok(answer.status().as_u16()),
        Err(error) => Err(format!("{error:?}")),
    }
}

#[tokio::test]
async fn its_own_authority_makes_https_trusted() {
    assert_eq!(reached(Transport::Https, true).await, Ok(200));
}

#[tokio::test]
async fn without_its_authority_nobody_trusts_it() {
    assert!(reached(Transport::Https, false).await.is_err());
}

#[tokio::test]
async fn bad_certificates_are_bad_each_in_its_way() {
    for (transport, why) in [
        (Transport::UnknownAuthority, "UnknownIssuer"),
        (Transport::WrongHost, "NotValidForName"),
        (Transport::Expired, "Expired"),
    ] {
        let error = reached(transport, true).await.unwrap_err();
        assert!(error.contains("InvalidCertificate") && error.contains(why), "{transport:?}: {error}");
    }
}

#[tokio::test]
async fn plain_http_has_no_authority() {
    assert_eq!(Issuer::start(Settings::default()).await.ca_pem(), None);
}
