//! A service that uses the sign-in of a fleet: `redis-service URL KEY STATE [SCOPE…]`.
//!
//! It shares the agents' cache and key. Whoever needs a new token first gets it for all of them. STATE is a directory of this
//! host that outlives the service.
#![allow(clippy::print_stdout, reason = "that is all it does")]

use std::error::Error;
use std::sync::Arc;

use token_cache_redis::{RedisCache, RedisOptions};
use token_core::grant::http::HttpTransport;
use token_core::{Broker, KeyRing, Rescue, TokenRequest};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let [url, key, state] = [arguments.next(), arguments.next(), arguments.next()];
    let usage = "usage: redis-service URL KEY STATE [SCOPE…]";
    let cache = RedisCache::connect(RedisOptions::new(url.ok_or(usage)?))?;
    let keys = KeyRing::parse(&std::fs::read_to_string(key.ok_or(usage)?)?)?;
    let rescue = Rescue::new(state.ok_or(usage)?, false);
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
