//! What a run writes stays apart from the exports that it reads.

use std::os::unix::fs::symlink;

use crate::workspace::{Workspace, files};

#[test]
fn nothing_is_published_or_registered_among_the_exports() {
    for arguments in [
        &["--out", "exports"][..],
        &["--out", "exports/acme"],
        &["--out", "exports/acme/../new"],
        &["--out", "link/out"],
        &["--state", "exports/acme"],
    ] {
        let workspace = Workspace::new();
        workspace.export("acme/test_table/V1", "PK1;1;a;x\n");
        symlink(workspace.path("exports"), workspace.path("link")).unwrap();
        let before = files(&workspace.path("exports"));
        let output = workspace.tidemark(&[&["run", "exports"], arguments].concat());
        assert_eq!(output.status, 2, "{arguments:?}: {}", output.transcript());
        assert!(output.stderr.contains("would be among the exports"), "{}", output.stderr);
        assert_eq!(files(&workspace.path("exports")), before, "{arguments:?}");
    }
}

#[test]
fn a_hidden_folder_among_the_exports_may_hold_what_a_run_writes() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", "PK1;1;a;x\n");
    let arguments = ["run", "exports", "--out", "exports/.out", "--state", "exports/.state"];
    for _ in 0..2 {
        let output = workspace.tidemark(&arguments);
        assert_eq!(output.status, 0, "{}", output.transcript());
    }
}
