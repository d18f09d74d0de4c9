//! Device codes (RFC 8628) and what became of them.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::{Authority, Decision, Settings};

/// A device code, for assertions and for whoever plays the user.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceCodeState {
    /// What the user types.
    pub user_code: String,
    /// The client that asked.
    pub client_id: String,
    /// The scopes asked for.
    pub scopes: Vec<String>,
    /// What was decided, and `None` while nothing is.
    pub decision: Option<Decision>,
    /// How often it was polled.
    pub polls: u32,
    /// Whether tokens were issued for it.
    pub redeemed: bool,
}

#[derive(Debug)]
pub(crate) struct DeviceCode {
    pub(crate) authority: Authority,
    pub(crate) tenant: Option<String>,
    pub(crate) client_id: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) user_code: String,
    expires: Instant,
    decision: Option<Decision>,
    user: Option<String>,
    polls: u32,
    next_poll: Instant,
    interval: Duration,
    redeemed: bool,
}

/// What a poll is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Poll {
    Pending,
    SlowDown,
    Declined,
    Expired,
    /// Redeemed before, or never issued to this client.
    Invalid,
    /// Approved, by the named user or by whoever is first.
    Approved(Option<String>),
}

#[derive(Debug, Default)]
pub(crate) struct DeviceCodes(HashMap<String, DeviceCode>);

impl DeviceCodes {
    /// Makes a device code; the answer is the code itself and its user code.
    pub(crate) fn create(
        &mut self,
        authority: Authority,
        tenant: Option<String>,
        client_id: &str,
        scopes: Vec<String>,
        settings: &Settings,
    ) -> (String, String) {
        let code = crate::jwks::random_text(24);
        let user_code = user_code();
        // RFC 8628 section 3.2: five seconds where the answer says nothing.
        let interval = Duration::from_secs(settings.interval.unwrap_or(5));
        let now = Instant::now();
        self.0.insert(
            code.clone(),
            DeviceCode {
                authority,
                tenant,
                client_id: client_id.to_owned(),
                scopes,
                user_code: user_code.clone(),
                expires: now + Duration::from_secs(settings.device_code_lifetime),
                decision: None,
                user: None,
                polls: 0,
                next_poll: now + interval,
                interval,
                redeemed: false,
            },
        );
        (code, user_code)
    }

    pub(crate) fn poll(
        &mut self,
        code: &str,
        authority: Authority,
        client_id: &str,
        settings: &Settings,
    ) -> Poll {
        let Some(device) = self.0.get_mut(code).filter(|device| {
            device.authority == authority && device.client_id == client_id && !device.redeemed
        }) else {
            return Poll::Invalid;
        };
        let now = Instant::now();
        // A client counts from the answer's arrival, we from its making: a little early is on time.
        let early = now + Duration::from_millis(50) < device.next_poll;
        device.polls += 1;
        device.next_poll = now + device.interval;
        if device.polls <= settings.slow_down || (settings.enforce_interval && early) {
            // RFC 8628 section 3.5: five seconds more, for this and all later polls.
            device.interval += Duration::from_secs(5);
            device.next_poll = now + device.interval;
            return Poll::SlowDown;
        }
        if now >= device.expires {
            device.decision = Some(Decision::Expire);
        }
        if device.decision.is_none() && device.polls > settings.slow_down + settings.pending_polls {
            device.decision = settings.decision;
        }
        match device.decision {
            None => Poll::Pending,
            Some(Decision::Decline) => Poll::Declined,
            Some(Decision::Expire) => Poll::Expired,
            Some(Decision::Approve) => {
                device.redeemed = true;
                Poll::Approved(device.user.clone())
            }
        }
    }

    pub(crate) fn get(&self, code: &str) -> Option<&DeviceCode> {
        self.0.get(code)
    }

    /// Decides about a user code; false where there is none that waits for it.
    pub(crate) fn decide(&mut self, user_code: &str, decision: Decision, user: Option<&str>) -> bool {
        // People type user codes with or without the dash, in any case (RFC 8628 section 6.1).
        let plain = |code: &str| code.replace(['-', ' '], "").to_ascii_uppercase();
        let wanted = plain(user_code);
        match self.0.values_mut().find(|device| plain(&device.user_code) == wanted && !device.redeemed) {
            Some(device) => {
                device.decision = Some(decision);
                device.user = user.map(str::to_owned);
                true
            }
            None => false,
        }
    }

    pub(crate) fn states(&self) -> Vec<DeviceCodeState> {
        self.0
            .values()
            .map(|device| DeviceCodeState {
                user_code: device.user_code.clone(),
                client_id: device.client_id.clone(),
                scopes: device.scopes.clone(),
                decision: device.decision,
                polls: device.polls,
                redeemed: device.redeemed,
            })
            .collect()
    }
}

/// Eight consonants, as RFC 8628 section 6.1 recommends: no words, nothing to mistake.
fn user_code() -> String {
    const LETTERS: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ";
    let letter = || char::from(LETTERS[rand::random_range(0..LETTERS.len())]);
    let half = || (0..4).map(|_| letter()).collect::<String>();
    format!("{}-{}", half(), half())
}
