//! Who holds a lease: a process, named so that another process on the same machine can see that it has ended.
//!
//! A lease expires anyway; this only avoids the wait after a crash. An owner counts as gone if it belongs to this boot
//! and this process namespace, and no process with its number and start time is running. When in doubt, wait.

use std::fs;

/// This process as an owner: `boot/namespace/process/start`.
pub(crate) fn current() -> String {
    let pid = std::process::id().to_string();
    let start = start_time(&pid).unwrap_or_default();
    format!("{}/{pid}/{start}", host().unwrap_or_default())
}

/// Returns whether the owner's process has certainly ended.
pub(crate) fn is_gone(owner: &str) -> bool {
    let mut fields = owner.rsplitn(3, '/');
    let (Some(start), Some(pid), Some(owner_host)) = (fields.next(), fields.next(), fields.next()) else {
        return false;
    };
    let is_here = !start.is_empty() && host().as_deref() == Some(owner_host);
    is_here && start_time(pid).as_deref() != Some(start)
}

/// The owner for people to read.
pub(crate) fn display_name(owner: &str) -> String {
    match owner.rsplit('/').nth(1) {
        Some(pid) => format!("process {pid}"),
        None => owner.to_owned(),
    }
}

/// This boot and this process namespace, within which a process number identifies a process.
fn host() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}/{}", boot.trim(), namespace.display()))
}

/// When a process started, in clock ticks since the boot: field 22 of `/proc/PID/stat` (proc_pid_stat(5)). The process
/// name, in parentheses, may contain anything, so fields are counted after it.
fn start_time(pid: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_process_is_not_gone() {
        assert!(!is_gone(&current()));
    }

    #[test]
    fn another_start_time_or_number_is_gone_and_another_host_is_unknown() {
        let here = current();
        let (rest, _) = here.rsplit_once('/').unwrap();
        assert!(is_gone(&format!("{rest}/1")));
        let (host, _) = rest.rsplit_once('/').unwrap();
        assert!(is_gone(&format!("{host}/4194999/1")));
        assert!(!is_gone("another boot/pid:[1]/4194999/1"));
        assert!(!is_gone("process 1"));
    }
}
