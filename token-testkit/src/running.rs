//! An issuer with a runtime of its own.

use std::ops::Deref;

use tokio::runtime::Runtime;

use crate::{Counts, Issuer, Settings};

/// An issuer for tests that have no runtime, such as those that spawn processes. It is an [`Issuer`] with waits that
/// block, and ends when it is dropped.
#[derive(Debug)]
pub struct RunningIssuer {
    issuer: Issuer,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl RunningIssuer {
    pub(crate) fn start(settings: Settings) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("issuer")
            .enable_all()
            .build()
            .expect("the machine has threads left");
        let issuer = runtime.block_on(Issuer::start(settings));
        Self { issuer, runtime: Some(runtime) }
    }

    /// Blocks until the counts are as wanted.
    ///
    /// # Panics
    /// After a minute, and when called in an async context.
    pub fn wait_until(&self, wanted: impl Fn(&Counts) -> bool) -> Counts {
        self.block_on(self.issuer.until(wanted))
    }

    /// Blocks until this many token requests have arrived.
    ///
    /// # Panics
    /// After a minute, and when called in an async context.
    pub fn wait_for_token_requests(&self, requests: u64) -> Counts {
        self.block_on(self.issuer.until_token_requests(requests))
    }

    /// Blocks until there is a device code that nobody decided about, and gives its user code.
    ///
    /// # Panics
    /// After a minute, and when called in an async context.
    pub fn wait_for_user_code(&self) -> String {
        self.block_on(self.issuer.until_user_code())
    }

    /// [`Issuer::open`], blocking.
    ///
    /// # Panics
    /// When somebody took the port meanwhile, and when called in an async context.
    pub fn reopen(&self) {
        self.block_on(self.issuer.open());
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.as_ref().expect("it is there until the drop").block_on(future)
    }
}

impl Deref for RunningIssuer {
    type Target = Issuer;

    fn deref(&self) -> &Issuer {
        &self.issuer
    }
}

impl Drop for RunningIssuer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Not the waiting kind: it would panic in an async test, and requests may hang on purpose.
            runtime.shutdown_background();
        }
    }
}
