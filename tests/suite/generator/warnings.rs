//! What is probably wrong in a valid schema.

use super::{CUSTOMERS, Workspace};

#[test]
fn a_null_marker_of_writers_that_escape_is_a_warning() {
    let with = |source: &str| format!("{CUSTOMERS}source: {{ quote: none, nulls: [\"\\\\N\"]{source} }}\n");
    let (status, _, stderr) = Workspace::new(&[("customers", &with(""))]).outcome(&[]);
    assert_eq!(status, 0, "{stderr}");
    assert!(
        stderr.contains("warning") && stderr.contains("`escape: mysql`") && stderr.contains("mysqldump"),
        "{stderr}"
    );
    let (status, _, stderr) = Workspace::new(&[("customers", &with(", escape: none"))]).outcome(&[]);
    assert!(status == 0 && !stderr.contains("warning"), "{stderr}");
}
