//! Nothing secret is said, however much is asked for.

use token_testkit::World;

use crate::desk::{Desk, willing_issuer};

#[test]
fn no_secret_is_in_any_output_or_log() {
    let issuer = willing_issuer();
    let desk = Desk::new(&issuer).with("TOKEN_LOG", "trace").with("SECRET", World::CLIENT_SECRET);
    let mut outputs = Vec::new();
    let mut run = |line: &str| {
        let said = desk.run(line);
        outputs.push(format!("token {line}\n{}{}", said.stdout, said.stderr));
    };
    run("login");
    run("login --issuer corp");
    run(&format!("login --service-principal -u {} -p env:SECRET --tenant contoso.example", World::CLIENT_ID));
    run("get nonsense");
    for line in
        ["account list", "account show", "account set -s lab", "cache list", "cache purge", "config show"]
    {
        run(line);
    }
    for line in
        ["account get-access-token --force-refresh -o none", "get --account corp --force-refresh -o none"]
    {
        run(line);
    }
    run(&format!(
        "login --service-principal -u {} -p not-the-secret --tenant contoso.example",
        World::CLIENT_ID
    ));
    issuer.end_sign_ins(World::USER);
    run("get --account corp --force-refresh");
    run("account get-access-token -t nosuch");
    run("account clear");

    assert!(outputs.iter().any(|output| output.contains("DEBUG")), "nothing was logged");
    let mut secrets = vec![World::CLIENT_SECRET.to_owned(), "not-the-secret".to_owned()];
    for request in issuer.requests() {
        let forms = ["refresh_token", "device_code", "client_secret", "token"];
        secrets.extend(forms.iter().filter_map(|name| request.field(name)).map(str::to_owned));
        secrets.extend(
            request
                .header("authorization")
                .and_then(|value| value.split_whitespace().last())
                .map(str::to_owned),
        );
    }
    assert!(secrets.len() > 10, "the test found nothing to look for");
    let key = std::fs::read_to_string(desk.path(".config/token/key")).unwrap_or_default();
    secrets.push(key.trim().to_owned());
    for output in &outputs {
        // The one that was typed stands in the line itself, and nowhere else.
        let (_, said) = output.split_once('\n').unwrap();
        for secret in secrets.iter().filter(|secret| secret.len() > 3) {
            assert!(!said.contains(secret.as_str()), "{secret} in {output}");
        }
    }
}
