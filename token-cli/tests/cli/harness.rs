//! A home, an issuer and the built program; and what one needs to run many of it.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open, waitpid};
use serde_json::Value;
use tempfile::TempDir;
use token_testkit::{IssuedToken, Issuer, Rotation, Route, RunningIssuer, Settings, World};

/// The program under test, built with the fault points of `token-core`.
pub(crate) const TOKEN: &str = env!("CARGO_BIN_EXE_token");

/// Command and options of the main job.
pub(crate) const GET: &[&str] = &["account", "get-access-token"];

/// The same, whatever is cached.
pub(crate) const FORCE: &[&str] = &["account", "get-access-token", "--force-refresh"];

/// The resource that tokens of the lab's cloud are for by default.
pub(crate) const RESOURCE: &str = "https://management.core.windows.net/";

/// How long a process may take before the test gives up on it. No outcome of the program takes as long.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a process may take that must not wait for a dead one: less than the time after which a note that nobody
/// settles is passed over, and far more than a refresh takes on a busy machine.
const PROMPTLY: Duration = Duration::from_secs(12);

/// A home directory, an issuer, and a config that names it: as the cloud `lab`, and as the issuer `eng`.
#[derive(Debug)]
pub(crate) struct Lab {
    home: TempDir,
    pub(crate) issuer: RunningIssuer,
}

impl Lab {
    /// Nobody has signed in yet.
    pub(crate) fn new(settings: Settings) -> Self {
        let home = tempfile::tempdir().unwrap();
        let issuer = Issuer::spawn(settings);
        let lab = Self { home, issuer };
        let base = lab.issuer.base_url();
        lab.configure(&format!(
            "cloud = \"lab\"\n\n\
             [clouds.lab]\n\
             authority_host = \"{base}\"\n\
             resource_manager = \"{base}\"\n\
             resource = \"{RESOURCE}\"\n\n\
             [issuers.eng]\n\
             issuer = \"{}\"\n\
             client_id = \"tool\"\n",
            lab.issuer.oidc_issuer()
        ));
        if let Some(ca) = lab.issuer.ca_pem() {
            fs::write(lab.ca(), ca).unwrap();
        }
        lab
    }

    /// Ada has signed in to the cloud `lab`, by device code.
    pub(crate) fn signed_in(settings: Settings) -> Self {
        let lab = Self::new(settings);
        lab.sign_in();
        lab
    }

    /// Signs Ada in, whoever was signed in before.
    pub(crate) fn sign_in(&self) {
        self.issuer.auto_approve(true);
        let output = self.run(&["login", "--use-device-code"]);
        assert!(output.status.success(), "{output}");
    }

    /// Writes the config file.
    pub(crate) fn configure(&self, config: &str) {
        fs::write(self.home().join("token.toml"), config).unwrap();
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Where the certificate authority of an issuer with TLS is.
    pub(crate) fn ca(&self) -> PathBuf {
        self.home().join("ca.pem")
    }

    /// The key's file.
    pub(crate) fn key(&self) -> PathBuf {
        self.home().join(".config/token/key")
    }

    /// The cache's directory.
    pub(crate) fn entries(&self) -> PathBuf {
        self.home().join(".local/share/token/entries")
    }

    /// `token` with these arguments.
    pub(crate) fn token(&self, arguments: &[&str]) -> Command {
        self.program(TOKEN, arguments)
    }

    /// Any program, in an environment that holds nothing else of ours.
    pub(crate) fn program(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir("/")
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("TOKEN_CONFIG", self.home().join("token.toml"))
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        if self.issuer.ca_pem().is_some() {
            command.env("SSL_CERT_FILE", self.ca());
        }
        command
    }

    /// Runs `token` with these arguments to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        start(&mut self.token(arguments)).finish()
    }

    /// Runs `token` to its end, which must not wait for anybody who is dead.
    pub(crate) fn run_promptly(&self, arguments: &[&str]) -> Output {
        start(&mut self.token(arguments)).finish_within(PROMPTLY)
    }

    /// The answer of a command that prints a token and says nothing else.
    pub(crate) fn get(&self, arguments: &[&str]) -> Value {
        self.run(arguments).json()
    }

    /// Runs `token` this often at once, with the arguments of each. They stand at the start together until the last
    /// of them is there.
    pub(crate) fn run_at_once<'a>(
        &self,
        times: usize,
        arguments: impl Fn(usize) -> &'a [&'a str],
    ) -> Vec<Output> {
        let (held, barrier) = std::io::pipe().unwrap();
        let runs: Vec<Running> = (0..times)
            .map(|number| {
                let mut command =
                    self.program("/bin/sh", &["-c", "read -r _; exec \"$0\" \"$@\" </dev/null", TOKEN]);
                command.args(arguments(number)).stdin(held.try_clone().unwrap());
                start(&mut command)
            })
            .collect();
        // All of them read the end of the file.
        drop(barrier);
        runs.into_iter().map(Running::finish).collect()
    }

    /// Lets the cached token that these arguments get run out.
    pub(crate) fn let_run_out(&self, arguments: &[&str]) {
        let mut lifetime = 1;
        self.issuer.settings(|settings| std::mem::swap(&mut settings.lifetime, &mut lifetime));
        let answer = self.get(&[arguments, &["--force-refresh"]].concat());
        self.issuer.settings(|settings| settings.lifetime = lifetime);
        wait_for_the_end_of(&answer);
    }

    /// What the issuer meant a printed token for. It must have issued it.
    pub(crate) fn issued(&self, answer: &Value) -> IssuedToken {
        let token = answer["accessToken"].as_str().unwrap();
        self.issuer.access_token(token).unwrap_or_else(|| panic!("the issuer never issued {answer}"))
    }

    /// Asserts that a token was printed, that the issuer issued it for this resource to Ada at home, and that nothing
    /// else was said.
    pub(crate) fn assert_token_for(&self, output: &Output, resource: &str) {
        let issued = self.issued(&output.json());
        assert_eq!(issued.account, World::USER);
        assert_eq!(issued.tenant.as_deref(), Some(World::HOME_TENANT));
        let scope = format!("{resource}/.default");
        assert!(issued.scopes.contains(&scope), "not for {scope}: {:?}", issued.scopes);
    }

    /// Asserts that the sign-in is good for another token, which nobody had before.
    pub(crate) fn assert_alive(&self) {
        let before = self.issuer.counts().refreshes_succeeded;
        let output = self.run(FORCE);
        self.assert_token_for(&output, RESOURCE);
        assert_eq!(self.issuer.counts().refreshes_succeeded, before + 1, "{output}");
        assert!(self.issuer.is_alive(World::USER));
    }

    /// Asserts that so many refreshes were made since the counts began, each succeeded, and none was in flight beside
    /// another.
    pub(crate) fn assert_refreshes(&self, wanted: u64) {
        let counts = self.issuer.counts();
        let seen = (counts.refreshes, counts.refreshes_succeeded, counts.max_refreshes_in_flight);
        assert_eq!(seen, (wanted, wanted, 1), "{counts:#?}");
    }

    /// Everything that is written in the home directory, but for the key.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        let mut directories = vec![self.home().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let entry = entry.unwrap();
                match entry.file_type().unwrap().is_dir() {
                    true => directories.push(entry.path()),
                    false if entry.path() == self.key() => {}
                    false => files.push((entry.path(), fs::read(entry.path()).unwrap())),
                }
            }
        }
        files
    }
}

/// Settings of an issuer that ends a sign-in whose spent refresh token comes back, and whose token answers take this
/// long.
pub(crate) fn strict(latency_ms: u64) -> Settings {
    let mut settings = Settings { rotation: Rotation::Strict, ..Settings::auto_approving() };
    settings.latency_ms.insert(Route::Token, latency_ms);
    settings
}

/// Does so many rounds, shared out among some labs of these settings that work side by side.
pub(crate) fn rounds(settings: &Settings, rounds: usize, round: impl Fn(&Lab) + Sync) {
    // More than there are processors: a new sign-in waits a second for the first poll of its code.
    const LABS: usize = 8;
    std::thread::scope(|scope| {
        for number in 0..LABS {
            let (settings, round) = (settings.clone(), &round);
            scope.spawn(move || {
                let lab = Lab::signed_in(settings);
                for _ in (number..rounds).step_by(LABS) {
                    round(&lab);
                }
            });
        }
    });
}

/// A process under way. What it prints goes to files, so that it never waits for us.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pidfd: OwnedFd,
    stdout: File,
    stderr: File,
    shown: String,
}

/// What a process printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) pid: u32,
    shown: String,
}

/// Starts a process whose output is kept.
pub(crate) fn start(command: &mut Command) -> Running {
    let (stdout, stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    command.stdout(stdout.try_clone().unwrap()).stderr(stderr.try_clone().unwrap());
    Running::spawn(command, stdout, stderr)
}

impl Running {
    /// Starts a process whose output goes where the command says.
    pub(crate) fn spawn(command: &mut Command, stdout: File, stderr: File) -> Self {
        let shown: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let pidfd = pidfd_open(pid_of(&child), PidfdFlags::empty()).unwrap();
        Self { child, pidfd, stdout, stderr, shown: shown.join(" ") }
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, which may find it ended.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(pid_of(&self.child), signal).unwrap();
    }

    /// Waits until the process has stopped itself.
    pub(crate) fn wait_for_stop(&self) {
        let (_, status) = waitpid(Some(pid_of(&self.child)), WaitOptions::UNTRACED).unwrap().unwrap();
        assert!(status.stopped(), "'{}' ended instead: {status:?}", self.shown);
    }

    /// Waits this long for the end, and says whether it came.
    pub(crate) fn ends_within(&self, time: Duration) -> bool {
        let mut end = [PollFd::new(&self.pidfd, PollFlags::IN)];
        poll(&mut end, Some(&Timespec::try_from(time).unwrap())).unwrap() > 0
    }

    /// Waits for its end.
    pub(crate) fn finish(self) -> Output {
        self.finish_within(PATIENCE)
    }

    fn finish_within(mut self, time: Duration) -> Output {
        let in_time = self.ends_within(time);
        if !in_time {
            self.child.kill().unwrap();
        }
        let status = self.child.wait().unwrap();
        let [stdout, stderr] = [&mut self.stdout, &mut self.stderr].map(|file| {
            let mut bytes = Vec::new();
            if file.rewind().is_ok() {
                file.read_to_end(&mut bytes).unwrap();
            }
            String::from_utf8(bytes).unwrap()
        });
        let output = Output { status, stdout, stderr, pid: self.child.id(), shown: self.shown };
        assert!(in_time, "still there after {time:?}: {output}");
        output
    }
}

impl Output {
    /// The JSON it printed. It must have succeeded and said nothing on stderr.
    pub(crate) fn json(&self) -> Value {
        assert!(self.status.success() && self.stderr.is_empty(), "{self}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// The exit code, as a shell tells it: a process that a signal ended has one too.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().or_else(|| self.status.signal().map(|signal| 128 + signal)).unwrap()
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { status, stdout, stderr, pid, shown } = self;
        write!(f, "process {pid} '{shown}': {status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// Waits until a token that was printed is dead.
pub(crate) fn wait_for_the_end_of(answer: &Value) {
    let end = Duration::from_secs(answer["expires_on"].as_u64().unwrap());
    let now = std::time::UNIX_EPOCH.elapsed().unwrap();
    std::thread::sleep(end.saturating_sub(now));
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_child(child)
}
