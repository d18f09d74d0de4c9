//! What time it is, and how much of it has passed.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

/// The two clocks the protocol reads. Nothing else in the workspace asks the system for the time.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The wall clock: time since the POSIX epoch. It may be turned back.
    fn now(&self) -> Duration;

    /// A clock for deadlines: it never goes back, and it goes on while the process is stopped or the machine
    /// sleeps (Linux' `CLOCK_BOOTTIME`), so that a deadline is over when the world thinks it is.
    fn uptime(&self) -> Duration;

    /// The wall clock in whole POSIX seconds.
    fn posix(&self) -> i64 {
        i64::try_from(self.now().as_secs()).unwrap_or(i64::MAX)
    }
}

/// The system's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        read(rustix::time::ClockId::Realtime)
    }

    fn uptime(&self) -> Duration {
        #[cfg(target_os = "linux")]
        let clock = rustix::time::ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let clock = rustix::time::ClockId::Monotonic;
        read(clock)
    }
}

/// A clock for tests. It goes on with tokio's time, which a test may pause, and jumps when told to.
#[derive(Debug)]
pub struct ManualClock {
    wall: Mutex<Duration>,
    skipped: Mutex<Duration>,
    started: tokio::time::Instant,
}

impl ManualClock {
    /// A clock that shows `posix` seconds now.
    #[expect(clippy::disallowed_methods, reason = "here it is the clock")]
    pub fn at(posix: u64) -> Self {
        Self {
            wall: Mutex::new(Duration::from_secs(posix)),
            skipped: Mutex::new(Duration::ZERO),
            started: tokio::time::Instant::now(),
        }
    }

    /// Lets `time` pass on both clocks without anybody noticing, as a stopped process would see it.
    pub fn advance(&self, time: Duration) {
        *lock(&self.wall) += time;
        *lock(&self.skipped) += time;
    }

    /// Turns the wall clock back; deadlines are not affected.
    pub fn turn_back(&self, time: Duration) {
        let mut wall = lock(&self.wall);
        *wall = wall.saturating_sub(time);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        *lock(&self.wall) + self.started.elapsed()
    }

    fn uptime(&self) -> Duration {
        *lock(&self.skipped) + self.started.elapsed()
    }
}

fn read(clock: rustix::time::ClockId) -> Duration {
    let time = rustix::time::clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn lock(time: &Mutex<Duration>) -> std::sync::MutexGuard<'_, Duration> {
    time.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
