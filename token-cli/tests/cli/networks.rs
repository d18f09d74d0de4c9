//! Networks as they are: proxies, private authorities, and hosts without IPv4.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use token_testkit::{Issuer, Page, Route, RunningIssuer, Settings, Transport, World};

use crate::desk::Desk;
use crate::harness::{FORCE, Lab, start};

/// A proxy that leads whatever name it is asked for to the same port of this host, and counts.
fn proxy() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (url, connected) =
        (format!("http://{}", listener.local_addr().unwrap()), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&connected);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            thread::spawn(move || lead(client));
        }
    });
    (url, connected)
}

fn lead(mut client: TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let port = head.strip_prefix("CONNECT login.invalid:").unwrap().split(' ').next().unwrap();
    let server = TcpStream::connect(("127.0.0.1", port.parse().unwrap()))?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        drop(io::copy(&mut from, &mut to));
        to.shutdown(std::net::Shutdown::Write)
    });
    let (mut from, mut to) = (server, client);
    drop(io::copy(&mut from, &mut to));
    to.shutdown(std::net::Shutdown::Write)
}

#[test]
fn a_proxy_is_used_for_every_request_unless_the_issuer_is_excepted() {
    let host = "login.invalid".to_owned();
    let lab = Lab::new(Settings { host, transport: Transport::Https, ..Settings::auto_approving() });
    let (proxy, connected) = proxy();
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        start(lab.token(arguments).envs(variables.iter().copied())).finish()
    };
    let by_proxy = [("HTTPS_PROXY", proxy.as_str())];
    let login = ["login", "--use-device-code"];
    let output = run(&login, &by_proxy);
    assert!(output.status.success(), "{output}");
    let output = run(FORCE, &[("https_proxy", &proxy)]);
    assert!(output.status.success(), "{output}");
    let output = run(&[&login[..], &["--issuer", "eng"]].concat(), &by_proxy);
    assert!(output.status.success(), "{output}");
    assert!(run(&["logout"], &by_proxy).status.success());
    assert_eq!(lab.issuer.counts().requests(Route::Revocation), 1);
    assert!(connected.load(Ordering::SeqCst) >= 4);

    // A name that nobody but the proxy knows.
    let before = connected.load(Ordering::SeqCst);
    for variables in [&[][..], &[by_proxy[0], ("NO_PROXY", ".invalid")]] {
        let output = run(&login, variables);
        assert_eq!(output.code(), 1, "{output}");
        assert!(output.stderr.contains("hint: check the network and HTTPS_PROXY"), "{output}");
    }
    assert_eq!(connected.load(Ordering::SeqCst), before);
}

#[test]
fn authorities_are_found_in_a_directory() {
    let lab = Lab::new(Settings { transport: Transport::Https, ..Settings::auto_approving() });
    let directory = lab.home().join("authorities");
    fs::create_dir(&directory).unwrap();
    let login = || {
        let mut command = lab.token(&["login", "--use-device-code"]);
        start(command.env_remove("SSL_CERT_FILE").env("SSL_CERT_DIR", &directory)).finish()
    };
    assert_eq!(login().code(), 1);
    fs::copy(lab.ca(), directory.join("lab.pem")).unwrap();
    let output = login();
    assert!(output.status.success(), "{output}");
}

/// A person in a browser and with a code, a program, and what they refresh: all at an issuer on ::1.
fn everybody_signs_in(issuer: &RunningIssuer) {
    let desk = Desk::new(issuer).with("SECRET", World::CLIENT_SECRET);
    let browser = desk.path("browser");
    fs::write(&browser, "#!/bin/sh\nprintf '%s\\n' \"$1\" > \"$0.url\"\n").unwrap();
    fs::set_permissions(&browser, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let desk = desk.with("BROWSER", browser.to_str().unwrap());
    for (login, back) in [("login", "http://localhost:"), ("login --issuer corp", "http://")] {
        let mut child = desk.start(login);
        let url = loop {
            match fs::read_to_string(desk.path("browser.url")) {
                Ok(url) if url.ends_with('\n') => break url.trim_end().to_owned(),
                _ => assert!(child.try_wait().unwrap().is_none(), "it ended without a browser"),
            }
            thread::sleep(std::time::Duration::from_millis(5));
        };
        fs::remove_file(desk.path("browser.url")).unwrap();
        assert_eq!(Page::sign_in(&url).status, 200, "{url}");
        assert!(child.wait().unwrap().success());
        let authorize = issuer.requests_to(Route::Authorize).pop().unwrap();
        assert!(authorize.query["redirect_uri"].starts_with(back), "{:?}", authorize.query);
        desk.ok("get --force-refresh");
    }
    assert_eq!(desk.run("login --issuer corp --use-device-code").code, Some(0));
    let id = World::CLIENT_ID;
    desk.ok(&format!("login --service-principal -u {id} -p env:SECRET -t {}", World::HOME_TENANT));
    desk.ok("get --force-refresh");
}

fn on_ipv6() -> RunningIssuer {
    Issuer::spawn(Settings { host: "::1".to_owned(), ..Settings::auto_approving() })
}

#[test]
fn an_issuer_may_have_no_ipv4() {
    everybody_signs_in(&on_ipv6());
}

/// What the test below runs where there is no 127.0.0.1.
#[test]
#[ignore = "run by the test beside it, in a network of its own"]
fn inside_a_host_without_ipv4() {
    assert!(TcpListener::bind("127.0.0.1:0").is_err(), "this host has IPv4");
    let issuer = on_ipv6();
    everybody_signs_in(&issuer);
    let authorize = issuer.requests_to(Route::Authorize).pop().unwrap();
    assert!(authorize.query["redirect_uri"].starts_with("http://[::1]:"), "{:?}", authorize.query);
}

#[test]
fn a_host_may_have_no_ipv4() {
    let in_network = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net", "sh", "-ec", script]).stdin(Stdio::null());
        command
    };
    let without_ipv4 = "ip link set lo up; ip address delete 127.0.0.1/8 dev lo";
    if !in_network(without_ipv4).output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this host gives nobody a network of their own");
        return;
    }
    let this = std::env::current_exe().unwrap();
    let output = in_network(&format!("{without_ipv4}; exec \"$0\" \"$@\""))
        .arg(this)
        .args(["--exact", "networks::inside_a_host_without_ipv4", "--ignored"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
