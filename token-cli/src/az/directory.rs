//! The directory in which Azure CLI keeps who is signed in (`~/.azure`). It is read, and never written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use token_core::Secret;

use super::msal_cache::MsalCache;
use super::settings;
use crate::config::Environment;
use crate::report::Failure;

/// Azure CLI truncates its files and writes them anew, and nobody locks them: what cannot be read is read again this
/// often, with this much time in between, before it counts as damaged.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(40);

/// Far more than thousands of subscriptions or tokens take.
const LARGEST: u64 = 64 << 20;

/// Where Azure CLI keeps its files.
#[derive(Clone, Debug)]
pub(crate) struct AzureDirectory(PathBuf);

/// What is in it.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// The subscriptions of those who are signed in.
    pub(crate) entries: Vec<Entry>,
    /// The tokens of people.
    pub(crate) tokens: Source<MsalCache>,
    /// The secrets of service principals, with the time of the last change to them.
    pub(crate) service_principals: Source<(Vec<ServicePrincipal>, i64)>,
    /// What could not be read.
    pub(crate) trouble: Vec<String>,
}

/// Something that is kept in a file of its own.
#[derive(Debug, Default)]
pub(crate) enum Source<T> {
    /// There is no such file.
    #[default]
    Missing,
    /// It cannot be used, for this reason.
    Unreadable(String),
    There(T),
}

/// A subscription in `azureProfile.json`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) state: Option<String>,
    pub(crate) user: User,
    #[serde(default)]
    pub(crate) is_default: bool,
    pub(crate) tenant_id: String,
    pub(crate) environment_name: String,
    #[serde(default)]
    pub(crate) home_tenant_id: Option<String>,
    #[serde(default)]
    pub(crate) tenant_default_domain: Option<String>,
    #[serde(default)]
    pub(crate) tenant_display_name: Option<String>,
    #[serde(default)]
    pub(crate) managed_by_tenants: Option<Vec<ManagedBy>>,
}

/// Who sees it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct User {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ManagedBy {
    pub(crate) tenant_id: String,
}

/// An entry of `service_principal_entries.json`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ServicePrincipal {
    pub(crate) client_id: String,
    pub(crate) tenant: String,
    #[serde(default, deserialize_with = "optional_secret")]
    pub(crate) client_secret: Option<Secret>,
    /// The path of a certificate with its key.
    #[serde(default)]
    pub(crate) certificate: Option<String>,
    #[serde(default)]
    pub(crate) use_cert_sn_issuer: bool,
    #[serde(default, deserialize_with = "optional_secret")]
    pub(crate) client_assertion: Option<Secret>,
}

impl AzureDirectory {
    /// That of the user, or of the job that set `AZURE_CONFIG_DIR`.
    pub(crate) fn of(environment: &Environment<'_>) -> Result<Self, Failure> {
        settings::directory(environment).map(Self).ok_or_else(|| {
            Failure::new("there is no directory of Azure CLI's, for there is no home directory")
                .hint("set HOME, or AZURE_CONFIG_DIR")
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Everything in it that concerns sign-ins.
    pub(crate) fn read(&self) -> Contents {
        let mut contents = Contents::default();
        match self.json("azureProfile.json") {
            Source::There(profile) => {
                let listed = profile.get("subscriptions").and_then(Value::as_array);
                contents.entries = each(listed.into_iter().flatten(), |broken| {
                    contents
                        .trouble
                        .push(format!("{broken} of the subscriptions in azureProfile.json cannot be read"));
                });
            }
            Source::Unreadable(why) => contents.trouble.push(why),
            Source::Missing => {}
        }
        contents.tokens = self.sealed("msal_token_cache").map(|value| {
            let (cache, broken) = MsalCache::of(&value);
            if broken > 0 {
                contents.trouble.push(format!("{broken} entries of msal_token_cache.json cannot be read"));
            }
            cache
        });
        let changed = self.changed("service_principal_entries.json");
        contents.service_principals = self.sealed("service_principal_entries").map(|value| {
            let entries = each(value.as_array().into_iter().flatten(), |broken| {
                contents.trouble.push(format!("{broken} of service_principal_entries.json cannot be read"));
            });
            (entries, changed)
        });
        contents
    }

    /// The bytes that tell who is signed in and what is active: where they differ, somebody changed it.
    pub(crate) fn state(&self) -> Option<Vec<u8>> {
        fs::read(self.0.join("azureProfile.json")).ok()
    }

    /// A file that Azure CLI may have encrypted: then there is a `.bin` that is as new.
    fn sealed(&self, name: &str) -> Source<Value> {
        let (plain, sealed) = (format!("{name}.json"), format!("{name}.bin"));
        let modified = |name: &str| fs::metadata(self.0.join(name)).and_then(|file| file.modified()).ok();
        if modified(&sealed).is_some_and(|sealed| modified(&plain).is_none_or(|plain| sealed > plain)) {
            return Source::Unreadable(format!("Azure CLI keeps it encrypted, in {sealed}"));
        }
        self.json(&plain)
    }

    fn json(&self, name: &str) -> Source<Value> {
        let path = self.0.join(name);
        let mut tries = 1;
        loop {
            let trouble = match fs::metadata(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Source::Missing,
                Ok(file) if file.len() > LARGEST => {
                    return Source::Unreadable(format!("{name} is too large"));
                }
                _ => match fs::read(&path) {
                    Ok(bytes) => match parse(&bytes) {
                        Ok(value) => return Source::There(value),
                        Err(error) => format!("{name} is damaged: {error}"),
                    },
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Source::Missing,
                    Err(error) => return Source::Unreadable(format!("{name} cannot be read: {error}")),
                },
            };
            if tries == TRIES {
                return Source::Unreadable(trouble);
            }
            thread::sleep(PAUSE * tries);
            tries += 1;
        }
    }

    fn changed(&self, name: &str) -> i64 {
        let modified = fs::metadata(self.0.join(name)).and_then(|file| file.modified()).ok();
        let since = modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        since.and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0)
    }
}

impl<T> Source<T> {
    fn map<U>(self, with: impl FnOnce(T) -> U) -> Source<U> {
        match self {
            Self::Missing => Source::Missing,
            Self::Unreadable(why) => Source::Unreadable(why),
            Self::There(value) => Source::There(with(value)),
        }
    }
}

/// Those that can be read, one by one; how many cannot is told.
pub(super) fn each<'a, T: DeserializeOwned>(
    values: impl Iterator<Item = &'a Value>,
    tell: impl FnOnce(usize),
) -> Vec<T> {
    let (mut read, mut broken) = (Vec::new(), 0);
    for value in values {
        match T::deserialize(value) {
            Ok(value) => read.push(value),
            Err(_) => broken += 1,
        }
    }
    if broken > 0 {
        tell(broken);
    }
    read
}

/// What goes into a header or a form must be one line of visible ASCII.
pub(super) fn secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
    let text = String::deserialize(from)?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(serde::de::Error::custom("not a token"));
    }
    Ok(Secret::new(text))
}

fn optional_secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
    // Not as strict as with a token: a secret is sent in a form, which can hold anything.
    Ok(Option::<String>::deserialize(from)?.filter(|text| !text.is_empty()).map(Secret::new))
}

/// JSON, with the byte order mark that Azure CLI puts before some.
fn parse(bytes: &[u8]) -> serde_json::Result<Value> {
    serde_json::from_slice(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::private_file;

    fn directory(files: &[(&str, &str)]) -> (tempfile::TempDir, Contents) {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            private_file::replace(&dir.path().join(name), content.as_bytes()).unwrap();
        }
        let contents = AzureDirectory(dir.path().to_owned()).read();
        (dir, contents)
    }

    #[test]
    fn nothing_is_nothing() {
        let (_dir, contents) = directory(&[]);
        assert!(contents.entries.is_empty() && contents.trouble.is_empty());
        assert!(matches!(contents.tokens, Source::Missing));
    }

    #[test]
    fn a_bad_entry_does_not_hide_the_others() {
        let profile = r#"{"subscriptions": [
            {"id": 5},
            {"id": "1", "name": "One", "state": "Enabled", "isDefault": true, "tenantId": "t",
             "environmentName": "AzureCloud", "user": {"name": "ada", "type": "user"}},
            null]}"#;
        let (_dir, contents) = directory(&[("azureProfile.json", &format!("\u{feff}{profile}"))]);
        assert_eq!(contents.entries.len(), 1);
        assert!(contents.entries[0].is_default);
        assert_eq!(contents.trouble, ["2 of the subscriptions in azureProfile.json cannot be read"]);
    }

    #[test]
    fn what_is_torn_is_read_again_and_then_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("azureProfile.json");
        private_file::replace(&path, b"").unwrap();
        let writer = {
            let path = path.clone();
            thread::spawn(move || private_file::replace(&path, b"{\"subscriptions\": []}").unwrap())
        };
        let contents = AzureDirectory(dir.path().to_owned()).read();
        writer.join().unwrap();
        assert!(contents.trouble.is_empty(), "{:?}", contents.trouble);

        private_file::replace(&path, b"{\"subscriptions\": [").unwrap();
        let contents = AzureDirectory(dir.path().to_owned()).read();
        assert!(contents.trouble[0].starts_with("azureProfile.json is damaged: "), "{:?}", contents.trouble);
    }

    #[test]
    fn an_encrypted_cache_is_told_apart_from_an_old_one() {
        let (dir, contents) = directory(&[("msal_token_cache.bin", "sealed")]);
        assert!(matches!(contents.tokens, Source::Unreadable(ref why) if why.contains("encrypted")));
        private_file::replace(&dir.path().join("msal_token_cache.json"), b"{}").unwrap();
        let sealed = fs::metadata(dir.path().join("msal_token_cache.bin")).unwrap();
        let later = sealed.modified().unwrap() + Duration::from_secs(5);
        fs::File::open(dir.path().join("msal_token_cache.json")).unwrap().set_modified(later).unwrap();
        assert!(matches!(AzureDirectory(dir.path().to_owned()).read().tokens, Source::There(_)));
    }

    #[test]
    fn a_token_that_would_break_a_header_is_no_token() {
        #[derive(Deserialize)]
        struct Holder(#[serde(deserialize_with = "secret")] Secret);
        let parse = |text: &str| serde_json::from_value::<Holder>(Value::String(text.to_owned()));
        assert_eq!(parse("abc").unwrap().0.expose(), "abc");
        for text in ["", "a\r\nX-Evil: 1", "a b", "ä"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
