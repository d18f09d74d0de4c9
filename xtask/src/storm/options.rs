//! What a storm is told to do.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// Everything that can be typed behind `cargo xtask storm`.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The cache that all hosts share.
    pub(crate) cache: Cache,
    /// How many hosts there are.
    pub(crate) hosts: usize,
    /// How many processes ask at once on each.
    pub(crate) processes: usize,
    /// How often.
    pub(crate) rounds: usize,
    /// What happens to the holder of the lease.
    pub(crate) holder: Option<(Blow, Point)>,
    /// What happens to the store between the note and the answer.
    pub(crate) store: Option<StoreFault>,
    /// For how many seconds the issuer forgives that a spent refresh token comes back.
    pub(crate) grace: u64,
}

/// Where the hosts meet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Cache {
    /// A directory of our own. The hosts are then homes on one host.
    File,
    /// A database of our own; as above.
    Sqlite,
    /// A Redis server of our own, which can be made to fail.
    Redis,
    /// Whatever this URL names.
    At(String),
}

/// What the holder of the lease suffers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Blow {
    /// SIGKILL.
    Kill,
    /// SIGSTOP, until its lease is over.
    Stop,
}

/// Where in a refresh the holder is met: the points of `token_core::faults`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Point {
    /// Before anything is written.
    BeforeNote,
    /// The note is in the cache.
    Noted,
    /// The same, a moment later.
    BeforeSend,
    /// The issuer's answer has come and is nowhere else.
    Answered,
    /// The answer is in the rescue.
    Rescued,
    /// The credential is in the cache.
    Stored,
    /// All is done.
    Served,
}

const POINTS: [(&str, Point); 7] = [
    ("before-note", Point::BeforeNote),
    ("noted", Point::Noted),
    ("before-send", Point::BeforeSend),
    ("answered", Point::Answered),
    ("rescued", Point::Rescued),
    ("stored", Point::Stored),
    ("served", Point::Served),
];

/// What a server of our own does while a refresh is under way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum StoreFault {
    /// It is killed, and back after [`OUTAGE`] with everything that it acknowledged.
    Crash,
    /// It ends every connection.
    Cut,
    /// It swallows everything for [`OUTAGE`].
    BlackHole,
    /// It answers half a second later, all the time.
    Slow,
}

const STORE_FAULTS: [(&str, StoreFault); 4] = [
    ("crash", StoreFault::Crash),
    ("cut", StoreFault::Cut),
    ("black-hole", StoreFault::BlackHole),
    ("slow", StoreFault::Slow),
];

/// How long a store stays away.
pub(crate) const OUTAGE: Duration = Duration::from_secs(3);

impl Options {
    /// Four hosts, fifty processes each, ten rounds, nothing goes wrong.
    pub(crate) fn on(cache: Cache) -> Self {
        Self { cache, hosts: 4, processes: 50, rounds: 10, holder: None, store: None, grace: 0 }
    }

    /// Reads what was typed.
    pub(crate) fn parse(arguments: &[&str]) -> Result<Self> {
        let mut options = Self::on(Cache::File);
        let mut arguments = arguments.iter();
        while let Some(&option) = arguments.next() {
            let value =
                || arguments.clone().next().copied().with_context(|| format!("{option} takes a value"));
            match option {
                "--cache" => options.cache = Cache::parse(value()?)?,
                "--hosts" => options.hosts = number(option, value()?)?,
                "--processes" => options.processes = number(option, value()?)?,
                "--rounds" => options.rounds = number(option, value()?)?,
                "--kill" => options.strike(Blow::Kill, named(option, value()?, &POINTS)?)?,
                "--stop" => options.strike(Blow::Stop, named(option, value()?, &POINTS)?)?,
                "--store-fault" => options.store = Some(named(option, value()?, &STORE_FAULTS)?),
                "--grace" => options.grace = number(option, value()?)? as u64,
                _ => bail!("'{option}' is not an option of storm"),
            }
            arguments.next();
        }
        ensure!(options.hosts > 0 && options.processes > 0, "a storm takes a host and a process at least");
        ensure!(
            options.store.is_none() || options.cache == Cache::Redis,
            "--store-fault goes with --cache redis, a server of our own"
        );
        Ok(options)
    }

    /// What the holder's environment says to its fault points.
    pub(crate) fn fault_point(&self) -> Option<&'static str> {
        let (_, point) = self.holder?;
        POINTS.iter().find(|(_, known)| *known == point).map(|(name, _)| *name)
    }

    fn strike(&mut self, blow: Blow, point: Point) -> Result<()> {
        ensure!(self.holder.is_none(), "one holder is killed or stopped at one point");
        self.holder = Some((blow, point));
        Ok(())
    }
}

impl Cache {
    fn parse(value: &str) -> Result<Self> {
        Ok(match value {
            "file" => Self::File,
            "sqlite" => Self::Sqlite,
            "redis" => Self::Redis,
            url if url.contains(':') => Self::At(url.to_owned()),
            other => bail!("'{other}' is no cache: say file, sqlite, redis, or a URL"),
        })
    }

    /// Whether a lease ends with its holder, and not by time.
    pub(crate) fn is_on_one_host(&self) -> bool {
        match self {
            Self::File | Self::Sqlite => true,
            Self::Redis => false,
            Self::At(url) => url.starts_with("file:") || url.starts_with("sqlite:"),
        }
    }
}

fn number(option: &str, value: &str) -> Result<usize> {
    value.parse().with_context(|| format!("{option} takes a number, not '{value}'"))
}

fn named<T: Copy>(option: &str, value: &str, names: &[(&str, T)]) -> Result<T> {
    let found = names.iter().find(|(name, _)| *name == value).map(|(_, named)| *named);
    found.with_context(|| {
        let names: Vec<_> = names.iter().map(|(name, _)| *name).collect();
        format!("'{value}' is nothing for {option}; there is {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_meant() {
        let options = Options::parse(&["--cache", "redis", "--hosts", "2", "--kill", "noted"]).unwrap();
        assert_eq!((options.hosts, options.processes, options.rounds), (2, 50, 10));
        assert_eq!(options.fault_point(), Some("noted"));
        assert_eq!(Cache::parse("rediss://cache").unwrap(), Cache::At("rediss://cache".to_owned()));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for typed in [
            &["--hosts"][..],
            &["--hosts", "many"],
            &["--hosts", "0"],
            &["--cache", "memory"],
            &["--kill", "lunch"],
            &["--kill", "noted", "--stop", "noted"],
            &["--store-fault", "crash"],
            &["--faster"],
        ] {
            assert!(Options::parse(typed).is_err(), "{typed:?}");
        }
    }
}
