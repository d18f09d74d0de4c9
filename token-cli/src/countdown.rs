//! How long something is still to come, as people read it.

/// `59m 12s`, `4h 03m`, `3d 02h`; `-` when it has passed.
pub(crate) fn countdown(seconds: i64) -> String {
    match seconds {
        ..=0 => "-".to_owned(),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {:02}h", seconds / 86400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countdowns_show_two_units() {
        let shown = [-5, 0, 9, 75, 3599, 3600, 90_061, 266_400].map(countdown);
        assert_eq!(shown, ["-", "-", "9s", "1m 15s", "59m 59s", "1h 00m", "1d 01h", "3d 02h"]);
    }
}
