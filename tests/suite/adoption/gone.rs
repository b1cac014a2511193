//! Outputs that are gone, or that were restored from a copy, perhaps together with the registry.

use std::fs;

use super::*;

/// Copies a folder.
fn copy(workspace: &Workspace, from: &str, to: &str) {
    for (path, bytes) in files(&workspace.path(from)) {
        workspace.write(&format!("{to}/{}", path.display()), &bytes);
    }
}

#[test]
fn an_output_without_its_mark_is_refused_by_the_registry_that_published_there() {
    for lost in ["out", "out/.writing", "out/.writing/acme/test_table/mark.json"] {
        for way_out in ["adopt", "recover"] {
            let workspace = workspace();
            let mut consumer = Consumer::default();
            consumer.read(&workspace);
            let path = workspace.path(lost);
            if path.is_dir() {
                fs::remove_dir_all(path).unwrap()
            } else {
                fs::remove_file(path).unwrap()
            }
            assert_eq!(workspace.run().stdout, "nothing to do: 3 versions known, none is new\n");
            deliver(&workspace, 4, &["c", "d"]);
            let refused = check_refused(&workspace, &[], "no mark of it is left");
            assert!(refused.stderr.contains("tidemark recover"), "{}", refused.stderr);
            match way_out {
                "adopt" => adopt(&workspace, &[]),
                _ => {
                    assert_eq!(workspace.tidemark(&["recover"]).status, 0);
                    assert_eq!(workspace.run().status, 0, "{lost}");
                }
            }
            assert_eq!(
                workspace.published(&format!("{KEY}/V4")).iter().filter(|record| record["reset"] == true).count(),
                1
            );
            consumer.read(&workspace);
            assert_eq!(consumer.table(), expected(&["c", "d"], 4), "{lost} {way_out}");
            deliver(&workspace, 5, &["d", "e"]);
            assert_eq!(workspace.run().status, 0, "{lost} {way_out}");
        }
    }
}

#[test]
fn a_registry_and_an_output_that_are_restored_together_without_marks_are_refused() {
    let workspace = workspace();
    copy_registry(&workspace, "backup");
    copy(&workspace, "out/acme", "kept/acme");
    deliver(&workspace, 4, &["a", "d"]);
    assert_eq!(workspace.run().status, 0);
    let mut consumer = Consumer::default();
    consumer.read(&workspace);
    restore_registry(&workspace, "backup");
    fs::remove_dir_all(workspace.path("out")).unwrap();
    copy(&workspace, "kept", "out");
    remove_exports(&workspace, &[4]);
    deliver(&workspace, 5, &["d", "e"]);
    check_refused(&workspace, &[], "no mark of it is left");
    adopt(&workspace, &[]);
    consumer.read(&workspace);
    assert_eq!(consumer.table(), expected(&["d", "e"], 5));
}

#[test]
fn an_output_that_is_older_than_its_registry_is_refused() {
    let workspace = workspace();
    copy(&workspace, "out", "kept");
    deliver(&workspace, 4, &["a", "d"]);
    assert_eq!(workspace.run().status, 0);
    fs::remove_dir_all(workspace.path("out")).unwrap();
    copy(&workspace, "kept", "out");
    deliver(&workspace, 5, &["d", "e"]);
    check_refused(&workspace, &[], "it was restored from an older copy");
    // What it has lost can be published again.
    assert_eq!(workspace.tidemark(&["replay", "acme/test_table/V4"]).status, 0);
    assert_eq!(workspace.run().status, 0);
    check_consumers(&mut Consumer::default(), &workspace, &expected(&["d", "e"], 5));
}

#[test]
fn an_output_that_is_gone_is_filled_again_by_replaying() {
    let workspace = workspace();
    let before = workspace.output();
    fs::remove_dir_all(workspace.path("out")).unwrap();
    for version in ["V1", "V2", "V3"] {
        let output = workspace.tidemark(&["replay", &format!("{KEY}/{version}")]);
        assert_eq!(output.status, 0, "{}", output.transcript());
    }
    assert_eq!(workspace.output(), before);
    deliver(&workspace, 4, &["c", "d"]);
    assert_eq!(workspace.run().status, 0);
}

#[test]
fn an_output_elsewhere_is_begun_without_a_mark() {
    let workspace = workspace();
    deliver(&workspace, 4, &["c", "d"]);
    let output = workspace.tidemark(&["run", "exports", "--out", "elsewhere"]);
    assert_eq!(output.status, 0, "{}", output.transcript());
    deliver(&workspace, 5, &["c", "e"]);
    let output = workspace.tidemark(&["run", "exports", "--out", "out"]);
    assert_eq!(output.status, 0, "{}", output.transcript());
}

#[test]
fn a_mark_that_is_no_file_is_called_damaged() {
    for kind in ["folder", "fifo"] {
        let workspace = workspace();
        let mark = workspace.path("out/.writing/acme/test_table/mark.json");
        fs::remove_file(&mark).unwrap();
        match kind {
            "folder" => fs::create_dir(&mark).unwrap(),
            _ => assert!(crate::limits::command("mkfifo").arg(&mark).status().unwrap().success()),
        }
        deliver(&workspace, 4, &["c", "d"]);
        let refused = workspace.run();
        assert_eq!(refused.status, 1, "{kind}: {}", refused.transcript());
        assert!(refused.stderr.contains("the mark cannot be read: it is not a file"), "{kind}: {}", refused.stderr);
        assert!(refused.stderr.contains("help: remove it, then"), "{kind}: {}", refused.stderr);
        match kind {
            "folder" => fs::remove_dir(&mark).unwrap(),
            _ => fs::remove_file(&mark).unwrap(),
        }
        check_refused(&workspace, &[], "no mark of it is left");
        adopt(&workspace, &[]);
    }
}

#[test]
fn a_registry_from_before_it_adopted_is_refused() {
    let workspace = workspace();
    let mut consumer = Consumer::default();
    consumer.read(&workspace);
    fs::remove_dir_all(workspace.path(".tidemark")).unwrap();
    remove_exports(&workspace, &[1, 2, 3]);
    deliver(&workspace, 4, &[]);
    check_refused(&workspace, &[], "another registry");
    copy_registry(&workspace, "backup");
    // An empty export is held, so nothing but the mark says that the output was adopted.
    let held = workspace.tidemark(&["run", "exports", "--adopt"]);
    assert!(held.stdout.contains("is adopted") && held.stdout.contains("HELD"), "{}", held.transcript());
    restore_registry(&workspace, "backup");
    remove_exports(&workspace, &[4]);
    deliver(&workspace, 5, &["d"]);
    check_refused(&workspace, &[], "it was restored from an older copy");
    adopt(&workspace, &[]);
    check_consumers(&mut consumer, &workspace, &expected(&["d"], 5));
}
