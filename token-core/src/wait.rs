//! Waiting: deadlines that survive stops, and pauses that do not march in step.

use std::time::Duration;

use crate::clock::Clock;

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

    /// Whether it is over.
    pub(crate) fn is_over(self, clock: &dyn Clock) -> bool {
        self.left(clock).is_zero()
    }
}

/// Sleeps for a random time between these two, so that those who wait for one thing do not all look at once.
pub(crate) async fn pause(least: Duration, most: Duration) {
    let share = f64::from(rand::random::<u16>()) / f64::from(u16::MAX);
    tokio::time::sleep(least + (most.saturating_sub(least)).mul_f64(share)).await;
}
