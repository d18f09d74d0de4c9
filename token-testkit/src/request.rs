//! A request as the issuer saw it.

use std::collections::BTreeMap;

use hyper::{Method, header::HeaderMap};
use serde::Serialize;
use url::form_urlencoded;

use crate::{Route, Settings, route::Endpoint};

/// A request as the issuer saw it, for assertions.
#[derive(Clone, Debug, Serialize)]
pub struct SeenRequest {
    /// What it is for.
    pub route: Route,
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The tenant that the path names, as it names it.
    pub tenant: Option<String>,
    /// The parameters of the query. One given twice is here once, as its last value.
    pub query: BTreeMap<String, String>,
    /// The header fields, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The parameters of the form in the body.
    pub form: BTreeMap<String, String>,
    #[serde(skip)]
    pub(crate) endpoint: Endpoint,
    /// The subscription that the path names.
    #[serde(skip)]
    pub(crate) subscription: Option<String>,
}

impl SeenRequest {
    pub(crate) fn new(
        method: &Method,
        uri: &hyper::Uri,
        headers: &HeaderMap,
        body: &[u8],
        mount: &str,
        settings: &Settings,
    ) -> Self {
        let (endpoint, named) = Endpoint::of(uri.path(), mount, settings);
        let named = named.map(str::to_owned);
        let (tenant, subscription) =
            if endpoint == Endpoint::ArmSubscription { (None, named) } else { (named, None) };
        let pairs = |text: &[u8]| form_urlencoded::parse(text).into_owned().collect();
        Self {
            route: endpoint.route(),
            method: method.to_string(),
            path: uri.path().to_owned(),
            tenant,
            query: pairs(uri.query().unwrap_or_default().as_bytes()),
            headers: headers
                .iter()
                .map(|(name, value)| {
                    (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
                })
                .collect(),
            form: pairs(body),
            endpoint,
            subscription,
        }
    }

    /// The grant type of a token request.
    pub fn grant_type(&self) -> Option<&str> {
        self.field("grant_type")
    }

    /// A parameter of the form in the body.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.form.get(name).map(String::as_str)
    }

    /// A header field, by lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The scopes asked for.
    pub fn scopes(&self) -> Vec<&str> {
        self.field("scope").unwrap_or_default().split_whitespace().collect()
    }

    pub(crate) fn is_refresh(&self) -> bool {
        self.route == Route::Token && self.grant_type() == Some("refresh_token")
    }
}
