//! House rules over the tracked files, where neither rustfmt nor clippy has a rule.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use cargo_metadata::Metadata;

use crate::process::read;

/// File names that say nothing about what is in the file.
const NAMES: &[&str] =
    &["common.rs", "helpers.rs", "misc.rs", "prelude.rs", "types.rs", "util.rs", "utils.rs"];

/// A word that must not stand in a file.
struct Word {
    /// Put together here, so that this file passes its own rule.
    text: &'static str,
    /// The ending of the files it is banned from; empty for all.
    files: &'static str,
    /// Where it may stand all the same, by the start of the path.
    except: &'static [&'static str],
    why: &'static str,
}

const WORDS: &[Word] = &[
    Word { text: concat!("TO", "DO"), files: "", except: &[], why: "do it, or open an issue" },
    Word { text: concat!("FIX", "ME"), files: "", except: &[], why: "fix it, or open an issue" },
    Word { text: concat!("XX", "X:"), files: "", except: &[], why: "say what is wrong, or open an issue" },
    Word { text: concat!("unimpl", "emented!"), files: ".rs", except: &[], why: "a path that panics" },
    Word { text: concat!("to", "do!"), files: ".rs", except: &[], why: "a path that panics" },
    Word { text: concat!("/ro", "ot"), files: "", except: &[], why: MACHINE },
    Word { text: concat!("/wo", "rk/"), files: "", except: &[], why: MACHINE },
    // The tests of grants have a tenant of that name.
    Word { text: concat!("/ho", "me/"), files: "", except: &["token-core/tests/grants/"], why: MACHINE },
    Word { text: concat!("/Use", "rs/"), files: "", except: &[], why: MACHINE },
    Word {
        text: concat!(".try_", "lease("),
        files: ".rs",
        // The tests of caches, and a cache that passes the call on.
        except: &[
            "token-core/src/broker",
            "token-core/src/sign_in.rs",
            "token-core/src/conformance",
            "token-core/tests/",
            "token-cache-",
        ],
        why: "only the broker takes leases",
    },
];

const MACHINE: &str = "a path of one machine";

/// A source file longer than this, without its tests, is reported; nothing fails.
const LONG: usize = 400;
/// A source file longer than this, without its tests, holds more than one concept.
const TOO_LONG: usize = 600;
/// Whose length is nobody's business: what is only for tests.
const ANY_LENGTH: &[&str] = &["token-testkit/", "token-core/src/conformance"];

/// Everything that breaks a rule, one line each.
pub(super) fn violations(root: &Path, files: &[PathBuf], metadata: &Metadata) -> Result<Vec<String>> {
    let targets: BTreeSet<PathBuf> = metadata
        .workspace_packages()
        .iter()
        .flat_map(|package| &package.targets)
        .filter_map(|target| relative(root, target.src_path.as_std_path()))
        .collect();
    check(root, files, &targets)
}

/// What git tracks, or would: paths from the root.
pub(super) fn tracked_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let files = read(&mut git)?;
    let files = files.split_terminator('\0').map(PathBuf::from);
    // A file that was deleted and not yet committed is still listed.
    Ok(files.filter(|file| root.join(file).is_file()).collect::<BTreeSet<_>>().into_iter().collect())
}

fn check(root: &Path, files: &[PathBuf], targets: &BTreeSet<PathBuf>) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for file in files {
        let Ok(text) = String::from_utf8(std::fs::read(root.join(file))?) else { continue };
        found.extend(words(file, &text));
        if file.extension().is_some_and(|extension| extension == "rs") {
            found.extend(name(file));
            found.extend(module_file(file, &text));
            found.extend(header(file, &text));
            found.extend(length(file, &text));
            found.extend(declared(root, file, targets));
        }
        if file.extension().is_some_and(|extension| extension == "md") {
            found.extend(links(root, file, &text));
        }
    }
    Ok(found)
}

fn name(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    NAMES.contains(&name).then(|| format!("{}: name the file after its concept", file.display()))
}

/// A `mod.rs` declares and re-exports; what it would hold belongs in a file with a name.
fn module_file(file: &Path, text: &str) -> Option<String> {
    if file.file_name()? != "mod.rs" {
        return None;
    }
    let mut within_use = false;
    for line in text.lines().map(str::trim) {
        let begins =
            ["//", "#[", "#![", "mod ", "pub mod ", "pub(crate) mod ", "use ", "pub use ", "pub(crate) use "];
        if !within_use && !line.is_empty() && !begins.iter().any(|start| line.starts_with(start)) {
            return Some(format!("{}: a mod.rs with code: {line}", file.display()));
        }
        within_use = (within_use || line.contains("use ")) && !line.ends_with(';');
    }
    None
}

/// Every source file begins with what it is for.
fn header(file: &Path, text: &str) -> Option<String> {
    let in_source = file.components().any(|part| part.as_os_str() == "src");
    let first = text.lines().find(|line| !line.trim().is_empty());
    let has_header =
        first.is_none_or(|line| line.starts_with("//!") || line.starts_with("#![doc = include_str!("));
    (in_source && !has_header).then(|| format!("{}: begin with what the file is for (`//!`)", file.display()))
}

fn length(file: &Path, text: &str) -> Option<String> {
    let path = file.to_str()?;
    let for_tests = file.components().any(|part| part.as_os_str() == "tests");
    if for_tests || ANY_LENGTH.iter().any(|start| path.starts_with(start)) {
        return None;
    }
    let lines = text.lines().take_while(|line| !begins_tests(line)).count();
    if lines > LONG && lines <= TOO_LONG {
        eprintln!("note: {path} has {lines} lines without its tests, more than {LONG}");
    }
    (lines > TOO_LONG).then(|| format!("{path}: {lines} lines without its tests, more than {TOO_LONG}"))
}

/// Unit tests stand last, so what comes before is the file itself.
fn begins_tests(line: &str) -> bool {
    line.trim() == "#[cfg(test)]"
}

/// A file that no module declares is never compiled: a test in it never runs.
fn declared(root: &Path, file: &Path, targets: &BTreeSet<PathBuf>) -> Option<String> {
    if targets.contains(file) || is_of_another_package(root, file) {
        return None;
    }
    let (name, directory) = match file.file_name()?.to_str()? {
        "mod.rs" => (file.parent()?.file_name()?, file.parent()?.parent()?),
        _ => (file.file_stem()?, file.parent()?),
    };
    let declaration = format!("mod {};", name.to_str()?);
    // The parent is a target in the same directory, or the directory's own module.
    let mut parents: Vec<PathBuf> =
        targets.iter().filter(|target| target.parent() == Some(directory)).cloned().collect();
    parents.extend([directory.with_extension("rs"), directory.join("mod.rs")]);
    let declares = |parent: &PathBuf| {
        let text = std::fs::read_to_string(root.join(parent)).unwrap_or_default();
        text.lines().any(|line| {
            let line = line.trim();
            !line.starts_with("//") && (line == declaration || line.ends_with(&format!(" {declaration}")))
        })
    };
    (!parents.iter().any(declares)).then(|| format!("{}: no module declares it", file.display()))
}

/// The root of a package that is no member of the workspace.
fn is_of_another_package(root: &Path, file: &Path) -> bool {
    let package = file.strip_prefix("xtask/interop").ok().and_then(|rest| rest.iter().next());
    package.is_some_and(|package| {
        let package = Path::new("xtask/interop").join(package);
        file == package.join("src/main.rs") && root.join(package).join("Cargo.toml").is_file()
    })
}

fn words(file: &Path, text: &str) -> Vec<String> {
    let path = file.to_string_lossy();
    let mut found = Vec::new();
    for word in WORDS {
        if !path.ends_with(word.files) || word.except.iter().any(|start| path.starts_with(start)) {
            continue;
        }
        let is_call = word.text.starts_with('.');
        let lines = text.lines().take_while(|line| !(is_call && begins_tests(line)));
        for (number, line) in lines.enumerate() {
            if stands_in(line, word.text) {
                found.push(format!("{path}:{}: '{}': {}", number + 1, word.text, word.why));
            }
        }
    }
    found
}

/// Whether a line holds a word, and not just a longer one around it. What begins a path must not continue one.
fn stands_in(line: &str, word: &str) -> bool {
    let part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let continues_path = |letter: char| part(letter) || matches!(letter, '.' | '-' | '}' | ')' | '>' | '*');
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let fits_before = match word.chars().next() {
            Some('/') => !before.is_some_and(continues_path),
            Some('.') => true,
            _ => !before.is_some_and(part),
        };
        let ends_open = word.ends_with(|letter: char| !part(letter));
        fits_before && (ends_open || !after.is_some_and(part))
    })
}

/// A link to a file that is not there.
fn links(root: &Path, file: &Path, text: &str) -> Vec<String> {
    let directory = root.join(file.parent().unwrap_or(Path::new("")));
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    targets
        .filter(|target| !target.contains("://") && !target.starts_with(['#', '<']) && !target.contains(' '))
        .filter_map(|target| target.split('#').next())
        .filter(|target| !directory.join(target).exists())
        .map(|target| format!("{}: a link to {target}, which is not there", file.display()))
        .collect()
}

fn relative(root: &Path, path: &Path) -> Option<PathBuf> {
    let root = root.canonicalize().ok()?;
    path.canonicalize().ok()?.strip_prefix(root).ok().map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a tree of these files, in which `x/src/lib.rs` and `x/tests/x/main.rs` are targets.
    fn violations_in(files: &[(&str, &str)]) -> Vec<String> {
        let tree = tempfile::tempdir().unwrap();
        let mut paths = Vec::new();
        for (path, text) in files {
            let full = tree.path().join(path);
            std::fs::create_dir_all(full.parent().unwrap()).unwrap();
            std::fs::write(full, text).unwrap();
            paths.push(PathBuf::from(path));
        }
        let targets = ["x/src/lib.rs", "x/tests/x/main.rs"].map(PathBuf::from).into();
        check(tree.path(), &paths, &targets).unwrap()
    }

    #[track_caller]
    fn assert_only(files: &[(&str, &str)], wanted: &str) {
        let found = violations_in(files);
        assert!(found.len() == 1 && found[0].contains(wanted), "wanted only '{wanted}', found {found:#?}");
    }

    #[track_caller]
    fn assert_none(files: &[(&str, &str)]) {
        assert_eq!(violations_in(files), Vec::<String>::new());
    }

    #[test]
    fn the_workspace_keeps_the_rules() {
        let root = crate::process::root();
        let metadata = super::super::metadata().unwrap();
        let found = violations(root, &tracked_files(root).unwrap(), &metadata).unwrap();
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn a_file_is_named_after_its_concept() {
        for name in NAMES {
            let stem = name.trim_end_matches(".rs");
            let lib = format!("//! X.\nmod {stem};\n");
            assert_only(
                &[("x/src/lib.rs", &lib), (&format!("x/src/{name}"), "//! Y.\n")],
                "after its concept",
            );
        }
    }

    #[test]
    fn a_module_file_has_no_code() {
        let lib = ("x/src/lib.rs", "//! X.\nmod y;\n");
        assert_none(&[
            lib,
            ("x/src/y/mod.rs", "//! Y.\n#![allow(x)]\n\npub use a::{\n    b,\n    c,\n};\nuse d;\n"),
        ]);
        assert_only(
            &[lib, ("x/src/y/mod.rs", "//! Y.\nuse d;\nfn e() {}\n")],
            "a mod.rs with code: fn e() {}",
        );
    }

    #[test]
    fn a_source_file_says_what_it_is_for() {
        assert_only(&[("x/src/lib.rs", "fn x() {}\n")], "begin with what the file is for");
    }

    #[test]
    fn a_long_file_is_found() {
        let long = "//! X.\n".repeat(TOO_LONG + 1);
        assert_only(&[("x/src/lib.rs", &long)], "601 lines");
        assert_none(&[("x/tests/x/main.rs", &long)]);
        assert_none(&[("x/src/lib.rs", &format!("//! X.\n#[cfg(test)]\nmod tests {{\n{long}}}\n"))]);
    }

    #[test]
    fn a_forgotten_test_is_found() {
        let test = ("x/tests/x/races.rs", "#[test]\nfn race() {}\n");
        assert_none(&[("x/tests/x/main.rs", "mod races;\n"), test]);
        assert_only(
            &[("x/tests/x/main.rs", "// mod races;\n"), test],
            "x/tests/x/races.rs: no module declares it",
        );
        assert_only(&[("x/tests/stray.rs", "#[test]\nfn stray() {}\n")], "no module declares it");
    }

    #[test]
    fn a_module_is_declared_by_its_parent() {
        let lib = ("x/src/lib.rs", "//! X.\npub mod y;\n");
        let nested = ("x/src/y/z.rs", "//! Z.\n");
        assert_none(&[lib, ("x/src/y.rs", "//! Y.\nmod z;\n"), nested]);
        assert_none(&[lib, ("x/src/y/mod.rs", "//! Y.\nmod z;\n"), nested]);
        assert_only(
            &[lib, ("x/src/y.rs", "//! Y.\nmod zz;\n"), nested],
            "x/src/y/z.rs: no module declares it",
        );
    }

    #[test]
    fn every_banned_word_is_found() {
        for word in WORDS {
            let line = format!("//! \"{}\"\n", word.text);
            assert_only(&[("x/src/lib.rs", &line)], word.why);
        }
    }

    #[test]
    fn a_longer_word_or_path_is_another() {
        let text = format!(
            "//! {0}S {1}ing x{1} {{dir}}{2}x ../a{2}x\n",
            WORDS[0].text, WORDS[5].text, WORDS[7].text
        );
        let found = violations_in(&[("x/src/lib.rs", &text)]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn only_the_broker_takes_leases() {
        let call = format!("cache{}key)", WORDS[9].text);
        assert_only(&[("x/src/lib.rs", &format!("//! {call}\n"))], "only the broker takes leases");
        let found = words(Path::new("token-core/src/broker.rs"), &call);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn a_dead_link_is_found() {
        let there = "[a](x/b.md#part) [web](https://example.com) [here](#there) `x`(y)";
        assert_none(&[("x/b.md", ""), ("README.md", there)]);
        assert_only(&[("README.md", "[a](gone.md)")], "a link to gone.md");
    }
}
