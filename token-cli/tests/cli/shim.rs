//! Called as `az`: what is ours, and what goes to the next one on PATH.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use token_testkit::RunningIssuer;

use crate::desk::{Desk, willing_issuer};
use crate::harness::TOKEN;

/// A desk with a link `az` to us, and maybe another `az` behind it.
struct Shim {
    desk: Desk,
    _issuer: RunningIssuer,
}

impl Shim {
    fn new() -> Self {
        let issuer = willing_issuer();
        let desk = Desk::new(&issuer);
        fs::create_dir_all(desk.path("ours")).unwrap();
        symlink(TOKEN, desk.path("ours/az")).unwrap();
        Self { desk, _issuer: issuer }
    }

    /// With a script as the other one.
    fn before(script: &str) -> Self {
        let shim = Self::new();
        shim.script("theirs", script);
        shim
    }

    fn script(&self, directory: &str, script: &str) {
        fs::create_dir_all(self.desk.path(directory)).unwrap();
        let path = self.desk.path(directory).join("az");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn az(&self, arguments: &[&str]) -> Command {
        let command = self.desk.command("");
        let path =
            ["ours", "theirs"].map(|directory| self.desk.path(directory).display().to_string()).join(":");
        let mut az = Command::new(self.desk.path("ours/az"));
        az.args(arguments)
            .env_clear()
            .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        az.env("PATH", format!("{path}:/usr/bin:/bin"));
        az.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        az
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.az(arguments).output().unwrap()
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn what_is_not_ours_goes_on_as_it_came() {
    let shim = Shim::before(r#"pwd; printf '<%s>' "$@"; cat; echo oops >&2; exit 42"#);
    let mut az = shim.az(&["vm", "list", "", "a b", "new\nline", "--x=*", "'\""]);
    let mut child = az.current_dir("/usr").stdin(Stdio::piped()).spawn().unwrap();
    use std::io::Write;
    child.stdin.take().unwrap().write_all(b"typed").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stdout), "/usr\n<vm><list><><a b><new\nline><--x=*><'\">typed");
    assert_eq!(text(&output.stderr), "oops\n");
    assert_eq!(output.status.code(), Some(42));
}

#[test]
fn the_environment_goes_on_and_so_does_a_death() {
    let shim = Shim::before(r#"echo "$AZURE_CORE_OUTPUT"; kill -9 $$"#);
    let mut az = shim.az(&["group", "list"]);
    let output = az.env("AZURE_CORE_OUTPUT", "table").output().unwrap();
    assert_eq!(text(&output.stdout), "table\n");
    assert_eq!(output.status.signal(), Some(9));
}

#[test]
fn without_another_one_there_is_a_clear_text_and_never_127() {
    let shim = Shim::new();
    // A second name of ours is not another one, and neither is what cannot be run.
    fs::create_dir_all(shim.desk.path("theirs")).unwrap();
    symlink(shim.desk.path("ours/az"), shim.desk.path("theirs/az")).unwrap();
    let output = shim.run(&["vm", "list"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.starts_with("ERROR: 'vm list' is a command of Azure CLI's own"), "{said}");
    assert!(!said.contains("not found") && output.stdout.is_empty(), "{said}");
    fs::remove_file(shim.desk.path("theirs/az")).unwrap();
    fs::write(shim.desk.path("theirs/az"), "#!/bin/sh\n").unwrap();
    assert_eq!(shim.run(&["vm", "list"]).status.code(), Some(1));
}

#[test]
fn our_own_commands_need_no_other() {
    let shim = Shim::before("echo theirs; exit 3");
    assert_eq!(shim.run(&["account", "get-access-token"]).status.code(), Some(1));
    let version = shim.run(&["version", "-o", "json"]);
    assert!(text(&version.stdout).contains("\"azure-cli\""), "{version:?}");
    assert_eq!(text(&shim.run(&["account", "list-locations"]).stdout), "theirs\n");
}

#[test]
fn a_script_that_calls_az_again_reaches_the_one_behind_it() {
    let shim = Shim::before(r#"echo wrapped; exec az "$@""#);
    shim.script("real", r#"echo "real $1""#);
    let mut az = shim.az(&["vm"]);
    let path = ["ours", "theirs", "real"].map(|directory| shim.desk.path(directory).display().to_string());
    let output = az.env("PATH", format!("{}:/usr/bin:/bin", path.join(":"))).output().unwrap();
    assert_eq!(text(&output.stdout), "wrapped\nreal vm\n", "{output:?}");

    // With nobody behind it, it calls itself: that has an end.
    let output = shim.run(&["vm"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("calls az, which calls it again"), "{output:?}");
}

#[test]
fn a_sign_in_runs_there_with_our_streams_and_its_exit_code() {
    let shim = Shim::before(r#"read -r line; echo "out $1 $line"; echo err >&2; exit 7"#);
    let mut az = shim.az(&["login", "--use-device-code"]);
    let mut child = az.stdin(Stdio::piped()).spawn().unwrap();
    use std::io::Write;
    child.stdin.take().unwrap().write_all(b"typed\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("out login typed\n", "err\n"));
    assert_eq!(output.status.code(), Some(7));
}

#[test]
fn a_signal_to_us_reaches_a_sign_in_and_its_death_is_ours() {
    let shim = Shim::before("echo ready; exec sleep 60");
    let mut child = shim.az(&["login"]).spawn().unwrap();
    let mut ready = [0; 6];
    use std::io::Read;
    child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

#[test]
fn an_encrypted_sign_in_is_made_here_too() {
    let shim =
        Shim::before(r#"mkdir -p "$HOME/.azure"; echo x > "$HOME/.azure/msal_token_cache.bin"; echo theirs"#);
    let output = shim.run(&["login", "--use-device-code", "-o", "none"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(text(&output.stdout), "theirs\n");
    assert!(
        text(&output.stderr).starts_with(
            "WARNING: Azure CLI keeps it encrypted, in msal_token_cache.bin, so the sign-in is made here too."
        ),
        "{output:?}"
    );
    assert!(shim.run(&["account", "get-access-token"]).status.success());
    // Signing out there signs out here.
    assert!(shim.run(&["logout"]).status.success());
    assert_eq!(shim.run(&["account", "get-access-token"]).status.code(), Some(1));
}

#[test]
fn a_bare_environment_is_enough() {
    let shim = Shim::new();
    let mut az = Command::new(shim.desk.path("ours/az"));
    let output = az.args(["account", "get-access-token", "--tenant", "t", "--subscription", "s"]);
    let output = output.env_clear().env("PATH", "/usr/bin").stdin(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stderr).lines().next(),
        Some("ERROR: Please specify only one of subscription and tenant, not both")
    );
    // The SDK for C++ leaves nothing but PATH, so home is what the passwd entry says.
    let mut config = Command::new(TOKEN);
    let output = config.args(["config", "path"]).env_clear().env("PATH", "/usr/bin").output().unwrap();
    let user = rustix::process::getuid().as_raw().to_string();
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let mut entries = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let entry = entries.find(|fields| fields.get(2) == Some(&user.as_str())).unwrap();
    assert_eq!(text(&output.stdout), format!("{}/.config/token/config.toml\n", entry[5]));
}

#[test]
fn installing_says_what_it_did_and_never_takes_anothers_place() {
    let shim = Shim::new();
    let install = |word: &str, directory: &Path| {
        let mut command = shim.desk.command("az");
        command.arg(word).arg(directory).env("PATH", shim.desk.path("bin dir"));
        command.output().unwrap()
    };
    let directory: PathBuf = shim.desk.path("bin dir");
    let output = install("install", &directory);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = text(&output.stdout);
    assert!(said.contains("It comes first on PATH") && said.contains("az uninstall '"), "{said}");
    assert_eq!(fs::read_link(directory.join("az")).unwrap(), Path::new(TOKEN));
    assert!(text(&install("install", &directory).stdout).contains("already"));
    assert_eq!(install("uninstall", &directory).status.code(), Some(0));
    assert_eq!(install("uninstall", &directory).status.code(), Some(3));

    fs::write(directory.join("az"), "theirs").unwrap();
    for word in ["install", "uninstall"] {
        let output = install(word, &directory);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(text(&output.stderr).contains("is another program's, and stays as it is"), "{output:?}");
    }
    assert_eq!(fs::read(directory.join("az")).unwrap(), b"theirs");
}
