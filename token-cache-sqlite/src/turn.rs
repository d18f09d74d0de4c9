//! How a writer waits for its turn.

use std::time::Duration;

use token_core::{Clock as _, SystemClock};

/// How long. Others hold a database for milliseconds; one that was stopped in the middle holds it until it goes on,
/// and then waiting longer than anybody waits for a token helps nobody.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// How often it looks, at first and at most.
const POLL: (Duration, Duration) = (Duration::from_micros(200), Duration::from_millis(10));

/// One who waits; or who has not begun to, since most never have to.
#[derive(Default)]
pub(crate) struct Turn(Option<(Duration, Duration)>);

impl Turn {
    /// Pauses before the next try, or says that the time for it is over.
    pub(crate) fn pause(&mut self) -> bool {
        let now = SystemClock.uptime();
        let (end, pause) = *self.0.get_or_insert((now + TIMEOUT, POLL.0));
        if now > end {
            return false;
        }
        std::thread::sleep(pause);
        self.0 = Some((end, (pause * 2).min(POLL.1)));
        true
    }
}
