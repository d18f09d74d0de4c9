//! Signing in at Microsoft: a person by device code, or a service principal by its secret.

use token_core::authority::tenant_id;
use token_core::grant::device_code::DeviceRequest;
use token_core::grant::{self};
use token_core::{
    Account, AccountKind, Client, ClientAuthentication, Credential, Grant, SignInId, State, TokenRequest,
};

use super::{ANSWER, CONNECT, Signed, conclude, device_code, refused, register, secret};
use crate::app::App;
use crate::args::{Login, given, given_all};
use crate::az;
use crate::az::subscriptions::{self, Discovery};
use crate::program;
use crate::report::{self, Failure};

pub(super) fn run(app: &App, typed: &Login) -> Result<(), Failure> {
    let way = Way::of(typed)?;
    let broker = app.broker_to_sign_in()?;
    let conclusion = app.run(broker, async {
        let tenant = match given(&typed.tenant) {
            Some(name) => Some(resolve(app, name).await?),
            None => None,
        };
        let signed = match &way {
            Way::Person => person(app, typed, tenant.as_deref()).await?,
            Way::ServicePrincipal { id, password } => {
                let tenant = tenant.clone().unwrap_or_default();
                service_principal(app, typed, id, password, tenant).await?
            }
        };
        // A service principal sees its own tenant only; a person who named a tenant wants that one.
        let only = match way {
            Way::Person => tenant.as_deref(),
            Way::ServicePrincipal { .. } => signed.account.tenant.as_deref(),
        }
        .map(str::to_owned);
        let account = signed.keep(broker).await?;
        let (transport, clock) = (app.transport(), app.clock());
        let discovery = Discovery {
            broker,
            transport: &*transport,
            clock: &*clock,
            cloud: &app.cloud,
            account: &account,
            capabilities: az::capabilities(app.config.handles_claims),
            allow_no_subscriptions: typed.allow_no_subscriptions,
        };
        let found = discovery.run(only.as_deref()).await;
        for warning in &found.warnings {
            report::warning(warning);
        }
        broker
            .update_profile(|profile| {
                subscriptions::keep(profile, &account, only.as_deref(), &found.subscriptions)
            })
            .await
            .map_err(|error| app.failure(error, None))?;
        let before = app.choice.load().ok().and_then(|choice| choice.active);
        let before = before.filter(|active| active.is_account(&account));
        let active = subscriptions::pick(
            &found.subscriptions,
            before.as_ref().and_then(|active| active.subscription_id()),
        );
        conclude(app, broker, typed, &account, active).await
    })??;
    conclusion.print()
}

enum Way {
    Person,
    ServicePrincipal { id: String, password: token_core::Secret },
}

impl Way {
    fn of(typed: &Login) -> Result<Self, Failure> {
        let program = program::name();
        for (option, is_given) in
            [("--client-id", given(&typed.client_id)), ("--client-secret", given(&typed.client_secret))]
        {
            if is_given.is_some() {
                return Err(Failure::usage(format!("{option} goes with --issuer")).hint(format!(
                    "a service principal signs in with '{program} login --service-principal'"
                )));
            }
        }
        let (id, password) = (given(&typed.username), given(&typed.password));
        if !typed.service_principal {
            if id.is_some() || password.is_some() {
                return Err(Failure::usage("--username and --password go with --service-principal")
                    .hint(format!("a person signs in with '{program} login', in a browser")));
            }
            return Ok(Self::Person);
        }
        if typed.use_device_code {
            return Err(Failure::usage(
                "--use-device-code is for a person, and --service-principal is not one",
            ));
        }
        match (id, password, given(&typed.tenant)) {
            (Some(id), Some(password), Some(_)) => Ok(Self::ServicePrincipal {
                id: id.to_owned(),
                password: secret::read("--password", password)?,
            }),
            _ => Err(Failure::usage("a service principal signs in with --username, --password and --tenant")
                .hint(format!(
                    "{program} login --service-principal --username ID --password env:NAME --tenant TENANT"
                ))),
        }
    }
}

/// The id of a tenant that may be named by its domain.
async fn resolve(app: &App, name: &str) -> Result<String, Failure> {
    let (transport, clock) = (app.transport(), app.clock());
    tenant_id(&*transport, &app.cloud.authority_host, name, &*clock, CONNECT, ANSWER)
        .await
        .map_err(|error| refused(&error, &format!("Failed to resolve tenant '{name}'.")))
}

async fn person(app: &App, typed: &Login, tenant: Option<&str>) -> Result<Signed, Failure> {
    let client = Client { id: az::CLIENT_ID.to_owned(), authentication: ClientAuthentication::None };
    let capabilities = az::capabilities(app.config.handles_claims);
    let scopes = scopes(app, typed);
    let host = &app.cloud.authority_host;
    let request = DeviceRequest::microsoft(
        host,
        tenant.unwrap_or("organizations"),
        client.clone(),
        &scopes,
        &capabilities,
        None,
    )
    .map_err(|error| refused(&error, "could not start the sign-in"))?;
    let answer = device_code(app, &request).await?;
    let (claims, home) = (answer.id_claims().unwrap_or_default(), answer.home());
    let name = claims.name().map(str::to_owned).or_else(|| home.as_ref().map(|home| home.uid.clone()));
    let tenant = claims.tid.or_else(|| tenant.map(str::to_owned)).or_else(|| home.map(|home| home.utid));
    let (Some(name), Some(tenant)) = (name, tenant) else {
        return Err(Failure::new("the issuer did not say who signed in"));
    };
    let account = account(app, &name, AccountKind::User, &tenant)?;
    let credential = Credential {
        sign_in: account.sign_in.clone(),
        account: name,
        endpoints: app.cloud.endpoints(&tenant),
        client,
        scopes: answer.access_token.scopes.clone(),
        state: register(app, &answer)?,
        last_refresh: None,
    };
    let request = TokenRequest { tenant: Some(tenant), scopes, capabilities, ..TokenRequest::new(&account) };
    Ok(Signed { account, credential, request, answer })
}

async fn service_principal(
    app: &App,
    typed: &Login,
    id: &str,
    password: &token_core::Secret,
    tenant: String,
) -> Result<Signed, Failure> {
    let account = account(app, id, AccountKind::ServicePrincipal, &tenant)?;
    let scopes = scopes(app, typed);
    let credential = Credential {
        sign_in: account.sign_in.clone(),
        account: id.to_owned(),
        endpoints: app.cloud.endpoints(&tenant),
        client: Client { id: id.to_owned(), authentication: ClientAuthentication::Post(password.clone()) },
        scopes: scopes.clone(),
        state: State::Idle(Grant::ClientCredentials),
        last_refresh: None,
    };
    let capabilities = az::capabilities(app.config.handles_claims);
    let request = TokenRequest { tenant: Some(tenant), scopes, capabilities, ..TokenRequest::new(&account) };
    let answer = client_credentials(app, &credential, &request).await?;
    Ok(Signed { account, credential, request, answer })
}

/// A new sign-in of an account in the active cloud.
fn account(app: &App, name: &str, kind: AccountKind, tenant: &str) -> Result<Account, Failure> {
    Ok(Account {
        name: name.to_owned(),
        kind,
        sign_in: SignInId::random(),
        authority: app.cloud.name.clone(),
        tenant: Some(tenant.to_owned()),
        scopes: Vec::new(),
        signed_in_from: app.state_id()?,
        signed_in_at: app.clock().posix(),
    })
}

/// Asks for the first token in the client's own name; a secret that is wrong is never stored.
pub(super) async fn client_credentials(
    app: &App,
    credential: &Credential,
    request: &TokenRequest,
) -> Result<grant::TokenAnswer, Failure> {
    let (transport, clock) = (app.transport(), app.clock());
    let failed = format!("could not sign in as {}", credential.account);
    let form =
        grant::request(credential, request).map_err(|error| Failure::new(&failed).caused_by(&error))?;
    let asked = grant::asked(credential, request);
    grant::exchange(&*transport, form, &asked, None, &*clock, CONNECT, ANSWER)
        .await
        .map_err(|error| refused(&error, &failed))
}

fn scopes(app: &App, typed: &Login) -> Vec<String> {
    let scopes = given_all(&typed.scope);
    if scopes.is_empty() { vec![app.cloud.default_scope()] } else { scopes }
}
