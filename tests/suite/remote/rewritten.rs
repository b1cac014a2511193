//! Objects that are put again: under SSE-KMS, their ETag is another one even if their bytes are the same.

use super::Remote;
use crate::pipeline::orders;

#[test]
fn a_baseline_that_athena_read_can_be_put_again_and_other_bytes_are_noticed() {
    let remote = Remote::with(&[("acme/orders/V1", &orders(0, 100, "open"))]);
    let run = || remote.tidemark_with_athena(&["run", &remote.root]);
    assert_eq!(run().status, 0);
    remote.deliver("acme/orders/V1", &orders(0, 100, "open"));
    remote.deliver("acme/orders/V2", &orders(1, 101, "open"));
    let again = run();
    assert_eq!(again.status, 0, "{}", again.transcript());
    assert!(!again.transcript().contains("revision"), "{}", again.transcript());
    let statuses: Vec<String> =
        remote.history("acme/orders").iter().map(|version| version["status"].to_string()).collect();
    assert_eq!(statuses, ["\"SUCCEEDED\"", "\"SUCCEEDED\""]);
    // The next version is compared with these.
    remote.deliver("acme/orders/V2", &orders(2, 102, "open"));
    remote.deliver("acme/orders/V3", &orders(3, 103, "open"));
    let changed = run();
    assert_eq!(changed.status, 1, "{}", changed.transcript());
    assert!(changed.stderr.contains("baseline-changed"), "{}", changed.transcript());
}
