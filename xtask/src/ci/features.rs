//! What is really compiled, over `cargo tree`: unlike `cargo metadata`, it resolves features as a build of one
//! package does.

use anyhow::Result;
use cargo_metadata::Metadata;

use crate::process::{cargo, read};

/// A build, and what must not be in it.
struct Build {
    what: String,
    arguments: Vec<&'static str>,
    package: String,
    absent: Vec<Absent>,
}

/// What a build must not have.
#[derive(Clone, Copy)]
enum Absent {
    /// A crate.
    Crate(&'static str),
    /// A feature of a crate.
    Feature(&'static str, &'static str),
}

const HTTP_CLIENT: [Absent; 4] =
    [Absent::Crate("reqwest"), Absent::Crate("hyper"), Absent::Crate("rustls"), Absent::Crate("ring")];

const TEST_FEATURES: [Absent; 3] = [
    Absent::Feature("token-core", "faults"),
    Absent::Feature("token-core", "conformance"),
    Absent::Crate("proptest"),
];

/// Everything that breaks a rule, one line each.
pub(super) fn violations(metadata: &Metadata) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for build in builds(metadata) {
        let mut command = cargo(&["tree", "--locked", "--edges", "normal,build", "--target", "all"]);
        command.args(["--prefix", "none", "--format", "{p}|{f}", "--package", &build.package]);
        found.extend(check(&build, &read(command.args(&build.arguments))?));
    }
    Ok(found)
}

fn builds(metadata: &Metadata) -> Vec<Build> {
    let core = Build {
        what: "token-core without features".into(),
        package: "token-core".into(),
        arguments: vec!["--no-default-features"],
        absent: [&HTTP_CLIENT[..], &TEST_FEATURES].concat(),
    };
    let cli = Build {
        what: "the released program".into(),
        package: "token-cli".into(),
        arguments: Vec::new(),
        absent: TEST_FEATURES.to_vec(),
    };
    let without = Build {
        what: "the program without features".into(),
        package: "token-cli".into(),
        arguments: vec!["--no-default-features"],
        absent: ["token-cache-redis", "redis", "token-cache-sqlite", "rusqlite"].map(Absent::Crate).to_vec(),
    };
    let members = metadata.workspace_packages().into_iter();
    let backends = members.filter(|package| package.name.starts_with("token-cache-")).map(|package| {
        let mut absent = [&HTTP_CLIENT[..], &TEST_FEATURES].concat();
        if package.name == "token-cache-redis" {
            // It speaks TLS, though not to issuers.
            absent.retain(|absent| !matches!(absent, Absent::Crate("rustls" | "ring")));
        }
        let name = package.name.to_string();
        Build { what: name.clone(), package: name, arguments: Vec::new(), absent }
    });
    [core, cli, without].into_iter().chain(backends).collect()
}

/// The lines of the tree look like `token-core v0.1.0 (…)|default,http`.
fn check(build: &Build, tree: &str) -> Vec<String> {
    let mut found: Vec<String> = tree
        .lines()
        .filter_map(|line| {
            let (package, features) = line.split_once('|')?;
            let name = package.split(' ').next()?;
            let features: Vec<&str> = features.trim_end_matches(" (*)").split(',').collect();
            build.absent.iter().find_map(|absent| match absent {
                Absent::Crate(it) if name == *it => Some(format!("{} must not compile {it}", build.what)),
                Absent::Feature(it, feature) if name == *it && features.contains(feature) => {
                    Some(format!("{} must not have the feature '{feature}' of {it}", build.what))
                }
                _ => None,
            })
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn released_program() -> Build {
        builds(&super::super::metadata().unwrap()).remove(1)
    }

    #[test]
    fn the_workspace_keeps_the_rules() {
        assert_eq!(violations(&super::super::metadata().unwrap()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_feature_for_tests_is_found_in_the_released_program() {
        let tree =
            "token-cli v0.1.0 (/x)|\ntoken-core v0.1.0 (/y)|default,faults,http (*)\nserde v1.0.0|faults\n";
        let found = check(&released_program(), tree);
        assert_eq!(found, ["the released program must not have the feature 'faults' of token-core"]);
    }

    #[test]
    fn an_http_client_is_found_in_the_core() {
        let core = builds(&super::super::metadata().unwrap()).remove(0);
        let found =
            check(&core, "token-core v0.1.0 (/y)|\nreqwest v0.13.5|rustls\nreqwest v0.13.5|rustls (*)\n");
        assert_eq!(found, ["token-core without features must not compile reqwest"]);
    }

    #[test]
    fn the_core_with_its_default_features_would_break_the_rule() {
        let metadata = super::super::metadata().unwrap();
        let mut core = builds(&metadata).remove(0);
        core.arguments.clear();
        let mut command = cargo(&["tree", "--locked", "--prefix", "none", "--format", "{p}|{f}"]);
        let tree = read(command.args(["--edges", "normal,build", "--package", "token-core"])).unwrap();
        assert!(check(&core, &tree).iter().any(|line| line.contains("reqwest")));
    }
}
