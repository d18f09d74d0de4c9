//! A service that uses the sign-in of this host: `sqlite-service DATABASE KEY [SCOPE…]`.
//!
//! It shares the `token` command's cache and key. Whoever of the two needs a new token first gets it for both.
#![allow(clippy::print_stdout, reason = "that is all it does")]

use std::error::Error;
use std::sync::Arc;

use token_cache_sqlite::SqliteCache;
use token_core::grant::http::HttpTransport;
use token_core::{Broker, KeyRing, Rescue, TokenRequest};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (database, key) =
        arguments.next().zip(arguments.next()).ok_or("usage: sqlite-service DATABASE KEY")?;
    let cache = SqliteCache::open(database)?;
    let keys = KeyRing::parse(&std::fs::read_to_string(key)?)?;
    let rescue = Rescue::new(cache.rescue_dir(), true);
    let broker = Broker::new(Arc::new(cache), keys, Arc::new(HttpTransport::new())).with_rescue(rescue);

    let profile = broker.profile().await?;
    let account = profile.accounts.first().ok_or("nobody is signed in: run `token login`")?;
    let mut request = TokenRequest::new(account);
    request.scopes = arguments.collect();
    let token = broker.access_token(&request).await?;
    // `token.secret.expose()` goes behind `Authorization: Bearer`, and nowhere else.
    println!("{} has a token until {}", account.name, token.expires_on.local());

    // A refresh that has begun is finished before the runtime ends.
    broker.settled().await;
    Ok(())
}
