//! What the files show of what is kept in them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use token_core::grant::http::HttpTransport;
use token_core::{Broker, KeyRing, Rescue, TokenRequest};
use token_testkit::{Issuer, Settings, World};

use crate::Home;
use crate::sign_in::sign_in;

/// What must not be seen, as texts that are found again.
const TENANT: &str = "72f988bf-recognisable-tenant";
const RESOURCE: &str = "https://recognisable-resource.example/";
const SCOPE: &str = "recognisable.scope";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_shows_a_token_a_user_a_tenant_or_a_resource() {
    let (seen, secrets) = life(KeyRing::parse(KeyRing::generate_line().expose()).unwrap()).await;
    // Something was seen: the names of entries.
    assert!(find(&seen, "profile-") && find(&seen, "access-"));
    for secret in &secrets {
        assert!(!find(&seen, secret), "the files show {secret}");
    }
}

/// Otherwise the test above would prove nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_seal_everything_is_seen() {
    let (seen, secrets) = life(KeyRing::plaintext()).await;
    for secret in &secrets {
        assert!(find(&seen, secret), "the files do not show {secret}");
    }
}

/// A sign-in, refreshes and two tokens, and all bytes of all files and names that there are then.
async fn life(keys: KeyRing) -> (Vec<u8>, Vec<String>) {
    let issuer = Issuer::start(Settings::default()).await;
    let home = Home::new();
    let cache = home.cache();
    let rescue = Rescue::new(cache.rescue_dir(), true);
    let broker = Broker::new(Arc::new(cache), keys, Arc::new(HttpTransport::new())).with_rescue(rescue);
    let sign_in = sign_in(&issuer, &[SCOPE]);
    let account = sign_in.account.clone();
    broker.sign_in(sign_in).await.unwrap();
    let mut secrets = vec![account.sign_in.to_string()];
    let mut request = TokenRequest::new(&account);
    for (tenant, resource, scopes) in
        [(None, None, vec![]), (Some(TENANT), Some(RESOURCE), vec![SCOPE.to_owned()])]
    {
        request.tenant = tenant.map(str::to_owned);
        request.resource = resource.map(str::to_owned);
        request.scopes = scopes;
        let token = broker.access_token(&request).await.unwrap();
        secrets.push(token.secret.expose().to_owned());
    }
    secrets.extend([World::USER, SCOPE].map(str::to_owned));
    secrets.push(issuer.oidc_issuer());
    let mut seen = Vec::new();
    files_under(home.path(), &mut seen);
    (seen, secrets)
}

fn files_under(directory: &Path, into: &mut Vec<u8>) {
    for file in fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        into.extend_from_slice(path.as_os_str().as_encoded_bytes());
        if path.is_dir() {
            files_under(&path, into);
        } else {
            into.extend(fs::read(path).unwrap());
        }
    }
}

fn find(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}
