//! Systems other than Linux: nobody rings, so the network is looked at again and again. Never built.

use std::time::Duration;

use tokio::time;

/// How often to look.
const POLL: Duration = Duration::from_secs(2);

/// Rings every two seconds.
pub(super) struct Bell;

impl Bell {
    pub(super) fn hang() -> Self {
        Self
    }

    /// Waits until it rings. Safe to call off.
    pub(super) async fn rings(&self) {
        time::sleep(POLL).await;
    }

    /// Forgets what rang until now.
    pub(super) fn hush(&self) {}
}
