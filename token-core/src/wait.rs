//! Waiting: deadlines that survive stops, and pauses that do not march in step.

use std::sync::Arc;
use std::time::Duration;

use crate::broker::SETTLE;
use crate::clock::Clock;
use crate::error::{BrokerError, CacheErrorKind};
use crate::transport::BeginBy;

/// A moment on [`Clock::uptime`]. It is over when the world thinks it is, however long the process was stopped.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Deadline(Duration);

impl Deadline {
    /// This long from now.
    pub(crate) fn after(clock: &dyn Clock, time: Duration) -> Self {
        Self(clock.uptime() + time)
    }

    /// How much is left; zero when it is over.
    pub(crate) fn left(self, clock: &dyn Clock) -> Duration {
        self.0.saturating_sub(clock.uptime())
    }

    /// The same for a request, which must not begin after it.
    pub(crate) fn begin_by(self, clock: Arc<dyn Clock>) -> BeginBy {
        BeginBy::new(clock, self.0)
    }

    /// Whether it is over.
    pub(crate) fn is_over(self, clock: &dyn Clock) -> bool {
        self.left(clock).is_zero()
    }
}

/// The rhythm in which those who wait look whether it has come.
///
/// Two hundred who look every few hundredths of a second keep a small machine, or a store, so busy that the one they
/// wait for hardly gets on. So they look often at first, and then the less often the longer it takes anyway.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Looks {
    begun: Duration,
}

/// The longest pause between two looks: at first, and at last.
const PAUSE: (Duration, Duration) = (Duration::from_millis(40), Duration::from_millis(200));
/// In between it is this part of the time that was waited.
const PART_OF_THE_WAIT: u32 = 8;

impl Looks {
    /// Begins to wait now.
    pub(crate) fn begin(clock: &dyn Clock) -> Self {
        Self { begun: clock.uptime() }
    }

    /// Sleeps until it is time for the next look.
    pub(crate) async fn pause(self, clock: &dyn Clock) {
        let most = self.longest(clock);
        pause(most / 4, most).await;
    }

    fn longest(self, clock: &dyn Clock) -> Duration {
        let waited = clock.uptime().saturating_sub(self.begun);
        (waited / PART_OF_THE_WAIT).clamp(PAUSE.0, PAUSE.1)
    }
}

/// A store that is away while somebody waits for what another one will put there.
///
/// Whoever received an answer tries to store it until the settle time, so for that long it is worth waiting: a server
/// that is started again would fail everybody else for nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outage(Option<(Duration, BrokerError)>);

impl Outage {
    /// Puts up with an error of a store that may be back soon. Any other one, and one too many, is given back.
    pub(crate) fn bear(&mut self, error: BrokerError, clock: &dyn Clock) -> Result<(), BrokerError> {
        let now = clock.uptime();
        let begun = self.0.as_ref().map_or(now, |(begun, _)| *begun);
        let may_be_back =
            matches!(&error, BrokerError::Cache(error) if error.kind() == CacheErrorKind::Unavailable);
        if !may_be_back || now.saturating_sub(begun) >= SETTLE {
            return Err(error);
        }
        self.0 = Some((begun, error));
        Ok(())
    }

    /// The store has answered.
    pub(crate) fn is_over(&mut self) {
        self.0 = None;
    }

    /// Why nothing came, where the time to wait is over and the store is still away.
    pub(crate) fn error(&self) -> Option<BrokerError> {
        self.0.as_ref().map(|(_, error)| error.clone())
    }
}

/// Sleeps for a random time between these two, so that those who wait for one thing do not all look at once.
pub(crate) async fn pause(least: Duration, most: Duration) {
    let share = f64::from(rand::random::<u16>()) / f64::from(u16::MAX);
    tokio::time::sleep(least + (most.saturating_sub(least)).mul_f64(share)).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[tokio::test(start_paused = true)]
    async fn looks_become_rarer_the_longer_it_takes() {
        for (waited, longest) in [(0, 40), (300, 40), (800, 100), (1600, 200), (29_000, 200)] {
            let clock = ManualClock::at(0);
            let looks = Looks::begin(&clock);
            clock.advance(Duration::from_millis(waited));
            assert_eq!(looks.longest(&clock), Duration::from_millis(longest), "after {waited} ms");
        }
    }
}
