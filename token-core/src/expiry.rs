//! When a token ends, how much of its life is left, and how that reads on a wall clock.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, FixedOffset, Local, MappedLocalTime, NaiveDateTime, Offset, TimeZone, Utc};
use serde::{Deserialize, Serialize};

use crate::key::Key;
use crate::token::AccessToken;

/// The moment a token ends, in POSIX seconds: `expires_on`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Expiry(i64);

impl Expiry {
    /// From POSIX seconds.
    pub fn from_posix(seconds: i64) -> Self {
        Self(seconds)
    }

    /// In POSIX seconds.
    pub fn posix(self) -> i64 {
        self.0
    }

    /// As a wall clock in the zone of this process shows it (`TZ`, else the system's zone).
    pub fn local(self) -> WallClock {
        WallClock::at(self.0, &Local)
    }

    /// The moment at which a wall clock in `zone` shows `text` (the form of [`WallClock::azure_cli`]). In an hour
    /// that comes twice `fold` chooses the second. `None` for a text of another form, and for a time that the zone
    /// skips.
    pub fn from_wall_clock<Z: TimeZone>(text: &str, fold: bool, zone: &Z) -> Option<Self> {
        let shown = NaiveDateTime::parse_from_str(text, AZURE_CLI).ok()?;
        let moment = match zone.from_local_datetime(&shown) {
            MappedLocalTime::Single(moment) => moment,
            MappedLocalTime::Ambiguous(one, other) => {
                if (one.timestamp() < other.timestamp()) == fold {
                    other
                } else {
                    one
                }
            }
            MappedLocalTime::None => return None,
        };
        Some(Self(moment.timestamp()))
    }
}

/// A moment as a wall clock somewhere shows it, with what the clock's face alone does not tell: the offset from UTC,
/// and whether this is the second time that the clock shows it (the *fold* of PEP 495, in the hour that is repeated
/// when daylight saving ends).
///
/// Azure CLI prints the bare face as `expiresOn`, which is an hour wrong twice a year for whoever parses it; every
/// view for people shows the offset with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WallClock {
    shown: NaiveDateTime,
    offset: FixedOffset,
    fold: bool,
}

impl WallClock {
    /// What a wall clock in `zone` shows at `posix` seconds. Moments outside of the years 1 to 9999 are shown as the
    /// nearest one inside, as no calendar text has room for them.
    pub fn at<Z: TimeZone>(posix: i64, zone: &Z) -> Self {
        let utc = DateTime::<Utc>::from_timestamp(posix.clamp(FIRST, LAST), 0).unwrap_or_default();
        let moment = utc.with_timezone(zone);
        let shown = moment.naive_local();
        let fold = match zone.from_local_datetime(&shown) {
            MappedLocalTime::Ambiguous(one, other) => {
                utc.timestamp() == one.timestamp().max(other.timestamp())
            }
            MappedLocalTime::Single(_) | MappedLocalTime::None => false,
        };
        Self { shown, offset: moment.offset().fix(), fold }
    }

    /// Azure CLI's `expiresOn`: `%Y-%m-%d %H:%M:%S.%f` in local time, without an offset and always with six digits
    /// of a second's fraction.
    pub fn azure_cli(&self) -> String {
        self.shown.format(AZURE_CLI).to_string()
    }

    /// Whether the clock shows this time for the second time.
    pub fn fold(&self) -> bool {
        self.fold
    }

    /// Seconds east of Greenwich.
    pub fn offset(&self) -> i32 {
        self.offset.local_minus_utc()
    }
}

/// For people: `2026-11-01 01:30:00 -05:00`.
impl fmt::Display for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.shown.format("%Y-%m-%d %H:%M:%S"), self.offset)
    }
}

/// How much life an access token has left, as its holder should see it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Freshness {
    /// Good.
    Fresh,
    /// Good, and a refresh is wanted: at least the floor is left.
    Due,
    /// Alive, but with less than the floor left.
    Short,
    /// At or after its end.
    Dead,
}

/// How fresh a token is at `now` (POSIX seconds), for a caller who needs it for `min_validity`.
///
/// What the caller asks for counts to the letter, a begun second as a whole one; `None` means 300 s as in Azure CLI,
/// but never more than half the token's life. A token that was received more than 300 s in the future is never good:
/// a clock was wrong then or is wrong now.
pub fn freshness(token: &AccessToken, key: &Key, now: i64, min_validity: Option<Duration>) -> Freshness {
    let schedule = Schedule::of(token);
    let floor = min_validity.map_or(schedule.floor, whole_seconds);
    let left = token.expires_on.posix().saturating_sub(now);
    if left <= 0 {
        Freshness::Dead
    } else if left < floor || token.received_at > now.saturating_add(CLOCK_TOLERANCE) {
        Freshness::Short
    } else if now >= schedule.due_at(key) {
        Freshness::Due
    } else {
        Freshness::Fresh
    }
}

/// The moments in a token's life at which it changes, by its issuer's wish or by default.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Schedule {
    /// From when a refresh is wanted, in POSIX seconds, before it is spread.
    pub due: i64,
    /// The least life that is asked for by default, in seconds.
    pub floor: i64,
    /// When less than that is left, in POSIX seconds: the end of the window in which a refresh is wanted.
    pub short: i64,
}

impl Schedule {
    /// The schedule of a token.
    pub fn of(token: &AccessToken) -> Self {
        let received = token.received_at;
        let end = token.expires_on.posix();
        let life = end.saturating_sub(received).max(0);
        let floor = DEFAULT_FLOOR.min(life / 2);
        let short = end.saturating_sub(floor);
        let due = match token.refresh_in {
            Some(seconds) => received.saturating_add(seconds),
            None if life >= LONG_LIFE => received.saturating_add(life / 2),
            None => short.saturating_sub(DUE_BEFORE_FLOOR.min(life / 6)),
        };
        let third = received.saturating_add(life / 3 + i64::from(life % 3 != 0));
        Self { due: due.max(third), floor, short }
    }

    /// From when a refresh of the token under this key is wanted: later than [`due`](Self::due) by up to half of the
    /// window that is left, so that tokens of one moment do not all come due together. It is computed from the key,
    /// so every process and host has the same.
    pub fn due_at(&self, key: &Key) -> i64 {
        let room = i128::from(self.short.saturating_sub(self.due).max(0)) / 2;
        let later = room * i128::from(key.spread()) / (i128::from(u32::MAX) + 1);
        self.due.saturating_add(i64::try_from(later).unwrap_or(0))
    }
}

/// Azure CLI and MSAL call a token with less than this expired.
const DEFAULT_FLOOR: i64 = 300;

/// From this life on MSAL (and managed identities) refresh at half of it.
const LONG_LIFE: i64 = 2 * 60 * 60;

/// How long before the floor a shorter token is due, at most.
const DUE_BEFORE_FLOOR: i64 = 300;

/// How far in the future a token may have been received: hosts do not agree better about the time.
const CLOCK_TOLERANCE: i64 = 300;

const AZURE_CLI: &str = "%Y-%m-%d %H:%M:%S%.6f";

/// 0001-01-02 and 9999-12-30, in UTC: a day inside of what four digits of a year hold, whatever the zone.
const FIRST: i64 = -62_135_510_400;
const LAST: i64 = 253_402_214_399;

fn whole_seconds(duration: Duration) -> i64 {
    let begun = u64::from(duration.subsec_nanos() > 0);
    i64::try_from(duration.as_secs().saturating_add(begun)).unwrap_or(i64::MAX)
}
