//! A gate that holds requests until a test lets them pass.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::{Matching, SeenRequest};

/// Matching requests wait here after they were read and counted, and before anything is done for them.
#[derive(Debug)]
pub(crate) struct Gate {
    holds: Matching,
    passes: Arc<Semaphore>,
}

impl Gate {
    pub(crate) fn new(holds: Matching) -> Self {
        Self { holds, passes: Arc::new(Semaphore::new(0)) }
    }

    /// What a request has to get through, if it is held at all.
    pub(crate) fn turnstile(&self, request: &SeenRequest) -> Option<Arc<Semaphore>> {
        self.holds.matches(request).then(|| Arc::clone(&self.passes))
    }

    pub(crate) fn let_pass(&self, requests: usize) {
        self.passes.add_permits(requests);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // A closed semaphore fails all who wait for it, and that is their way out.
        self.passes.close();
    }
}

/// Waits for a pass of one's own, or for the gate to go.
pub(crate) async fn pass(turnstile: &Semaphore) {
    if let Ok(permit) = turnstile.acquire().await {
        permit.forget();
    }
}
