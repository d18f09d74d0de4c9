//! Managed identities: what a host is stays with the host, unless the config says otherwise.

use token_testkit::{Issuer, RedisServer, RedisSettings, Route, RunningIssuer, Settings, World};

use crate::desk::{Desk, Said};

/// A host in Azure, with the key of the team.
fn host(issuer: &RunningIssuer) -> Desk {
    let desk = Desk::new(issuer).with("AZURE_POD_IDENTITY_AUTHORITY_HOST", issuer.base_url());
    let key = desk.ok("key new").trim_end().to_owned();
    desk.with("TOKEN_KEY", "env:TEAM").with("TEAM", &key)
}

fn share(desk: &Desk) {
    let config = std::fs::read_to_string(desk.path(".config/token/config.toml")).unwrap();
    desk.configure(&format!("share_managed_identities = true\n{config}"));
}

/// How many entries a server has.
fn entries(server: &RedisServer) -> usize {
    server.command(["KEYS", "*"]).text().lines().filter(|line| !line.is_empty()).count()
}

fn told(desk: &Desk, server: &RedisServer, said: &Said) -> String {
    let text = said.stderr.replace(&desk.path("").display().to_string(), "HOME/");
    format!("exit {}\n{}", said.code.unwrap(), text.replace(&server.url(), "redis://SERVER"))
}

#[test]
fn they_go_to_a_shared_cache_only_where_the_config_says_so() {
    let Some(server) = RedisServer::start(RedisSettings::default()) else { return };
    let issuer = Issuer::spawn(Settings::default());
    let desk = host(&issuer).with("TOKEN_CACHE", &server.url());
    let assigned = format!("login --identity --client-id {}", World::USER_ASSIGNED);
    insta::assert_snapshot!(told(&desk, &server, &desk.run(&assigned)), @"
    exit 1
    error: a managed identity belongs to this host, and the cache is shared with others
    cause: the cache is redis://SERVER/0 (prefix token)
    hint: TOKEN_CACHE=file: keeps its tokens on this host
    hint: share_managed_identities = true in HOME/.config/token/config.toml lets them go to the shared cache
    ");
    assert_eq!(entries(&server), 0);
    assert_eq!(issuer.counts().requests(Route::ManagedIdentity), 0, "it is refused before anybody is asked");

    share(&desk);
    desk.ok(&assigned);
    let token = desk.ok("get");
    let asked = issuer.counts().requests(Route::ManagedIdentity);
    let other = Desk::new(&issuer).with("TOKEN_CACHE", &server.url()).with("TOKEN_KEY", "env:TEAM");
    let other = other.with("TEAM", desk.variable("TEAM"));
    assert_eq!(other.ok("get"), token, "another host is served");
    assert_eq!(issuer.counts().requests(Route::ManagedIdentity), asked);

    // What another host would not get is not shared at all.
    insta::assert_snapshot!(told(&desk, &server, &desk.run("login --identity")), @"
    exit 1
    error: the own identity of a host cannot be shared with others
    cause: another host that refreshes its token would get one of another identity
    hint: TOKEN_CACHE=file: keeps its tokens on this host
    hint: --client-id names an identity that several hosts were given
    ");
}

#[test]
fn a_move_to_a_shared_cache_leaves_them_here() {
    let Some(server) = RedisServer::start(RedisSettings::default()) else { return };
    let issuer = Issuer::spawn(Settings::auto_approving());
    let desk = host(&issuer);
    desk.ok("login --identity");
    desk.ok(&format!("login --identity --client-id {}", World::USER_ASSIGNED));
    assert_eq!(desk.run("login").code, Some(0));
    let migrate = format!("cache migrate file: {}", server.url());
    let said = desk.run(&migrate);
    insta::assert_snapshot!(told(&desk, &server, &said), @"
    exit 1
    error: 2 sign-ins stay in file:HOME/.local/share/token/entries
    cause: MSIClient-dddddddd-0000-4000-8000-000000000002: a managed identity belongs to this host, and the other cache is shared with others
    cause: systemAssignedIdentity: a managed identity belongs to this host, and the other cache is shared with others
    hint: share_managed_identities = true in HOME/.config/token/config.toml lets those go that several hosts were given
    ");
    assert!(said.stdout.starts_with("Moved a sign-in to "), "{}", said.stdout);
    // They serve here as before.
    desk.ok("get --account systemAssignedIdentity --force-refresh");

    share(&desk);
    let said = desk.run(&migrate);
    insta::assert_snapshot!(told(&desk, &server, &said), @"
    exit 1
    error: a sign-in stays in file:HOME/.local/share/token/entries
    cause: systemAssignedIdentity: a managed identity belongs to this host, and the other cache is shared with others
    hint: --client-id names an identity that several hosts were given; the own one of a host is never shared
    ");
    assert!(said.stdout.contains(&format!("MSIClient-{}", World::USER_ASSIGNED)), "{}", said.stdout);
    // A cache of this host takes all.
    assert_eq!(desk.run("cache migrate file: sqlite:").code, Some(0));
}
