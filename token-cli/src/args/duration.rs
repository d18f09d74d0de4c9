//! A span of time as it is typed: seconds, or `10m`, `1h30m`.

use std::time::Duration;

/// A least validity; the wrapping carries "an empty value counts as not given" through clap.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct MinValidity(pub(crate) Option<Duration>);

pub(super) fn duration_or_nothing(text: &str) -> Result<MinValidity, String> {
    if text.is_empty() {
        return Ok(MinValidity(None));
    }
    duration(text).map(|time| MinValidity(Some(time)))
}

/// `90`, `90s`, `10m`, `1h`, `1d`, and several of them in a row, as `1h30m`.
fn duration(text: &str) -> Result<Duration, String> {
    let malformed = || "expected seconds, or a time such as 10m or 1h30m".to_owned();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return bounded(text.parse().ok());
    }
    let mut total: Option<u64> = Some(0);
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(malformed)?;
        if digits == 0 {
            return Err(malformed());
        }
        let number: Option<u64> = rest[..digits].parse().ok();
        let unit = match rest.as_bytes()[digits] {
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            b'd' => 86400,
            _ => return Err(malformed()),
        };
        total = total.and_then(|total| number?.checked_mul(unit)?.checked_add(total));
        rest = &rest[digits + 1..];
    }
    bounded(total)
}

/// No issuer gives a token that lives a year, and sums of times below it cannot overflow.
fn bounded(seconds: Option<u64>) -> Result<Duration, String> {
    match seconds {
        Some(seconds) if seconds <= 366 * 86400 => Ok(Duration::from_secs(seconds)),
        _ => Err("expected at most a year".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_have_a_unit() {
        for (text, seconds) in
            [("0", 0), ("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("1d", 86400)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in
            ["m", "10x", "10m5", "-1", "1.5h", " 5", "99999999999999999999", "9999d", "18446744073709551615h"]
        {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
