//! The key ring: where it comes from, and when it is made.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use token_core::{CacheError, KeyRing, Kind, Secret, TokenCache, key_id_of};

use crate::backend::Backend;
use crate::config::{Environment, KeySource};
use crate::private_file;
use crate::program;
use crate::report::Failure;

/// Reads the key ring, without making one.
///
/// `None` where the key's file is not there and the cache is empty: nobody has signed in yet.
pub(crate) async fn load(
    source: &KeySource,
    environment: &Environment<'_>,
    backend: &Backend,
) -> Result<Option<KeyRing>, Failure> {
    let text = match source {
        KeySource::None => return Ok(Some(KeyRing::plaintext())),
        KeySource::Environment(name) => Secret::new(environment.text(name).ok_or_else(|| {
            Failure::new(format!("the key's environment variable {name} is not set")).hint(NAMES_IT)
        })?),
        KeySource::File { path, default } => match read(path, *default)? {
            Some(text) => text,
            None => return missing(&*backend.cache(), path).await,
        },
    };
    KeyRing::parse(text.expose()).map(Some).map_err(|error| {
        Failure::new(format!("could not read the key from {source}")).caused_by(&error).hint(
            "what was sealed opens with its own key alone: put that back, or name it in TOKEN_KEY (file:PATH or env:NAME)",
        )
    })
}

const NAMES_IT: &str = "TOKEN_KEY or `key` in the config names it";

/// Reads the key ring, and makes one where [`load`] finds none.
pub(crate) async fn load_or_create(
    source: &KeySource,
    environment: &Environment<'_>,
    backend: &Backend,
) -> Result<KeyRing, Failure> {
    if let Some(ring) = load(source, environment, backend).await? {
        return Ok(ring);
    }
    if let KeySource::File { path, .. } = source
        && backend.is_local()
    {
        let mut line = String::with_capacity(64);
        line.push_str(KeyRing::generate_line().expose());
        line.push('\n');
        let line = Secret::new(line);
        // Where somebody else was faster, theirs is the key.
        private_file::create(path, line.expose().as_bytes()).map_err(|error| {
            Failure::new(format!("could not create the key {}", path.display()))
                .caused_by(&error)
                .hint("`key` in the config or TOKEN_KEY names another place")
        })?;
        if let Some(ring) = load(source, environment, backend).await? {
            return Ok(ring);
        }
    }
    Err(Failure::new(format!("there is no key: {source} does not exist")).hint(format!(
        "everybody who shares a cache has the same key, and TOKEN_KEY names it (file:PATH or env:NAME); '{} key new' \
         prints one for a cache that is new",
        program::name()
    )))
}

fn read(path: &Path, default: bool) -> Result<Option<Secret>, Failure> {
    let could_not = |error: io::Error| {
        let failure = Failure::new(format!("could not read the key {}", path.display()));
        let failure = match error.kind() {
            io::ErrorKind::InvalidData => failure.because("it is not text: a key is 32 bytes in base64"),
            _ => failure.caused_by(&error),
        };
        failure.hint(NAMES_IT)
    };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(could_not(error)),
    };
    // A key that was mounted or handed out by others has the mode they gave it; ours is nobody else's.
    if default && file.metadata().map_err(could_not)?.mode() & 0o077 != 0 {
        return Err(Failure::new(format!("others can read the key {}", path.display()))
            .hint(format!("chmod 600 {}", path.display())));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(could_not)?;
    Ok(Some(Secret::new(text)))
}

/// A missing key is nothing to worry about where nothing is sealed.
async fn missing(cache: &dyn TokenCache, path: &Path) -> Result<Option<KeyRing>, Failure> {
    let Some(sealed_under) = any_key_id(cache).await? else { return Ok(None) };
    let wanted = match sealed_under {
        Some(id) => {
            format!("the entries in {cache} are sealed under key {id}, and {} does not exist", path.display())
        }
        None => {
            format!("there are entries in {cache} already, and the key {} does not exist", path.display())
        }
    };
    Err(Failure::new(wanted).hint(format!(
        "put the key there, or name it in TOKEN_KEY (file:PATH or env:NAME); without it the cache is of no use, and \
         '{} login' works with another TOKEN_CACHE",
        program::name()
    )))
}

/// The key id of some entry; `None` for an empty cache, `Some(None)` where no entry tells.
async fn any_key_id(cache: &dyn TokenCache) -> Result<Option<Option<String>>, CacheError> {
    let mut any = false;
    for kind in [Kind::Profile, Kind::Credential, Kind::AccessToken, Kind::Metadata] {
        for listed in cache.list(kind).await? {
            any = true;
            if let Ok(Some(entry)) = cache.load(&listed.key).await
                && let Some(id) = key_id_of(&entry.body)
            {
                return Ok(Some(Some(id)));
            }
        }
    }
    Ok(any.then_some(None))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use token_core::{Entry, Key, Swap, Version};

    use super::*;
    use crate::cache_location::{CacheLocation, Local};

    const NO_ENVIRONMENT: Environment<'static> = Environment(&|_| None);

    fn source(path: PathBuf) -> KeySource {
        KeySource::File { path, default: true }
    }

    fn backend(dir: &Path) -> Backend {
        let local = Local { path: dir.join("entries"), any_file_system: false };
        Backend::open(&CacheLocation::File(local), &NO_ENVIRONMENT).unwrap()
    }

    #[test]
    fn a_key_is_made_for_an_empty_cache_and_by_a_sign_in_only() {
        let dir = tempfile::tempdir().unwrap();
        let backend = backend(dir.path());
        let key = source(dir.path().join("config/key"));
        let found = pollster::block_on(load(&key, &NO_ENVIRONMENT, &backend)).unwrap();
        assert!(found.is_none() && !dir.path().join("config").exists());
        let made = pollster::block_on(load_or_create(&key, &NO_ENVIRONMENT, &backend)).unwrap();
        let again = pollster::block_on(load_or_create(&key, &NO_ENVIRONMENT, &backend)).unwrap();
        assert_eq!(made.key_id(), again.key_id());
    }

    #[test]
    fn a_missing_key_beside_a_filled_cache_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let backend = backend(dir.path());
        let ring = KeyRing::parse(KeyRing::generate_line().expose()).unwrap();
        let (key, version) = (Key::new(Kind::Profile, &[]), Version::random());
        let body = ring.seal(&key, &version, b"{}").unwrap();
        let entry = Entry { version, body, discard_after: None };
        let swap = pollster::block_on(backend.cache().swap(&key, None, Some(&entry)));
        assert_eq!(swap.unwrap(), Swap::Done);
        let missing = source(dir.path().join("key"));
        let failure = pollster::block_on(load_or_create(&missing, &NO_ENVIRONMENT, &backend)).unwrap_err();
        assert!(failure.text().contains(&ring.key_id().unwrap()), "{}", failure.text());
        assert!(failure.text().contains("TOKEN_KEY"));
        assert!(!dir.path().join("key").exists());
    }

    #[test]
    fn our_own_key_is_refused_when_others_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let backend = backend(dir.path());
        let path = dir.path().join("key");
        private_file::replace(&path, KeyRing::generate_line().expose().as_bytes()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(pollster::block_on(load(&source(path.clone()), &NO_ENVIRONMENT, &backend)).is_err());
        let named = KeySource::File { path, default: false };
        assert!(pollster::block_on(load(&named, &NO_ENVIRONMENT, &backend)).unwrap().is_some());
    }
}
