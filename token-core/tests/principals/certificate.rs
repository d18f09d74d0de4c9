//! Certificates in every form, and what is said of each that is wrong.

use std::path::PathBuf;
use std::time::Duration;

use token_core::grant::client_assertion::CertificateTrouble;
use token_core::{ClientAuthentication, ClientCertificate, Clock, RsaPadding, Secret};
use token_testkit::{Route, Settings, SubjectNameIssuer, World};

use crate::openssl::{OpenSsl, P256, P384, RSA};
use crate::support::{ARM, Bench, said};

const PASSWORD: &str = "pa ss/wörd";

fn password(text: &str) -> Option<Secret> {
    (!text.is_empty()).then(|| Secret::new(text))
}

fn load(bench: &Bench, path: PathBuf, with: &str) -> Result<ClientCertificate, CertificateTrouble> {
    ClientCertificate::load(path, password(with), bench.clock.posix())
}

/// An issuer that knows these certificates of its client.
async fn bench(openssl: &OpenSsl, certificates: &[&str]) -> Bench {
    let bench = Bench::new(Settings::default()).await;
    let known: Vec<String> = certificates.iter().map(|name| openssl.read(name)).collect();
    bench.issuer.settings(|settings| settings.world.clients[0].certificates = known);
    bench
}

#[tokio::test]
async fn a_certificate_signs_in_in_every_form_that_openssl_makes() {
    let openssl = OpenSsl::new();
    openssl.certificate("rsa", RSA);
    openssl.certificate("p256", P256);
    openssl.certificate("p384", P384);
    openssl.certificate("other", P256);
    openssl.write("password", PASSWORD);
    openssl.run("rsa -traditional -in rsa.key -out rsa.pkcs1");
    openssl.run("ec -in p256.key -out p256.sec1");
    openssl.run("ec -in p256.key -no_public -out p256.bare");
    openssl.run("pkcs8 -topk8 -in rsa.key -passout file:password -out rsa.encrypted");
    openssl.run("pkcs8 -topk8 -in rsa.key -scrypt -passout file:password -out rsa.scrypt");
    openssl.run("pkcs8 -topk8 -in p384.key -v2 aes-128-cbc -passout file:password -out p384.encrypted");
    let export = "pkcs12 -export -passout file:password";
    openssl.run(&format!("{export} -inkey rsa.key -in rsa.crt -out rsa.p12"));
    openssl
        .run(&format!("{export} -inkey p256.key -in p256.crt -certfile other.crt -name agent -out p256.p12"));
    openssl.run(&format!("{export} -legacy -inkey rsa.key -in rsa.crt -out rsa.legacy.p12"));
    openssl.run(&format!(
        "{export} -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1 -inkey rsa.key -in rsa.crt -out rsa.3des.p12"
    ));
    openssl.run("pkcs12 -export -passout pass: -inkey p384.key -in p384.crt -out p384.open.p12");
    let bench = bench(&openssl, &["rsa.crt", "p256.crt", "p384.crt"]).await;
    let words = openssl.write("words", "Bag Attributes\n    friendlyName: agent\n");

    let join = |to: &str, names: &[&str]| openssl.join(to, names);
    let forms = [
        (join("1.pem", &["rsa.key", "rsa.crt"]), "", "PS256"),
        (join("2.pem", &["rsa.crt", "rsa.pkcs1"]), "", "PS256"),
        (join("3.pem", &["rsa.crt", "rsa.encrypted"]), PASSWORD, "PS256"),
        (join("4.pem", &["rsa.scrypt", "rsa.crt"]), PASSWORD, "PS256"),
        (join("5.pem", &["p256.key", "p256.crt"]), "", "ES256"),
        (join("6.pem", &["p256.sec1", "p256.crt"]), "", "ES256"),
        (join("7.pem", &["p256.bare", "p256.crt"]), "", "ES256"),
        (join("8.pem", &["p384.encrypted", "p384.crt"]), PASSWORD, "ES384"),
        (join("9.pem", &["words", "other.crt", "p256.crt", "words", "p256.key"]), "", "ES256"),
        (openssl.write("10.pem", &openssl.read("1.pem").replace('\n', "\r\n")), "", "PS256"),
        (openssl.path("rsa.p12"), PASSWORD, "PS256"),
        (openssl.path("rsa.legacy.p12"), PASSWORD, "PS256"),
        (openssl.path("rsa.3des.p12"), PASSWORD, "PS256"),
        (openssl.path("p256.p12"), PASSWORD, "ES256"),
        (openssl.path("p384.open.p12"), "", "ES384"),
    ];
    for (path, password, algorithm) in forms {
        let shown = path.file_name().unwrap().to_owned();
        let certificate =
            load(&bench, path, password).unwrap_or_else(|error| panic!("{shown:?}: {}", said(&error)));
        let credential = bench.client(bench.microsoft(), ClientAuthentication::Certificate(certificate));
        let signed = bench.sign_in(credential).await;
        assert!(signed.is_ok(), "{shown:?}: {signed:?}");
        assert_eq!(bench.last_assertion().0["alg"], algorithm, "{shown:?}");
    }
    drop(words);
}

#[tokio::test]
async fn every_certificate_that_is_wrong_is_told_apart() {
    let openssl = OpenSsl::new();
    openssl.certificate("good", P256);
    openssl.certificate("rsa", RSA);
    openssl.certificate("small", "-algorithm RSA -pkeyopt rsa_keygen_bits:1024");
    openssl.certificate("edwards", "-algorithm ED25519");
    openssl.certificate("p521", "-algorithm EC -pkeyopt ec_paramgen_curve:P-521");
    openssl.write("password", PASSWORD);
    openssl.run("pkcs8 -topk8 -in good.key -passout file:password -out good.encrypted");
    openssl.run("pkcs8 -topk8 -in rsa.key -v1 PBE-SHA1-3DES -passout file:password -out rsa.pbes1");
    openssl.run("rsa -traditional -in rsa.key -aes256 -passout file:password -out rsa.old");
    openssl.run("pkcs12 -export -passout file:password -inkey good.key -in good.crt -out good.p12");
    openssl.run("pkcs12 -export -passout file:password -nokeys -in good.crt -out nokey.p12");
    openssl.run("x509 -in good.crt -outform DER -out good.der");
    openssl.dated("good", "past", "20200101000000Z", "20210101000000Z");
    openssl.dated("good", "future", "20900101000000Z", "20910101000000Z");
    let bench = bench(&openssl, &[]).await;
    let join = |to: &str, names: &[&str]| openssl.join(to, names);
    let shortened = |line: &str| match line.starts_with('-') {
        true => format!("{line}\n"),
        false => format!("{}\n", &line[..line.len() - 1]),
    };
    let cut: String = openssl.read("good.crt").lines().map(shortened).collect();
    let cases = [
        (join("1", &["good.key", "past.crt"]), "", "it expired at 2021-01-01"),
        (join("2", &["good.key", "future.crt"]), "", "it is not valid before 2090-01-01"),
        (join("3", &["good.encrypted", "good.crt"]), "wrong", "the password does not open it"),
        (join("4", &["good.encrypted", "good.crt"]), "", "it is protected by a password, and none was given"),
        (openssl.path("good.p12"), "wrong", "the password does not open it"),
        (openssl.path("good.p12"), "", "it is protected by a password, and none was given"),
        (openssl.path("good.crt"), "", "there is a certificate in it, but no private key"),
        (openssl.path("good.der"), "", "there is a certificate in it, but no private key"),
        (openssl.path("nokey.p12"), PASSWORD, "there is a certificate in it, but no private key"),
        (openssl.path("good.key"), "", "there is a private key in it, but no certificate"),
        (join("5", &["rsa.key", "good.crt"]), "", "its private key belongs to another certificate"),
        (join("6", &["good.key", "rsa.crt"]), "", "its private key belongs to another certificate"),
        (openssl.path("password"), "", "it is neither PEM nor PKCS#12, so there is no certificate in it"),
        (openssl.write("empty", ""), "", "it is neither PEM nor PKCS#12, so there is no certificate in it"),
        (
            join("7", &["small.key", "small.crt"]),
            "",
            "its private key is neither RSA of 2048 to 4096 bits nor EC on P-256 or P-384",
        ),
        (
            join("8", &["edwards.key", "edwards.crt"]),
            "",
            "its private key is neither RSA of 2048 to 4096 bits nor EC on P-256 or P-384",
        ),
        (
            join("9", &["p521.key", "p521.crt"]),
            "",
            "its private key is neither RSA of 2048 to 4096 bits nor EC on P-256 or P-384",
        ),
        (
            join("10", &["rsa.old", "rsa.crt"]),
            PASSWORD,
            "its private key is encrypted in OpenSSL's old form; 'openssl pkcs8 -topk8' makes a new one of it",
        ),
        (join("11", &["rsa.pbes1", "rsa.crt"]), PASSWORD, "it is encrypted in a way that is not supported"),
        (openssl.write("cut", &(cut + &openssl.read("good.key"))), "", "the certificate in it is damaged"),
    ];
    for (path, password, wanted) in cases {
        let error = load(&bench, path.clone(), password).unwrap_err();
        let text = said(&error);
        let shown = path.display();
        assert!(
            text.starts_with(&format!("the certificate {shown} cannot be used\n{wanted}")),
            "{shown} with {password:?}: {text}"
        );
        assert!(!text.contains(PASSWORD) && !text.contains("PRIVATE"), "{text}");
    }
    let missing = load(&bench, openssl.path("nowhere"), "").unwrap_err();
    assert_eq!(
        said(&missing),
        format!(
            "could not read the certificate {}\nNo such file or directory (os error 2)",
            openssl.path("nowhere").display()
        )
    );
    assert!(openssl.directory().exists());
}

#[tokio::test]
async fn the_request_at_microsoft_is_letter_by_letter_what_they_document() {
    let openssl = OpenSsl::new();
    openssl.certificate("rsa", RSA);
    let bench = bench(&openssl, &["rsa.crt"]).await;
    let certificate = load(&bench, openssl.join("rsa.pem", &["rsa.key", "rsa.crt"]), "").unwrap();
    let credential = bench.client(bench.microsoft(), ClientAuthentication::Certificate(certificate));
    let request = bench.sign_in(credential).await.unwrap();

    let seen = bench.last(Route::Token);
    assert_eq!(seen.path, format!("/{}/oauth2/v2.0/token", World::HOME_TENANT));
    let mut form = seen.form.clone();
    let assertion = form.remove("client_assertion").unwrap();
    let wanted = [
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_id", World::CLIENT_ID),
        ("client_info", "1"),
        ("grant_type", "client_credentials"),
        ("scope", ARM),
    ];
    assert_eq!(form, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert!(seen.header("authorization").is_none());

    let (header, claims) = bench.last_assertion();
    let names = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&header), ["alg", "typ", "x5t#S256"]);
    assert_eq!((&header["alg"], &header["typ"]), (&"PS256".into(), &"JWT".into()));
    assert_eq!(names(&claims), ["aud", "exp", "iat", "iss", "jti", "nbf", "sub"]);
    assert_eq!(claims["aud"], format!("{}{}", bench.issuer.base_url(), seen.path));
    assert_eq!((&claims["iss"], &claims["sub"]), (&World::CLIENT_ID.into(), &World::CLIENT_ID.into()));
    let time = |name: &str| claims[name].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!((time("nbf"), time("exp")), (-30, 300));

    // The issuer takes no assertion twice, so each is another one.
    bench.refresh(&request).await.unwrap();
    let again = bench.last(Route::Token);
    assert_ne!(again.field("client_assertion"), Some(assertion.as_str()));
}

#[tokio::test]
async fn another_issuer_gets_its_own_name_and_the_padding_it_knows() {
    let openssl = OpenSsl::new();
    openssl.certificate("rsa", RSA);
    let bench = bench(&openssl, &["rsa.crt"]).await;
    let mut certificate = load(&bench, openssl.join("rsa.pem", &["rsa.key", "rsa.crt"]), "").unwrap();
    certificate.padding = RsaPadding::Pkcs1;
    let credential = bench.client(bench.openid_connect(), ClientAuthentication::Certificate(certificate));
    bench.sign_in(credential).await.unwrap();
    let (header, claims) = bench.last_assertion();
    assert_eq!((&header["alg"], &header["typ"]), (&"RS256".into(), &"client-authentication+jwt".into()));
    // A SHA-1 has 20 bytes, 27 letters in base64url.
    assert_eq!(header["x5t"].as_str().unwrap().len(), 27);
    assert_eq!(claims["aud"], bench.issuer.oidc_issuer());
}

#[tokio::test]
async fn a_certificate_that_nobody_registered_is_trusted_by_its_name_where_it_comes_along() {
    let openssl = OpenSsl::new();
    openssl.certificate("authority", P256);
    openssl.run(&format!("genpkey {P256} -out agent.key"));
    openssl.run("req -new -key agent.key -subj /CN=agent.contoso.example -out agent.csr");
    openssl.run("x509 -req -in agent.csr -CA authority.crt -CAkey authority.key -CAcreateserial -days 30 -out agent.crt");
    let bench = bench(&openssl, &[]).await;
    let trusted = SubjectNameIssuer {
        subject: "CN=agent.contoso.example".to_owned(),
        authority: openssl.read("authority.crt"),
    };
    bench.issuer.settings(|settings| settings.world.clients[0].subject_name_issuer = Some(trusted));
    let path = openssl.join("agent.pem", &["authority.crt", "agent.key", "agent.crt"]);
    let mut certificate = load(&bench, path, "").unwrap();
    let client = |certificate: &ClientCertificate| {
        bench.client(bench.microsoft(), ClientAuthentication::Certificate(certificate.clone()))
    };
    let refused = bench.sign_in(client(&certificate)).await.unwrap_err();
    assert!(refused.contains("AADSTS700027: The certificate"), "{refused}");

    certificate.sends_chain = true;
    bench.sign_in(client(&certificate)).await.unwrap();
    let chain = bench.last_assertion().0["x5c"].as_array().unwrap().clone();
    let bare =
        |name: &str| openssl.read(name).lines().filter(|line| !line.starts_with('-')).collect::<String>();
    assert_eq!(chain, [bare("agent.crt"), bare("authority.crt")], "the certificate comes first");
}

#[tokio::test]
async fn a_renewed_file_counts_at_once_and_a_host_without_it_uses_what_it_held() {
    let openssl = OpenSsl::new();
    openssl.certificate("first", P256);
    openssl.certificate("second", RSA);
    let bench = bench(&openssl, &["first.crt", "second.crt"]).await;
    let path = openssl.join("agent.pem", &["first.key", "first.crt"]);
    let certificate = load(&bench, path.clone(), "").unwrap();
    let credential = bench.client(bench.microsoft(), ClientAuthentication::Certificate(certificate));
    let request = bench.sign_in(credential).await.unwrap();
    let algorithm = || bench.last_assertion().0["alg"].clone();

    openssl.join("agent.pem", &["second.key", "second.crt"]);
    bench.refresh(&request).await.unwrap();
    assert_eq!(algorithm(), "PS256");

    std::fs::remove_file(&path).unwrap();
    bench.refresh(&request).await.unwrap();
    assert_eq!(algorithm(), "ES256");

    // What is there decides, even where it is of no use: nobody signs with what somebody has replaced.
    openssl.join("agent.pem", &["second.key", "first.crt"]);
    let error = bench.refresh(&request).await.unwrap_err();
    assert!(said(&error).ends_with("its private key belongs to another certificate"), "{}", said(&error));
    assert_eq!(algorithm(), "ES256", "nothing was sent");
}

#[tokio::test]
async fn a_certificate_that_expires_between_two_tokens_is_told_before_anybody_is_asked() {
    let openssl = OpenSsl::new();
    openssl.certificate("agent", P256);
    let bench = bench(&openssl, &["agent.crt"]).await;
    let certificate = load(&bench, openssl.join("agent.pem", &["agent.key", "agent.crt"]), "").unwrap();
    let credential = bench.client(bench.microsoft(), ClientAuthentication::Certificate(certificate));
    let request = bench.sign_in(credential).await.unwrap();
    bench.advance(Duration::from_secs(31 * 24 * 3600));
    let before = bench.issuer.counts().requests(Route::Token);
    let error = bench.broker.access_token(&request).await.unwrap_err();
    let text = said(&error);
    assert!(text.contains("\nit expired at "), "{text}");
    assert_eq!(bench.issuer.counts().requests(Route::Token), before);
}
