//! What tests and comparisons need beyond cargo.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::process;

/// Something a test runs or reads, and the Debian package that has it.
pub(crate) struct Need {
    pub(crate) thing: Thing,
    pub(crate) package: &'static str,
    pub(crate) why: &'static str,
}

pub(crate) enum Thing {
    /// A program on PATH.
    Program(&'static str),
    /// A file.
    File(&'static str),
    /// A module of Python's own library.
    Module(&'static str),
}

const NEEDS: &[Need] = &[
    Need {
        thing: Thing::Program("strace"),
        package: "strace",
        why: "to show that a cached call opens no socket and takes no lock",
    },
    Need {
        thing: Thing::Program("redis-server"),
        package: "redis-server",
        why: "to run the cache on Redis against real servers",
    },
    Need {
        thing: Thing::Program("openssl"),
        package: "openssl",
        why: "to sign in with certificates in every form in which they are made",
    },
    Need { thing: Thing::Program("curl"), package: "curl", why: "to run the examples of the documentation" },
    Need { thing: Thing::Program("ip"), package: "iproute2", why: "to sign in on a host that has no IPv4" },
    Need {
        thing: Thing::File("/usr/share/zoneinfo/Australia/Lord_Howe"),
        package: "tzdata",
        why: "to test local times in zones that fold and skip",
    },
];

/// Installs what the tests need and is missing.
pub(crate) fn run() -> Result<()> {
    needs(NEEDS)
}

/// Installs what is missing of this.
pub(crate) fn needs(needs: &[Need]) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !need.thing.is_there()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        eprintln!("missing: {} ({})", need.package, need.why);
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    let by_hand = format!("install by hand: {}", packages.join(" "));
    if find("apt-get").is_none() {
        bail!("there is no apt-get here; {by_hand}");
    }
    let Some(privileged) = privileged() else {
        bail!("neither root nor sudo without a password; {by_hand}");
    };
    let apt_get = |arguments: &[&str]| {
        let mut words =
            privileged.iter().copied().chain(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        let mut command = Command::new(words.next().unwrap_or("env"));
        command.args(words).args(["--quiet", "--quiet"]).args(arguments);
        command
    };
    // An index that cannot be updated may still do; the installation says.
    if let Err(error) = process::run(&mut apt_get(&["update"])) {
        eprintln!("{error:#}");
    }
    process::run(apt_get(&["install", "--yes", "--no-install-recommends"]).args(&packages))?;
    if let Some(need) = missing.iter().find(|need| !need.thing.is_there()) {
        bail!("{} was installed, and what is needed of it is still not there", need.package);
    }
    Ok(())
}

impl Thing {
    fn is_there(&self) -> bool {
        match self {
            Self::Program(name) => find(name).is_some(),
            Self::File(path) => Path::new(path).exists(),
            Self::Module(name) => {
                let import = Command::new("python3").args(["-c", &format!("import {name}")]).output();
                import.is_ok_and(|output| output.status.success())
            }
        }
    }
}

/// A program on PATH.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|path| path.is_file())
}

/// What to put before a command that only root may run, if we may at all.
fn privileged() -> Option<Vec<&'static str>> {
    let may = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null());
        command.output().ok().filter(|output| output.status.success())
    };
    if may("id", &["-u"]).is_some_and(|output| output.stdout.trim_ascii() == b"0") {
        return Some(Vec::new());
    }
    may("sudo", &["-n", "true"]).map(|_| vec!["sudo", "-n"])
}
