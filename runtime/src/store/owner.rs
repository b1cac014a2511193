//! Who holds a lease: a process, told so that another one on the same machine can see that it is gone.
//!
//! A lease expires by itself; this only spares the wait after a crash. An owner is taken for gone when it is of this
//! boot and this process namespace and no process of its number and start time is there. Whoever is unsure waits.

use std::fs;

/// This process as an owner: `boot/namespace/process/start`.
pub(crate) fn current() -> String {
    let pid = std::process::id().to_string();
    let start = start_of(&pid).unwrap_or_default();
    format!("{}/{pid}/{start}", place().unwrap_or_default())
}

/// Whether the owner's process has surely ended.
pub(crate) fn is_gone(owner: &str) -> bool {
    let mut fields = owner.rsplitn(3, '/');
    let (Some(start), Some(pid), Some(there)) = (fields.next(), fields.next(), fields.next()) else { return false };
    let is_here = !start.is_empty() && place().as_deref() == Some(there);
    is_here && start_of(pid).as_deref() != Some(start)
}

/// The owner as a person reads it.
pub(crate) fn shown(owner: &str) -> String {
    match owner.rsplit('/').nth(1) {
        Some(pid) => format!("process {pid}"),
        None => owner.to_owned(),
    }
}

/// This boot and this process namespace: where a process number means the same process.
fn place() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}/{}", boot.trim(), namespace.display()))
}

/// When a process started, in clock ticks since the boot: field 22 of `/proc/PID/stat` (proc_pid_stat(5)). Its name, in
/// parentheses, may hold anything.
fn start_of(pid: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_whitespace().nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_runs_is_not_gone() {
        assert!(!is_gone(&current()));
    }

    #[test]
    fn another_start_or_number_is_gone_and_another_place_is_unknown() {
        let here = current();
        let (rest, _) = here.rsplit_once('/').unwrap();
        assert!(is_gone(&format!("{rest}/1")));
        let (place, _) = rest.rsplit_once('/').unwrap();
        assert!(is_gone(&format!("{place}/4194999/1")));
        assert!(!is_gone("another boot/pid:[1]/4194999/1"));
        assert!(!is_gone("process 1"));
    }
}
