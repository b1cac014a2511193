//! Reports of many tables with many columns and versions.

use std::fmt::Write as _;

use runtime::name::natural_sort_key;
use rusqlite::{Connection, params};
use serde_json::Value;

use super::{report, succeed};
use crate::workspace::{Workspace, add_to_summary};

const COLUMNS: usize = 200;
const VERSIONS: usize = 365;

/// How large a report may be for each table: a thousand of them stay below 20 MB.
const MAX_SIZE: usize = 20_000;

fn column(index: usize) -> String {
    format!("attribute_{index:03}")
}

/// How many tables there are; `TIDEMARK_REPORT_TABLES` names another number.
fn tables() -> usize {
    std::env::var("TIDEMARK_REPORT_TABLES").map_or(12, |number| number.parse().unwrap())
}

/// A workspace with tables of many columns, and one version of each.
fn wide() -> Workspace {
    let workspace = Workspace::from_schemas();
    for table in 0..tables() {
        let mut schema =
            format!("table: t{table:02}\ndescription: Table {table}.\nprimary_key: [{}]\ncolumns:\n", column(0));
        for index in 0..COLUMNS {
            let _ = writeln!(
                schema,
                "  - {{ name: {}, type: \"decimal(12,2)\", description: The attribute {index}. }}",
                column(index)
            );
        }
        schema += "engine: { athena: false }\n";
        workspace.write(&format!("schemas/t{table:02}.yaml"), schema.as_bytes());
        let header = (0..COLUMNS).map(column).collect::<Vec<_>>().join(",");
        workspace
            .export(&format!("acme/t{table:02}/20250101_V0001"), &format!("{header}\n{}1\n", "1,".repeat(COLUMNS - 1)));
    }
    succeed(&workspace, &["run", "exports"]);
    workspace
}

/// Adds records of a year, with numbers that differ from night to night.
fn add_a_year(workspace: &Workspace) {
    let mut registry = Connection::open(workspace.path(".tidemark/registry.sqlite")).unwrap();
    let transaction = registry.transaction().unwrap();
    let records: Vec<(String, String)> = {
        let mut statement = transaction.prepare("SELECT name, record FROM versions").unwrap();
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    };
    for (seed, (table, record)) in records.iter().enumerate() {
        let mut version: Value = serde_json::from_str(record).unwrap();
        let mut dice = Dice(seed as u64 + 1);
        for night in 1..VERSIONS {
            let date = jiff::civil::date(2025, 1, 1).checked_add(jiff::Span::new().days(night as i64)).unwrap();
            let name = format!("{}_V0001", date.strftime("%Y%m%d"));
            version["version"] = name.clone().into();
            change(&mut version, &date.to_string(), &mut dice);
            let record = params![table, natural_sort_key(&name), version.to_string()];
            let sql =
                "INSERT INTO versions (tenant, name, place, status, record) VALUES ('acme', ?1, ?2, 'SUCCEEDED', ?3)";
            transaction.execute(sql, record).unwrap();
        }
    }
    transaction.commit().unwrap();
}

/// Numbers that look random, and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, max: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % max
    }
}

/// Makes a version that of another night.
fn change(version: &mut Value, date: &str, dice: &mut Dice) {
    version["plan"]["previous"] = "before".into();
    let counts = &mut version["plan"]["counts"];
    let [inserted, updated, deleted] = [3_000, 9_000, 2_000].map(|max| dice.roll(max));
    counts["baseline_rows"] = counts["rows"].clone();
    counts["rows"] = (counts["rows"].as_u64().unwrap() + 1_000 + inserted - deleted.min(1_000)).into();
    for (kind, number) in [("inserted", inserted + 1_000), ("updated", updated), ("deleted", deleted.min(1_000))] {
        counts[kind] = number.into();
    }
    let mut changed = serde_json::Map::new();
    for _ in 0..5 {
        changed.insert(column(dice.roll(COLUMNS as u64) as usize), dice.roll(9_000).into());
    }
    version["plan"]["findings"]["changed"] = changed.into();
    for (time, hour) in [("registered_at", 4), ("published_at", 5)] {
        version[time] = format!("{date}T0{hour}:{:02}:{:02}.000Z", dice.roll(60), dice.roll(60)).into();
    }
}

#[test]
fn a_year_of_many_wide_tables_stays_small_and_nothing_of_it_is_lost() {
    let workspace = wide();
    add_a_year(&workspace);
    let site = report(&workspace);
    let size = site.size() / tables();
    assert!(size < MAX_SIZE, "{size} bytes for each table");
    // The first file that is written, and one of the last.
    let [began, ended] = [".tidemark-report", "search/0.js"]
        .map(|name| workspace.path("report").join(name).metadata().unwrap().modified().unwrap());
    add_to_summary(&format!(
        "report: {size} bytes and {:.4} s for each of {} tables of {COLUMNS} columns and {VERSIONS} versions",
        ended.duration_since(began).unwrap().as_secs_f64() / tables() as f64,
        tables()
    ));
    for table in 0..tables() {
        let page = format!("tables/acme/t{table:02}.html");
        let versions = site.rows(&page, "versions");
        assert_eq!(versions.len(), VERSIONS);
        assert_eq!((versions[0][0].as_str(), versions[364][0].as_str()), ("20251231_V0001", "20250101_V0001"));
        let columns = site.rows(&page, "columns");
        let names: Vec<&str> = columns.iter().map(|row| row[0].as_str()).collect();
        assert_eq!(names, (0..COLUMNS).map(column).collect::<Vec<_>>());
        assert_eq!(columns[199][4], "The attribute 199.");
        let months = site.rows(&page, "months");
        assert_eq!(months.len(), 13, "a year, and the month of this run, in which the first version came");
        let sum = |rows: &[Vec<String>], cell: usize| -> u64 {
            rows.iter().map(|row| row[cell].replace(',', "").parse::<u64>().unwrap()).sum()
        };
        for (month, version) in [(3, 3), (4, 4), (5, 5)] {
            assert_eq!(sum(&months, month), sum(&versions, version));
        }
    }
    assert_eq!(site.index().len(), tables());
}
