//! Signing in at an OpenID Connect issuer: a person in a browser, here or anywhere, or a client by its secret.

use token_core::authority::Discovery;
use token_core::grant::TokenAnswer;
use token_core::grant::authorization_code::{BrowserRequest, Redirect};
use token_core::grant::device_code::DeviceRequest;
use token_core::{
    Account, AccountKind, BrokerError, Client, ClientAuthentication, Credential, Grant, GrantErrorKind,
    IdClaims, RsaPadding, Secret, SignInId, Signer, State, TokenRequest,
};

use super::first_token::first_token;
use super::service_principal::authentication;
use super::way::{Page, Proof};
use super::{ANSWER, Signed, browser, conclude, device, may_ask, register, secret};
use crate::app::App;
use crate::args::{Login, given, given_all};
use crate::config::{IssuerTable, PROCESS, secure_url};
use crate::report::Failure;

pub(super) fn run(app: &App, typed: &Login) -> Result<(), Failure> {
    let wanted = Wanted::of(app, typed)?;
    let broker = app.broker_to_sign_in()?;
    let conclusion = app.run(broker, async {
        let discovery = broker.discover(&wanted.issuer).await.map_err(|error| match &error {
            BrokerError::Discovery { source, .. }
                if matches!(source.kind, GrantErrorKind::Unintelligible { .. }) =>
            {
                Failure::of(&error).hint("an issuer is named exactly as it names itself, slash or no slash")
            }
            _ => app.failure(error, None),
        })?;
        let signed = if wanted.as_client {
            client(app, &wanted, &discovery).await?
        } else {
            person(app, &wanted, &discovery).await?
        };
        let account = signed.keep(broker).await?;
        conclude(app, broker, typed, &account, None, &[]).await
    })??;
    conclusion.print()
}

/// What was typed, filled up from the config.
struct Wanted {
    issuer: String,
    /// The issuer's name in the config.
    name: Option<String>,
    client_id: String,
    client_secret: Option<Secret>,
    /// What proves the client in place of a secret.
    proof: Option<Proof>,
    scopes: Vec<String>,
    /// Whether the client itself signs in, and nobody is asked.
    as_client: bool,
    /// Where a person signs in.
    page: Page,
    redirect: Redirect,
}

impl Wanted {
    fn of(app: &App, typed: &Login) -> Result<Self, Failure> {
        let misplaced = [
            ("--tenant", given(&typed.tenant).is_some()),
            ("--service-principal", typed.principal.service_principal),
            ("--username", given(&typed.principal.username).is_some()),
            ("--password", given(&typed.principal.password).is_some()),
            ("--use-cert-sn-issuer", typed.principal.use_cert_sn_issuer),
            ("--identity", typed.managed_identity.identity),
            ("--subscription", given(&typed.subscriptions.subscription).is_some()),
            ("--skip-subscription-discovery", typed.subscriptions.skip_subscription_discovery),
            ("--claims-challenge", given(&typed.claims_challenge).is_some()),
        ];
        if let Some((option, _)) = misplaced.into_iter().find(|(_, is_given)| *is_given) {
            return Err(Failure::usage(format!(
                "{option} is Microsoft's, and --issuer names another issuer"
            )));
        }
        let named = given(&typed.issuer.url).unwrap_or_default();
        let client_id = given(&typed.client_id);
        // By its URL an issuer is known for many clients, and the config for those that it names.
        let is_meant = |name: &String, table: &IssuerTable| {
            name == named || (table.issuer == named && table.is_for(client_id))
        };
        let (name, table): (Option<&String>, Option<&IssuerTable>) = app
            .config
            .issuers
            .iter()
            .find(|(name, table)| is_meant(name, table))
            .map_or((None, None), |(name, table)| (Some(name), Some(table)));
        let issuer = match table {
            Some(table) => table.issuer.clone(),
            None if named.contains("://") => {
                secure_url(named).map_err(Failure::usage)?;
                named.to_owned()
            }
            None => {
                let known: Vec<&str> = app.config.issuers.keys().map(String::as_str).collect();
                return Err(Failure::usage(format!(
                    "'{named}' is neither a URL nor an issuer in the config"
                ))
                .hint(match known[..] {
                    [] => format!("[issuers.{named}] in {} names one", app.config.file.display()),
                    _ => format!("issuers in the config are: {}", known.join(", ")),
                }));
            }
        };
        let secret_of_table =
            table.filter(|table| table.is_for(client_id)).and_then(|table| table.client_secret.as_ref());
        let client_id = client_id
            .map(str::to_owned)
            .or_else(|| table.and_then(|table| table.client_id.clone()))
            .ok_or_else(|| {
                Failure::usage("the client id is missing").hint(
                    "--client-id, or client_id of the issuer in the config, names the client to sign in with",
                )
            })?;
        let client_secret = match given(&typed.issuer.client_secret) {
            Some(text) => Some(secret::read("--client-secret", text)?),
            None => secret_of_table.map(|source| source.read(&PROCESS)).transpose().map_err(|failure| {
                failure.hint(format!("client_secret in {} names it", app.config.file.display()))
            })?,
        };
        let scopes = match given_all(&typed.scope) {
            none if none.is_empty() => table.map(|table| table.scopes.clone()).unwrap_or_default(),
            scopes => scopes,
        };
        let proof = Proof::asserted(typed)?;
        if proof.is_some() && (typed.use_device_code || given(&typed.issuer.client_secret).is_some()) {
            return Err(Failure::usage(
                "--use-device-code and --client-secret do not go with another proof of the client",
            ));
        }
        let as_client = proof.is_some() || (client_secret.is_some() && !typed.use_device_code);
        if !as_client {
            may_ask(typed)?;
        }
        let page = if typed.use_device_code { Page::Anywhere } else { Page::Here };
        let redirect = table.and_then(|table| table.redirect_uri.clone()).unwrap_or_else(Redirect::address);
        Ok(Self {
            issuer,
            name: name.cloned(),
            client_id,
            client_secret,
            proof,
            scopes,
            as_client,
            page,
            redirect,
        })
    }

    /// The client, proving itself as the issuer wants it; in the header where it does not say (RFC 8414 §2).
    fn client(&self, discovery: &Discovery) -> Client {
        let methods = discovery.token_endpoint_auth_methods_supported.as_ref();
        let offers =
            |method: &str| methods.is_some_and(|methods| methods.iter().any(|offered| offered == method));
        let in_body = offers("client_secret_post") && !offers("client_secret_basic");
        let authentication = match &self.client_secret {
            None => ClientAuthentication::None,
            Some(secret) if in_body => ClientAuthentication::Post(secret.clone()),
            Some(secret) => ClientAuthentication::Basic(secret.clone()),
        };
        Client { id: self.client_id.clone(), authentication }
    }

    fn account(
        &self,
        app: &App,
        name: String,
        kind: AccountKind,
        scopes: &[String],
    ) -> Result<Account, Failure> {
        Ok(Account {
            name,
            kind,
            sign_in: SignInId::random(),
            authority: self.issuer.clone(),
            tenant: None,
            scopes: scopes.to_vec(),
            signed_in_from: app.state_id()?,
            signed_in_at: app.clock().posix(),
        })
    }
}

async fn person(app: &App, wanted: &Wanted, discovery: &Discovery) -> Result<Signed, Failure> {
    let client = wanted.client(discovery);
    let (answer, claims) = identified(app, wanted, discovery, &client).await?;
    let claims = claims.unwrap_or_default();
    let name = wanted
        .name
        .clone()
        .or_else(|| claims.name().map(str::to_owned))
        .unwrap_or_else(|| wanted.issuer.clone());
    let granted = answer.access_token.scopes.clone();
    let account = wanted.account(app, name, AccountKind::Subject, &granted)?;
    let credential = Credential {
        sign_in: account.sign_in.clone(),
        account: account.name.clone(),
        endpoints: discovery.endpoints(),
        client,
        scopes: granted,
        state: register(app, &answer)?,
        last_refresh: None,
    };
    let request = TokenRequest::new(&account);
    Ok(Signed { account, credential, request, answer })
}

/// The tokens of a person, and who it is: from a browser here, or from any with a code.
async fn identified(
    app: &App,
    wanted: &Wanted,
    discovery: &Discovery,
    client: &Client,
) -> Result<(TokenAnswer, Option<IdClaims>), Failure> {
    let signer = Signer::issuer(discovery);
    let here = BrowserRequest::issuer(discovery, client.clone(), &wanted.scopes, wanted.redirect.clone())
        .filter(|_| wanted.page == Page::Here);
    if let Some(request) = here
        && let Some(identified) = browser::sign_in(app, request, signer.as_ref()).await?
    {
        return Ok((identified.answer, identified.claims));
    }
    let request = DeviceRequest::issuer(discovery, client.clone(), &wanted.scopes).ok_or_else(|| {
        Failure::new(format!("{} offers no sign-in by device code", wanted.issuer))
            .hint("--client-secret signs in the client itself")
    })?;
    device::sign_in(app, &request, &client.id, signer.as_ref()).await
}

/// How an RSA key signs for an issuer: in the stronger way, unless it says that it knows the other one only.
fn padding(discovery: &Discovery) -> RsaPadding {
    let known = discovery.token_endpoint_auth_signing_alg_values_supported.as_ref();
    let knows = |name: &str| known.is_some_and(|known| known.iter().any(|algorithm| algorithm == name));
    if knows("RS256") && !knows("PS256") { RsaPadding::Pkcs1 } else { RsaPadding::Pss }
}

async fn client(app: &App, wanted: &Wanted, discovery: &Discovery) -> Result<Signed, Failure> {
    let client = match &wanted.proof {
        Some(proof) => Client {
            id: wanted.client_id.clone(),
            authentication: authentication(app, proof, &wanted.issuer, padding(discovery))?,
        },
        None => wanted.client(discovery),
    };
    let name = wanted.name.clone().unwrap_or_else(|| wanted.client_id.clone());
    let account = wanted.account(app, name, AccountKind::Client, &wanted.scopes)?;
    let credential = Credential {
        sign_in: account.sign_in.clone(),
        account: account.name.clone(),
        endpoints: discovery.endpoints(),
        client,
        scopes: wanted.scopes.clone(),
        state: State::Idle(Grant::ClientCredentials),
        last_refresh: None,
    };
    let request = TokenRequest::new(&account);
    let answer = first_token(app, &credential, &request, ANSWER).await?;
    Ok(Signed { account, credential, request, answer })
}
