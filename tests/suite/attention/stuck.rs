//! Tables that cannot go on, whatever is delivered next.

use super::*;

const MARK: &str = "out/.writing/acme/test_table/mark.json";

/// What happens to a workspace.
type Change<'a> = &'a dyn Fn(&Workspace);

/// The only line of `status --check`.
fn line(workspace: &Workspace) -> String {
    let lines = check(workspace);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].clone()
}

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    for tenant in ["acme", "globex"] {
        workspace.export(&format!("{tenant}/test_table/V1"), &rows(0..200));
    }
    assert_eq!(workspace.run().status, 0);
    assert!(check(&workspace).is_empty());
    workspace
}

#[test]
fn a_baseline_that_is_no_longer_what_was_published_needs_attention() {
    let part = "exports/acme/test_table/V1/part.csv.gz";
    let changes: [Change<'_>; 3] = [
        &|workspace| std::fs::remove_file(workspace.path(part)).unwrap(),
        &|workspace| drop(workspace.export("acme/test_table/V1", &rows(0..201))),
        &|workspace| drop(workspace.write("exports/acme/test_table/V1/more.csv.gz", b"")),
    ];
    for change in changes {
        let workspace = workspace();
        change(&workspace);
        let line = line(&workspace);
        assert!(line.starts_with("acme/test_table  baseline-changed: the files of V1"), "{line}");
        // The next version is published in full, so it does not matter any more.
        workspace.tidemark(&["resync", "acme/test_table"]);
        assert!(check(&workspace).is_empty());
    }
    // Compressed again, it is the same.
    let workspace = workspace();
    let bytes = crate::workspace::gzip(rows(0..200).as_bytes());
    workspace.write(part, &[&bytes[..], &crate::workspace::gzip(b"")].concat());
    assert!(check(&workspace).is_empty());
}

#[test]
fn an_output_that_is_damaged_foreign_or_gone_needs_attention() {
    let other = br#"{"registry":"0123456789abcdef","sequence":1,"fence":1}"#;
    let ahead = |workspace: &Workspace| {
        let mut mark: Value = serde_json::from_slice(&std::fs::read(workspace.path(MARK)).unwrap()).unwrap();
        mark["sequence"] = (mark["sequence"].as_u64().unwrap() + 1).into();
        workspace.write(MARK, mark.to_string().as_bytes());
    };
    let changes: [(&str, Change<'_>); 5] = [
        ("the mark cannot be read", &|workspace| drop(workspace.write(MARK, b"{"))),
        ("another registry (0123456789abcdef) publishes there", &|workspace| drop(workspace.write(MARK, other))),
        ("it was restored from an older copy", &ahead),
        ("no mark of it is left", &|workspace| std::fs::remove_file(workspace.path(MARK)).unwrap()),
        ("no mark of it is left", &|workspace| std::fs::remove_dir_all(workspace.path("out/.writing/acme")).unwrap()),
    ];
    for (problem, change) in changes {
        let workspace = workspace();
        change(&workspace);
        let line = line(&workspace);
        assert!(line.starts_with("acme/test_table  ") && line.contains(problem), "{problem}: {line}");
    }
}

#[test]
fn a_lease_that_nobody_gives_back_needs_attention() {
    let workspace = workspace();
    let registry = rusqlite::Connection::open(workspace.path(".tidemark/registry.sqlite")).unwrap();
    let lock = "UPDATE tables SET owner = 'process 1', expires_at = 4102444800000 WHERE tenant = 'acme'";
    assert_eq!(registry.execute(lock, []).unwrap(), 1);
    let line = line(&workspace);
    assert!(line.contains("locked by process 1 until 2100-01-01"), "{line}");
    assert!(line.contains("tidemark recover"), "{line}");
    assert_eq!(workspace.tidemark(&["recover"]).status, 0);
    assert!(check(&workspace).is_empty());
    assert_eq!(workspace.run().status, 0);
}
