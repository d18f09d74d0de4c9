//! The `issuer` program.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
};

use serde_json::Value;

#[tokio::test]
async fn it_says_where_it_listens_and_ends_with_its_stdin() {
    let directory = std::env::temp_dir().join(format!("token-testkit-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_issuer"))
        .args(["--tls", directory.to_str().unwrap(), "--path", "/realms/lab", "--strict", "--grace", "5"])
        .args(["--latency", "10", "--settings", r#"{"page_size":1,"lifetime":60}"#, "--auto-approve"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(program.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let said: Value = serde_json::from_str(&line).unwrap();
    let url = |name: &str| said[name].as_str().unwrap();
    assert_eq!(url("oidc_issuer"), format!("{}/realms/lab", url("base_url")));

    let ca = reqwest::Certificate::from_pem(&std::fs::read(url("ca")).unwrap()).unwrap();
    let client = crate::client::client().tls_certs_only([ca]).build().unwrap();
    let answer = client.get(format!("{}/settings", url("control_url"))).send().await.unwrap();
    let settings: Value = answer.json().await.unwrap();
    for (name, value) in [("rotation", "\"strict\""), ("grace", "5"), ("lifetime", "60"), ("page_size", "1")]
    {
        assert_eq!(settings[name].to_string(), value, "{name}");
    }
    assert_eq!((&settings["decision"], &settings["latency_ms"]["token"]), (&"approve".into(), &10.into()));

    drop(program.stdin.take());
    assert!(program.wait().unwrap().success());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    std::fs::remove_dir_all(&directory).unwrap();
}
