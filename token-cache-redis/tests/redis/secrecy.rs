//! What a server sees of what it keeps, and whoever watches it.

use std::sync::Arc;
use std::time::Duration;

use token_cache_redis::RedisOptions;
use token_core::grant::http::HttpTransport;
use token_core::{Broker, KeyRing, Kind, Rescue, Secret, TokenCache, TokenRequest};
use token_testkit::{Issuer, Persistence, RedisServer, RedisSettings, Settings, World};

use crate::open;
use crate::sign_in::sign_in;

/// What must not be seen, as texts that are found again.
const TENANT: &str = "72f988bf-recognisable-tenant";
const RESOURCE: &str = "https://recognisable-resource.example/";
const SCOPE: &str = "recognisable.scope";
const PASSWORD: &str = "recognisable password";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_who_watches_sees_a_token_a_user_a_tenant_or_a_resource() {
    let Some(seen) = life(KeyRing::parse(KeyRing::generate_line().expose()).unwrap()).await else { return };
    for (what, bytes) in &seen.places {
        // Something was seen: the names of entries.
        assert!(find(bytes, "token:{profile-"), "{what} shows the profile's key");
        assert!(*what == "the files" || !find(bytes, PASSWORD), "{what} shows the password");
        for secret in &seen.secrets {
            assert!(!find(bytes, secret), "{what} shows {secret}");
        }
    }
}

/// Otherwise the test above would prove nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_seal_everything_is_seen() {
    let Some(seen) = life(KeyRing::plaintext()).await else { return };
    // A dump has only what was not replaced by then.
    for (what, bytes) in seen.places.iter().filter(|(what, _)| !what.ends_with("dump")) {
        for secret in &seen.secrets {
            assert!(find(bytes, secret), "{what} shows {secret}");
        }
    }
}

struct Seen {
    places: [(&'static str, Vec<u8>); 4],
    secrets: Vec<String>,
}

/// A sign-in, refreshes, lists and a sign-out, and everything that can be seen of them at the server.
async fn life(keys: KeyRing) -> Option<Seen> {
    let settings = RedisSettings {
        persistence: Persistence::Always,
        password: Some(PASSWORD.to_owned()),
        ..RedisSettings::default()
    };
    let server = RedisServer::start(settings)?;
    let issuer = Issuer::start(Settings::default()).await;
    let mut monitor = server.admin();
    assert_eq!(monitor.command(["MONITOR"]).text(), "OK");

    let cache = open(RedisOptions::new(server.url()).password(Secret::new(PASSWORD)));
    let home = tempfile::tempdir().unwrap();
    let broker = Broker::new(cache.clone(), keys, Arc::new(HttpTransport::new()))
        .with_rescue(Rescue::new(home.path(), false));
    let sign_in = sign_in(&issuer, &[SCOPE]);
    let (account, spent) = (sign_in.account.clone(), refresh_token(&sign_in.credential));
    broker.sign_in(sign_in).await.unwrap();
    let mut secrets = vec![spent, account.sign_in.to_string()];
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
    for kind in Kind::ALL {
        cache.list(kind).await.unwrap();
    }
    let dumped = everything_in(&server);
    broker.sign_out(&account).await.unwrap();
    let dumped_after = everything_in(&server);

    let mut watched = Vec::new();
    while let Some(line) = monitor.next_within(Duration::from_millis(200)) {
        watched.extend_from_slice(line.text().as_bytes());
        watched.push(b'\n');
    }
    let mut kept = Vec::new();
    files_under(server.dir(), &mut kept);
    secrets.extend([World::USER, TENANT, RESOURCE, SCOPE].map(str::to_owned));
    secrets.push(issuer.oidc_issuer());
    let places =
        [("MONITOR", watched), ("a dump", dumped), ("a later dump", dumped_after), ("the files", kept)];
    Some(Seen { places, secrets })
}

fn refresh_token(credential: &token_core::Credential) -> String {
    match &credential.state {
        token_core::State::Idle(token_core::Grant::RefreshToken(register)) => {
            register.refresh_token.expose().to_owned()
        }
        state => panic!("a new sign-in is idle, not {state:?}"),
    }
}

/// All names and all values.
fn everything_in(server: &RedisServer) -> Vec<u8> {
    let mut admin = server.admin();
    let names = admin.command(["KEYS", "*"]).text();
    let mut all = names.clone().into_bytes();
    for name in names.lines() {
        all.extend_from_slice(admin.command(["HGETALL", name]).text().as_bytes());
        if let token_testkit::RedisReply::Bytes(dump) = admin.command(["DUMP", name]) {
            all.extend_from_slice(&dump);
        }
    }
    all
}

fn files_under(dir: &std::path::Path, into: &mut Vec<u8>) {
    for file in std::fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            files_under(&path, into);
        } else if path.is_file() {
            into.extend(std::fs::read(path).unwrap());
        }
    }
}

fn find(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}
