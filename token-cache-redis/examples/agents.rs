//! A service with many agents, each of which wants a token: `redis-agents URL KEY STATE AGENTS`.
//!
//! They share one broker, one connection, and the sign-in of the fleet; a refresh is one for all of them, here and
//! elsewhere. It says `ready` once it has got a token, reads a line, says `asking` once all agents are, and then how many
//! were served.
#![allow(clippy::print_stdout, reason = "that is how it talks")]

use std::error::Error;
use std::sync::Arc;

use token_cache_redis::{RedisCache, RedisOptions};
use token_core::grant::http::HttpTransport;
use token_core::{Broker, KeyRing, Rescue, TokenRequest};
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().ok_or("usage: redis-agents URL KEY STATE AGENTS");
    let cache = RedisCache::connect(RedisOptions::new(argument()?))?;
    let keys = KeyRing::parse(&std::fs::read_to_string(argument()?)?)?;
    let rescue = Rescue::new(argument()?, false);
    let agents: usize = argument()?.parse()?;
    let broker = Broker::new(Arc::new(cache), keys, Arc::new(HttpTransport::new())).with_rescue(rescue);

    let profile = broker.profile().await?;
    let account = profile.accounts.first().ok_or("nobody is signed in: run `token login`")?;
    let request = TokenRequest::new(account);
    broker.access_token(&request).await?;
    println!("ready");
    std::io::stdin().read_line(&mut String::new())?;

    let mut asking = JoinSet::new();
    for _ in 0..agents {
        let (broker, request) = (broker.clone(), request.clone());
        asking.spawn(async move { broker.access_token(&request).await });
    }
    println!("asking");
    let answers = asking.join_all().await;
    println!("served {}", answers.iter().filter(|answer| answer.is_ok()).count());

    // A refresh that has begun is finished before the runtime ends.
    broker.settled().await;
    // For whoever was not served: why.
    answers.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(())
}
