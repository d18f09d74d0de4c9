//! A real `redis-server` as a program, behind a proxy, that fails on demand: prints one line of JSON once it listens,
//! obeys lines on its stdin, and ends, with its server, when that closes.
//!
//! | line | does |
//! |---|---|
//! | `kill`, `start` | ends the server as a crash would; starts it again on what it has kept |
//! | `delay MS` | keeps everything back for so long, in each direction |
//! | `cut` | ends every connection |
//! | `copy N` | keeps N copies of the access token under other names, of which nobody asks for any |
//! | `black-hole on`, `black-hole off` | takes everything and passes nothing on; and ends that, and every connection |
//!
//! Each line is answered by one, `done`, once it is.

use std::io::{BufRead as _, Write as _};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, ValueEnum};
use serde_json::json;
use token_testkit::{Persistence, Proxy, RedisReply, RedisServer, RedisSettings};

/// A Redis server to test against, which fails on demand
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// What it keeps over a crash
    #[arg(long, value_enum, default_value = "always")]
    keeps: Keeps,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Keeps {
    /// Nothing
    Nothing,
    /// Everything that it has acknowledged
    Always,
}

fn main() -> Result<()> {
    let persistence = match Arguments::parse().keeps {
        Keeps::Nothing => Persistence::None,
        Keeps::Always => Persistence::Always,
    };
    let settings = RedisSettings { persistence, ..RedisSettings::default() };
    let server = RedisServer::start(settings).context("redis-server is not installed")?;
    let proxy = Proxy::start(server.address());
    say(&json!({ "url": format!("redis://{}", proxy.address()), "direct_url": server.url() }).to_string())?;
    for line in std::io::stdin().lock().lines() {
        obey(line?.trim(), &server, &proxy)?;
        say("done")?;
    }
    Ok(())
}

fn obey(line: &str, server: &RedisServer, proxy: &Proxy) -> Result<()> {
    match line.split_once(' ').unwrap_or((line, "")) {
        ("kill", "") => server.kill(),
        ("start", "") => server.start_again(),
        ("copy", copies) => copy(server, copies)?,
        ("cut", "") => proxy.cut(),
        ("black-hole", "on") => proxy.black_hole(true),
        ("black-hole", "off") => proxy.black_hole(false),
        ("delay", ms) => {
            proxy.delay(Duration::from_millis(ms.parse().context("delay takes milliseconds")?));
        }
        _ => bail!("'{line}' is nothing that a server does"),
    }
    Ok(())
}

/// Names of the same form as that of the original, by the server itself: a hundred thousand are a second's work.
fn copy(server: &RedisServer, copies: &str) -> Result<()> {
    const COPY: &str = r"
        local original = redis.call('KEYS', '*:{access-*}:entry')[1]
        local prefix, id, suffix = original:match('^(.*{access%-)(%x+)(}:entry)$')
        for number = 1, tonumber(ARGV[1]) do
            local other = redis.sha1hex(number) .. redis.sha1hex(-number)
            redis.call('COPY', original, prefix .. other:sub(1, #id) .. suffix)
        end
        return redis.call('DBSIZE')";
    match server.command(["EVAL", COPY, "0", copies]) {
        RedisReply::Number(there) if copies.parse().is_ok_and(|copies: i64| there >= copies) => Ok(()),
        said => bail!("the server copied nothing: {said:?}"),
    }
}

fn say(line: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}
