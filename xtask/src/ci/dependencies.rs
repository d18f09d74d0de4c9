//! Who may depend on whom, over `cargo metadata` and the lock file.

use cargo_metadata::{Dependency, DependencyKind, Metadata, Package};

use super::licence;

/// What a member may depend on, apart from its tests.
struct Member {
    name: &'static str,
    /// Other members.
    members: &'static [&'static str],
    /// Everything else; `None` for any crate that is not banned.
    others: Option<&'static [&'static str]>,
}

/// Dependencies point one way. A backend depends on the core and its driver only: whoever embeds one gets nothing
/// else with it. (`async-trait` belongs to the contract; `tokio` keeps blocking calls off the async threads.)
const MEMBERS: &[Member] = &[
    Member { name: "token-core", members: &[], others: None },
    Member {
        name: "token-cache-file",
        members: &["token-core"],
        others: Some(&["async-trait", "rustix", "sha2", "tempfile", "tokio"]),
    },
    Member {
        name: "token-cache-redis",
        members: &["token-core"],
        // TLS is not left to the driver, which reads the system's certificates for every connection.
        others: Some(&[
            "async-trait",
            "percent-encoding",
            "redis",
            "rustix",
            "rustls-native-certs",
            "tokio",
            "tokio-rustls",
            "url",
        ]),
    },
    Member {
        name: "token-cache-sqlite",
        members: &["token-core"],
        others: Some(&["async-trait", "crc32fast", "rusqlite", "rustix", "tokio"]),
    },
    Member {
        name: "token-cli",
        members: &["token-core", "token-cache-file", "token-cache-redis", "token-cache-sqlite"],
        others: None,
    },
    Member { name: "token-testkit", members: &["token-core"], others: None },
    Member {
        name: "xtask",
        members: &["token-testkit"],
        others: Some(&["anyhow", "cargo_metadata", "regex", "serde_json", "tempfile"]),
    },
];

/// Members that nothing depends on, not even a test.
const LEAVES: &[&str] = &["token-cli", "xtask"];

/// Crates that must not be in the graph, on any platform.
const BANNED: &[(&str, &str)] = &[
    ("openssl", "rustls does TLS, without a system library"),
    ("openssl-sys", "rustls does TLS, without a system library"),
    ("openssl-src", "rustls does TLS, without a system library"),
    ("native-tls", "rustls does TLS, without a system library"),
    ("hyper-tls", "rustls does TLS, without a system library"),
];

/// Licences that let us publish under ours.
const LICENCES: &[&str] = &[
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// Crates with another licence, and why that does no harm.
const LICENCE_EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("colored", "MPL-2.0", "only in tests, through mockito; never distributed"),
    (
        "xxhash-rust",
        "BSL-1.0",
        "through redis; it asks for its notice beside sources only, not beside programs",
    ),
];

/// The one registry.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Everything that breaks a rule, one line each.
pub(super) fn violations(metadata: &Metadata, lock_file: &str) -> Vec<String> {
    let mut found = Vec::new();
    for member in metadata.workspace_packages() {
        found.extend(direction(metadata, member));
        found.extend(core_without_features(member));
        found.extend(manifest(metadata, member));
    }
    for package in &metadata.packages {
        found.extend(banned(package));
        found.extend(licensed(package));
        found.extend(old_enough(metadata, package));
    }
    found.extend(one_registry(lock_file));
    found
}

/// Members depend only on what [`MEMBERS`] lists for them.
fn direction(metadata: &Metadata, package: &Package) -> Vec<String> {
    let Some(rule) = MEMBERS.iter().find(|member| package.name == member.name) else {
        return vec![format!("{}: a new member needs its rule in {}", package.name, file!())];
    };
    let mut found = Vec::new();
    for dependency in &package.dependencies {
        let name = dependency.name.as_str();
        let is_member = metadata.workspace_packages().iter().any(|member| member.name == name);
        if LEAVES.contains(&name) {
            found.push(format!("{} depends on {name}: nothing may", package.name));
        } else if dependency.kind != DependencyKind::Development {
            let allowed = if is_member {
                rule.members.contains(&name)
            } else {
                rule.others.is_none_or(|all| all.contains(&name))
            };
            if !allowed {
                found.push(format!("{} may not depend on {name}", package.name));
            }
        }
    }
    found
}

/// Backends take the core without its default features, and without the HTTP client.
fn core_without_features(package: &Package) -> Option<String> {
    let core = |dependency: &&Dependency| {
        dependency.name == "token-core" && dependency.kind == DependencyKind::Normal
    };
    if !package.name.starts_with("token-cache-") {
        return None;
    }
    let core = package.dependencies.iter().find(core)?;
    (core.uses_default_features || !core.features.is_empty())
        .then(|| format!("{} must take token-core without features", package.name))
}

/// What every member's manifest declares.
fn manifest(metadata: &Metadata, package: &Package) -> Vec<String> {
    let mut found = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            found.push(format!("{} must {what}", package.name));
        }
    };
    let core = metadata.packages.iter().find(|package| package.name == "token-core");
    must(package.rust_version.is_some(), "declare a rust-version");
    must(
        core.is_none_or(|core| core.rust_version == package.rust_version),
        "have the workspace's rust-version",
    );
    must(core.is_none_or(|core| core.version == package.version), "have the workspace's version");
    must(package.license.as_deref() == Some("MIT"), "declare the workspace's licence");
    must(package.description.is_some(), "have a description");
    found
}

fn banned(package: &Package) -> Option<String> {
    let (name, why) = BANNED.iter().find(|(name, _)| package.name == *name)?;
    Some(format!("{name} is banned: {why}"))
}

fn licensed(package: &Package) -> Option<String> {
    let licence = package.license.as_deref().unwrap_or("no licence");
    let excepted = LICENCE_EXCEPTIONS.iter().any(|(name, its, _)| package.name == *name && licence == *its);
    (!excepted && !licence::is_met(licence, LICENCES))
        .then(|| format!("{} {} is under {licence}", package.name, package.version))
}

/// No dependency needs a newer compiler than we declare.
fn old_enough(metadata: &Metadata, package: &Package) -> Option<String> {
    let ours = metadata.workspace_packages().iter().filter_map(|member| member.rust_version.clone()).min()?;
    let theirs = package.rust_version.as_ref().filter(|theirs| **theirs > ours)?;
    Some(format!("{} {} needs Rust {theirs}, and we declare {ours}", package.name, package.version))
}

fn one_registry(lock_file: &str) -> Vec<String> {
    let sources = lock_file.lines().filter_map(|line| line.strip_prefix("source = "));
    sources
        .filter(|source| source.trim_matches('"') != REGISTRY)
        .map(|source| format!("Cargo.lock: {source} is not the default registry"))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use serde_json::{Value, json};

    use super::*;

    /// The real workspace, changed.
    fn violations_after(change: impl FnOnce(&mut Value)) -> Vec<String> {
        static REAL: LazyLock<Value> =
            LazyLock::new(|| serde_json::to_value(super::super::metadata().unwrap()).unwrap());
        let mut value = REAL.clone();
        change(&mut value);
        violations(&serde_json::from_value(value).unwrap(), &super::super::lock_file().unwrap())
    }

    fn package<'a>(metadata: &'a mut Value, name: &str) -> &'a mut Value {
        let packages = metadata["packages"].as_array_mut().unwrap();
        packages.iter_mut().find(|package| package["name"] == name).unwrap()
    }

    /// Lets one package depend on another.
    fn depend(metadata: &mut Value, from: &str, on: &str, kind: Value) {
        let dependencies = package(metadata, from)["dependencies"].as_array_mut().unwrap();
        let mut dependency = dependencies[0].clone();
        dependency["name"] = json!(on);
        dependency["kind"] = kind;
        dependencies.push(dependency);
    }

    #[track_caller]
    fn assert_only(found: &[String], wanted: &str) {
        assert!(found.len() == 1 && found[0].contains(wanted), "wanted only '{wanted}', found {found:#?}");
    }

    #[test]
    fn the_workspace_keeps_the_rules() {
        assert_eq!(violations_after(|_| ()), Vec::<String>::new());
    }

    #[test]
    fn the_core_depends_on_no_backend() {
        let found =
            violations_after(|metadata| depend(metadata, "token-core", "token-cache-file", json!(null)));
        assert_only(&found, "token-core may not depend on token-cache-file");
    }

    #[test]
    fn a_test_of_the_core_may_use_the_testkit() {
        let found =
            violations_after(|metadata| depend(metadata, "token-core", "token-testkit", json!("dev")));
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn nothing_depends_on_the_cli_not_even_a_test() {
        let found = violations_after(|metadata| depend(metadata, "token-testkit", "token-cli", json!("dev")));
        assert_only(&found, "token-testkit depends on token-cli");
    }

    #[test]
    fn a_backend_has_its_driver_only() {
        let found = violations_after(|metadata| depend(metadata, "token-cache-file", "reqwest", json!(null)));
        assert_only(&found, "token-cache-file may not depend on reqwest");
    }

    #[test]
    fn a_backend_takes_the_core_without_features() {
        for change in [json!({ "uses_default_features": true }), json!({ "features": ["http"] })] {
            let found = violations_after(|metadata| {
                let dependencies = &mut package(metadata, "token-cache-file")["dependencies"];
                let core = dependencies.as_array_mut().unwrap().iter_mut();
                let core = core.filter(|core| core["name"] == "token-core" && core["kind"] != "dev");
                for core in core {
                    for (name, value) in change.as_object().unwrap() {
                        core[name] = value.clone();
                    }
                }
            });
            assert_only(&found, "token-cache-file must take token-core without features");
        }
    }

    #[test]
    fn a_new_member_needs_a_rule() {
        let found =
            violations_after(|metadata| package(metadata, "token-testkit")["name"] = json!("token-new"));
        assert!(
            found.iter().any(|line| line.contains("token-new: a new member needs its rule")),
            "{found:?}"
        );
    }

    #[test]
    fn banned_crates_are_found() {
        let found = violations_after(|metadata| package(metadata, "bytes")["name"] = json!("openssl-sys"));
        assert_only(&found, "openssl-sys is banned");
    }

    #[test]
    fn licences_outside_the_list_are_found() {
        for licence in [json!("AGPL-3.0-only"), json!(null)] {
            let found = violations_after(|metadata| package(metadata, "bytes")["license"] = licence);
            assert_only(&found, "bytes");
        }
    }

    #[test]
    fn an_exception_is_for_one_licence() {
        let found =
            violations_after(|metadata| package(metadata, "colored")["license"] = json!("GPL-2.0-only"));
        assert_only(&found, "colored");
    }

    #[test]
    fn a_dependency_that_needs_a_newer_compiler_is_found() {
        let found = violations_after(|metadata| package(metadata, "bytes")["rust_version"] = json!("1.999"));
        assert_only(&found, "needs Rust 1.999");
    }

    #[test]
    fn every_manifest_declares_what_the_workspace_does() {
        for (field, value, wanted) in [
            ("rust_version", json!("1.85"), "have the workspace's rust-version"),
            ("version", json!("9.0.0"), "have the workspace's version"),
            ("license", json!("ISC"), "declare the workspace's licence"),
            ("description", json!(null), "have a description"),
        ] {
            let found = violations_after(|metadata| package(metadata, "token-testkit")[field] = value);
            assert!(found.iter().any(|line| line.contains(wanted)), "{found:?}");
        }
    }

    #[test]
    fn other_registries_are_found() {
        let lock = format!("source = \"{REGISTRY}\"\nsource = \"registry+https://mirror.example/index\"\n");
        assert_only(&one_registry(&lock), "mirror.example");
    }
}
