//! What the environment decides: certificates and proxies. It is read once a process and cannot be changed safely in
//! a running one, so every case is a child: this test binary again, with one test that makes one request.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use token_core::grant::http::HttpTransport;
use token_core::{HttpRequest, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use url::Url;

use crate::support::*;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// What the children run. It succeeds when the request does.
#[tokio::test]
#[ignore = "run by the tests beside it, in an environment of theirs"]
async fn one_request() {
    let url = Url::parse(&std::env::var("TEST_URL").unwrap()).unwrap();
    let transport = match std::env::var("TEST_AUTHORITIES") {
        Ok(file) => HttpTransport::new().trusting(file),
        Err(_) => HttpTransport::new(),
    };
    let answer = transport.send(HttpRequest::get(url), CONNECT).await;
    let outcome = answer.map_or_else(|error| format!("{:?}", error.kind), |answer| answer.status.to_string());
    assert_eq!(outcome, std::env::var("TEST_OUTCOME").unwrap());
}

async fn child(url: &str, outcome: &str, environment: &[(&str, &str)]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    for name in ["SSL_CERT_FILE", "SSL_CERT_DIR", "NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    let output = command
        .args(["--exact", "tls::one_request", "--ignored"])
        .env("TEST_URL", url)
        .env("TEST_OUTCOME", outcome)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{environment:?}: {said}");
}

/// An issuer behind a private authority, whose certificate is in `authority.pem` of `directory`.
async fn private_issuer(directory: &Path) -> SocketAddr {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(directory.join("authority.pem"), authority.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned(), "issuer.invalid".to_owned()])
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let tls = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust us ends the handshake.
            if let Ok(mut stream) = tls.accept(stream).await {
                let _read = stream.read(&mut [0; 4096]).await;
                stream.write_all(OK).await.ok();
                stream.shutdown().await.ok();
            }
        }
    });
    address
}

/// A proxy that connects whoever asks to one address, whatever name they say; it counts them.
async fn proxy(to: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connected = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connected);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let length = client.read(&mut head).await.unwrap();
            assert!(head[..length].starts_with(b"CONNECT issuer.invalid:443 HTTP/1.1\r\n"));
            count.fetch_add(1, Ordering::SeqCst);
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
            let mut server = TcpStream::connect(to).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
        }
    });
    (address, connected)
}

/// A server that says the same to everybody.
async fn plain(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _read = stream.read(&mut [0; 4096]).await;
            stream.write_all(answer).await.ok();
        }
    });
    address
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_the_environment_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let port = private_issuer(directory.path()).await.port();
    let authority = directory.path().join("authority.pem");
    let file = authority.to_str().unwrap();
    let (by_name, by_address) = (format!("https://localhost:{port}/"), format!("https://127.0.0.1:{port}/"));
    child(&by_name, "200", &[("SSL_CERT_FILE", file)]).await;
    child(&by_name, "Unreachable", &[]).await;
    child(&by_address, "Unreachable", &[("SSL_CERT_FILE", file)]).await;
    // A file that is not there leaves nothing to trust, and nothing falls back to trusting everybody.
    child(&by_name, "Unsendable", &[("SSL_CERT_FILE", "/nowhere/ca.pem")]).await;
}

#[tokio::test]
async fn authorities_may_come_from_a_directory_or_from_a_file_that_the_program_names() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("https://localhost:{}/", private_issuer(directory.path()).await.port());
    let (place, file) = (directory.path().to_str().unwrap(), directory.path().join("authority.pem"));
    child(&url, "200", &[("SSL_CERT_DIR", place)]).await;
    child(&url, "200", &[("TEST_AUTHORITIES", file.to_str().unwrap())]).await;
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    for bad in [empty.to_str().unwrap(), "/nowhere/ca.pem"] {
        child(&url, "Unsendable", &[("TEST_AUTHORITIES", bad)]).await;
    }
}

#[tokio::test]
async fn an_issuer_is_reached_through_the_proxy_unless_it_is_excepted() {
    let directory = tempfile::tempdir().unwrap();
    let issuer = private_issuer(directory.path()).await;
    let (address, connected) = proxy(issuer).await;
    let (proxy, authority) = (format!("http://{address}"), directory.path().join("authority.pem"));
    let trusted = ("SSL_CERT_FILE", authority.to_str().unwrap());
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        child("https://issuer.invalid/", "200", &[(name, &proxy), trusted]).await;
    }
    assert_eq!(connected.load(Ordering::SeqCst), 3);
    for except in ["issuer.invalid", ".invalid", "*"] {
        let environment = [("HTTPS_PROXY", proxy.as_str()), ("NO_PROXY", except), trusted];
        child("https://issuer.invalid/", "Unreachable", &environment).await;
    }
    assert_eq!(connected.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn loopback_needs_no_certificates_and_no_proxy() {
    let server = plain(OK).await;
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let proxy = format!("http://{dead}");
    let everything = [
        ("HTTP_PROXY", proxy.as_str()),
        ("http_proxy", &proxy),
        ("ALL_PROXY", &proxy),
        ("SSL_CERT_FILE", "/nowhere/ca.pem"),
    ];
    child(&format!("http://{server}/"), "200", &everything).await;
}

#[tokio::test]
async fn a_proxy_that_does_not_connect_leaves_the_issuer_unreached() {
    for answer in [
        &b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"[..],
        b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
        b"",
    ] {
        let proxy = format!("http://{}", plain(answer).await);
        child("https://issuer.invalid/", "Unreachable", &[("HTTPS_PROXY", &proxy)]).await;
    }
}
