//! The tokens of people, as MSAL keeps them for Azure CLI (`msal_token_cache.json`).

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use token_core::authority::Cloud;
use token_core::{AccessToken, Expiry, RefreshToken, Secret};

use super::directory::{each, secret};

/// Hosts that are one and the same to MSAL. An entry may have been written under any of its cloud's.
const ALIASES: [&[&str]; 3] = [
    &["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"],
    &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
    &["login.microsoftonline.us", "login.usgovcloudapi.net"],
];

/// What it holds, as far as it could be read.
#[derive(Debug, Default)]
pub(crate) struct MsalCache {
    accounts: Vec<CachedAccount>,
    refresh_tokens: Vec<CachedRefreshToken>,
    access_tokens: Vec<CachedAccessToken>,
}

#[derive(Debug, Deserialize)]
struct CachedAccount {
    home_account_id: String,
    environment: String,
    username: String,
}

#[derive(Debug, Deserialize)]
struct CachedRefreshToken {
    home_account_id: String,
    environment: String,
    client_id: String,
    #[serde(deserialize_with = "secret")]
    secret: Secret,
    #[serde(default)]
    target: String,
    #[serde(default, deserialize_with = "seconds")]
    last_modification_time: i64,
}

#[derive(Debug, Deserialize)]
struct CachedAccessToken {
    #[serde(default)]
    home_account_id: Option<String>,
    environment: String,
    client_id: String,
    realm: String,
    target: String,
    #[serde(deserialize_with = "secret")]
    secret: Secret,
    #[serde(deserialize_with = "seconds")]
    cached_at: i64,
    #[serde(deserialize_with = "seconds")]
    expires_on: i64,
    #[serde(default, deserialize_with = "seconds")]
    refresh_on: i64,
    /// A token for something beside scopes, which nobody asks us for.
    #[serde(default)]
    ext_cache_key: Option<String>,
}

/// A person's sign-in in the cache.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) refresh_token: RefreshToken,
    /// The client it was given to.
    pub(crate) client_id: String,
    /// The scopes it was asked for with.
    pub(crate) scopes: Vec<String>,
    /// When it was last changed, in POSIX seconds.
    pub(crate) at: i64,
    /// The home tenant.
    pub(crate) tenant: Option<String>,
    home_account_id: String,
    /// How many others have that name.
    pub(crate) namesakes: usize,
}

/// An access token, with the tenant and the scope it was asked for.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) tenant: String,
    pub(crate) scope: String,
    pub(crate) token: AccessToken,
}

impl MsalCache {
    /// What can be read of it, and how many entries cannot.
    pub(super) fn of(value: &Value) -> (Self, usize) {
        fn section<T: serde::de::DeserializeOwned>(value: &Value, name: &str, broken: &mut usize) -> Vec<T> {
            let entries = value.get(name).and_then(Value::as_object);
            each(entries.into_iter().flat_map(|entries| entries.values()), |more| *broken += more)
        }
        let mut broken = 0;
        let cache = Self {
            accounts: section(value, "Account", &mut broken),
            refresh_tokens: section(value, "RefreshToken", &mut broken),
            access_tokens: section(value, "AccessToken", &mut broken),
        };
        (cache, broken)
    }

    /// The sign-in of a person in a cloud: the newest, where the name or its token is there several times.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn person(&self, name: &str, cloud: &Cloud) -> Result<Person, String> {
        let named = |account: &&CachedAccount| account.username.eq_ignore_ascii_case(name);
        let Some(first) = self.accounts.iter().find(named) else {
            return Err("Azure CLI keeps no tokens of theirs".to_owned());
        };
        let mut ids: Vec<&str> = self
            .accounts
            .iter()
            .filter(|account| named(account) && is_of(&account.environment, cloud))
            .map(|account| account.home_account_id.as_str())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            // Whoever can write that file could otherwise have a refresh token sent anywhere.
            return Err(format!("{} is not where {} signs in", first.environment, cloud.name));
        }
        let newest = self
            .refresh_tokens
            .iter()
            .filter(|token| ids.contains(&token.home_account_id.as_str()) && is_of(&token.environment, cloud))
            .max_by_key(|token| (token.client_id == super::CLIENT_ID, token.last_modification_time))
            .ok_or("Azure CLI keeps no refresh token of theirs")?;
        Ok(Person {
            refresh_token: RefreshToken::from_secret(newest.secret.clone()),
            client_id: newest.client_id.clone(),
            scopes: newest.target.split_whitespace().map(str::to_owned).collect(),
            at: newest.last_modification_time,
            tenant: newest.home_account_id.split_once('.').map(|(_, tenant)| tenant.to_owned()),
            home_account_id: newest.home_account_id.clone(),
            namesakes: ids.len() - 1,
        })
    }

    /// The living access tokens of a person.
    pub(crate) fn access_tokens_of(&self, person: &Person, cloud: &Cloud, now: i64) -> Vec<Found> {
        self.access_tokens(Some(&person.home_account_id), &person.client_id, cloud, now)
    }

    /// The living access tokens of a service principal.
    pub(crate) fn access_tokens_of_client(&self, client_id: &str, cloud: &Cloud, now: i64) -> Vec<Found> {
        self.access_tokens(None, client_id, cloud, now)
    }

    fn access_tokens(&self, owner: Option<&str>, client_id: &str, cloud: &Cloud, now: i64) -> Vec<Found> {
        self.access_tokens
            .iter()
            .filter(|token| {
                // An app's own token has no owner, and a person's must never be taken for one.
                token.home_account_id.as_deref() == owner
                    && token.client_id == client_id
                    && is_of(&token.environment, cloud)
                    && super::is_guid(&token.realm)
                    && token.ext_cache_key.is_none()
                    && token.expires_on > now
                    && token.cached_at <= now
            })
            .filter_map(|token| {
                Some(Found {
                    tenant: token.realm.clone(),
                    scope: asked_for(&token.target)?.to_owned(),
                    token: AccessToken {
                        secret: token.secret.clone(),
                        token_type: "Bearer".to_owned(),
                        scopes: token.target.split_whitespace().map(str::to_owned).collect(),
                        received_at: token.cached_at,
                        expires_on: Expiry::from_posix(token.expires_on),
                        refresh_in: (token.refresh_on > token.cached_at)
                            .then(|| token.refresh_on - token.cached_at),
                        claims: None,
                    },
                })
            })
            .collect()
    }
}

/// The scope that a token was asked for with, of those that were granted: the one for everything at a resource.
/// What else was asked for cannot be told from what was granted with it.
fn asked_for(target: &str) -> Option<&str> {
    let mut whole = target.split_whitespace().filter(|scope| scope.ends_with("/.default"));
    match (whole.next(), whole.next()) {
        (Some(scope), None) => Some(scope),
        _ => None,
    }
}

/// Whether an entry was written for a cloud's authority.
fn is_of(environment: &str, cloud: &Cloud) -> bool {
    let host = cloud.authority_host.host_str().unwrap_or_default();
    let is = |other: &&str| other.eq_ignore_ascii_case(environment);
    environment.eq_ignore_ascii_case(host)
        || ALIASES.iter().any(|aliases| aliases.contains(&host) && aliases.iter().any(is))
}

/// Seconds, which MSAL writes as text and others as a number.
fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    match Value::deserialize(from)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        Value::Null => Some(0),
        _ => None,
    }
    .ok_or_else(|| serde::de::Error::custom("not a time"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cloud() -> Cloud {
        Cloud::named("AzureCloud").unwrap()
    }

    fn cache(accounts: &[[&str; 3]], refresh_tokens: &[[&str; 5]]) -> MsalCache {
        let accounts: Vec<Value> = accounts
            .iter()
            .map(|[id, host, name]| json!({"home_account_id": id, "environment": host, "username": name}))
            .collect();
        let refresh_tokens: Vec<Value> = refresh_tokens
            .iter()
            .map(|[id, host, client, secret, at]| {
                json!({"home_account_id": id, "environment": host, "client_id": client, "secret": secret,
                       "last_modification_time": at})
            })
            .collect();
        let keyed = |entries: Vec<Value>| -> Value {
            entries.into_iter().enumerate().map(|(key, entry)| (key.to_string(), entry)).collect()
        };
        let value = json!({"Account": keyed(accounts), "RefreshToken": keyed(refresh_tokens)});
        let (cache, broken) = MsalCache::of(&value);
        assert_eq!(broken, 0);
        cache
    }

    #[test]
    fn the_newest_twin_is_taken_under_any_alias() {
        let accounts = [["u.t", "login.microsoftonline.com", "ada@contoso.example"]];
        let cache = cache(
            &accounts,
            &[
                ["u.t", "login.microsoftonline.com", super::super::CLIENT_ID, "old", "10"],
                ["u.t", "login.windows.net", super::super::CLIENT_ID, "new", "20"],
                ["u.t", "evil.example", super::super::CLIENT_ID, "planted", "99"],
                ["other.t", "login.windows.net", super::super::CLIENT_ID, "another", "99"],
            ],
        );
        let person = cache.person("ADA@contoso.example", &cloud()).unwrap();
        assert_eq!((person.refresh_token.expose(), person.at), ("new", 20));
        assert_eq!((person.tenant.as_deref(), person.namesakes), (Some("t"), 0));
    }

    #[test]
    fn a_token_of_a_client_that_is_not_ours_keeps_its_client() {
        let accounts = [["u.t", "sts.windows.net", "ada"]];
        let cache = cache(&accounts, &[["u.t", "sts.windows.net", "other-client", "rt", "1"]]);
        assert_eq!(cache.person("ada", &cloud()).unwrap().client_id, "other-client");
    }

    #[test]
    fn an_authority_that_is_not_the_clouds_is_not_trusted() {
        let accounts = [["u.t", "evil.example", "ada"]];
        let cache = cache(&accounts, &[["u.t", "evil.example", "c", "rt", "1"]]);
        assert_eq!(
            cache.person("ada", &cloud()).unwrap_err(),
            "evil.example is not where AzureCloud signs in"
        );
        assert_eq!(cache.person("bob", &cloud()).unwrap_err(), "Azure CLI keeps no tokens of theirs");
    }

    #[test]
    fn of_several_people_of_one_name_the_newest_is_taken_and_the_others_counted() {
        let host = "login.microsoftonline.com";
        let cache = cache(
            &[["one.t", host, "ada"], ["two.t", host, "ada"]],
            &[["one.t", host, "c", "a", "1"], ["two.t", host, "c", "b", "2"]],
        );
        let person = cache.person("ada", &cloud()).unwrap();
        assert_eq!((person.refresh_token.expose(), person.namesakes), ("b", 1));
    }

    #[test]
    fn a_scope_is_known_only_where_one_is_for_everything() {
        assert_eq!(asked_for("https://a/user_impersonation https://a/.default"), Some("https://a/.default"));
        assert_eq!(asked_for("https://a/.default https://b/.default"), None);
        assert_eq!(asked_for("https://a/User.Read"), None);
    }

    #[test]
    fn a_persons_token_is_never_an_apps() {
        let value = json!({"AccessToken": {
            "a": {"home_account_id": "u.t", "environment": "sts.windows.net", "client_id": "app", "secret": "person",
                  "realm": "11111111-1111-1111-1111-111111111111", "target": "x/.default",
                  "cached_at": "1", "expires_on": "1000"},
            "b": {"home_account_id": null, "environment": "sts.windows.net", "client_id": "app", "secret": "apps",
                  "realm": "11111111-1111-1111-1111-111111111111", "target": "x/.default",
                  "cached_at": "1", "expires_on": 1000},
            "c": {"environment": 5}}});
        let (cache, broken) = MsalCache::of(&value);
        assert_eq!(broken, 1);
        let found = cache.access_tokens_of_client("app", &cloud(), 500);
        let secrets: Vec<&str> = found.iter().map(|found| found.token.secret.expose()).collect();
        assert_eq!(secrets, ["apps"]);
        assert!(cache.access_tokens_of_client("app", &cloud(), 1000).is_empty(), "it has expired");
    }
}
