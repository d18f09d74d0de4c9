//! What the network can do to a request, over real sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mockito::{Matcher, Server};
use token_core::grant::http::HttpTransport;
use token_core::grant::{TokenAnswer, exchange, request};
use token_core::{
    BeginBy, ClientAuthentication, Clock as _, GrantError, GrantErrorKind, HttpRequest, HttpResponse,
    ManualClock, Secret, SystemClock, Transport,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

use crate::support::*;

const TOKEN: &str = r#"{"access_token":"at","token_type":"Bearer","expires_in":3600,"refresh_token":"rt-1"}"#;

/// A server that does `answer` to its first connection, when the whole request has come.
async fn server<F, A>(answer: A) -> (SocketAddr, JoinHandle<()>)
where
    A: FnOnce(TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !seen.windows(12).any(|bytes| bytes == b"rt-0%2Fsecre") {
            if stream.read_buf(&mut seen).await.unwrap() == 0 {
                break;
            }
        }
        answer(stream).await;
    });
    (address, serving)
}

#[tokio::test]
async fn what_connected_too_late_sends_no_form() {
    let clock = Arc::new(ManualClock::at(NOW));
    for (moment, begins) in [(Duration::from_secs(2), true), (Duration::ZERO, false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/token", listener.local_addr().unwrap())).unwrap();
        let form = HttpRequest::post(url)
            .secret("refresh_token", Secret::new("rt-0/secret"))
            .begin_by(BeginBy::new(clock.clone(), clock.uptime() + moment));
        let sent = tokio::spawn(async move { HttpTransport::new().send(form, CONNECT).await });
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"=rt-0%2Fsecret") && stream.read_buf(&mut seen).await.unwrap() > 0 {}
        let seen = String::from_utf8(seen).unwrap();
        drop(stream);
        let kind = sent.await.unwrap().unwrap_err().kind;
        if begins {
            assert!(
                seen.contains("content-length: 27") && seen.ends_with("\r\n\r\nrefresh_token=rt-0%2Fsecret")
            );
            assert!(matches!(kind, GrantErrorKind::Interrupted), "{kind:?}");
        } else {
            assert!(!seen.contains("rt-0"), "{seen}");
            assert!(matches!(kind, GrantErrorKind::Late), "{kind:?}");
        }
    }
}

/// A server that writes this and closes the connection.
async fn says(text: impl Into<Vec<u8>>) -> SocketAddr {
    let text = text.into();
    let answer = |mut stream: TcpStream| async move {
        // A client that has read enough closes first, and the rest is not written.
        stream.write_all(&text).await.ok();
        stream.shutdown().await.ok();
        let _read = stream.read(&mut [0]).await;
    };
    server(answer).await.0
}

async fn ask(url: &str, connect: Duration, within: Duration) -> Result<TokenAnswer, GrantError> {
    let form =
        HttpRequest::post(Url::parse(url).unwrap()).secret("refresh_token", Secret::new("rt-0/secret"));
    let answer = exchange(&HttpTransport::new(), form, &[], None, &SystemClock, connect, within).await;
    if let Err(error) = &answer {
        let said = everything_said(error);
        assert!(!said.contains("secret") && !said.contains("hint"), "{said}");
    }
    answer
}

async fn kind(address: SocketAddr) -> GrantErrorKind {
    let error = ask(&format!("http://{address}/token?hint=1"), CONNECT, WITHIN).await.unwrap_err();
    assert_eq!(error.endpoint, format!("http://{address}"));
    error.kind
}

async fn get(address: SocketAddr) -> HttpResponse {
    let request = HttpRequest::get(Url::parse(&format!("http://{address}/rt-0%2Fsecret")).unwrap());
    HttpTransport::new().send(request, CONNECT).await.unwrap()
}

#[tokio::test]
async fn a_refresh_over_the_wire() {
    let mut server = Server::new_async().await;
    let mock = server
        .mock("POST", "/home/oauth2/v2.0/token")
        .match_header("content-type", "application/x-www-form-urlencoded")
        .match_header("accept", "application/json")
        .match_header("authorization", Matcher::Missing)
        .match_header("x-ms-lib-capability", "retry-after, h429")
        .match_body(Matcher::Exact(
            "client_id=client-1&grant_type=refresh_token&refresh_token=rt-0%2Fsecret&client_info=1\
             &scope=https%3A%2F%2Fmanagement.core.windows.net%2F%2F.default+offline_access+openid+profile"
                .to_owned(),
        ))
        .with_header("content-type", "application/json; charset=utf-8")
        .with_header("cache-control", "no-store")
        .with_body(TOKEN)
        .expect(1)
        .create_async()
        .await;
    let form = request(&person(microsoft(&server.url()), &[]), &wanted(&[ARM])).unwrap();
    let answer = exchange(&HttpTransport::new(), form, &texts(&[ARM]), None, &SystemClock, CONNECT, WITHIN)
        .await
        .unwrap();
    assert_eq!(answer.access_token.secret.expose(), "at");
    assert_eq!(answer.access_token.scopes, [ARM]);
    assert_eq!(answer.refresh_token.unwrap().expose(), "rt-1");
    mock.assert_async().await;
}

#[tokio::test]
async fn a_client_secret_over_the_wire() {
    let mut server = Server::new_async().await;
    let mock = server
        .mock("POST", "/token")
        .match_header("authorization", "Basic Y2xpZW50LTE6czNjciUzQXQlMkYlMkIrJTI1JUMzJUJD")
        .match_body(Matcher::Exact("grant_type=client_credentials&scope=api%3Aread".to_owned()))
        .with_status(401)
        .with_body(r#"{"error":"invalid_client"}"#)
        .expect(1)
        .create_async()
        .await;
    let credential = service(issuer(&server.url()), ClientAuthentication::Basic(secret()), &["api:read"]);
    let form = request(&credential, &wanted(&[])).unwrap();
    let error =
        exchange(&HttpTransport::new(), form, &[], None, &SystemClock, CONNECT, WITHIN).await.unwrap_err();
    assert!(matches!(&error.kind, GrantErrorKind::Refused(error) if error.error == "invalid_client"));
    mock.assert_async().await;
}

#[tokio::test]
async fn a_bearer_token_goes_in_the_header() {
    let mut server = Server::new_async().await;
    let mock = server
        .mock("GET", "/subscriptions?api-version=2022-12-01")
        .match_header("authorization", "Bearer at-1")
        .match_header("content-type", Matcher::Missing)
        .match_body(Matcher::Exact(String::new()))
        .with_body("{}")
        .create_async()
        .await;
    let url = Url::parse(&format!("{}/subscriptions?api-version=2022-12-01", server.url())).unwrap();
    let get = HttpRequest::get(url).bearer(Secret::new("at-1"));
    let answer = HttpTransport::new().send(get, CONNECT).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (200, &b"{}"[..]));
    mock.assert_async().await;
}

#[tokio::test]
async fn without_a_connection_nothing_was_spent() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert!(matches!(kind(free).await, GrantErrorKind::Unreachable), "refused");

    let error = ask("https://no-such-issuer.invalid/token", CONNECT, WITHIN).await.unwrap_err();
    assert!(matches!(error.kind, GrantErrorKind::Unreachable), "no such name: {error:?}");

    // It takes connections and never says a word of TLS.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/token", silent.local_addr().unwrap());
    let (short, long) = (Duration::from_millis(500), Duration::from_secs(8));
    for (connect, within) in [(short, long), (long, short)] {
        let started = Instant::now();
        let error = ask(&url, connect, within).await.unwrap_err();
        assert!(matches!(error.kind, GrantErrorKind::Unreachable), "still connecting: {error:?}");
        assert!(started.elapsed() < Duration::from_secs(4));
    }

    let plain = says("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let error = ask(&format!("https://{plain}/token"), CONNECT, WITHIN).await.unwrap_err();
    assert!(matches!(error.kind, GrantErrorKind::Unreachable), "no TLS: {error:?}");
}

#[tokio::test]
async fn http_beyond_loopback_is_not_even_tried() {
    let error = ask("http://192.0.2.1/token", CONNECT, WITHIN).await.unwrap_err();
    assert!(matches!(error.kind, GrantErrorKind::Unsendable));
    assert!(everything_said(&error).contains("neither https nor http"));
}

#[tokio::test]
async fn a_connection_that_ends_may_have_spent_it() {
    for (text, what) in [
        ("", "closed without a word"),
        ("HTTP/1.1 200 OK\r\nContent-Le", "closed in the header"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"access_token\":\"at", "closed in the body"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"acc\r\n", "closed between chunks"),
        ("SSH-2.0-OpenSSH_9.9\r\n", "another protocol"),
        ("HTTP/1.1 9999 What\r\n\r\n", "no status"),
    ] {
        let kind = kind(says(text).await).await;
        assert!(matches!(kind, GrantErrorKind::Interrupted), "{what}: {kind:?}");
    }
}

#[tokio::test]
async fn a_reset_connection_may_have_spent_it() {
    let reset = |stream: TcpStream| async move {
        stream.set_zero_linger().unwrap();
        drop(stream);
    };
    let (address, serving) = server(reset).await;
    assert!(matches!(kind(address).await, GrantErrorKind::Interrupted));
    serving.await.unwrap();
}

#[tokio::test]
async fn silence_is_a_timeout() {
    // One says nothing; the other keeps on saying something, forever.
    let (silent, _serving) = server(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let (dripping, _serving) = server(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{").await.unwrap();
        while stream.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    for address in [silent, dripping] {
        let started = Instant::now();
        let answer = ask(&format!("http://{address}/token"), CONNECT, Duration::from_millis(300)).await;
        assert!(matches!(answer.unwrap_err().kind, GrantErrorKind::TimedOut));
        assert!((Duration::from_millis(300)..Duration::from_secs(3)).contains(&started.elapsed()));
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_the_end() {
    let (address, serving) = server(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 52428800\r\n\r\n").await.unwrap();
        let mut written = 0;
        while written < 50 << 20 && stream.write_all(&[b' '; 1 << 16]).await.is_ok() {
            written += 1 << 16;
        }
        assert!(written < 40 << 20, "the client took all of it");
    })
    .await;
    assert!(matches!(kind(address).await, GrantErrorKind::Unintelligible { status: 200 }));
    serving.await.unwrap();
}

#[tokio::test]
async fn nobody_is_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let location = elsewhere.local_addr().unwrap();
    for status in [301, 302, 303, 307, 308] {
        let text =
            format!("HTTP/1.1 {status} Go\r\nLocation: http://{location}/token\r\nContent-Length: 0\r\n\r\n");
        match kind(says(text).await).await {
            GrantErrorKind::Unintelligible { status: seen } => assert_eq!(seen, status),
            kind => panic!("{kind:?}"),
        }
    }
    let visited = tokio::time::timeout(Duration::from_millis(50), elsewhere.accept()).await;
    assert!(visited.is_err(), "somebody came");
}

#[tokio::test]
async fn a_proxy_page_is_no_answer() {
    let text = "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>";
    assert!(matches!(kind(says(text).await).await, GrantErrorKind::Unintelligible { status: 502 }));
}

#[tokio::test]
async fn headers_are_read() {
    let answer = |headers: &str| format!("HTTP/1.1 200 OK\r\n{headers}\r\nContent-Length: 0\r\n\r\n");
    let date = "Date: Fri, 15 Jan 2027 08:00:00 GMT\r\n";
    for (headers, seconds) in [
        ("Retry-After: 7", Some(7)),
        ("Retry-After: 99999999999999999999999", None),
        ("Retry-After: Fri, 15 Jan 2027 08:00:30 GMT", Some(30)),
        ("Retry-After: Friday, 15-Jan-27 08:00:31 GMT", Some(31)),
        ("Retry-After: Fri Jan 15 08:00:32 2027", Some(32)),
        ("Retry-After: Fri, 15 Jan 2027 07:00:00 GMT", Some(0)),
        ("Retry-After: later", None),
        ("X: y", None),
    ] {
        let response = get(says(answer(&format!("{date}{headers}"))).await).await;
        assert_eq!(response.date, Some(1_800_000_000));
        assert_eq!(response.retry_after, seconds.map(Duration::from_secs), "{headers}");
    }
    let past = get(says(answer("Retry-After: Thu, 01 Jan 1970 00:00:01 GMT")).await).await;
    assert_eq!((past.date, past.retry_after), (None, Some(Duration::ZERO)));
    for (control, seconds) in [
        ("public, max-age=600, must-revalidate", Some(600)),
        ("Max-Age=\"60\"", Some(60)),
        ("max-age=60, No-Store", Some(0)),
        ("no-cache", Some(0)),
        ("private", None),
    ] {
        let response = get(says(answer(&format!("Cache-Control: {control}"))).await).await;
        assert_eq!(response.max_age, seconds.map(Duration::from_secs), "{control}");
    }
}
