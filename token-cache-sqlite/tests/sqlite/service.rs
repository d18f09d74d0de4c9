//! The example of a service, run as a process of its own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use token_core::grant::http::HttpTransport;
use token_core::{Broker, KeyRing};
use token_testkit::{Issuer, Rotation, Settings, World};

use crate::Home;
use crate::sign_in::sign_in;

#[tokio::test]
async fn the_service_of_the_example_refreshes_a_sign_in_that_it_did_not_make() {
    let issuer = Issuer::start(Settings { rotation: Rotation::Strict, ..Settings::default() }).await;
    let home = Home::new();
    let key = home.path().join("key");
    let line = KeyRing::generate_line();
    fs::write(&key, line.expose()).unwrap();
    let keys = KeyRing::parse(line.expose()).unwrap();
    let broker = Broker::new(Arc::new(home.cache()), keys, Arc::new(HttpTransport::new()));
    broker.sign_in(sign_in(&issuer, &[])).await.unwrap();

    let service = example("sqlite-service");
    // The second one finds what the first one has got.
    for _ in 0..2 {
        let mut command = Command::new(&service);
        command.args([&home.database(), &key]).env("TZ", "UTC");
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(printed.starts_with(&format!("{} has a token until 20", World::USER)), "{printed}");
        assert!(printed.trim_end().ends_with("+00:00"), "{printed}");
        assert_eq!(issuer.counts().refreshes_succeeded, 1);
    }
    assert!(issuer.is_alive(World::USER));
}

/// An example of this package. Cargo builds it along with all tests, but not where one test is asked for.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("examples").join(name);
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--package", env!("CARGO_PKG_NAME"), "--example", name]);
    assert!(build.status().unwrap().success());
    path
}
