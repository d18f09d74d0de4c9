//! `account get-access-token`

use token_core::authority::scope_of;
use token_core::{AccessToken, BrokerError, CacheErrorKind, Credential, State, TokenRequest};

use crate::app::App;
use crate::args::{
    GetAccessToken, Output, Request, ResourceType, TokenFormat, TokenOutput, given, given_all,
};
use crate::az;
use crate::choice::{Choice, Selected};
use crate::config::PROCESS;
use crate::output::{self, Shape};
use crate::program;
use crate::report::{Exit, Failure};
use crate::select;
use crate::value::Value;

pub(super) fn run(app: &App, typed: &GetAccessToken) -> Result<(), Failure> {
    answer(app, &typed.request, Target::Unnamed)?.print(&typed.output, Shape::Value)
}

/// What `get` was told behind its name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target<'a> {
    Unnamed,
    /// A short name such as `graph`, or a resource.
    Named(&'a str),
}

/// A token, with whose it is.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) token: AccessToken,
    tenant: Option<String>,
    subscription: Option<String>,
}

impl Answer {
    pub(super) fn print(&self, typed: &TokenOutput, shape: Shape<'_>) -> Result<(), Failure> {
        let format = match typed.format {
            None => None,
            Some(TokenFormat::Plain(format)) => Some(format),
            Some(TokenFormat::Header) if typed.query.is_some() => {
                return Err(Failure::usage("a header is one line as it is, and --query takes values apart"));
            }
            Some(TokenFormat::Header) => {
                let (kind, secret) = (self.token_type(), self.token.secret.expose());
                return output::text(&format!("Authorization: {kind} {secret}\n"));
            }
        };
        output::print(&Output { format, query: typed.query.clone() }, self.value(), shape)
            // What a query did not expect is shown in its error.
            .map_err(|failure| failure.without(self.token.secret.expose()))
    }

    /// In Azure CLI's order, which queries show.
    fn value(&self) -> Value {
        let mut fields = vec![
            ("tokenType", self.token_type().into()),
            ("accessToken", self.token.secret.expose().into()),
            ("expires_on", self.token.expires_on.posix().into()),
            ("expiresOn", self.token.expires_on.local().azure_cli().into()),
        ];
        fields.extend(self.tenant.as_ref().map(|tenant| ("tenant", tenant.into())));
        fields.extend(self.subscription.as_ref().map(|subscription| ("subscription", subscription.into())));
        Value::object(fields)
    }

    /// Issuers spell it in any case (RFC 6749 §7.1); those who parse it do not.
    fn token_type(&self) -> &str {
        if self.token.token_type.eq_ignore_ascii_case("bearer") { "Bearer" } else { &self.token.token_type }
    }
}

/// Gets the token that was asked for: from the cache without further ado where it is fresh.
pub(super) fn answer(app: &App, typed: &Request, target: Target<'_>) -> Result<Answer, Failure> {
    // Azure CLI looks a type of resource up before anything else.
    if let (true, None, Some(kind)) = (program::is_az(), given(&typed.resource), typed.resource_type) {
        of_type(app, kind)?;
    }
    let (account, subscription) = (given(&typed.account), given(&typed.subscription));
    if subscription.is_some() && given(&typed.tenant).is_some() {
        return Err(Failure::new("Please specify only one of subscription and tenant, not both"));
    }
    let broker = app.broker()?.ok_or_else(Failure::nobody_signed_in)?;
    let choice = app.choice.load()?;
    let undecided = account.is_none() && subscription.is_none() && app.config.subscription.is_none();

    // The local choice knows all that the request takes, so the profile need not be read. An error here comes again
    // below, where there is more to say about it; but nobody waits twice for a server that is not there.
    if undecided
        && let Some(selected) = choice.active.as_ref()
        && select::is_usable(selected.kind, &selected.authority, &app.cloud.name)
    {
        let request = request(app, selected, typed, target)?;
        match app.poll(broker.cached(&request)) {
            Ok(Some(token)) => return Ok(Answer::new(token, selected, typed)),
            Err(BrokerError::Cache(error)) if error.kind() == CacheErrorKind::Unavailable => {
                return Err(error.into());
            }
            Ok(None) | Err(_) => {}
        }
    }

    let profile = app.profile()?;
    let selected = match app.selection(&profile, &choice).select(account, subscription) {
        Ok((account, seen)) => Selected::new(account, seen),
        // A store that forgot everything has forgotten the profile, too; what a refresh that was under way has stored
        // again is known here all the same.
        Err(forgotten) => match choice.active.clone().filter(|_| undecided && profile.accounts.is_empty()) {
            Some(active) if lives(app.poll(broker.credential(&active.sign_in))) => active,
            _ => return Err(forgotten),
        },
    };
    let request = request(app, &selected, typed, target)?;
    let cached = app.poll(broker.cached(&request)).map_err(|error| app.failure(error, Some(&selected)))?;
    let token = match cached {
        Some(token) => token,
        None => app
            .run(broker, broker.access_token(&request))?
            .map_err(|error| sign_in_for(app, error, &selected, &request))?,
    };
    follow(app, &choice, &selected);
    Ok(Answer::new(token, &selected, typed))
}

impl Answer {
    fn new(token: AccessToken, selected: &Selected, typed: &Request) -> Self {
        let (tenant, subscription) = match given(&typed.tenant) {
            // As az does: the tenant as it was typed, and no subscription.
            Some(tenant) => (Some(tenant.to_owned()), None),
            None => (tenant_of(selected), selected.subscription_id().map(str::to_owned)),
        };
        let microsoft = selected.kind.is_microsoft();
        Self { token, tenant: tenant.filter(|_| microsoft), subscription: subscription.filter(|_| microsoft) }
    }
}

/// A new sign-in of the account that is active here: the local choice follows it, or every later hit would be missed.
fn follow(app: &App, choice: &Choice, selected: &Selected) {
    let stale = choice.active.as_ref().is_some_and(|active| {
        active.account == selected.account
            && active.authority == selected.authority
            && active.subscription_id() == selected.subscription_id()
            && active != selected
    });
    if stale && let Err(failure) = app.choice.update(|choice| choice.active = Some(selected.clone())) {
        // The token is there; that it was not remembered where it came from costs the next call a little.
        tracing::warn!("{}", failure.one_line());
    }
}

fn request(
    app: &App,
    selected: &Selected,
    typed: &Request,
    target: Target<'_>,
) -> Result<TokenRequest, Failure> {
    let request = TokenRequest {
        account: selected.account.clone(),
        authority: selected.authority.clone(),
        sign_in: selected.sign_in.clone(),
        tenant: None,
        scopes: given_all(&typed.scope),
        resource: None,
        capabilities: Vec::new(),
        claims: az::claims_challenge(given(&typed.claims_challenge))?,
        min_validity: typed.min_validity.and_then(|time| time.0),
        force_refresh: typed.force_refresh,
    };
    let resource = match target {
        Target::Unnamed => given(&typed.resource),
        Target::Named(_) if given(&typed.resource).is_some() => {
            return Err(Failure::usage("the resource is given twice, behind 'get' and with --resource"));
        }
        Target::Named(name) => Some(name),
    };
    if !selected.kind.is_microsoft() {
        for (option, is_given) in
            [("--tenant", given(&typed.tenant).is_some()), ("--resource-type", typed.resource_type.is_some())]
        {
            if is_given {
                return Err(Failure::usage(format!(
                    "{option} is for Microsoft accounts, and {} is an account at {}",
                    selected.account, selected.authority
                )));
            }
        }
        let resource = resource.map(|name| absolute(name, &selected.account)).transpose()?;
        return Ok(TokenRequest { resource, ..request });
    }
    in_its_only_tenant(selected, given(&typed.tenant))?;
    let scopes = match (&request.scopes[..], resource, typed.resource_type) {
        ([_, ..], _, _) => request.scopes,
        ([], Some(resource), _) if matches!(target, Target::Named(_)) => {
            vec![scope_of(&named(app, resource)?)]
        }
        // Nothing is trimmed and nothing checked: what a resource is called is between caller and issuer.
        ([], Some(resource), _) => vec![scope_of(resource)],
        ([], None, Some(kind)) => vec![scope_of(&of_type(app, kind)?)],
        ([], None, None) => vec![app.cloud.default_scope()],
    };
    let tenant = given(&typed.tenant).map(str::to_owned).or_else(|| tenant_of(selected));
    let capabilities = az::capabilities(app.config.handles_claims);
    Ok(TokenRequest { tenant, scopes, capabilities, ..request })
}

/// Whether a sign-in is there that nobody has ended.
fn lives(credential: Result<Option<Credential>, BrokerError>) -> bool {
    matches!(credential, Ok(Some(found)) if !matches!(found.state, State::Ended | State::Replaced))
}

/// A managed identity has one tenant.
fn in_its_only_tenant(selected: &Selected, wanted: Option<&str>) -> Result<(), Failure> {
    let (Some(wanted), Some(own)) = (wanted, tenant_of(selected)) else { return Ok(()) };
    if !selected.kind.is_managed_identity() || wanted == own {
        return Ok(());
    }
    let account = if PROCESS.text("ACC_CLOUD").is_some() { "Cloud Shell" } else { "managed identity" };
    Err(Failure::new(format!(
        "For {account} account, getting access token for non-current tenants is not supported. The specified tenant \
         must be the current tenant {own}"
    )))
}

fn tenant_of(selected: &Selected) -> Option<String> {
    let subscription = selected.subscription.as_ref().map(|subscription| subscription.tenant.clone());
    subscription.or_else(|| selected.tenant.clone())
}

/// A resource by its short name, or as it is.
fn named(app: &App, name: &str) -> Result<String, Failure> {
    if let Some(resource) = app.cloud.resource_named(name) {
        return Ok(resource.to_owned());
    }
    // Applications are resources too, and may be named by their id.
    let is_id = name.len() == 36 && name.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    if name.contains(':') || is_id {
        return Ok(name.to_owned());
    }
    let known = ["arm", "graph", "vault", "storage"]
        .into_iter()
        .filter(|name| app.cloud.resource_named(name).is_some());
    Err(Failure::usage(format!("'{name}' is not a resource")).hint(format!(
        "a resource is a URL, or in {} one of {}",
        app.cloud.name,
        known.collect::<Vec<_>>().join(", ")
    )))
}

/// A resource indicator is an absolute URI (RFC 8707 §2).
fn absolute(resource: &str, account: &str) -> Result<String, Failure> {
    match url::Url::parse(resource) {
        Ok(_) => Ok(resource.to_owned()),
        Err(_) => Err(Failure::usage(format!("'{resource}' is not the URL of a resource")).hint(format!(
            "{account} is not a Microsoft account, and short names are theirs; --scope asks for scopes"
        ))),
    }
}

fn of_type(app: &App, kind: ResourceType) -> Result<String, Failure> {
    let name = match kind {
        ResourceType::OssRdbms => "oss-rdbms",
        ResourceType::Arm => "arm",
        ResourceType::AadGraph => "aad-graph",
        ResourceType::MsGraph => "ms-graph",
        ResourceType::Batch => "batch",
        ResourceType::Media => "media",
        ResourceType::DataLake => "data-lake",
    };
    let unset = |attribute: &str| {
        Failure::new(format!("The endpoint '{attribute}' for this cloud is not set but is used."))
            .hint("<clouds.config> may be corrupt or invalid.")
            .hint("Resolve the error or delete this file and try again.")
    };
    app.cloud.resource_named(name).map(str::to_owned).ok_or_else(|| {
        if program::is_az() {
            return unset(match kind {
                ResourceType::OssRdbms => "ossrdbms_resource_id",
                ResourceType::Arm => "active_directory_resource_id",
                ResourceType::AadGraph => "active_directory_graph_resource_id",
                ResourceType::MsGraph => "microsoft_graph_resource_id",
                ResourceType::Batch => "batch_resource_id",
                ResourceType::Media => "media_resource_id",
                ResourceType::DataLake => "active_directory_data_lake_resource_id",
            });
        }
        Failure::new(format!("the cloud {} has no resource of the type {name}", app.cloud.name))
            .exit(Exit::NotFound)
    })
}

/// A failure whose hint signs in to the tenant and for the scopes that were asked for, as Azure CLI's does.
fn sign_in_for(app: &App, error: BrokerError, selected: &Selected, request: &TokenRequest) -> Failure {
    if let (true, Some(refusal)) = (program::is_az(), az::refusal::of(&error)) {
        // Only a person signs in for a tenant and scopes.
        return match selected.kind {
            token_core::AccountKind::User => {
                az::refusal::told(refusal, request.tenant.as_deref(), &request.scopes)
            }
            _ => az::refusal::told(refusal, None, &[]),
        };
    }
    if program::is_az()
        && matches!(error, BrokerError::NotSignedIn { .. } | BrokerError::SignedOut { .. })
        && let Some(failure) = az::refusal::missing(selected)
    {
        return failure;
    }
    let asks_a_person = selected.kind == token_core::AccountKind::User;
    let elsewhere = request.tenant != selected.tenant || request.scopes != [app.cloud.default_scope()];
    match (&error, &request.tenant) {
        (BrokerError::Refused { .. }, Some(tenant)) if asks_a_person && elsewhere => {
            let scopes: Vec<String> = request.scopes.iter().map(|scope| format!("\"{scope}\"")).collect();
            let command =
                format!("{} login --tenant \"{tenant}\" --scope {}", program::name(), scopes.join(" "));
            Failure::of_broker(error, &command)
        }
        _ => app.failure(error, Some(selected)),
    }
}
