//! What a schema says reaches the runtime, compiled in or read at start.

use generator::source::Source;
use runtime::table::{Column, Expect, Type};
use tests::table::table;

use super::CUSTOMERS;

#[test]
fn the_former_name_of_a_column_reaches_the_runtime() {
    let yaml = CUSTOMERS.replace("nullable: true", "nullable: true, default: nobody, formerly: Full_Name");
    let files = generator::generate(&[Source::new("schemas/customers.yaml", yaml.clone())]).unwrap();
    let column = r#"Column::new("name", Type::String)
            .nullable()
            .description("As on the invoice")
            .default("nobody")
            .formerly("Full_Name"),"#;
    let module = &files["generated/src/customers.rs"];
    assert!(module.contains(column), "{module}");
    let name = Column::new("name", Type::String)
        .nullable()
        .description("As on the invoice")
        .default("nobody")
        .formerly("Full_Name");
    assert_eq!(table(&generator::parse(&yaml).unwrap()).columns[1], name);
}

#[test]
fn a_table_that_expects_exports_has_an_alarm_about_missing_ones() {
    let template = |yaml: String| {
        let files = generator::generate(&[Source::new("schemas/customers.yaml", yaml)]).unwrap();
        files["infra/tables/customers.yaml"].clone()
    };
    let expecting = template(format!("{CUSTOMERS}expect: {{ by: \"06:00\" }}\n"));
    assert!(expecting.contains("AlarmName: !Sub '${Name}-overdue-customers'"), "{expecting}");
    let (_, section) = expecting.split_once("docs/runbook.md#overdue").unwrap();
    assert!(section.contains("MetricName: Overdue\n      Dimensions: [{Name: Table, Value: customers}]"), "{section}");
    assert!(include_str!("../../../docs/runbook.md").contains("\n## overdue\n"));
    assert!(!template(CUSTOMERS.to_owned()).contains("overdue"));
}

#[test]
fn an_expectation_reaches_the_runtime() {
    let expect =
        "expect: { every: 6h, by: \"06:30\", zone: Europe/Vienna, window: 90m, days: [sat, mon], tenants: [b, a] }\n";
    let yaml = format!("{CUSTOMERS}{expect}");
    let files = generator::generate(&[Source::new("schemas/customers.yaml", yaml.clone())]).unwrap();
    let module = &files["generated/src/customers.rs"];
    let definition = r#"expect: Some(Expect {
        every_minutes: 360,
        by: (6, 30),
        zone: "Europe/Vienna",
        window_minutes: 90,
        days: &["mon", "sat"],
        tenants: &["a", "b"],
    }),"#;
    assert!(module.contains(definition), "{module}");
    assert!(module.contains("use runtime::table::{Column, Expect, Guards, Source, Table, Target, Type};"), "{module}");
    let expected = Expect {
        every_minutes: 360,
        by: (6, 30),
        zone: "Europe/Vienna",
        window_minutes: 90,
        days: &["mon", "sat"],
        tenants: &["a", "b"],
    };
    assert_eq!(table(&generator::parse(&yaml).unwrap()).expect, Some(expected));
    let short = table(&generator::parse(&format!("{CUSTOMERS}expect: {{ by: \"06:00\" }}\n")).unwrap());
    assert_eq!(short.expect, Some(Expect { by: (6, 0), ..Expect::DEFAULT }));
}
