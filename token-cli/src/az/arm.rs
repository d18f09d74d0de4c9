//! Azure Resource Manager, as far as a sign-in asks it: which tenants, which subscriptions.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use token_core::{AccessToken, Clock, HttpRequest, Transport, send_within};
use url::Url;

use crate::report::Failure;

const API_VERSION: &str = "2022-12-01";
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(30);
/// More pages than any account has; a list that never ends ends here.
const PAGES: usize = 1000;

/// A tenant, as `/tenants` lists it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tenant {
    pub(crate) tenant_id: String,
    pub(crate) display_name: Option<String>,
    pub(crate) default_domain: Option<String>,
}

/// A subscription, as `/subscriptions` lists it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedSubscription {
    pub(crate) subscription_id: String,
    pub(crate) display_name: String,
    pub(crate) state: String,
    pub(crate) tenant_id: Option<String>,
    #[serde(default)]
    pub(crate) managed_by_tenants: Vec<ManagedBy>,
}

/// A tenant that manages a subscription.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ManagedBy {
    pub(crate) tenant_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    value: Vec<T>,
    next_link: Option<String>,
}

#[derive(Deserialize)]
struct ArmError {
    error: ArmErrorBody,
}

#[derive(Deserialize)]
struct ArmErrorBody {
    message: String,
}

/// All items of a list (`tenants`, `subscriptions`), page by page.
pub(crate) async fn list<T: DeserializeOwned>(
    transport: &dyn Transport,
    clock: &dyn Clock,
    resource_manager: &Url,
    path: &str,
    token: &AccessToken,
) -> Result<Vec<T>, Failure> {
    let mut url = address(resource_manager, &[path]);
    let mut items = Vec::new();
    for _ in 0..PAGES {
        let page: Page<T> = get(transport, clock, &url, token).await?;
        items.extend(page.value);
        let Some(next) = page.next_link.filter(|next| !next.is_empty()) else { return Ok(items) };
        let next = url.join(&next).ok().filter(|next| next.origin() == resource_manager.origin());
        // The token goes to Resource Manager and nowhere else, whatever an answer says.
        url = next
            .ok_or_else(|| Failure::new(format!("the next page of /{path} is not at {resource_manager}")))?;
    }
    Ok(items)
}

/// One subscription.
pub(crate) async fn subscription(
    transport: &dyn Transport,
    clock: &dyn Clock,
    resource_manager: &Url,
    id: &str,
    token: &AccessToken,
) -> Result<ListedSubscription, Failure> {
    get(transport, clock, &address(resource_manager, &["subscriptions", id]), token).await
}

fn address(resource_manager: &Url, path: &[&str]) -> Url {
    let mut url = resource_manager.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url.set_query(Some(&format!("api-version={API_VERSION}")));
    url
}

async fn get<T: DeserializeOwned>(
    transport: &dyn Transport,
    clock: &dyn Clock,
    url: &Url,
    token: &AccessToken,
) -> Result<T, Failure> {
    let request = HttpRequest::get(url.clone()).bearer(token.secret.clone());
    let response = send_within(transport, request, clock, CONNECT, ANSWER).await?;
    let place = format!("{}{}", url.origin().ascii_serialization(), url.path());
    if response.status != 200 {
        let failure = Failure::new(format!("{place} answered with status {}", response.status));
        return Err(match serde_json::from_slice::<ArmError>(&response.body) {
            Ok(ArmError { error }) => failure.because(error.message),
            Err(_) => failure,
        });
    }
    serde_json::from_slice(&response.body)
        .map_err(|error| Failure::new(format!("{place} gave an answer of no use")).caused_by(&error))
}
