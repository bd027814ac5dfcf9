//! What the harness needs of a cluster beside what a job sees of it: to cut a
//! process off, to let calls go wrong, and to tell afterwards what was written
//! when. The simulated cluster, or a real one behind [`real`](super::real).

use std::sync::Arc;
use std::time::Duration;

use crate::edges::log::sim::{Script, SimClient, SimLog, Stored};
use crate::edges::log::{Log, LogError};

/// One process' way to a cluster.
pub trait Client: Log {
    /// The process ends: nothing that it or its producers do from now on
    /// reaches the cluster, and what they had not sent is gone.
    fn kill(&self);
}

/// A cluster that jobs are harmed on.
pub trait Cluster: Send + Sync {
    /// A process' way to it.
    ///
    /// # Errors
    /// It cannot be reached.
    fn connect(&self) -> Result<Arc<dyn Client>, LogError>;

    /// Calls that go wrong from here on; what an earlier script still had is gone.
    fn script(&self, script: Script);

    /// Returns when the transactions that are open now have timed out.
    fn sleep(&self);

    /// The cluster's clock in the recording's time, ms.
    fn now_ms(&self) -> i64;

    /// Sets it; it never goes back.
    fn advance_to(&self, now_ms: i64);

    /// All that a topic has, by partition and offset, whatever became of it.
    ///
    /// # Errors
    /// It cannot be read.
    fn stored(&self, topic: &str) -> Result<Vec<Stored>, LogError>;

    /// Bytes of keys, values and headers written by clients.
    fn written_bytes(&self) -> u64;

    /// ms until an open transaction is aborted.
    fn transaction_timeout_ms(&self) -> u32;

    /// Between two calls of what was not answered.
    fn backoff(&self) -> Duration;
}

impl Client for SimClient {
    fn kill(&self) {
        Self::kill(self);
    }
}

impl Cluster for SimLog {
    fn connect(&self) -> Result<Arc<dyn Client>, LogError> {
        Ok(Arc::new(self.client()))
    }

    fn script(&self, script: Script) {
        Self::script(self, script);
    }

    fn sleep(&self) {
        self.time_out_transactions();
    }

    fn now_ms(&self) -> i64 {
        Self::now_ms(self)
    }

    fn advance_to(&self, now_ms: i64) {
        Self::advance_to(self, now_ms);
    }

    fn stored(&self, topic: &str) -> Result<Vec<Stored>, LogError> {
        Ok(Self::stored(self, topic))
    }

    fn written_bytes(&self) -> u64 {
        Self::written_bytes(self)
    }

    /// Only where a schedule says so.
    fn transaction_timeout_ms(&self) -> u32 {
        u32::MAX
    }

    fn backoff(&self) -> Duration {
        Duration::ZERO
    }
}
