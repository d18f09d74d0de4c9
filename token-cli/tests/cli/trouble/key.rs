//! Keys that are missing, broken, or not the ones.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use token_testkit::Settings;

use super::{Table, entries, row, row_with};
use crate::harness::{FORCE, GET, Lab};

fn signed_in() -> Lab {
    Lab::signed_in(Settings::auto_approving())
}

fn another_key() -> String {
    STANDARD.encode(rand::random::<[u8; 32]>())
}

#[test]
fn it_is_missing_beside_a_filled_cache() {
    let lab = signed_in();
    let key = fs::read(lab.key()).unwrap();
    fs::remove_file(lab.key()).unwrap();
    let before = lab.files();
    let mut table = Table::default();
    for arguments in [GET, &["login"], &["account", "list"]] {
        table.add(&arguments.join(" "), &row(&lab, arguments));
    }
    for arguments in [&["logout"][..], &["account", "clear"], &["cache", "list"], &["cache", "purge"]] {
        assert_eq!(row(&lab, arguments), row(&lab, GET), "{arguments:?}");
    }
    insta::assert_snapshot!(table.0, @"
    --- account get-access-token
    exit 1
    error: the entries in file:HOME/.local/share/token/entries are sealed under key HEX, and HOME/.config/token/key does not exist
    hint: put the key there, or name it in TOKEN_KEY (file:PATH or env:NAME); without it the cache is of no use, and 'token login' works with another TOKEN_CACHE
    --- login
    exit 1
    error: the entries in file:HOME/.local/share/token/entries are sealed under key HEX, and HOME/.config/token/key does not exist
    hint: put the key there, or name it in TOKEN_KEY (file:PATH or env:NAME); without it the cache is of no use, and 'token login' works with another TOKEN_CACHE
    --- account list
    exit 1
    error: the entries in file:HOME/.local/share/token/entries are sealed under key HEX, and HOME/.config/token/key does not exist
    hint: put the key there, or name it in TOKEN_KEY (file:PATH or env:NAME); without it the cache is of no use, and 'token login' works with another TOKEN_CACHE
    ");
    assert!(lab.files() == before, "something was written");
    assert!(!lab.key().exists());
    fs::write(lab.key(), key).unwrap();
    fs::set_permissions(lab.key(), Permissions::from_mode(0o600)).unwrap();
    lab.assert_alive();
}

#[test]
fn it_is_another_one() {
    let lab = signed_in();
    let key = another_key();
    let before = lab.files();
    let asked = lab.issuer.counts();
    let variables = [("TOKEN_KEY", "env:ANOTHER"), ("ANOTHER", &key)];
    let mut table = Table::default();
    for arguments in [GET, &["account", "list"], &["login"], &["logout"]] {
        table.add(&arguments.join(" "), &row_with(&lab, &variables, arguments));
    }
    table.add("none", &row_with(&lab, &[("TOKEN_KEY", "none")], GET));
    insta::assert_snapshot!(table.0, @"
    --- account get-access-token
    exit 1
    error: could not open profile-HEX
    cause: it is sealed under key HEX, which is not among the keys given
    hint: put that key into the key file, or name it in TOKEN_KEY (file:PATH or env:NAME)
    hint: it is in file:HOME/.local/share/token/entries
    --- account list
    exit 1
    error: could not open profile-HEX
    cause: it is sealed under key HEX, which is not among the keys given
    hint: put that key into the key file, or name it in TOKEN_KEY (file:PATH or env:NAME)
    hint: it is in file:HOME/.local/share/token/entries
    --- login
    exit 1
    error: could not open profile-HEX
    cause: it is sealed under key HEX, which is not among the keys given
    hint: put that key into the key file, or name it in TOKEN_KEY (file:PATH or env:NAME)
    hint: it is in file:HOME/.local/share/token/entries
    --- logout
    exit 1
    error: could not open profile-HEX
    cause: it is sealed under key HEX, which is not among the keys given
    hint: put that key into the key file, or name it in TOKEN_KEY (file:PATH or env:NAME)
    hint: it is in file:HOME/.local/share/token/entries
    --- none
    exit 1
    error: could not open profile-HEX
    cause: it is sealed under key HEX, which is not among the keys given
    hint: put that key into the key file, or name it in TOKEN_KEY (file:PATH or env:NAME)
    hint: it is in file:HOME/.local/share/token/entries
    ");
    for variables in [&variables[..], &[("TOKEN_KEY", "none")]] {
        assert_eq!(row_with(&lab, variables, &["cache", "purge"]), "exit 0\n");
    }
    assert!(lab.files() == before, "something was written");
    assert_eq!(lab.issuer.counts(), asked, "nobody is asked to sign in for nothing");
    // Added to the ring, it does no harm.
    let both = format!("{}{key}\n", fs::read_to_string(lab.key()).unwrap());
    fs::write(lab.key(), both).unwrap();
    lab.assert_alive();
}

#[test]
fn it_cannot_be_read_as_a_key() {
    let lab = signed_in();
    let whole = fs::read(lab.key()).unwrap();
    let mut table = Table::default();
    for (name, content) in [
        ("empty", Vec::new()),
        ("a comment alone", b"# the key\n".to_vec()),
        ("half of it", whole[..20].to_vec()),
        ("two, and one is none", [&whole[..], b"nonsense\n"].concat()),
        ("no text", vec![0xff; 40]),
    ] {
        fs::write(lab.key(), content).unwrap();
        table.add(name, &row(&lab, GET));
    }
    fs::remove_file(lab.key()).unwrap();
    fs::create_dir(lab.key()).unwrap();
    fs::set_permissions(lab.key(), Permissions::from_mode(0o700)).unwrap();
    table.add("a directory", &row(&lab, GET));
    fs::remove_dir(lab.key()).unwrap();
    fs::write(lab.key(), &whole).unwrap();
    fs::set_permissions(lab.key(), Permissions::from_mode(0o644)).unwrap();
    table.add("others may read it", &row(&lab, GET));
    let variables = [("TOKEN_KEY", "env:BROKEN"), ("BROKEN", "hunter2")];
    table.add("in a variable", &row_with(&lab, &variables, GET));
    let nowhere = [("TOKEN_KEY", "file:/nowhere/key")];
    table.add("nowhere", &row_with(&lab, &nowhere, GET));
    fs::set_permissions(lab.key(), Permissions::from_mode(0o600)).unwrap();
    let key = String::from_utf8(whole).unwrap();
    assert!(!table.0.contains(&key[..20]) && !table.0.contains("hunter2"));
    insta::assert_snapshot!(table.0, @"
    --- empty
    exit 1
    error: could not read the key from file:HOME/.config/token/key
    cause: it holds no key
    hint: what was sealed opens with its own key alone: put that back, or name it in TOKEN_KEY (file:PATH or env:NAME)
    --- a comment alone
    exit 1
    error: could not read the key from file:HOME/.config/token/key
    cause: it holds no key
    hint: what was sealed opens with its own key alone: put that back, or name it in TOKEN_KEY (file:PATH or env:NAME)
    --- half of it
    exit 1
    error: could not read the key from file:HOME/.config/token/key
    cause: line 1 is no key: a key is 32 bytes in base64, alone on its line
    hint: what was sealed opens with its own key alone: put that back, or name it in TOKEN_KEY (file:PATH or env:NAME)
    --- two, and one is none
    exit 1
    error: could not read the key from file:HOME/.config/token/key
    cause: line 2 is no key: a key is 32 bytes in base64, alone on its line
    hint: what was sealed opens with its own key alone: put that back, or name it in TOKEN_KEY (file:PATH or env:NAME)
    --- no text
    exit 1
    error: could not read the key HOME/.config/token/key
    cause: it is not text: a key is 32 bytes in base64
    hint: TOKEN_KEY or `key` in the config names it
    --- a directory
    exit 1
    error: could not read the key HOME/.config/token/key
    cause: Is a directory (os error 21)
    hint: TOKEN_KEY or `key` in the config names it
    --- others may read it
    exit 1
    error: others can read the key HOME/.config/token/key
    hint: chmod 600 HOME/.config/token/key
    --- in a variable
    exit 1
    error: could not read the key from env:BROKEN
    cause: line 1 is no key: a key is 32 bytes in base64, alone on its line
    hint: what was sealed opens with its own key alone: put that back, or name it in TOKEN_KEY (file:PATH or env:NAME)
    --- nowhere
    exit 1
    error: the entries in file:HOME/.local/share/token/entries are sealed under key HEX, and /nowhere/key does not exist
    hint: put the key there, or name it in TOKEN_KEY (file:PATH or env:NAME); without it the cache is of no use, and 'token login' works with another TOKEN_CACHE
    ");
    lab.assert_alive();
}

#[test]
fn none_is_a_key_that_is_asked_for() {
    let lab = Lab::new(Settings::auto_approving());
    let none = [("TOKEN_KEY", "none")];
    assert_eq!(row_with(&lab, &none, &["login"]).lines().next(), Some("exit 0"));
    assert_eq!(row_with(&lab, &none, GET), "exit 0\n");
    assert_eq!(row_with(&lab, &none, FORCE), "exit 0\n");
    assert!(!lab.key().exists());
    // Without the word, what is not encrypted is not taken for ours.
    let mut table = Table::default();
    table.add("no key", &row(&lab, GET));
    let key = another_key();
    let another = [("TOKEN_KEY", "env:ANOTHER"), ("ANOTHER", key.as_str())];
    table.add("a key", &row_with(&lab, &another, GET));
    table.add("a key at sign-in", &row_with(&lab, &another, &["login"]));
    insta::assert_snapshot!(table.0, @r#"
    --- no key
    exit 1
    error: there are entries in file:HOME/.local/share/token/entries already, and the key HOME/.config/token/key does not exist
    hint: put the key there, or name it in TOKEN_KEY (file:PATH or env:NAME); without it the cache is of no use, and 'token login' works with another TOKEN_CACHE
    --- a key
    exit 1
    error: could not open profile-HEX
    cause: it is stored without encryption, although a key is configured
    hint: key = "none" in the config, or TOKEN_KEY=none, reads it
    hint: it is in file:HOME/.local/share/token/entries
    --- a key at sign-in
    exit 1
    error: could not open profile-HEX
    cause: it is stored without encryption, although a key is configured
    hint: key = "none" in the config, or TOKEN_KEY=none, reads it
    hint: it is in file:HOME/.local/share/token/entries
    "#);
    assert_eq!(row_with(&lab, &none, FORCE), "exit 0\n");
}

#[test]
fn it_can_only_read() {
    let lab = signed_in();
    let master = fs::read_to_string(lab.key()).unwrap();
    let reader = token_core::KeyRing::parse(&master).unwrap().readers_line().unwrap();
    let variables = [("TOKEN_KEY", "env:READER"), ("READER", reader.expose())];
    assert_eq!(row_with(&lab, &variables, GET), "exit 0\n");
    let mut table = Table::default();
    for arguments in [&["login"][..], &["logout"]] {
        table.add(&arguments.join(" "), &row_with(&lab, &variables, arguments));
    }
    insta::assert_snapshot!(table.0, @"
    --- login
    exit 1
    error: this key can only read, and a sign-in takes the whole key
    hint: TOKEN_KEY or `key` in the config names the key
    --- logout
    exit 1
    error: could not open credential-HEX
    cause: it is sealed for refreshers, and only a reader's key was given
    hint: ada@contoso.example is still signed in
    ");
    assert_eq!(entries(&lab, "credential").len(), 1);
    lab.assert_alive();
}
