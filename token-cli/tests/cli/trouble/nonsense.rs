//! Nonsense in every file that is read, in every argument and variable: never a panic, and nothing stored is lost.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use token_testkit::{Fault, Matching, Settings, Times};

use super::{end_the_wait, entries, entry};
use crate::harness::{FORCE, GET, Lab, Output, start};

/// What a run that met nonsense may come to.
fn assert_sane(output: &Output) {
    assert!(!output.stderr.contains("panicked"), "{output}");
    assert!((0..=4).contains(&output.code()), "{output}");
    assert!(output.code() == 0 || output.stdout.is_empty(), "{output}");
    assert!(output.code() == 0 || !output.stderr.is_empty(), "{output}");
}

fn random(rng: &mut StdRng, longest: usize) -> Vec<u8> {
    let length = rng.random_range(0..longest);
    (0..length).map(|_| rng.random()).collect()
}

/// Contents that a file may have after an accident, or by somebody's malice.
fn contents(rng: &mut StdRng, whole: &[u8]) -> Vec<Vec<u8>> {
    let mut contents = vec![
        Vec::new(),
        vec![0; whole.len()],
        b"{".repeat(20_000),
        [whole, whole].concat(),
        whole.iter().rev().copied().collect(),
        format!("{{\"active\": {}}}", "[".repeat(2_000)).into_bytes(),
    ];
    for _ in 0..3 {
        contents.push(random(rng, 3000));
        let mut spoilt = whole.to_vec();
        for _ in 0..4 {
            let at = rng.random_range(0..spoilt.len().max(1));
            if let Some(byte) = spoilt.get_mut(at) {
                *byte = rng.random();
            }
        }
        contents.push(spoilt);
    }
    contents
}

#[test]
fn in_every_file() {
    let mut rng = StdRng::seed_from_u64(1);
    let lab = Lab::signed_in(Settings::auto_approving());
    lab.get(FORCE);
    let state: Vec<PathBuf> = fs::read_dir(lab.home().join(".local/state/token"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(state.len(), 2, "the choice and the host's id: {state:?}");
    let mut files = vec![lab.key(), lab.home().join("token.toml"), lab.entries().join("rescue/host")];
    files.extend(state);
    files.extend([entry(&lab, "credential"), entry(&lab, "profile")]);
    files.extend(entries(&lab, "access"));
    for file in files {
        let whole = fs::read(&file).unwrap();
        for content in contents(&mut rng, &whole) {
            fs::write(&file, &content).unwrap();
            let commands: [&[&str]; 7] = [
                GET,
                &["account", "list"],
                &["account", "show", "-s", "Build"],
                &["cache", "list"],
                &["cache", "purge"],
                &["config", "show"],
                &["account", "set", "-s", "nosuch"],
            ];
            for arguments in commands {
                assert_sane(&lab.run(arguments));
            }
        }
        assert_sane(&lab.run(FORCE));
        fs::write(&file, &whole).unwrap();
        lab.assert_alive();
    }
}

#[test]
fn in_the_rescue_and_beside_the_entries() {
    let mut rng = StdRng::seed_from_u64(2);
    let lab = Lab::signed_in(Settings::auto_approving());
    let credential = entry(&lab, "credential");
    let name = credential.file_name().unwrap().to_str().unwrap().to_owned();
    // What a refresh leaves that is killed with its answer in hand names the rescue as it has to be.
    let killed = start(lab.token(FORCE).env("TOKEN_FAULT", "rescued=kill")).finish();
    assert_eq!(killed.code(), 137, "{killed}");
    let rescue = lab.entries().join("rescue");
    let rescued = fs::read_dir(&rescue)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_str().unwrap().contains(&name))
        .unwrap();
    let whole = fs::read(&rescued).unwrap();
    for content in contents(&mut rng, &whole) {
        fs::write(rescued.with_extension(format!("{:032x}", rng.random::<u128>())), content).unwrap();
    }
    for foreign in ["x", "credential-", "access-00", "..x", "lock/x", "staging/x", "rescue/x", "metadata-zz"]
    {
        fs::write(lab.entries().join(foreign), random(&mut rng, 100)).unwrap();
    }
    for arguments in [&["cache", "list"][..], &["cache", "purge"], GET] {
        let output = lab.run(arguments);
        assert_sane(&output);
        assert_eq!((output.code(), output.stderr.as_str()), (0, ""), "{output}");
    }
    lab.assert_alive();
}

#[test]
fn in_the_arguments() {
    let mut rng = StdRng::seed_from_u64(3);
    let lab = Lab::signed_in(Settings::auto_approving());
    let run = |arguments: &[OsString]| {
        let output = start(lab.token(&[]).args(arguments)).finish();
        assert_sane(&output);
        // What the issuer's server cannot read looks like an issuer out of reach.
        end_the_wait(&lab);
        output
    };
    let get = ["account", "get-access-token"].map(OsString::from);
    let options = [
        "--resource",
        "--resource-type",
        "--scope",
        "--tenant",
        "--subscription",
        "--account",
        "--min-validity",
        "-o",
    ];
    let long = "x".repeat(100_000);
    let values: Vec<OsString> = [
        "",
        " ",
        "-",
        "--",
        "-1",
        "0",
        "18446744073709551615",
        "18446744073709551616",
        "1e99",
        "NaN",
        "\u{1b}[31m",
        "\n",
        "a\u{202e}b",
        "%00",
        "../../..",
        "{\"a\":",
        "'; rm -rf /",
        long.as_str(),
    ]
    .map(OsString::from)
    .into_iter()
    .chain([OsString::from_vec(vec![0xff, 0xfe]), OsString::from_vec(vec![0xc0, 0x80])])
    .collect();
    for option in options {
        for value in &values {
            run(&[&get[..], &[option.into(), value.clone()]].concat());
        }
    }
    for _ in 0..100 {
        let words: Vec<OsString> = (0..rng.random_range(0..5))
            .map(|_| OsString::from_vec(random(&mut rng, 40).into_iter().filter(|&byte| byte != 0).collect()))
            .collect();
        run(&words);
    }
    let scopes: Vec<OsString> =
        (0..2000).map(|number| format!("https://graph.example/{number}").into()).collect();
    let many = run(&[&get[..], &["--scope".into()], &scopes[..]].concat());
    assert_eq!((many.code(), many.stderr.as_str()), (0, ""));
    lab.assert_alive();
}

#[test]
fn in_the_environment() {
    let lab = Lab::signed_in(Settings::auto_approving());
    let variables = [
        "HOME",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "XDG_STATE_HOME",
        "AZURE_CONFIG_DIR",
        "TOKEN_CONFIG",
        "TOKEN_CACHE",
        "TOKEN_KEY",
        "TOKEN_CLOUD",
        "TOKEN_SUBSCRIPTION",
        "TOKEN_LOG",
        "TZ",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "NO_PROXY",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "NO_COLOR",
        "COLUMNS",
        "USER",
        "LANG",
    ];
    let long = "/x".repeat(4000);
    let values: [&[u8]; 8] =
        [b"", b" ", b"relative", b"/dev/null", b"/nowhere/\xff", b"\xff\xfe", b"\x1b[31m\n", long.as_bytes()];
    for variable in variables {
        for value in values {
            for arguments in [GET, &["config", "show", "-o", "table"]] {
                assert_sane(&start(lab.token(arguments).env(variable, OsStr::from_bytes(value))).finish());
            }
        }
    }
    lab.assert_alive();
}

#[test]
fn in_the_issuers_answers() {
    let mut rng = StdRng::seed_from_u64(4);
    let lab = Lab::signed_in(Settings::auto_approving());
    let mut bodies: Vec<Vec<u8>> = (0..10).map(|_| random(&mut rng, 2000)).collect();
    let numbers = [
        "0",
        "-1",
        "1e400",
        "9223372036854775807",
        "-9223372036854775808",
        "\"1e400\"",
        "null",
        "[]",
        "\"\"",
    ];
    for number in numbers {
        for member in ["expires_in", "refresh_in", "expires_on"] {
            bodies.push(
                format!(r#"{{"access_token": "a", "token_type": "Bearer", "{member}": {number}}}"#).into(),
            );
        }
        for member in ["scope", "refresh_token", "id_token", "token_type"] {
            bodies.push(format!(r#"{{"access_token": "a", "{member}": {number}}}"#).into());
        }
        bodies.push(format!(r#"{{"error": {number}, "error_description": {number}}}"#).into());
    }
    for body in bodies {
        let body = String::from_utf8_lossy(&body).into_owned();
        lab.issuer.fault(
            Matching::refreshes(),
            Fault::Answer { status: 200, content_type: "application/json".to_owned(), body },
            Times::Always,
        );
        assert_sane(&lab.run(FORCE));
        assert_sane(&lab.run(GET));
        assert_sane(&lab.run(&["cache", "list", "-o", "table"]));
        lab.issuer.clear_faults();
        end_the_wait(&lab);
    }
}
