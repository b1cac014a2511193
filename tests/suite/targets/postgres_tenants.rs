//! Tenants with a table of their own each, in a schema of the tenant's name.

use std::collections::BTreeMap;

use super::named;
use super::rows::{Rows, exported, selected_in_postgres};
use super::server::SERVER;
use super::sqlite::expect;
use super::stream::{apply_to, published_lines};
use crate::schema_changes::versions;
use crate::workspace::{CommandOutput, Workspace, gzip};

/// The second one can only be a schema in quotes.
const TENANTS: [&str; 2] = ["acme", "Nord-1"];

/// The schema of a version of `orders`.
fn schema(number: usize, history: bool) -> String {
    format!("{}target: {{ tenants: schema, history: {history} }}\n", versions()[number - 1].0)
}

struct Target {
    workspace: Workspace,
    database: &'static str,
    address: String,
}

impl Target {
    fn new(database: &'static str) -> Self {
        Self { workspace: Workspace::from_schemas(), database, address: SERVER.database(database) }
    }

    fn set_schema(&self, number: usize, history: bool) {
        self.workspace.write("schemas/orders.yaml", schema(number, history).as_bytes());
    }

    fn deliver(&self, tenant: &str, number: usize) {
        let export = gzip(versions()[number - 1].1.as_bytes());
        self.workspace.write(&format!("exports/{tenant}/orders/V{number}/orders.csv.gz"), &export);
    }

    fn run(&self, more: &[&str]) -> CommandOutput {
        self.workspace.tidemark(&[&["run", "exports", "--out", "out", "--sink", &self.address], more].concat())
    }

    fn rows(&self, number: usize, from: &str) -> Rows {
        let table = tests::table::parse(&schema(number, false)).unwrap();
        selected_in_postgres(&mut SERVER.client(self.database), table, from, |name| name.to_owned())
    }

    /// Checks that a tenant's table holds its rows and no others.
    fn check(&self, tenant: &str, number: usize) {
        let table = tests::table::parse(&schema(number, false)).unwrap();
        let expected = exported(table, &self.workspace.path(&format!("exports/{tenant}/orders/V{number}")));
        assert_eq!(self.rows(number, &format!("\"{tenant}\".orders")), expected, "{tenant} V{number}");
    }

    fn execute(&self, sql: &str) {
        SERVER.client(self.database).batch_execute(sql).unwrap();
    }
}

#[test]
fn each_tenant_has_a_table_of_its_own_under_every_schema() {
    let target = Target::new("tenants");
    for number in 1..=5 {
        target.set_schema(number, true);
        TENANTS.iter().for_each(|tenant| target.deliver(tenant, number));
        let refused = target.run(&[]);
        if number == 1 {
            expect(&refused, 1, "CREATE SCHEMA \"Nord-1\"");
            expect(&refused, 1, "CREATE TABLE \"acme\".\"orders\"");
        }
        expect(&target.run(&["--create"]), 0, "SUCCEEDED");
        TENANTS.iter().for_each(|tenant| target.check(tenant, number));
        for tenant in TENANTS {
            let as_of = format!("\"{tenant}\".orders_as_of WHERE _version = 'V{number}'");
            assert_eq!(target.rows(number, &as_of).len(), versions()[number - 1].1.lines().count() - 1);
        }
    }
    let shared = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'orders%'";
    let shared: i64 = SERVER.client("tenants").query_one(shared, &[]).unwrap().get(0);
    assert_eq!(shared, 0);
    expect(&target.run(&[]), 0, "nothing to do");
}

#[test]
fn a_table_of_one_tenant_that_is_edited_or_dropped_is_put_right_and_no_other() {
    let target = Target::new("tenants_edited");
    target.set_schema(5, true);
    TENANTS.iter().for_each(|tenant| target.deliver(tenant, 5));
    expect(&target.run(&["--create"]), 0, "SUCCEEDED");
    target.execute("UPDATE \"Nord-1\".orders SET note = 'edited'; DELETE FROM acme.orders WHERE order_id = 2");
    let reconcile = |tenant: &str, more: &[&str]| {
        let key = format!("{tenant}/orders");
        target.workspace.tidemark(&[&["reconcile", &key, "--to", &target.address], more].concat())
    };
    expect(&reconcile("acme", &[]), 1, "1 missing, 0 extra and 0 changed");
    expect(&reconcile("acme", &["--repair"]), 0, "put right");
    target.check("acme", 5);
    expect(&reconcile("Nord-1", &[]), 1, "0 missing, 0 extra and 3 changed");
    expect(&reconcile("Nord-1", &["--repair"]), 0, "put right");
    target.check("Nord-1", 5);
    target.execute("DROP VIEW acme.orders_as_of; DROP TABLE acme.orders, acme.orders_history");
    target.execute("UPDATE \"Nord-1\".orders SET note = 'edited'");
    // It is noticed with the tenant's next version.
    target
        .workspace
        .write("exports/acme/orders/V6/orders.csv.gz", &gzip(versions()[4].1.replace("a@x", "b@x").as_bytes()));
    expect(&target.run(&["--create"]), 0, "SUCCEEDED");
    let emails = |tenant: &str| -> BTreeMap<Option<String>, usize> {
        let rows = target.rows(5, &format!("\"{tenant}\".orders"));
        rows.into_values().fold(BTreeMap::new(), |mut found, row| {
            *found.entry(row[0].clone()).or_default() += 1;
            found
        })
    };
    assert_eq!(emails("acme").get(&Some("b@x".to_owned())), Some(&1));
    assert_eq!(emails("acme").values().sum::<usize>(), 3);
    let edited: i64 = SERVER
        .client("tenants_edited")
        .query_one("SELECT count(*) FROM \"Nord-1\".orders WHERE note = 'edited'", &[])
        .unwrap()
        .get(0);
    assert_eq!(edited, 3);
}

#[test]
fn published_files_and_streams_fill_the_tables_of_tenants() {
    let target = Target::new("tenants_applied");
    target.set_schema(5, false);
    TENANTS.iter().for_each(|tenant| target.deliver(tenant, 5));
    expect(&target.workspace.run(), 0, "");
    let files = ["apply", "out", "--to", &target.address, "--create", "--tenant", "acme"];
    expect(&target.workspace.tidemark(&files), 0, "1 version");
    target.check("acme", 5);
    let lines = published_lines(&target.workspace);
    let output = apply_to(&target.workspace, &lines, &target.address, &["--create"]);
    expect(&output, 0, "complete");
    TENANTS.iter().for_each(|tenant| target.check(tenant, 5));
}

#[test]
fn what_cannot_have_a_schema_for_each_tenant_says_why() {
    let target = Target::new("tenants_refused");
    target.set_schema(5, false);
    target.deliver("acme", 5);
    let sqlite = ["run", "exports", "--sink", "sqlite:shop.db", "--create"];
    expect(&target.workspace.tidemark(&sqlite), 1, "SQLite has no schemas");
    let long = "t".repeat(64);
    for (tenant, problem) in [
        ("a.b", "it has a `.`"),
        ("pg_a", "PostgreSQL keeps it to itself"),
        ("information_schema", "PostgreSQL keeps it to itself"),
        (&*long, "it is longer than 63 bytes"),
    ] {
        target.deliver(tenant, 5);
        expect(&target.run(&["--create"]), 1, problem);
        std::fs::remove_dir_all(target.workspace.path(&format!("exports/{tenant}"))).unwrap();
    }
    target.check("acme", 5);
}

#[test]
fn a_table_whose_tenants_get_schemas_is_filled_again_there() {
    let target = Target::new("tenants_moved");
    named::deliver(&target.workspace, 5, "orders");
    expect(&target.run(&["--create"]), 0, "SUCCEEDED");
    target.set_schema(5, false);
    target.workspace.write("exports/acme/orders/V6/orders.csv.gz", &gzip(versions()[4].1.as_bytes()));
    expect(&target.run(&["--create"]), 0, "was behind, and holds it now");
    target.check("acme", 5);
    let moved = ["_tidemark_tables", "_tidemark"].map(|table| {
        let sql = format!("SELECT count(*) FROM {table}");
        SERVER.client("tenants_moved").query_one(&sql, &[]).unwrap().get::<_, i64>(0)
    });
    assert_eq!(moved, [3, 1]);
    // The shared table still has the rows of then.
    named::deliver(&target.workspace, 5, "orders");
    target.workspace.write("exports/acme/orders/V7/orders.csv.gz", &gzip(versions()[4].1.as_bytes()));
    expect(&target.run(&["--create"]), 1, "before it had another name, and holds the rows of then");
}
