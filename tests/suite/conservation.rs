//! A change set that lacks an operation is noticed before anything of it is published.

use crate::workspace::Workspace;

fn rows(keys: std::ops::Range<u32>, changed: u32) -> String {
    keys.map(|key| format!("PK{key:03};{};;\n", u32::from(key % 10 == changed))).collect()
}

#[test]
fn a_lost_operation_is_noticed_whatever_compared_the_exports() {
    let sorted = [rows(0..200, 11), rows(5..205, 3)];
    let descending = |text: &str| text.split_inclusive('\n').rev().collect::<String>();
    let other_order = [sorted[0].clone(), descending(&sorted[1])];
    for (what, [before, after]) in [("merge join", sorted), ("hash join", other_order)] {
        for version in ["V1", "V2"] {
            for lost in ["1", "3", "20"] {
                let workspace = Workspace::new();
                workspace.export("acme/test_table/V1", &before);
                if version == "V2" {
                    assert_eq!(workspace.run().status, 0);
                    workspace.export("acme/test_table/V2", &after);
                }
                let output = workspace.tidemark_with_env(&["run", "exports"], &[("TIDEMARK_LOSE_OPERATION", lost)]);
                assert_eq!(output.status, 2, "{what}, {version}: {}", output.transcript());
                assert!(output.stderr.contains("the operations lead from"), "{what}, {version}: {}", output.stderr);
                assert!(workspace.published(&format!("acme/test_table/{version}")).is_empty());
                assert_eq!(workspace.statuses("acme/test_table")[version], "REGISTERED");
                assert_eq!(workspace.run().status, 0, "{what}, {version}");
                assert_eq!(workspace.statuses("acme/test_table")[version], "SUCCEEDED");
            }
        }
    }
}
