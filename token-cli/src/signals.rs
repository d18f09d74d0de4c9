//! SIGINT, SIGTERM and SIGHUP end us, but not in the middle of a refresh: its answer exists nowhere else.

use std::io::{self, IsTerminal};
use std::pin::pin;

use token_core::Broker;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::report::{self, Exit, Failure};

/// Does some work to its end, or to a signal. Either way no refresh token is being spent afterwards.
pub(crate) async fn guarded<T>(broker: &Broker, work: impl Future<Output = T>) -> Result<T, Failure> {
    let mut signals = Signals::new()?;
    let mut work = pin!(work);
    let outcome = tokio::select! {
        outcome = &mut work => Ok(outcome),
        number = signals.next() => Err(Failure::new("interrupted").exit(Exit::Signal(number))),
    };
    if outcome.is_err() && broker.is_spending() && io::stderr().is_terminal() {
        report::notice(
            "Waiting for a refresh that is under way; Ctrl-C again ends at once and may lose the sign-in.",
        );
    }
    let mut settled = pin!(broker.settled());
    loop {
        tokio::select! {
            () = &mut settled => return outcome,
            number = signals.next() => {
                // Off a terminal nobody sees that we wait, and repeats are what supervisors send to be sure.
                if outcome.is_err() && io::stderr().is_terminal() {
                    return Err(Failure::new("interrupted").exit(Exit::Signal(number)));
                }
            }
        }
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::new("could not listen for signals").caused_by(&error))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// The number of the next signal.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
            _ = self.hangup.recv() => 1,
        }
    }
}
