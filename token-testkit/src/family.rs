//! Refresh tokens: who may spend which one, and what that does to the others.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::{Authority, Counts, Rotation, Settings, state::Subject};

/// All refresh tokens that descend from one sign-in.
#[derive(Clone, Debug, Serialize)]
pub struct Family {
    /// Its number, from 1.
    pub id: u64,
    /// The issuer it belongs to.
    pub authority: Authority,
    /// The user name.
    pub account: String,
    /// The client that signed in.
    pub client_id: String,
    /// The scopes granted at the sign-in.
    pub scopes: Vec<String>,
    /// How many refreshes succeeded.
    pub refreshes: u64,
    /// What ended it; `None` while it is alive.
    pub ended: Option<Ended>,
    #[serde(skip)]
    pub(crate) subject: Subject,
    /// How often the refresh token rotated. Siblings, made from one parent within the grace, share a depth.
    #[serde(skip)]
    depth: u64,
    #[serde(skip)]
    current: String,
    #[serde(skip)]
    deepened: Instant,
}

/// What ended a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// A spent refresh token came back.
    Reuse,
    /// The client revoked it (RFC 7009).
    Revoked,
    /// Its time was over, or an administrator's patience.
    Expired,
}

impl Family {
    /// Whether its current refresh token is good for anything.
    pub fn is_alive(&self) -> bool {
        self.ended.is_none()
    }
}

/// What a refresh token is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefreshTokenState {
    /// It was never issued.
    Unknown,
    /// It is the newest of a living family.
    Current,
    /// A newer one was issued, in a family that lives.
    Superseded,
    /// Its family has ended.
    Ended,
}

/// Why a refresh token was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Unknown,
    OtherClient,
    Reused,
    Ended(Ended),
}

#[derive(Debug, Default)]
pub(crate) struct Families {
    all: BTreeMap<u64, Family>,
    /// Every refresh token ever issued, with its family and depth.
    issued: HashMap<String, (u64, u64)>,
}

impl Families {
    pub(crate) fn sign_in(
        &mut self,
        authority: Authority,
        subject: Subject,
        client_id: &str,
        scopes: Vec<String>,
        counts: &mut Counts,
    ) -> (u64, String) {
        let id = self.all.len() as u64 + 1;
        let token = refresh_token(id, 0);
        let family = Family {
            id,
            authority,
            account: subject.account.clone(),
            client_id: client_id.to_owned(),
            scopes,
            refreshes: 0,
            ended: None,
            subject,
            depth: 0,
            current: token.clone(),
            deepened: Instant::now(),
        };
        self.issued.insert(token.clone(), (id, 0));
        self.all.insert(id, family);
        counts.sign_ins += 1;
        (id, token)
    }

    /// The family of a refresh token that may be spent now. A reuse that is not forgiven ends the family here.
    pub(crate) fn admit(
        &mut self,
        token: &str,
        authority: Authority,
        client_id: &str,
        settings: &Settings,
        counts: &mut Counts,
    ) -> Result<&Family, Refused> {
        let (id, depth) = *self.issued.get(token).ok_or(Refused::Unknown)?;
        let family = self.all.get_mut(&id).ok_or(Refused::Unknown)?;
        if family.authority != authority {
            return Err(Refused::Unknown);
        }
        if family.client_id != client_id {
            return Err(Refused::OtherClient);
        }
        if let Some(ended) = family.ended {
            counts.reuses += u64::from(token != family.current && settings.rotation == Rotation::Strict);
            return Err(Refused::Ended(ended));
        }
        if token != family.current && settings.rotation == Rotation::Strict {
            // The immediately previous one, or a sibling of the current one that lost to it.
            let previous = depth + 1 >= family.depth;
            if !(previous && family.deepened.elapsed() < Duration::from_secs(settings.grace)) {
                family.ended = Some(Ended::Reuse);
                counts.reuses += 1;
                counts.families_revoked += 1;
                return Err(Refused::Reused);
            }
            counts.graced += 1;
        }
        Ok(family)
    }

    /// Spends an admitted refresh token; the answer is its successor, if this rotation has one.
    pub(crate) fn spend(&mut self, token: &str, rotation: Rotation) -> Option<String> {
        let (id, depth) = *self.issued.get(token)?;
        let family = self.all.get_mut(&id)?;
        family.refreshes += 1;
        if rotation == Rotation::Never {
            return None;
        }
        let depth = depth + 1;
        if depth > family.depth {
            family.depth = depth;
            family.deepened = Instant::now();
        }
        let successor = refresh_token(id, depth);
        family.current = successor.clone();
        self.issued.insert(successor.clone(), (id, depth));
        Some(successor)
    }

    pub(crate) fn all(&self) -> Vec<Family> {
        self.all.values().cloned().collect()
    }

    pub(crate) fn is_alive(&self, id: u64) -> bool {
        self.all.get(&id).is_some_and(Family::is_alive)
    }

    pub(crate) fn of(&self, token: &str) -> Option<&Family> {
        self.all.get(&self.issued.get(token)?.0)
    }

    pub(crate) fn state(&self, token: &str) -> RefreshTokenState {
        match self.of(token) {
            None => RefreshTokenState::Unknown,
            Some(family) if !family.is_alive() => RefreshTokenState::Ended,
            Some(family) if family.current == token => RefreshTokenState::Current,
            Some(_) => RefreshTokenState::Superseded,
        }
    }

    /// Ends a family; false where it had ended before.
    pub(crate) fn end(&mut self, id: u64, how: Ended) -> bool {
        let Some(family) = self.all.get_mut(&id).filter(|family| family.is_alive()) else { return false };
        family.ended = Some(how);
        true
    }
}

/// Family and depth are readable, for whoever reads a failed test; only the random part is a secret.
fn refresh_token(family: u64, depth: u64) -> String {
    format!("rt-{family}-{depth}-{}", crate::jwks::random_text(24))
}
