//! Directories and files that one may not use, or that have no room.
//!
//! Root may do everything, so where the tests run as root the program runs as nobody here.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use token_testkit::Settings;

use super::{Table, entry, row_with, said};
use crate::harness::{FORCE, GET, Lab, Output, TOKEN, start};

pub(super) const NOBODY: u32 = 65534;

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Gives a directory and all that is in it to a user, where we can.
pub(super) fn give(path: &Path, user: u32) {
    if is_root() {
        chown(path, Some(user), Some(user)).unwrap();
        if path.is_dir() && !path.is_symlink() {
            fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path(), user));
        }
    }
}

/// `token`, run by this user where we can. It comes through a descriptor, for another user may not reach its path.
pub(super) fn token_as(lab: &Lab, user: u32, arguments: &[&str]) -> Command {
    if !is_root() {
        return lab.token(arguments);
    }
    let mut command = lab.program("/proc/self/fd/0", arguments);
    command.arg0("token").stdin(File::open(TOKEN).unwrap()).uid(user).gid(user);
    command
}

/// A lab whose home is nobody's.
fn nobodys(lab: Lab) -> Lab {
    give(lab.home(), NOBODY);
    lab
}

fn run(lab: &Lab, arguments: &[&str]) -> Output {
    start(&mut token_as(lab, NOBODY, arguments)).finish()
}

fn row(lab: &Lab, arguments: &[&str]) -> String {
    said(lab, &run(lab, arguments))
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn signed_in() -> Lab {
    nobodys(Lab::signed_in(Settings::auto_approving()))
}

#[test]
fn it_is_read_only() {
    let lab = signed_in();
    let all = ["", "lock", "staging", "rescue"].map(|name| lab.entries().join(name));
    all.iter().for_each(|path| mode(path, 0o500));
    assert_eq!(row(&lab, GET), "exit 0\n");
    let asked = lab.issuer.counts();
    let mut table = Table::default();
    for arguments in [FORCE, &["get", "graph"], &["login"], &["logout"], &["cache", "purge"]] {
        table.add(&arguments.join(" "), &row(&lab, arguments));
    }
    insta::assert_snapshot!(table.0, @"
    --- account get-access-token --force-refresh
    exit 1
    error: could not store credential-HEX in file:HOME/.local/share/token/entries
    cause: HOME/.local/share/token/entries/credential-HEX: permission denied
    hint: TOKEN_CACHE or `cache` in the config names another place; 'token config show' shows the present one
    --- get graph
    exit 1
    error: could not store credential-HEX in file:HOME/.local/share/token/entries
    cause: HOME/.local/share/token/entries/credential-HEX: permission denied
    hint: TOKEN_CACHE or `cache` in the config names another place; 'token config show' shows the present one
    --- login
    exit 1
    error: could not store access-HEX in file:HOME/.local/share/token/entries
    cause: HOME/.local/share/token/entries/access-HEX: permission denied
    hint: TOKEN_CACHE or `cache` in the config names another place; 'token config show' shows the present one
    --- logout
    exit 1
    error: could not store credential-HEX in file:HOME/.local/share/token/entries
    cause: HOME/.local/share/token/entries/credential-HEX: permission denied
    hint: ada@contoso.example is still signed in
    --- cache purge
    exit 0
    ");
    assert_eq!(lab.issuer.counts(), asked, "what cannot be stored is not asked for");
    all.iter().for_each(|path| mode(path, 0o700));
    assert_eq!(row(&lab, FORCE), "exit 0\n");
}

#[test]
fn nothing_can_be_made() {
    let lab = nobodys(Lab::new(Settings::auto_approving()));
    mode(lab.home(), 0o500);
    assert_eq!(row(&lab, GET), "exit 4\nerror: Please run 'token login' to setup account.\n");
    insta::assert_snapshot!(row(&lab, &["login"]), @"
    exit 1
    error: could not create the key HOME/.config/token/key
    cause: Permission denied (os error 13)
    hint: `key` in the config or TOKEN_KEY names another place
    ");
    mode(lab.home(), 0o700);
    // The key has a place, and the entries have none.
    fs::create_dir(lab.home().join(".local")).unwrap();
    mode(&lab.home().join(".local"), 0o500);
    insta::assert_snapshot!(row(&lab, &["login"]), @"
    exit 1
    error: could not open the cache in file:HOME/.local/share/token/entries
    cause: HOME/.local/share/token/entries: Permission denied (os error 13)
    hint: TOKEN_CACHE or `cache` in the config names another place; 'token config show' shows the present one
    ");
    assert_eq!(lab.issuer.counts().device_codes, 0, "nobody is asked to sign in for nothing");
    mode(&lab.home().join(".local"), 0o700);
}

#[test]
fn it_is_no_directory_of_ours() {
    let lab = signed_in();
    let entries = lab.entries();
    let mut table = Table::default();
    mode(&entries, 0o755);
    table.add("others may look", &row(&lab, GET));
    mode(&entries, 0o770);
    table.add("others may write", &row(&lab, &["login"]));
    mode(&entries, 0o700);
    let aside = entries.with_file_name("aside");
    fs::rename(&entries, &aside).unwrap();
    symlink(&aside, &entries).unwrap();
    table.add("a symbolic link", &row(&lab, GET));
    fs::remove_file(&entries).unwrap();
    fs::write(&entries, "").unwrap();
    table.add("a file", &row(&lab, GET));
    let within = format!("file:{}/within", entries.display());
    let mut command = token_as(&lab, NOBODY, GET);
    table.add("in a file", &said(&lab, &start(command.env("TOKEN_CACHE", within)).finish()));
    fs::remove_file(&entries).unwrap();
    fs::rename(&aside, &entries).unwrap();
    assert_eq!(row(&lab, GET), "exit 0\n");
    insta::assert_snapshot!(table.0, @"
    --- others may look
    exit 1
    error: could not open the cache in file:HOME/.local/share/token/entries
    cause: HOME/.local/share/token/entries is open to other users (mode 0755); run `chmod 700 HOME/.local/share/token/entries`
    hint: TOKEN_CACHE or `cache` in the config names another place; 'token config show' shows the present one
    --- others may write
    exit 1
    error: could not open the cache in file:HOME/.local/share/token/entries
    cause: HOME/.local/share/token/entries is open to other users (mode 0770); run `chmod 700 HOME/.local/share/token/entries`
    hint: TOKEN_CACHE or `cache` in the config names another place; 'token config show' shows the present one
    --- a symbolic link
    exit 1
    error: could not open the cache in file:HOME/.local/share/token/entries
    cause: HOME/.local/share/token/entries is a symbolic link; name the directory that it points to
    hint: TOKEN_CACHE or `cache` in the config names another place; 'token config show' shows the present one
    --- a file
    exit 1
    error: could not open the cache in file:HOME/.local/share/token/entries
    cause: HOME/.local/share/token/entries is not a directory; move it away or name another directory
    hint: TOKEN_CACHE or `cache` in the config names another place; 'token config show' shows the present one
    --- in a file
    exit 1
    error: could not open the cache in file:HOME/.local/share/token/entries/within
    cause: HOME/.local/share/token/entries/within: Not a directory (os error 20)
    hint: TOKEN_CACHE or `cache` in the config names another place; 'token config show' shows the present one
    ");
}

#[test]
fn it_is_somebody_elses() {
    let lab = signed_in();
    // Only root can give a directory away; everybody else knows one that is root's.
    let (owner, directory) = if is_root() { (NOBODY - 1, lab.entries()) } else { (0, "/usr".into()) };
    if is_root() {
        chown(&directory, Some(owner), None).unwrap();
    }
    let mut command = token_as(&lab, NOBODY, GET);
    let output = start(command.env("TOKEN_CACHE", format!("file:{}", directory.display()))).finish();
    let user = if is_root() { NOBODY } else { rustix::process::geteuid().as_raw() };
    let said = said(&lab, &output)
        .replace("/usr", "HOME/.local/share/token/entries")
        .replace(&format!("user {owner}"), "user OWNER")
        .replace(&format!("user {user}"), "user USER")
        .replace(&format!("chown {user}"), "chown USER");
    insta::assert_snapshot!(said, @"
    exit 1
    error: could not open the cache in file:HOME/.local/share/token/entries
    cause: HOME/.local/share/token/entries belongs to user OWNER, and this is user USER; name a directory of your own, or run `chown USER HOME/.local/share/token/entries`
    hint: TOKEN_CACHE or `cache` in the config names another place; 'token config show' shows the present one
    ");
}

#[test]
fn a_file_may_not_be_read() {
    let lab = signed_in();
    let mut table = Table::default();
    let key = lab.key();
    let choice = fs::read_dir(lab.home().join(".local/state/token"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some())
        .unwrap();
    for (name, path, arguments) in [
        ("the credential", entry(&lab, "credential"), FORCE),
        ("the profile", entry(&lab, "profile"), &["account", "list"]),
        ("the key", key, GET),
        ("the config", lab.home().join("token.toml"), GET),
        ("the choice", choice, GET),
        ("the entries", lab.entries(), GET),
    ] {
        let before = path.metadata().unwrap().permissions();
        mode(&path, 0);
        table.add(name, &row(&lab, arguments));
        fs::set_permissions(&path, before).unwrap();
    }
    let access: Vec<_> = super::entries(&lab, "access");
    access.iter().for_each(|path| mode(path, 0));
    table.add("the access token", &row(&lab, GET));
    access.iter().for_each(|path| mode(path, 0o600));
    assert_eq!(row(&lab, FORCE), "exit 0\n");
    insta::assert_snapshot!(table.0, @"
    --- the credential
    exit 1
    error: could not load credential-HEX in file:HOME/.local/share/token/entries
    cause: HOME/.local/share/token/entries/credential-HEX: Permission denied (os error 13)
    hint: TOKEN_CACHE or `cache` in the config names another place; 'token config show' shows the present one
    --- the profile
    exit 1
    error: could not load profile-HEX in file:HOME/.local/share/token/entries
    cause: HOME/.local/share/token/entries/profile-HEX: Permission denied (os error 13)
    hint: TOKEN_CACHE or `cache` in the config names another place; 'token config show' shows the present one
    --- the key
    exit 1
    error: could not read the key HOME/.config/token/key
    cause: Permission denied (os error 13)
    hint: TOKEN_KEY or `key` in the config names it
    --- the config
    exit 1
    error: could not read the config HOME/token.toml
    cause: Permission denied (os error 13)
    hint: it is set by TOKEN_CONFIG
    --- the choice
    exit 1
    error: could not read the local choice in HOME/.local/state/token/choice-HEX.json
    cause: Permission denied (os error 13)
    hint: 'token account set --subscription …' writes it anew
    --- the entries
    exit 1
    error: could not load profile-HEX in file:HOME/.local/share/token/entries
    cause: HOME/.local/share/token/entries/profile-HEX: Permission denied (os error 13)
    hint: TOKEN_CACHE or `cache` in the config names another place; 'token config show' shows the present one
    --- the access token
    exit 1
    error: could not load access-HEX in file:HOME/.local/share/token/entries
    cause: HOME/.local/share/token/entries/access-HEX: Permission denied (os error 13)
    hint: TOKEN_CACHE or `cache` in the config names another place; 'token config show' shows the present one
    ");
}

#[test]
fn the_choice_may_not_be_written() {
    let lab = signed_in();
    let state = lab.home().join(".local/state/token");
    mode(&state, 0o500);
    insta::assert_snapshot!(row(&lab, &["account", "set", "-s", "Production"]), @"
    exit 1
    error: could not write the local choice in HOME/.local/state/token/choice-HEX.json
    cause: Permission denied (os error 13)
    hint: XDG_STATE_HOME, or AZURE_CONFIG_DIR, names another place
    ");
    mode(&state, 0o700);
}

/// Runs the program where no file may grow. Its output goes through pipes, which have no size.
fn run_without_room(lab: &Lab, arguments: &[&str]) -> String {
    let mut command = lab.program("/bin/sh", &["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"", TOKEN]);
    let output = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap().replace(lab.home().to_str().unwrap(), "HOME");
    format!(
        "exit {}\n{}",
        output.status.code().unwrap(),
        super::named(&text).replace(lab.issuer.base_url(), "ISSUER")
    )
}

#[test]
fn it_has_no_room() {
    let lab = Lab::signed_in(Settings::auto_approving());
    assert_eq!(run_without_room(&lab, GET), "exit 0\n");
    let asked = lab.issuer.counts();
    insta::assert_snapshot!(run_without_room(&lab, FORCE), @"
    exit 1
    error: could not store credential-HEX in file:HOME/.local/share/token/entries
    cause: HOME/.local/share/token/entries/credential-HEX: File too large (os error 27)
    hint: nothing was lost; make room there, or name another place in TOKEN_CACHE or as `cache` in the config
    ");
    assert_eq!(lab.issuer.counts(), asked, "what cannot be stored is not asked for");
    insta::assert_snapshot!(run_without_room(&lab, &["account", "set", "-s", "Production"]), @"
    exit 1
    error: could not write the local choice in HOME/.local/state/token/choice-HEX.json
    cause: File too large (os error 27)
    hint: XDG_STATE_HOME, or AZURE_CONFIG_DIR, names another place
    ");
    lab.assert_alive();
    let fresh = Lab::new(Settings::auto_approving());
    insta::assert_snapshot!(run_without_room(&fresh, &["login"]), @"
    exit 1
    error: could not create the key HOME/.config/token/key
    cause: File too large (os error 27)
    hint: `key` in the config or TOKEN_KEY names another place
    ");
    assert_eq!(super::row(&fresh, &["login"]).lines().next(), Some("exit 0"));
    fresh.assert_alive();
}

#[test]
fn its_disk_is_full() {
    let lab = Lab::signed_in(Settings::auto_approving());
    let (full, fill) = (lab.home().join("full"), "dd if=/dev/zero of=filling bs=1k 2>/dev/null; sync");
    fs::create_dir(&full).unwrap();
    // In a mount namespace of its own, which ends with the command.
    let script = format!(
        "mount -t tmpfs -o size=64k,mode=700 tmpfs \"$FULL\" && cd \"$FULL\" && cp -a \"$ENTRIES\"/. . && {{ {fill}; }}; \
         cd / && exec \"$0\" \"$@\""
    );
    let run = |arguments: &[&str]| {
        let mut command = lab.program("unshare", &["--mount", "/bin/sh", "-c", &script, TOKEN]);
        command.args(arguments).env("FULL", &full).env("ENTRIES", lab.entries());
        start(command.env("TOKEN_CACHE", format!("file:{}", full.display()))).finish()
    };
    let hit = run(&["get", "--account", "ada@contoso.example"]);
    if hit.stderr.starts_with("unshare: ") || hit.stderr.contains("mount: ") {
        // Mounting is refused here; the file-size limit above has to do.
        return;
    }
    assert_eq!(said(&lab, &hit), "exit 0\n");
    let asked = lab.issuer.counts();
    insta::assert_snapshot!(said(&lab, &run(&["get", "--account", "ada@contoso.example", "--force-refresh"])), @"
    exit 1
    error: could not store credential-HEX in file:HOME/full
    cause: HOME/full/credential-HEX: No space left on device (os error 28)
    hint: nothing was lost; make room there, or name another place in TOKEN_CACHE or as `cache` in the config
    ");
    assert_eq!(lab.issuer.counts(), asked, "what cannot be stored is not asked for");
}

#[test]
fn the_state_cannot_be_kept() {
    let lab = nobodys(Lab::new(Settings::auto_approving()));
    let state = lab.home().join("state");
    fs::write(&state, "").unwrap();
    give(&state, NOBODY);
    let variables = [("XDG_STATE_HOME", state.to_str().unwrap())];
    insta::assert_snapshot!(row_with(&lab, &variables, &["login"]), @"
    exit 1
    error: could not keep this user's id in HOME/state/token
    cause: Not a directory (os error 20)
    hint: XDG_STATE_HOME names another place
    ");
}
