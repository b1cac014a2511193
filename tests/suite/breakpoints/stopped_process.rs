//! Processes that stop themselves at a breakpoint.

use std::fs;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use runtime::breakpoint::Breakpoint;

use crate::limits::command;
use crate::workspace::{CommandOutput, Workspace};

/// A process that has stopped itself at a breakpoint, to be killed or resumed.
pub(crate) struct StoppedProcess(Child);

impl StoppedProcess {
    /// Starts a command and waits until it stops at a breakpoint for the `nth` time; `None` if it ends before that.
    pub(crate) fn start(workspace: &Workspace, arguments: &[&str], breakpoint: Breakpoint, nth: u32) -> Option<Self> {
        Self::start_with(workspace, arguments, breakpoint, nth, &[])
    }

    pub(crate) fn start_with(
        workspace: &Workspace,
        arguments: &[&str],
        breakpoint: Breakpoint,
        nth: u32,
        environment: &[(&str, &str)],
    ) -> Option<Self> {
        let mut child = workspace
            .command(arguments)
            .env("TIDEMARK_BREAK", format!("{}:{nth}", breakpoint.name()))
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        loop {
            if child.try_wait().unwrap().is_some() {
                return None;
            }
            if process_state(&child) == Some('T') {
                return Some(Self(child));
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(&self.0, name);
    }

    /// Kills the process as the kernel does when memory runs out: it cannot clean up.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Lets the process run to its end.
    pub(crate) fn resume(self) -> CommandOutput {
        self.signal("CONT");
        let output = self.0.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        CommandOutput {
            status: output.status.code().unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

pub(crate) fn signal(child: &Child, name: &str) {
    let sent = command("kill").args([format!("-{name}"), child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// The state of a process in `/proc/PID/stat`; `T` means stopped by a signal (proc_pid_stat(5)).
fn process_state(child: &Child) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}
