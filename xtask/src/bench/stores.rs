//! A cached call on SQLite and on Redis over loopback, against one on the file cache, among few entries and many.

use anyhow::{Context, Result};

use super::{Limits, head, row};
use crate::measure;
use crate::process::{self, cargo};
use crate::programs::Programs;
use crate::storm::{Cache, FORCE, Fleet, GET, Options};

const ROUNDS: usize = 400;
/// How many entries a store holds beside the one that is read.
const ENTRIES: [usize; 2] = [10, 100_000];

/// A hit takes at most this many times as long as on the file cache.
const RATIO: f64 = 1.5;
/// How much longer, or shorter, it may take among many entries.
const GROWTH: f64 = 0.10;

pub(super) fn measure(limits: &mut Limits) -> Result<()> {
    let programs = Programs::as_released()?;
    let file = fleet(Cache::File, &programs)?;
    eprintln!("Filling a database and a server with {} entries …", ENTRIES[1]);
    let [sqlite, large_sqlite] = filled(&Cache::Sqlite, &programs)?;
    let [redis, large_redis] = filled(&Cache::Redis, &programs)?;
    let hit = |fleet: &Fleet| fleet.first().token(&GET);
    let [file, sqlite, large_sqlite, redis, large_redis] = measure::interleaved(
        ROUNDS,
        [hit(&file), hit(&sqlite), hit(&large_sqlite), hit(&redis), hit(&large_redis)],
    )?;

    head(&format!("{ROUNDS} hits on each, interleaved"));
    row("a file", &file, 1.0, None);
    for (name, small, large) in [("SQLite", &sqlite, &large_sqlite), ("Redis", &redis, &large_redis)] {
        for (entries, times) in ENTRIES.iter().zip([small, large]) {
            row(&format!("{name}, {entries} entries"), times, times.ratio(&file), Some(RATIO));
        }
        let growth = large.ratio(small) - 1.0;
        println!("{name}: many against few  {:+.1} %   limit ±{:.0} %", growth * 100.0, GROWTH * 100.0);
        limits.hold(format!("ratio of a hit on {name}"), small.ratio(&file) <= RATIO);
        limits.hold(format!("large {name}"), growth.abs() <= GROWTH);
    }
    Ok(())
}

/// One host that has signed in and got its token.
fn fleet(cache: Cache, programs: &Programs) -> Result<Fleet> {
    let fleet = Fleet::start(&Options { hosts: 1, processes: 1, ..Options::on(cache) }, programs)?;
    fleet.first().get(&GET)?;
    Ok(fleet)
}

fn filled(cache: &Cache, programs: &Programs) -> Result<[Fleet; 2]> {
    let one = |entries: usize| -> Result<Fleet> {
        let fleet = fleet(cache.clone(), programs)?;
        match &fleet.store {
            Some(redis) => redis.tell(&format!("copy {entries}"))?,
            None => {
                // Its driver is no dependency of this program.
                let mut fill = cargo(&["bench", "--quiet", "--locked", "--package", "token-cache-sqlite"]);
                fill.args(["--bench", "service", "--", "copy"]).arg(fleet.database());
                process::run(fill.arg(entries.to_string())).context("cannot fill the database")?;
            }
        }
        // The last one who wrote is always somebody as everybody else.
        fleet.first().get(&FORCE)?;
        Ok(fleet)
    };
    let [few, many] = ENTRIES;
    Ok([one(few)?, one(many)?])
}
