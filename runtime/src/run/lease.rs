//! Taking a table's lease, keeping it alive and releasing it.

use std::sync::mpsc;
use std::thread;

use super::runner::Runner;
use crate::breakpoint::Breakpoint;
use crate::error::{Error, Result};
use crate::name::TableKey;
use crate::store::{Lease, Version, lease_duration};
use crate::telemetry::Watch;

/// How often a lease that is free and cannot be taken is tried: others take it again and again.
const ATTEMPTS: usize = 5;

impl Runner {
    pub(super) fn lock(&self, key: &TableKey) -> Result<Option<Lease>> {
        let lease = self.registry.lock(key)?;
        if lease.is_some() {
            Breakpoint::Locked.reached();
        }
        Ok(lease)
    }

    /// Takes the table's lease; or returns who holds it. A run does not wait: the holder also processes the versions
    /// that this run registered.
    pub(super) fn lock_unless_held(&self, key: &TableKey) -> Result<Result<Lease, String>> {
        // Between two calls, a holder may have released the lease.
        for _ in 0..ATTEMPTS {
            if let Some(lease) = self.lock(key)? {
                return Ok(Ok(lease));
            }
            if let Some(holder) = self.registry.holder(key)? {
                return Ok(Err(holder));
            }
        }
        Ok(Err(self.holder(key)?))
    }

    /// Releases the lease. With `pending`, only if nothing has become runnable since it was read.
    pub(super) fn unlock(&self, lease: &Lease, pending: Option<u64>) -> Result<bool> {
        let released = self.registry.release(lease, pending)?;
        Breakpoint::Unlocked.reached();
        Ok(released)
    }

    /// Renews the lease while `work` runs. A failed renewal does no harm, because every write checks the fence. Once
    /// another run holds the lease, the work is cancelled.
    pub(crate) fn keep_alive<T>(&self, lease: &Lease, watch: &Watch, work: impl FnOnce() -> T) -> T {
        let (done, is_done) = mpsc::channel::<()>();
        let pause = lease_duration() / 4;
        thread::scope(|scope| {
            scope.spawn(move || {
                while is_done.recv_timeout(pause) == Err(mpsc::RecvTimeoutError::Timeout) {
                    match self.registry.renew(lease) {
                        Ok(true) => {}
                        Ok(false) => watch.cancel(),
                        Err(error) => {
                            tracing::warn!(%error, table = %lease.key, "The lease could not be renewed.");
                        }
                    }
                }
            });
            let result = work();
            drop(done);
            result
        })
    }

    /// Runs `work` while holding the table's lease; returns `None` if someone else holds it. Also returns whether
    /// something became runnable meanwhile: `work` does not process it, and a run that came for it found the table
    /// locked and left.
    pub(crate) fn with_lease<T>(
        &self,
        key: &TableKey,
        work: impl FnOnce(&Lease, &Watch) -> Result<T>,
    ) -> Result<Option<(T, bool)>> {
        // Read before the lease is taken, because from then on whoever adds to it may find the table locked.
        let pending = self.registry.pending(key)?;
        let Some(lease) = self.lock(key)? else { return Ok(None) };
        let watch = Watch::default();
        let done = self.keep_alive(&lease, &watch, || work(&lease, &watch));
        let is_quiet = self.unlock(&lease, Some(pending))?;
        if !is_quiet {
            self.unlock(&lease, None)?;
        }
        done.map(|done| Some((done, !is_quiet)))
    }

    /// Like `with_lease`, for a command about one version: refuses if someone else holds the lease.
    pub(super) fn with_lease_or_refuse<T>(
        &self,
        version: &Version,
        work: impl FnOnce(&Lease, &Watch) -> Result<T>,
    ) -> Result<T> {
        let Some((done, came_meanwhile)) = self.with_lease(&version.key, work)? else {
            let problem = format!("{} is working on its table", self.holder(&version.key)?);
            return Err(Error::refused(version.to_string(), problem).help("try again later"));
        };
        if came_meanwhile {
            tracing::warn!(table = %version.key, "Something new arrived meanwhile, and no run has started for it; run again.");
        }
        Ok(done)
    }

    /// Who holds a table's lease, for people to read.
    pub(crate) fn holder(&self, key: &TableKey) -> Result<String> {
        Ok(self.registry.holder(key)?.unwrap_or_else(|| "another run".into()))
    }
}
