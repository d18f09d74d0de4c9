//! Time and memory of short programs.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// The times of several runs, sorted.
#[derive(Debug)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// The fastest.
    pub(crate) fn min(&self) -> Duration {
        self.0.first().copied().unwrap_or_default()
    }

    /// The middle one.
    pub(crate) fn median(&self) -> Duration {
        self.0.get(self.0.len() / 2).copied().unwrap_or_default()
    }

    /// How many times as long as the other, by the median.
    pub(crate) fn ratio(&self, other: &Self) -> f64 {
        self.median().as_secs_f64() / other.median().as_secs_f64()
    }
}

/// Runs programs in turn, `rounds` times each, so that whatever else the machine does meets all of them alike.
/// What they print is thrown away.
pub(crate) fn interleaved<const N: usize>(rounds: usize, mut programs: [Command; N]) -> Result<[Times; N]> {
    let mut times = [const { Vec::new() }; N];
    for program in &mut programs {
        program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        time(program)?;
    }
    for round in 0..rounds {
        for turn in 0..N {
            // Not always in the same order: nobody always comes after the same other one.
            let index = (round + turn) % N;
            times[index].push(time(&mut programs[index])?);
        }
    }
    Ok(times.map(|mut times| {
        times.sort_unstable();
        Times(times)
    }))
}

/// One run, from its start to its end.
pub(crate) fn time(program: &mut Command) -> Result<Duration> {
    let start = Instant::now();
    let status = program.status().with_context(|| format!("cannot run {program:?}"))?;
    let time = start.elapsed();
    ensure!(status.success(), "{program:?} failed ({status})");
    Ok(time)
}

/// The peak of a program's resident memory, in bytes: Linux's `VmHWM`, read while the program waits to print into
/// a pipe that is full. What it prints must be the last thing it does.
pub(crate) fn peak_memory(mut program: Command) -> Result<u64> {
    let (mut reader, mut writer) = std::io::pipe()?;
    let full = writer.try_clone()?;
    let filling = std::thread::spawn(move || writer.write_all(&[0; 64 << 10]));
    // That is a pipe's default capacity. Where it is less, the thread waits as the program will: the pipe is full
    // either way.
    let start = Instant::now();
    while !filling.is_finished() && start.elapsed() < Duration::from_secs(1) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut child = program.stdin(Stdio::null()).stdout(full).stderr(Stdio::null()).spawn()?;
    drop(program);
    let status = format!("/proc/{}/status", child.id());
    let mut peak = (0, Instant::now());
    while peak.1.elapsed() < Duration::from_millis(100) {
        std::thread::sleep(Duration::from_millis(5));
        let text = std::fs::read_to_string(&status)?;
        let waiting = field(&text, "State:").is_some_and(|state| state.starts_with('S'));
        let kib = field(&text, "VmHWM:").and_then(|value| value.trim_end_matches(" kB").parse().ok());
        let kib: u64 = kib.context("the program ended before its memory was read")?;
        if !waiting || kib != peak.0 {
            peak = (kib, Instant::now());
        }
    }
    std::io::copy(&mut reader.by_ref().take(64 << 10), &mut std::io::sink())?;
    let mut printed = Vec::new();
    reader.read_to_end(&mut printed)?;
    let ended = child.wait()?;
    let filled = filling.join().is_ok_and(|written| written.is_ok());
    ensure!(ended.success() && filled && !printed.is_empty(), "the program failed ({ended})");
    Ok(peak.0 << 10)
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_the_programs_own() {
        let small = peak_memory(Command::new("true"));
        assert!(small.is_err(), "a program that prints nothing cannot be measured");
        let mut echo = Command::new("echo");
        echo.arg("x");
        let peak = peak_memory(echo).unwrap();
        assert!((100 << 10..100 << 20).contains(&peak), "{peak}");
    }

    #[test]
    fn every_program_runs_equally_often() {
        let [a, b] = interleaved(5, [Command::new("true"), Command::new("true")]).unwrap();
        assert_eq!((a.0.len(), b.0.len()), (5, 5));
        assert!(a.min() <= a.median());
    }
}
