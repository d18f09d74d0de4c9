//! Writers that do not get to the end: killed, or out of room.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use token_cache_file::FileCache;
use token_core::{CacheErrorKind, Kind, Swap, TokenCache, Version};

use crate::{again, entry, home, key, put, text};

const DIRECTORY: &str = "TOKEN_CACHE_FILE_TEST_DIRECTORY";

/// Kills a writer a hundred times, wherever it happens to be: what it was told is stored is there, whole, or
/// something later is.
#[tokio::test]
async fn a_killed_writer_leaves_the_old_entry_or_the_new() {
    let home = home();
    let cache = FileCache::open(home.path()).unwrap();
    put(&cache, &key("a"), &numbered(0)).await;
    for kill in 0..100 {
        let mut writer =
            again("crash::a_writer").env(DIRECTORY, home.path()).stdout(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(writer.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut stored = told.find_map(|line| number_told(&line)).expect("the writer has begun");
        let [a, b, ..] = *Version::random().as_bytes();
        tokio::time::sleep(Duration::from_micros(u64::from(u16::from_be_bytes([a, b])) / 8)).await;
        writer.kill().unwrap();
        writer.wait().unwrap();
        // What it still told before its end is in the pipe.
        stored = told.filter_map(|line| number_told(&line)).last().unwrap_or(stored);

        let entry =
            cache.load(&key("a")).await.unwrap_or_else(|error| panic!("kill {kill}: {}", text(&error)));
        let number = u64::from_be_bytes(entry.unwrap().body[..8].try_into().unwrap());
        assert!(
            number == stored || number == stored + 1,
            "kill {kill}: {number} is there, {stored} was stored"
        );
        let listed = cache.list(Kind::Credential).await.unwrap();
        assert!(listed.len() == 1 && listed[0].version.is_some(), "kill {kill}: {listed:?}");
        assert!(left(home.path()) <= 1, "kill {kill}: what earlier kills left is still there");
    }
    put(&cache, &key("a"), &numbered(0)).await;
    assert_eq!(left(home.path()), 0, "what a killed writer left is gone after the next write");
}

#[tokio::test]
#[ignore = "what is killed, in a process of its own"]
async fn a_writer() {
    let Some(directory) = directory() else { return };
    let cache = FileCache::open(directory).unwrap();
    loop {
        let current = cache.load(&key("a")).await.unwrap().unwrap();
        let number = u64::from_be_bytes(current.body[..8].try_into().unwrap()) + 1;
        let swap = cache.swap(&key("a"), Some(&current.version), Some(&numbered(number))).await.unwrap();
        assert_eq!(swap, Swap::Done);
        io::stdout().write_all(format!("\nstored {number}\n").as_bytes()).unwrap();
    }
}

/// A limit of the file size stands for a full disk: both stop a write in the middle.
#[test]
fn a_write_that_does_not_fit_is_full_and_leaves_the_old_entry() {
    let home = home();
    // Without the trap the kernel ends the process instead of the write.
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(std::env::current_exe().unwrap());
    command.args(again("crash::a_writer_without_room").get_args());
    let output = command.env(DIRECTORY, home.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert_eq!(left(home.path()), 0);
}

#[tokio::test]
#[ignore = "it runs under a limit, in a process of its own"]
async fn a_writer_without_room() {
    let Some(directory) = directory() else { return };
    let cache = FileCache::open(&directory).unwrap();
    let small = entry("small");
    put(&cache, &key("a"), &small).await;
    for (key, expected) in [(key("a"), Some(&small)), (key("b"), None)] {
        let large = entry(vec![0; 1 << 20]);
        let version = expected.map(|entry| entry.version);
        let error = cache.swap(&key, version.as_ref(), Some(&large)).await.expect_err("it does not fit");
        assert_eq!(error.kind(), CacheErrorKind::Full, "{}", text(&error));
        assert_eq!(cache.load(&key).await.unwrap().as_ref(), expected);
    }
    put(&cache, &key("a"), &entry("small again")).await;
}

fn numbered(number: u64) -> token_core::Entry {
    // Some pages, so that a kill may fall between them.
    let mut body = number.to_be_bytes().to_vec();
    body.resize(20_000, 7);
    entry(body)
}

fn number_told(line: &str) -> Option<u64> {
    line.strip_prefix("stored ")?.parse().ok()
}

fn left(directory: &Path) -> usize {
    fs::read_dir(directory.join("staging")).unwrap().count()
}

fn directory() -> Option<std::ffi::OsString> {
    std::env::var_os(DIRECTORY)
}
