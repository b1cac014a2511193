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

#[test]
fn private_values_that_are_published_as_they_are_cause_a_warning_until_the_schema_says_so() {
    for (options, is_warned) in [("", true), (", publish: true", false), (", publish: false", false)] {
        let schema = CUSTOMERS.replace("nullable: true", &format!("nullable: true, pii: true{options}"));
        let (status, _, stderr) = Workspace::new(&[("customers", &schema)]).outcome(&[]);
        assert_eq!((status, stderr.contains("warning[private-in-clear]")), (0, is_warned), "{options}: {stderr}");
    }
}
