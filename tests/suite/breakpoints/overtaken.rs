//! Runs that another delivery or another holder of the lease overtakes.

use std::thread;
use std::time::Duration;

use runtime::breakpoint::Breakpoint;

use super::{StoppedProcess, rows};
use crate::workspace::Workspace;

#[test]
fn a_delivery_between_the_plan_and_its_publication_is_what_is_published() {
    for breakpoint in [Breakpoint::ChangesDurable, Breakpoint::Planned] {
        let workspace = Workspace::new();
        workspace.export("acme/test_table/V1", &rows(1..=200, 1));
        assert_eq!(workspace.run().status, 0);
        workspace.export("acme/test_table/V2", &rows(1..=201, 1));
        let holder = StoppedProcess::start(&workspace, &["run", "exports"], breakpoint, 1).unwrap();
        workspace.export("acme/test_table/V2", &rows(1..=203, 1));
        assert_eq!(holder.resume().status, 0);
        assert_eq!(workspace.run().status, 0);
        let published = workspace.published("acme/test_table/V2");
        assert_eq!(published.last().map(|end| &end["rows"]), Some(&203.into()), "at {}", breakpoint.name());
        assert_eq!(workspace.tidemark(&["verify"]).status, 0);
    }
}

#[test]
fn a_run_that_loses_its_lease_stops_its_delta() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", &rows(1..=300_000, 1));
    let path = workspace.path(".tidemark/registry.sqlite");
    let thief = thread::spawn(move || {
        let sql = "UPDATE tables SET owner = 'a thief', fence = fence + 1, expires_at = 4102444800000
                   WHERE owner IS NOT NULL";
        let steal = || rusqlite::Connection::open(&path)?.execute(sql, []);
        while !path.exists() || steal() != Ok(1) {
            thread::sleep(Duration::from_millis(1));
        }
    });
    // It would stop here if it were allowed to finish its change set.
    let environment = [("TIDEMARK_LEASE_MS", "200")];
    let arguments = ["run", "exports"];
    let stopped = StoppedProcess::start_with(&workspace, &arguments, Breakpoint::ChangesDurable, 1, &environment);
    thief.join().unwrap();
    assert!(stopped.is_none(), "the delta went on after its lease was lost");
    assert_eq!(workspace.statuses("acme/test_table")["V1"], "REGISTERED");
    assert!(workspace.published("acme/test_table/V1").is_empty());
}
