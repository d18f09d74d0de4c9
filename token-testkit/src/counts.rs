//! What the issuer has seen and done, in numbers.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::Route;

/// What the issuer has seen and done since it started, or since the last reset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Requests, by route.
    pub requests: BTreeMap<Route, u64>,
    /// Requests that waited, or still wait, at the gate.
    pub held: u64,
    /// Requests that wait at the gate now.
    pub at_gate: u64,
    /// Faults made.
    pub faults: u64,

    /// Refresh requests that arrived, whatever became of them.
    pub refreshes: u64,
    /// Refreshes that issued tokens, whether or not their answer reached anybody.
    pub refreshes_succeeded: u64,
    /// Refreshes that the issuer refused with an OAuth error of its own.
    pub refreshes_refused: u64,
    /// Refreshes under way now.
    pub refreshes_in_flight: u64,
    /// The largest number of refreshes under way at once.
    pub max_refreshes_in_flight: u64,
    /// Refreshes that a superseded refresh token was still good for, thanks to the grace.
    pub graced: u64,

    /// Times a spent refresh token came back and was not forgiven.
    pub reuses: u64,
    /// Families that ended because of such a reuse.
    pub families_revoked: u64,
    /// Families that ended by a revocation request.
    pub families_signed_out: u64,
    /// Sign-ins: families made.
    pub sign_ins: u64,
    /// Client credentials grants that succeeded.
    pub client_credentials: u64,
    /// Device authorizations made.
    pub device_codes: u64,
    /// Times a device code was polled.
    pub polls: u64,
}

impl Counts {
    /// The requests of a route; [`Route::Any`] for all.
    pub fn requests(&self, route: Route) -> u64 {
        match route {
            Route::Any => self.requests.values().sum(),
            route => self.requests.get(&route).copied().unwrap_or(0),
        }
    }

    /// Forgets the past, but not what is under way.
    pub(crate) fn reset(&mut self) {
        *self = Self {
            at_gate: self.at_gate,
            refreshes_in_flight: self.refreshes_in_flight,
            max_refreshes_in_flight: self.refreshes_in_flight,
            ..Self::default()
        };
    }
}
