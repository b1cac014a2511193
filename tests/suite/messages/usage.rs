//! A wrong command line is told apart from a fault of the input or of the machine.

use serde_json::Value;

use crate::workspace::Workspace;

#[test]
fn a_wrong_command_line_exits_with_2_also_for_programs() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", "PK1;1;a;x\n");
    workspace.run();
    for arguments in [
        &["run", "exports", "--memory", "0"][..],
        &["run", "exports", "--memory", "much"],
        &["run", "exports", "--threads", "0"],
        &["run", "exports", "--unknown"],
        &["run"],
        &["run", "nowhere"],
        &["run", "exports", "--table", "unknown"],
        &["run", "exports", "--tenant", "../x"],
        &["status", "--state", "nowhere"],
        &["status", "--tenant", "nobody"],
        &["history", "acme"],
        &["plan", "acme/test_table"],
        &["plan", "acme/test_table/V9"],
        &["why", "acme/test_table"],
        &["verify", "acme/nothing"],
        &["gc", "--keep", "-1"],
        &["delta", "test_table", "none"],
        &["tables", "nothing"],
    ] {
        let output = workspace.tidemark(arguments);
        assert_eq!(output.status, 2, "{arguments:?}: {}", output.transcript());
        assert!(output.stderr.starts_with("error: "), "{arguments:?}: {}", output.stderr);
        for format in [&["--format", "json"][..], &["--format=json"]] {
            let output = workspace.tidemark(&[arguments, format].concat());
            assert_eq!(output.status, 2, "{arguments:?}: {}", output.transcript());
            let json: Value = serde_json::from_str(&output.stdout)
                .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", output.transcript()));
            assert_eq!(json["error"]["fault"], "usage", "{arguments:?}: {json:#}");
            assert!(!json["error"]["message"].as_str().unwrap().is_empty(), "{arguments:?}: {json:#}");
        }
    }
}

#[test]
fn help_and_version_are_no_errors() {
    let workspace = Workspace::new();
    for arguments in [&["--help"][..], &["run", "--help"], &["--version"], &["help", "run", "--format", "json"]] {
        let output = workspace.tidemark(&arguments[..arguments.len().min(2)]);
        assert_eq!((output.status, output.stderr.as_str()), (0, ""), "{arguments:?}");
    }
}

#[test]
fn a_version_that_cannot_become_current_is_not_retried() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", "PK1;one;a;x\n");
    workspace.export("acme/test_table/V2", "PK1;1;a;x\n");
    workspace.run();
    let output = workspace.tidemark(&["retry", "acme/test_table/V1"]);
    assert_eq!(output.status, 1, "{}", output.transcript());
    assert!(output.stderr.contains("V2 is newer and has succeeded"), "{}", output.stderr);
    assert_eq!(workspace.statuses("acme/test_table")["V1"], "FAILED");
    // One that can is.
    workspace.export("acme/test_table/V3", "PK1;one;a;x\n");
    workspace.run();
    assert_eq!(workspace.tidemark(&["retry", "acme/test_table/V3"]).status, 0);
}
