//! Taking a table's lease, keeping it alive and giving it back.

use std::sync::mpsc;
use std::thread;

use super::{Outcome, Runner};
use crate::breakpoint::Breakpoint;
use crate::error::{Error, Result};
use crate::name::TableKey;
use crate::store::{Lease, Version, lease_duration};
use crate::telemetry::Watch;

impl Runner {
    pub(super) fn lock(&self, key: &TableKey) -> Result<Option<Lease>> {
        let lease = self.store.lock(key)?;
        if lease.is_some() {
            Breakpoint::Locked.reached();
        }
        Ok(lease)
    }

    /// A run that finds the lock taken leaves at once: the holder does what this one registered.
    pub(super) fn locked(&self, key: &TableKey) -> Result<Outcome> {
        Ok(Outcome::of_locked(key, &self.holder(key)?))
    }

    /// Gives the lease back. With `pending`, only when nothing has become runnable since it was read.
    pub(super) fn unlock(&self, lease: &Lease, pending: Option<u64>) -> Result<bool> {
        let released = self.store.release(lease, pending)?;
        Breakpoint::Unlocked.reached();
        Ok(released)
    }

    /// Renews the lease while `work` runs. A renewal that fails is no harm by itself: every write checks the fence. Once it is
    /// another's, nobody wants the work any more.
    pub(crate) fn keep_alive<T>(&self, lease: &Lease, watch: &Watch, work: impl FnOnce() -> T) -> T {
        let (done, is_done) = mpsc::channel::<()>();
        let pause = lease_duration() / 4;
        thread::scope(|scope| {
            scope.spawn(move || {
                while is_done.recv_timeout(pause) == Err(mpsc::RecvTimeoutError::Timeout) {
                    match self.store.renew(lease) {
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

    /// Does `work` as the only one at a tenant's table; `None` when somebody else is. Beside what it gave: whether
    /// something became runnable meanwhile. This does not drain, and a run that came for it left because of this lease.
    pub(crate) fn with_lease<T>(
        &self,
        key: &TableKey,
        work: impl FnOnce(&Lease, &Watch) -> Result<T>,
    ) -> Result<Option<(T, bool)>> {
        // Read before the lease is taken: from then on whoever adds to it may be turned away.
        let pending = self.store.pending(key)?;
        let Some(lease) = self.lock(key)? else { return Ok(None) };
        let watch = Watch::default();
        let done = self.keep_alive(&lease, &watch, || work(&lease, &watch));
        let is_quiet = self.unlock(&lease, Some(pending))?;
        if !is_quiet {
            self.unlock(&lease, None)?;
        }
        done.map(|done| Some((done, !is_quiet)))
    }

    /// The same for a command that is about one version, and has nothing to do when somebody else is at its table.
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
            tracing::warn!(table = %version.key, "There is something new to do, and no run is on its way; run again.");
        }
        Ok(done)
    }

    /// Who is at a tenant's table.
    pub(crate) fn holder(&self, key: &TableKey) -> Result<String> {
        Ok(self.store.holder(key)?.unwrap_or_else(|| "another run".into()))
    }
}
