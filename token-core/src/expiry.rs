//! When a token ends, how much of its life is left, and how that reads on a wall clock.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, FixedOffset, Local, NaiveDateTime, Offset, SubsecRound, TimeZone, Utc};
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
        let shown = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok()?;
        // Only offsets *from* UTC are asked for: chrono takes the second after a repeated hour for a repeated one.
        let as_utc = shown.and_utc().timestamp();
        let mut moments = [as_utc - DAY, as_utc + DAY].map(|near| as_utc - i64::from(offset(near, zone)));
        moments.sort_unstable_by_key(|moment| if fold { -moment } else { *moment });
        moments
            .into_iter()
            .find(|&moment| WallClock::at(moment, zone).shown == shown.trunc_subsecs(0))
            .map(Self)
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
        let moment = utc(posix).with_timezone(zone);
        let offset = moment.offset().fix();
        // A clock that was put back within a day may have shown this before, at the offset of then.
        let put_back = self::offset(posix.saturating_sub(DAY), zone) - offset.local_minus_utc();
        let earlier = posix.saturating_sub(i64::from(put_back));
        let fold = put_back > 0 && self::offset(earlier, zone) - offset.local_minus_utc() == put_back;
        Self { shown: moment.naive_local(), offset, fold }
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

const DAY: i64 = 24 * 60 * 60;

fn utc(posix: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(posix.clamp(FIRST, LAST), 0).unwrap_or_default()
}

/// Seconds east of Greenwich, in a zone at a moment.
fn offset<Z: TimeZone>(posix: i64, zone: &Z) -> i32 {
    zone.offset_from_utc_datetime(&utc(posix).naive_utc()).fix().local_minus_utc()
}

fn whole_seconds(duration: Duration) -> i64 {
    let begun = u64::from(duration.subsec_nanos() > 0);
    i64::try_from(duration.as_secs().saturating_add(begun)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;
    use proptest::prelude::*;

    use super::*;
    use crate::key::Kind;
    use crate::secret::Secret;

    const RECEIVED: i64 = 1_800_000_000;

    fn token(life: i64, refresh_in: Option<i64>) -> AccessToken {
        AccessToken {
            secret: Secret::new("t"),
            token_type: "Bearer".to_owned(),
            scopes: Vec::new(),
            received_at: RECEIVED,
            expires_on: Expiry::from_posix(RECEIVED.saturating_add(life)),
            refresh_in,
            claims: None,
        }
    }

    fn key(number: u32) -> Key {
        Key::new(Kind::AccessToken, &[&number.to_string()])
    }

    fn ages(life: i64, refresh_in: Option<i64>) -> (i64, i64) {
        let schedule = Schedule::of(&token(life, refresh_in));
        (schedule.due - RECEIVED, schedule.short - RECEIVED)
    }

    #[test]
    fn a_token_is_due_and_short_at_the_ages_of_the_design() {
        assert_eq!(ages(60, None), (20, 30));
        assert_eq!(ages(300, None), (100, 150));
        assert_eq!(ages(3600, None), (3000, 3300));
        assert_eq!(ages(28 * 3600, None), (14 * 3600, 28 * 3600 - 300));
    }

    #[test]
    fn the_issuers_wish_counts_but_not_in_the_first_third() {
        assert_eq!(ages(86_400, Some(50_000)), (50_000, 86_100));
        assert_eq!(ages(3600, Some(10)), (1200, 3300));
        assert_eq!(ages(100, Some(10)), (34, 50), "a begun third is not over");
    }

    #[test]
    fn half_of_a_long_life_begins_at_two_hours() {
        assert_eq!(ages(7199, None).0, 7199 - 600);
        assert_eq!(ages(7200, None).0, 3600);
    }

    #[test]
    fn freshness_changes_at_the_second() {
        let (token, key) = (token(3600, None), key(1));
        let due = Schedule::of(&token).due_at(&key);
        let end = RECEIVED + 3600;
        let at = |now| freshness(&token, &key, now, None);
        assert_eq!(at(RECEIVED), Freshness::Fresh);
        assert_eq!(at(due - 1), Freshness::Fresh);
        assert_eq!(at(due), Freshness::Due);
        assert_eq!(at(end - 300), Freshness::Due, "exactly the floor is left, as in Azure CLI");
        assert_eq!(at(end - 299), Freshness::Short);
        assert_eq!(at(end - 1), Freshness::Short);
        assert_eq!(at(end), Freshness::Dead);
        assert_eq!(at(i64::MAX), Freshness::Dead);
    }

    #[test]
    fn what_the_caller_asks_counts_to_the_letter() {
        let (token, key) = (token(3600, None), key(1));
        let at = |left, asked: Duration| freshness(&token, &key, RECEIVED + 3600 - left, Some(asked));
        assert_eq!(at(1, Duration::ZERO), Freshness::Due);
        assert_eq!(at(1800, Duration::from_secs(1800)), Freshness::Fresh);
        assert_eq!(at(1799, Duration::from_secs(1800)), Freshness::Short);
        assert_eq!(at(1800, Duration::from_millis(1_800_001)), Freshness::Short);
        assert_eq!(at(3600, Duration::from_secs(7200)), Freshness::Short, "more than it ever had");
        assert_eq!(at(3600, Duration::MAX), Freshness::Short);
        assert_eq!(at(0, Duration::ZERO), Freshness::Dead);
    }

    #[test]
    fn a_token_from_the_future_is_not_good() {
        let (token, key) = (token(3600, None), key(1));
        assert_eq!(freshness(&token, &key, RECEIVED - 300, None), Freshness::Fresh);
        assert_eq!(freshness(&token, &key, RECEIVED - 301, None), Freshness::Short);
        assert_eq!(freshness(&token, &key, i64::MIN, None), Freshness::Short);
    }

    #[test]
    fn keys_spread_over_the_first_half_of_the_window() {
        let schedule = Schedule::of(&token(28 * 3600, None));
        let mut moments: Vec<i64> = (0..1000).map(|number| schedule.due_at(&key(number))).collect();
        moments.sort_unstable();
        let half = (schedule.short - schedule.due) / 2;
        assert!(moments[0] < schedule.due + half / 50, "some come early");
        assert!(moments[999] > schedule.due + half - half / 50, "some come late");
        assert!((moments[500] - schedule.due - half / 2).abs() < half / 10, "and the rest between them");
    }

    #[test]
    fn a_day_that_ends_twice_is_told_apart() {
        let new_york = chrono_tz::America::New_York;
        let first = WallClock::at(1_793_511_000, &new_york);
        let second = WallClock::at(1_793_511_000 + 3600, &new_york);
        assert_eq!(first.azure_cli(), "2026-11-01 01:30:00.000000");
        assert_eq!(second.azure_cli(), first.azure_cli());
        assert_eq!((first.fold(), second.fold()), (false, true));
        assert_eq!(first.to_string(), "2026-11-01 01:30:00 -04:00");
        assert_eq!(second.to_string(), "2026-11-01 01:30:00 -05:00");
        assert_eq!(second.offset(), -5 * 3600);
        assert!(!WallClock::at(1_793_511_000 + 7200, &new_york).fold(), "02:30 comes once");
    }

    #[test]
    fn zones_far_and_odd_show_their_time() {
        let shown = |posix, zone: Tz| WallClock::at(posix, &zone).to_string();
        assert_eq!(shown(1_800_000_000, Tz::Pacific__Kiritimati), "2027-01-15 22:00:00 +14:00");
        assert_eq!(shown(1_800_000_000, Tz::Pacific__Pago_Pago), "2027-01-14 21:00:00 -11:00");
        assert_eq!(shown(1_800_000_000, Tz::Asia__Kathmandu), "2027-01-15 13:45:00 +05:45");
        // Half an hour comes twice on Lord Howe, on 5 April 2026 from 01:30 on.
        let howe = Tz::Australia__Lord_Howe;
        let first = WallClock::at(1_775_313_900, &howe);
        let second = WallClock::at(1_775_313_900 + 1800, &howe);
        assert_eq!(first.to_string(), "2026-04-05 01:45:00 +11:00");
        assert_eq!(second.to_string(), "2026-04-05 01:45:00 +10:30");
        assert_eq!((first.fold(), second.fold()), (false, true));
        // Samoa had no 30 December 2011.
        assert_eq!(shown(1_325_239_199, Tz::Pacific__Apia), "2011-12-29 23:59:59 -10:00");
        assert_eq!(shown(1_325_239_200, Tz::Pacific__Apia), "2011-12-31 00:00:00 +14:00");
        // Turkey stayed on summer time in 2016, and Volgograd's clocks went back outside of any daylight saving.
        assert_eq!(shown(1_480_000_000, Tz::Europe__Istanbul), "2016-11-24 18:06:40 +03:00");
        let volgograd = WallClock::at(1_609_020_000, &Tz::Europe__Volgograd);
        assert_eq!(volgograd.to_string(), "2020-12-27 01:00:00 +03:00");
        assert!(volgograd.fold());
    }

    #[test]
    fn a_skipped_time_is_no_moment() {
        let berlin = chrono_tz::Europe::Berlin;
        for fold in [false, true] {
            assert_eq!(Expiry::from_wall_clock("2026-03-29 02:30:00.000000", fold, &berlin), None);
            assert_eq!(Expiry::from_wall_clock("2026-03-29", fold, &berlin), None);
        }
        let noon = Expiry::from_wall_clock("2026-03-29 12:00:00.000000", true, &berlin);
        assert_eq!(noon, Some(Expiry::from_posix(1_774_778_400)), "without a fold it does not matter");
    }

    #[test]
    fn no_year_is_too_far() {
        for posix in [i64::MIN, -62_135_596_800, 253_402_300_800, i64::MAX] {
            for zone in [Tz::UTC, Tz::Pacific__Kiritimati, Tz::Pacific__Pago_Pago, Tz::America__New_York] {
                assert_eq!(WallClock::at(posix, &zone).azure_cli().len(), 26);
            }
            assert_eq!(Expiry::from_posix(posix).local().azure_cli().len(), 26);
        }
    }

    /// What the children below run.
    #[test]
    #[ignore = "run by the test beside it, in a zone of its own"]
    #[allow(clippy::disallowed_methods, reason = "a child gets its orders by environment")]
    fn one_local_time() {
        let wanted = std::env::var("TEST_SHOWN").unwrap();
        let end = Expiry::from_posix(std::env::var("TEST_POSIX").unwrap().parse().unwrap());
        let shown = end.local();
        assert_eq!(format!("{shown} {}", shown.fold()), wanted);
        assert_eq!(Expiry::from_wall_clock(&shown.azure_cli(), shown.fold(), &Local), Some(end));
    }

    /// The environment is read once a process and cannot be changed safely in a running one, so every zone is a child.
    #[test]
    fn the_zone_is_that_of_the_environment() {
        const TWICE: i64 = 1_793_511_000 + 3600;
        for (zone, posix, shown) in [
            ("UTC", TWICE, "2026-11-01 06:30:00 +00:00 false"),
            ("America/New_York", TWICE, "2026-11-01 01:30:00 -05:00 true"),
            ("America/New_York", TWICE + 1799, "2026-11-01 01:59:59 -05:00 true"),
            ("America/New_York", TWICE + 1800, "2026-11-01 02:00:00 -05:00 false"),
            (":America/Chicago", TWICE, "2026-11-01 01:30:00 -05:00 false"),
            ("EST5EDT,M3.2.0,M11.1.0", TWICE, "2026-11-01 01:30:00 -05:00 true"),
            ("<+0545>-5:45", TWICE, "2026-11-01 12:15:00 +05:45 false"),
            ("Nowhere/Nothing", TWICE, "2026-11-01 06:30:00 +00:00 false"),
        ] {
            let output = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "expiry::tests::one_local_time", "--ignored"])
                .env("TZ", zone)
                .env("TEST_POSIX", posix.to_string())
                .env("TEST_SHOWN", shown)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && said.contains("1 passed"), "{zone}: {said}");
        }
    }

    fn zones() -> impl Strategy<Value = Tz> {
        prop_oneof![
            Just(Tz::America__New_York),
            Just(Tz::Europe__Berlin),
            Just(Tz::Europe__Dublin),
            Just(Tz::Australia__Lord_Howe),
            Just(Tz::Pacific__Kiritimati),
            Just(Tz::Pacific__Pago_Pago),
            Just(Tz::Pacific__Apia),
            Just(Tz::Africa__Casablanca),
            Just(Tz::Asia__Kolkata),
            (0..chrono_tz::TZ_VARIANTS.len()).prop_map(|at| chrono_tz::TZ_VARIANTS[at]),
        ]
    }

    proptest! {
        /// The text and the fold together name one moment, in every zone.
        #[test]
        fn a_moment_comes_back_from_its_wall_clock(posix in -2_000_000_000i64..4_000_000_000, zone in zones()) {
            let clock = WallClock::at(posix, &zone);
            let back = Expiry::from_wall_clock(&clock.azure_cli(), clock.fold(), &zone);
            prop_assert_eq!(back, Some(Expiry::from_posix(posix)));
        }

        /// Around the change of the clocks too, where it matters.
        #[test]
        fn a_moment_comes_back_when_clocks_change(year in 1971i32..2037, second in 0i64..40 * 86_400, zone in zones()) {
            for month in [3, 9, 10] {
                let start = chrono::NaiveDate::from_ymd_opt(year, month, 1).unwrap().and_time(Default::default());
                let posix = start.and_utc().timestamp() + second;
                let clock = WallClock::at(posix, &zone);
                let back = Expiry::from_wall_clock(&clock.azure_cli(), clock.fold(), &zone);
                prop_assert_eq!(back, Some(Expiry::from_posix(posix)));
            }
        }

        /// Freshness only ever gets worse, due never begins in the first third of the life, and the spread is
        /// bounded by half the window.
        #[test]
        fn a_schedule_is_in_order(
            life in 0i64..200_000,
            refresh_in in proptest::option::of(-10i64..300_000),
            number in any::<u32>(),
        ) {
            let (token, key) = (token(life, refresh_in), key(number));
            let schedule = Schedule::of(&token);
            let due = schedule.due_at(&key);
            prop_assert!((schedule.due - RECEIVED) * 3 >= life);
            prop_assert!(due >= schedule.due);
            prop_assert!(due - schedule.due <= (schedule.short - schedule.due).max(0) / 2);
            prop_assert!(schedule.floor <= 300 && schedule.floor * 2 <= life);
            let order = |freshness| match freshness {
                Freshness::Fresh => 0,
                Freshness::Due => 1,
                Freshness::Short => 2,
                Freshness::Dead => 3,
            };
            let moments = [RECEIVED, schedule.due, due, schedule.short, schedule.short + 1, RECEIVED + life];
            let mut sorted = moments;
            sorted.sort_unstable();
            let states = sorted.map(|now| order(freshness(&token, &key, now, None)));
            prop_assert!(states.is_sorted(), "{states:?}");
        }

        /// Nothing an entry may hold makes the policy panic.
        #[test]
        fn any_numbers_are_judged(
            received in any::<i64>(),
            end in any::<i64>(),
            refresh_in in proptest::option::of(any::<i64>()),
            now in any::<i64>(),
            asked in proptest::option::of(any::<Duration>()),
        ) {
            let mut token = token(0, refresh_in);
            (token.received_at, token.expires_on) = (received, Expiry::from_posix(end));
            let judged = freshness(&token, &key(1), now, asked);
            prop_assert_eq!(judged == Freshness::Dead, now >= end);
        }
    }
}
