//! Entries that are cut short, altered, moved, or sealed by others.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use token_testkit::Settings;

use super::{Table, each, entries, entry, row, said};
use crate::harness::{FORCE, GET, Lab, start};

/// Ways to damage a file.
fn cut(whole: &[u8], at: usize) -> Vec<u8> {
    whole[..at].to_vec()
}

fn flipped(whole: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    bytes[at] ^= 0x55;
    bytes
}

/// Flipped, in a frame that is whole again: only the seal can tell.
fn flipped_in_the_seal(whole: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = flipped(whole, at);
    let covered = bytes.len() - 8;
    let sum = Sha256::digest(&bytes[..covered]);
    bytes[covered..].copy_from_slice(&sum[..8]);
    bytes
}

/// How many labs share the places of a damage among themselves.
const SHARES: usize = 4;

/// A file of a lab that is damaged in all places, with the command that meets the damage.
struct Damaged {
    login: &'static [&'static str],
    kind: &'static str,
    arguments: &'static [&'static str],
    damage: fn(&[u8], usize) -> Vec<u8>,
    /// Of the places, the body alone, and only so many of it.
    body: Option<usize>,
}

impl Damaged {
    /// What the command says, by the first and last place of the damage. The bytes stay as they are, nobody asks the
    /// issuer, and once they are mended the sign-in lives.
    fn said(&self) -> String {
        let mut rows: Vec<(usize, usize, String)> = each(0..SHARES, |share| self.share(share)).concat();
        rows.sort();
        let mut merged: Vec<(usize, usize, String)> = Vec::new();
        for (at, last, row) in rows {
            match merged.last_mut() {
                Some(before) if before.2 == row => before.1 = last,
                _ => merged.push((at, last, row)),
            }
        }
        let mut table = Table::default();
        let end = merged.last().unwrap().1;
        for (first, last, row) in merged {
            // The length of an entry differs by a few bytes from run to run.
            let last = if last == end { "the end".to_owned() } else { last.to_string() };
            table.add(&format!("{first} to {last}"), &row);
        }
        table.0
    }

    fn share(&self, share: usize) -> Vec<(usize, usize, String)> {
        let lab = Lab::new(Settings::auto_approving());
        assert_eq!(row(&lab, self.login).lines().next(), Some("exit 0"));
        let path = entry(&lab, self.kind);
        let whole = fs::read(&path).unwrap();
        let asked = lab.issuer.counts();
        let (first, last, step) = match self.body {
            None => (0, whole.len(), 1),
            Some(step) => (BODY, whole.len() - SUM, step),
        };
        let places = (first..last).step_by(step).skip(share).step_by(SHARES);
        let rows = places.map(|at| {
            let damaged = (self.damage)(&whole, at);
            fs::write(&path, &damaged).unwrap();
            let row = row(&lab, self.arguments);
            assert!(fs::read(&path).unwrap() == damaged, "at {at}: {row}");
            (at, at, row)
        });
        let rows = rows.collect();
        assert_eq!(lab.issuer.counts(), asked);
        fs::write(&path, &whole).unwrap();
        assert_eq!(row(&lab, FORCE), "exit 0\n");
        rows
    }
}

/// Where the body begins in an entry's file, and how much is behind it.
const BODY: usize = 41;
const SUM: usize = 8;

/// What stands in the clear at the beginning of a sealed body: the format and the id of the key. Altered, it is
/// sealed under a key that nobody has, which is no damage.
const KEY_ID: usize = 9;

#[test]
fn a_credential_cut_at_every_length_is_told_of_and_stays() {
    let damaged =
        Damaged { login: &["login"], kind: "credential", arguments: FORCE, damage: cut, body: None };
    insta::assert_snapshot!(damaged.said(), @"
    --- 0 to 7
    exit 4
    error: HOME/.local/share/token/entries/credential-HEX is damaged: it is too short
    hint: 'token login' signs in again and replaces it; until then it stays as it is
    --- 8 to 15
    exit 4
    error: HOME/.local/share/token/entries/credential-HEX is damaged: it is no entry of a format that this version reads
    hint: 'token login' signs in again and replaces it; until then it stays as it is
    --- 16 to the end
    exit 4
    error: HOME/.local/share/token/entries/credential-HEX is damaged: its checksum does not match: it was cut short or altered
    hint: 'token login' signs in again and replaces it; until then it stays as it is
    ");
}

#[test]
fn a_credential_altered_at_every_byte_is_told_of_and_stays() {
    let damaged =
        Damaged { login: &["login"], kind: "credential", arguments: FORCE, damage: flipped, body: None };
    insta::assert_snapshot!(damaged.said(), @"
    --- 0 to 7
    exit 4
    error: HOME/.local/share/token/entries/credential-HEX is damaged: it is no entry of a format that this version reads
    hint: 'token login' signs in again and replaces it; until then it stays as it is
    --- 8 to the end
    exit 4
    error: HOME/.local/share/token/entries/credential-HEX is damaged: its checksum does not match: it was cut short or altered
    hint: 'token login' signs in again and replaces it; until then it stays as it is
    ");
    let damaged = Damaged { damage: flipped_in_the_seal, body: Some(7), ..damaged };
    insta::assert_snapshot!(damaged.said(), @"
    --- 41 to 41
    exit 4
    error: could not open credential-HEX
    cause: it was damaged or does not belong here
    hint: 'token login' signs in again and replaces it; until then it stays as it is
    hint: it is in file:HOME/.local/share/token/entries
    --- 48 to 48
    exit 1
    error: could not open credential-HEX
    cause: it is sealed under key HEX, which is not among the keys given
    hint: put that key into the key file, or name it in TOKEN_KEY (file:PATH or env:NAME)
    hint: it is in file:HOME/.local/share/token/entries
    --- 55 to the end
    exit 4
    error: could not open credential-HEX
    cause: it was damaged or does not belong here
    hint: 'token login' signs in again and replaces it; until then it stays as it is
    hint: it is in file:HOME/.local/share/token/entries
    ");
}

#[test]
fn a_profile_damaged_anywhere_is_told_of_and_stays() {
    let login = &["login", "--issuer", "eng"];
    let damaged =
        Damaged { login, kind: "profile", arguments: &["account", "list"], damage: cut, body: None };
    insta::assert_snapshot!(damaged.said(), @"
    --- 0 to 7
    exit 4
    error: HOME/.local/share/token/entries/profile-HEX is damaged: it is too short
    hint: 'token login' signs in again and replaces it; until then it stays as it is
    --- 8 to 15
    exit 4
    error: HOME/.local/share/token/entries/profile-HEX is damaged: it is no entry of a format that this version reads
    hint: 'token login' signs in again and replaces it; until then it stays as it is
    --- 16 to the end
    exit 4
    error: HOME/.local/share/token/entries/profile-HEX is damaged: its checksum does not match: it was cut short or altered
    hint: 'token login' signs in again and replaces it; until then it stays as it is
    ");
    let damaged = Damaged { damage: flipped, ..damaged };
    insta::assert_snapshot!(damaged.said(), @"
    --- 0 to 7
    exit 4
    error: HOME/.local/share/token/entries/profile-HEX is damaged: it is no entry of a format that this version reads
    hint: 'token login' signs in again and replaces it; until then it stays as it is
    --- 8 to the end
    exit 4
    error: HOME/.local/share/token/entries/profile-HEX is damaged: its checksum does not match: it was cut short or altered
    hint: 'token login' signs in again and replaces it; until then it stays as it is
    ");
    let damaged = Damaged { damage: flipped_in_the_seal, body: Some(7), ..damaged };
    insta::assert_snapshot!(damaged.said(), @"
    --- 41 to 41
    exit 4
    error: could not open profile-HEX
    cause: it was damaged or does not belong here
    hint: 'token login' signs in again and replaces it; until then it stays as it is
    hint: it is in file:HOME/.local/share/token/entries
    --- 48 to 48
    exit 1
    error: could not open profile-HEX
    cause: it is sealed under key HEX, which is not among the keys given
    hint: put that key into the key file, or name it in TOKEN_KEY (file:PATH or env:NAME)
    hint: it is in file:HOME/.local/share/token/entries
    --- 55 to the end
    exit 4
    error: could not open profile-HEX
    cause: it was damaged or does not belong here
    hint: 'token login' signs in again and replaces it; until then it stays as it is
    hint: it is in file:HOME/.local/share/token/entries
    ");
}

#[test]
fn a_sign_in_mends_what_was_damaged() {
    let kinds = ["credential", "profile"];
    let damages = [cut, flipped, flipped_in_the_seal];
    each(kinds.iter().flat_map(|kind| damages.map(|damage| (kind, damage))), |(kind, damage)| {
        let lab = Lab::signed_in(Settings::auto_approving());
        let path = entry(&lab, kind);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, damage(&whole, whole.len() / 2)).unwrap();
        lab.sign_in();
        lab.assert_alive();
        assert_eq!(row(&lab, &["account", "list"]), "exit 0\n");
    });
}

#[test]
fn an_access_token_cut_at_every_length_is_replaced_without_a_word() {
    each(0..SHARES, |share| replaced_by_one_refresh_each(cut, share, 0));
}

#[test]
fn an_access_token_altered_at_every_byte_is_replaced_without_a_word() {
    each(0..SHARES, |share| replaced_by_one_refresh_each(flipped, share, 0));
    each(0..SHARES, |share| {
        replaced_by_one_refresh_each(flipped_in_the_seal, BODY + KEY_ID + 7 * share, SUM)
    });
}

/// Damages an access token in one share of all places. Each time the next call makes a new one, by one refresh.
fn replaced_by_one_refresh_each(damage: fn(&[u8], usize) -> Vec<u8>, first: usize, behind: usize) {
    // Every call writes, so where there is a disk of memory it is taken.
    let memory = Path::new("/dev/shm");
    let shelf = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let lab = Lab::new(Settings::auto_approving());
    let cache = format!("file:{}", shelf.path().join("entries").display());
    let run = |arguments: &[&str]| start(lab.token(arguments).env("TOKEN_CACHE", &cache)).finish();
    assert_eq!(run(&["login", "--issuer", "eng"]).code(), 0);
    let entries = fs::read_dir(shelf.path().join("entries")).unwrap().map(|entry| entry.unwrap().path());
    let is_access = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("access-");
    let path = entries.filter(is_access).collect::<Vec<_>>().remove(0);
    // In the body alone they are fewer.
    let step = if behind > 0 { 7 * SHARES } else { SHARES };
    let mut refreshes = 0;
    for at in (first..).step_by(step) {
        let whole = fs::read(&path).unwrap();
        if at >= whole.len() - behind {
            break;
        }
        fs::write(&path, damage(&whole, at)).unwrap();
        let answer = run(GET).json();
        refreshes += 1;
        assert_eq!(lab.issuer.counts().refreshes, refreshes, "damaged at {at}");
        assert!(lab.issued(&answer).scopes.contains(&"openid".to_owned()));
    }
    assert!(refreshes > 10);
    run(GET).json();
    assert_eq!(lab.issuer.counts().refreshes, refreshes, "the last one stayed");
}

#[test]
fn an_entry_moved_to_another_name_is_not_taken() {
    let lab = Lab::signed_in(Settings::auto_approving());
    lab.get(&["account", "get-access-token", "--resource", "https://graph.example"]);
    // Every access token under the name of the next one: whoever asks gets the own one, by one refresh each.
    let names = entries(&lab, "access");
    let bodies: Vec<_> = names.iter().map(|path| fs::read(path).unwrap()).collect();
    names.iter().zip(bodies.iter().cycle().skip(1)).for_each(|(path, body)| fs::write(path, body).unwrap());
    lab.issuer.reset_counts();
    let output = lab.run(GET);
    lab.assert_token_for(&output, crate::harness::RESOURCE);
    let output = lab.run(&["account", "get-access-token", "--resource", "https://graph.example"]);
    lab.assert_token_for(&output, "https://graph.example");
    lab.assert_refreshes(2);

    // A credential under another's name is nobody's.
    assert_eq!(row(&lab, &["login", "--issuer", "eng"]).lines().next(), Some("exit 0"));
    let names = entries(&lab, "credential");
    let bodies: BTreeMap<_, _> = names.iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    names
        .iter()
        .zip(names.iter().cycle().skip(1))
        .for_each(|(path, other)| fs::write(path, &bodies[other]).unwrap());
    let moved: Vec<_> = names.iter().map(|path| fs::read(path).unwrap()).collect();
    insta::assert_snapshot!(row(&lab, &["get", "--account", "eng", "--force-refresh"]), @"
    exit 4
    error: could not open credential-HEX
    cause: it was damaged or does not belong here
    hint: 'token login --issuer eng' signs in again and replaces it; until then it stays as it is
    hint: it is in file:HOME/.local/share/token/entries
    ");
    insta::assert_snapshot!(row(&lab, &["get", "--account", "ada@contoso.example", "--force-refresh"]), @"
    exit 4
    error: could not open credential-HEX
    cause: it was damaged or does not belong here
    hint: 'token login' signs in again and replaces it; until then it stays as it is
    hint: it is in file:HOME/.local/share/token/entries
    ");
    assert!(names.iter().map(|path| fs::read(path).unwrap()).eq(moved), "they do not stay");
    bodies.iter().for_each(|(path, body)| fs::write(path, body).unwrap());
    assert_eq!(row(&lab, &["get", "--account", "eng", "--force-refresh"]), "exit 0\n");
    assert_eq!(row(&lab, &["get", "--account", "ada@contoso.example", "--force-refresh"]), "exit 0\n");
}

#[test]
fn an_entry_of_another_sign_in_or_key_is_not_taken() {
    let (lab, other) =
        (Lab::signed_in(Settings::auto_approving()), Lab::signed_in(Settings::auto_approving()));
    let path = entry(&lab, "credential");
    let whole = fs::read(&path).unwrap();
    fs::copy(entry(&other, "credential"), &path).unwrap();
    let foreign = fs::read(&path).unwrap();
    let key_id =
        token_core::KeyRing::parse(&fs::read_to_string(other.key()).unwrap()).unwrap().key_id().unwrap();
    let output = lab.run(FORCE);
    assert!(output.stderr.contains(&format!("key {key_id},")), "{output}");
    insta::assert_snapshot!(said(&lab, &output), @"
    exit 1
    error: could not open credential-HEX
    cause: it is sealed under key HEX, which is not among the keys given
    hint: put that key into the key file, or name it in TOKEN_KEY (file:PATH or env:NAME)
    hint: it is in file:HOME/.local/share/token/entries
    ");
    assert_eq!(fs::read(&path).unwrap(), foreign);
    fs::write(&path, whole).unwrap();
    // An access token that another key sealed is no damage either: it is somebody's.
    let names = entries(&lab, "access");
    for path in &names {
        fs::copy(&entries(&other, "access")[0], path).unwrap();
    }
    insta::assert_snapshot!(row(&lab, GET), @"
    exit 1
    error: could not open access-HEX
    cause: it is sealed under key HEX, which is not among the keys given
    hint: put that key into the key file, or name it in TOKEN_KEY (file:PATH or env:NAME)
    hint: it is in file:HOME/.local/share/token/entries
    ");
    names.iter().for_each(|path| fs::remove_file(path).unwrap());
    lab.assert_alive();
}
