//! Operations in any order in PostgreSQL.

use std::thread;

use super::postgres::Target;
use super::rows::{exported, in_postgres};
use super::server::SERVER;
use super::sqlite::{check_rows, expect, text};
use super::stream::{apply_to, dice, published_lines, random_versions, shuffled};
use super::stream_schemas::{lines_of, publish_orders};
use crate::schema_changes::versions;
use crate::workspace::Workspace;

#[test]
fn any_order_with_any_repetition_from_several_processes_ends_with_the_newest_export() {
    for seed in 0..4 {
        let database = format!("any_order_{seed}");
        let address = SERVER.database(&database);
        let mut dice = dice(seed + 100);
        let workspace = random_versions(&mut dice);
        let lines = published_lines(&workspace);
        expect(&apply_to(&workspace, &[], &address, &["--create"]), 0, "nothing to do");
        expect(&apply_to(&workspace, &lines[..1], &address, &["--create"]), 0, "");
        // Each has everything in another order, as if each shard were read several times at once.
        let shares: Vec<Vec<String>> = (0..3).map(|_| shuffled(&lines, &mut dice)).collect();
        thread::scope(|scope| {
            for share in &shares {
                let (address, half) = (&address, share.len() / 2);
                scope.spawn(move || {
                    let process = Workspace::new();
                    for lines in [&share[..half], &share[half..]] {
                        let output = apply_to(&process, lines, address, &[]);
                        assert!(output.status < 2, "{}", output.transcript());
                    }
                });
            }
        });
        expect(&apply_to(&workspace, &[], &address, &[]), 0, "complete");
        let mut client = SERVER.client(&database);
        check_rows(&workspace, |table, tenant| in_postgres(&mut client, table, tenant));
    }
}

#[test]
fn rows_that_are_not_sent_again_are_read_under_every_schema() {
    let address = SERVER.database("stream_schemas");
    let workspace = Workspace::from_schemas();
    for number in 1..=5 {
        publish_orders(&workspace, number);
        expect(&apply_to(&workspace, &lines_of(&workspace, &[number]), &address, &["--create"]), 0, "complete");
        let table = tests::table::parse(&versions()[number - 1].0).unwrap();
        let expected = exported(table, &workspace.path(&format!("exports/acme/orders/V{number}")));
        assert_eq!(in_postgres(&mut SERVER.client("stream_schemas"), table, "acme"), expected, "V{number}");
    }
}

#[test]
fn a_text_that_postgres_cannot_hold_is_refused_with_its_place() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", &text(&[("a", 1), ("b", 1)]));
    expect(&workspace.run(), 0, "");
    let mut lines = published_lines(&workspace);
    lines[2] = lines[2].replace("\"COL_2\":\"a\"", "\"COL_2\":\"a\\u0000\"");
    let address = SERVER.database("any_order_nul");
    let output = apply_to(&workspace, &lines, &address, &["--create"]);
    expect(&output, 1, "a text has a NUL, which PostgreSQL cannot hold");
    expect(&output, 1, "standard input:3");
    let target = Target { address, database: "any_order_nul", workspace };
    target.execute("SELECT 1 / (SELECT CASE WHEN count(*) = 0 THEN 1 ELSE 0 END FROM test_table)");
}
