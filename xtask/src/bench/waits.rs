//! How long a whole fleet waits for one refresh once there is something to get, against as many cached calls that are
//! started at once.

use anyhow::Result;

use super::Limits;
use crate::process::milliseconds;
use crate::programs::Programs;
use crate::storm::{self, Cache};

/// The p99 of the wait is at most this many times that of the hits.
const RATIO: f64 = 3.0;

pub(super) fn measure(limits: &mut Limits) -> Result<()> {
    let programs = Programs::as_released()?;
    println!("{:<36}{:>10}{:>12}{:>8}{:>8}", "4 hosts, 50 processes each", "p50", "p99", "ratio", "limit");
    for (name, cache) in [("SQLite", Cache::Sqlite), ("Redis", Cache::Redis)] {
        let times = storm::waits_and_hits(cache, &programs)?;
        let [[wait_50, wait], [hit_50, hit]] =
            times.map(|times| [0.50, 0.99].map(|share| storm::share(&times, share)));
        let ratio = wait.as_secs_f64() / hit.as_secs_f64();
        let row =
            |what: &str, p50, p99| format!("{:<36}{:>10}{:>12}", what, milliseconds(p50), milliseconds(p99));
        println!("{}{:>8.2}", row(&format!("{name}: a hit"), hit_50, hit), 1.0);
        println!(
            "{}{ratio:>8.2}{RATIO:>8.2}",
            row(&format!("{name}: once the token is there"), wait_50, wait)
        );
        limits.hold(format!("waits on {name}"), ratio <= RATIO);
    }
    Ok(())
}
