//! That random schemas have every option.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use runtime::table::{Column, Source, Table, Type};

/// How many schemas have every option many times.
const SCHEMAS: usize = 2000;

/// The values of each option.
type Values = BTreeMap<&'static str, BTreeSet<String>>;

/// Options that say nothing about a delta of two exports under one schema, and the test of each.
const OTHERS: [(&str, &str); 3] = [
    ("description", "generator: it becomes documentation"),
    ("default", "epochs::an_added_column_takes_its_default_in_baseline_rows"),
    ("formerly", "epochs::a_renamed_column_is_held_unless_formerly_names_it"),
];

#[test]
fn random_schemas_have_every_option() {
    let (mut runner, mut values) = (TestRunner::deterministic(), Values::new());
    for _ in 0..SCHEMAS {
        let table = super::schema().new_tree(&mut runner).unwrap().current().table();
        add_source(&mut values, &table.source);
        table.columns.iter().for_each(|column| add_column(&mut values, column));
        add(&mut values, "before_image", &table.before_image);
        add(&mut values, "athena", &table.athena);
        add(&mut values, "key", &is_in_order(table));
    }
    let constant = |(name, values): (&&'static str, &BTreeSet<String>)| (values.len() < 2).then_some(*name);
    let constant: BTreeSet<&str> = values.iter().filter_map(constant).collect();
    assert_eq!(constant, OTHERS.iter().map(|(name, _)| *name).collect());
    for (name, least) in [("type", 15), ("format", 15), ("numbers", 20), ("complete", 5), ("encoding", 6)] {
        assert!(values[name].len() >= least, "{name}: {:?}", values[name]);
    }
}

fn is_in_order(table: &Table) -> bool {
    let position = |name: &&str| table.columns.iter().position(|column| column.name == *name);
    table.primary_key.iter().map(position).is_sorted()
}

fn add(values: &mut Values, name: &'static str, value: &dyn Debug) {
    values.entry(name).or_default().insert(format!("{value:?}"));
}

/// Adds every option of a source.
fn add_source(values: &mut Values, source: &Source) {
    let all: [(&str, &dyn Debug); 24] = [
        ("compression", &source.compression),
        ("encoding", &source.encoding),
        ("delimiter", &source.delimiter),
        ("long_delimiter", &source.long_delimiter),
        ("trailing_delimiter", &source.trailing_delimiter),
        ("record_end", &source.record_end),
        ("final_newline", &source.final_newline),
        ("escape", &source.escape),
        ("quote", &source.quote),
        ("header", &source.header),
        ("first_part_header", &source.first_part_header),
        ("any_header_case", &source.any_header_case),
        ("skip_repeated_header", &source.skip_repeated_header),
        ("skip_first", &source.skip_first),
        ("skip_last", &source.skip_last),
        ("comment", &source.comment),
        ("trailer", &source.trailer),
        ("nulls", &source.nulls),
        ("quoted_nulls", &source.quoted_nulls),
        ("multiline", &source.multiline),
        ("complete", &source.complete),
        ("skip_unlisted", &source.skip_unlisted),
        ("refuse_duplicates", &source.refuse_duplicates),
        ("parts", &source.parts),
    ];
    assert_has_all(source, &all);
    all.iter().for_each(|(name, value)| add(values, name, *value));
}

fn add_column(values: &mut Values, column: &Column) {
    let all: [(&str, &dyn Debug); 17] = [
        ("description", &column.description),
        ("ty", &column.ty),
        ("nullable", &column.nullable),
        ("nulls of a column", &column.nulls),
        ("compare", &column.compare),
        ("pii", &column.pii),
        ("trim", &column.trim),
        ("format", &column.format),
        ("default", &column.default),
        ("formerly", &column.formerly),
        ("prefix", &column.prefix),
        ("numbers", &column.numbers),
        ("publish", &column.publish),
        ("hmac", &column.hmac),
        ("true_values", &column.true_values),
        ("false_values", &column.false_values),
        ("header of a column", &column.header),
    ];
    let name: (&str, &dyn Debug) = ("name", &column.name);
    assert_has_all(column, &[&all[..], &[name]].concat());
    all.iter().for_each(|(name, value)| add(values, name, *value));
    let type_name = type_name(column.source_type());
    add(values, "type", &type_name);
}

/// The name of a type without its parameters, but with its encoding.
fn type_name(ty: Type) -> String {
    ty.to_string().split('(').next().unwrap().to_owned()
}

/// Checks that a list has every field of a structure, which its own text names.
fn assert_has_all(all: &dyn Debug, listed: &[(&str, &dyn Debug)]) {
    let text = format!("{all:#?}");
    let fields = text.lines().filter(|line| line.starts_with("    ") && !line.starts_with("     "));
    let fields = fields.filter_map(|line| line.trim().split_once(": ")).count();
    assert_eq!(fields, listed.len(), "{text}");
}
