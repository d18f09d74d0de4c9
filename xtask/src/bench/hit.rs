//! A cached call on the file cache, against the least a program can do.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Limits, head, row};
use crate::lab::Lab;
use crate::measure;
use crate::process::{self, mebibytes};

const ROUNDS: usize = 500;
/// How many entries the large cache holds beside the one that is read.
const ENTRIES: usize = 100_000;
const GET: [&str; 2] = ["account", "get-access-token"];

/// A hit takes at most this many times as long as the floor.
const RATIO: f64 = 1.6;
/// The peak memory of a hit, in bytes.
const MEMORY: u64 = 12 << 20;
/// How much longer, or shorter, a hit may take in the large cache.
const GROWTH: f64 = 0.10;

pub(super) fn measure(limits: &mut Limits) -> Result<()> {
    eprintln!("Building token and a local issuer …");
    let small = Lab::start(0)?;
    let large = Lab::start(0)?;
    let floor = process::build("xtask", "floor", &["--release"])?;
    for lab in [&small, &large] {
        lab.sign_in()?;
        lab.get(&GET)?;
    }
    eprintln!("Filling a cache with {ENTRIES} entries …");
    fill(&large)?;

    let file = small.home().join("3-KiB");
    std::fs::write(&file, vec![b'x'; 3 << 10])?;
    let mut least = Command::new(floor);
    least.arg(&file);
    let [least, hit, in_large] = measure::interleaved(ROUNDS, [least, small.token(&GET), large.token(&GET)])?;
    let memory = measure::peak_memory(small.token(&GET))?;

    head(&format!("{ROUNDS} runs of each, interleaved"));
    row("reads 3 KiB and prints them", &least, 1.0, None);
    row("a hit", &hit, hit.ratio(&least), Some(RATIO));
    row(&format!("a hit among {ENTRIES} entries"), &in_large, in_large.ratio(&least), None);
    let growth = in_large.ratio(&hit) - 1.0;
    println!("large cache against small  {:+.1} %   limit ±{:.0} %", growth * 100.0, GROWTH * 100.0);
    println!("peak memory of a hit       {}  limit {}", mebibytes(memory), mebibytes(MEMORY));

    limits.hold("ratio of a hit", hit.ratio(&least) <= RATIO);
    limits.hold("large file cache", growth.abs() <= GROWTH);
    limits.hold("memory", memory <= MEMORY);
    Ok(())
}

/// Fills a cache with copies of its access token under other names. A hit that looked at any of them would show
/// in its time; what is in them does not matter, since nobody asks for those keys.
fn fill(lab: &Lab) -> Result<()> {
    let original = find_entry(lab.home())?;
    let body = std::fs::read(&original)?;
    let name = original.file_name().and_then(|name| name.to_str()).context("an entry without a name")?;
    let (kind, id) = name.split_once('-').context("an entry's name has no kind")?;
    let digits = id.bytes().take_while(u8::is_ascii_hexdigit).count();
    let suffix = &id[digits..];
    for number in 0..ENTRIES {
        // Spread as real ids are, by a multiplicative hash.
        let spread = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let name = format!("{kind}-{:0<digits$}{suffix}", format!("{spread:016x}"));
        std::fs::File::create_new(original.with_file_name(name))?.write_all(&body)?;
    }
    Ok(())
}

/// The file of the only access token in a home.
fn find_entry(directory: &Path) -> Result<PathBuf> {
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                directories.push(entry.path());
            } else if entry.file_name().to_string_lossy().starts_with("access-") {
                return Ok(entry.path());
            }
        }
    }
    bail!("there is no file of an access token under {}", directory.display())
}
