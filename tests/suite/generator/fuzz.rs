//! The generator on random mutations of a valid schema.

use generator::render::{Color, human, json};
use generator::source::Source;
use proptest::prelude::*;

use crate::diagnostics::assert_spans_are_inside;

/// A schema with every field there is, as the starting point of random mutations.
const EVERYTHING: &str = r#"# Every field.
table: everything
description: "All of it – and \"more\"."
primary_key: [id, at]
columns:
  - { name: id, type: "decimal(38,0)" }
  - { name: at, type: timestamptz, format: "%Y-%m-%dT%H:%M:%S.%f%z" }
  - name: flag
    type: boolean
    nullable: true
    true_values: [Y, yes, 1]
    false_values: [N, "no", 0]
    default: 0
    formerly: Flag_1
  - { name: raw, type: binary, encoding: hex, pii: true, trim: true, compare: false, default: 0aFF }
  - { name: typ, type: &name varchar(12), default: 'it''s' }
  - name: also
    type: *name
    description: >-
      folded
      text
source: { compression: none, delimiter: "\t", quote: "'", header: false, nulls: ["", '\N'], quoted_nulls: true,
          multiline: false, complete: { marker: _SUCCESS } }
engine: { athena: true }
operations: { before_image: true }
guards: { max_delete_ratio: none, max_update_ratio: 0.5, max_insert_ratio: ~, max_deletes: 10, max_updates: 10,
          max_inserts: 10, min_rows: 0, min_baseline_rows: 5, max_version_jump_days: 7 }
tenants:
  graz.2: &graz { guards: { max_deletes: none, min_rows: 1 } }
  linz: *graz
"#;

#[derive(Debug, Clone)]
enum Mutation {
    Remove(usize, usize),
    Insert(usize, Vec<u8>),
    Copy(usize, usize, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let position = 0..EVERYTHING.len();
    let inserted = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..4),
        "[-:,{}\\[\\]\"'#&*!|>%@`~ \n\t?]{1,3}".prop_map(String::into_bytes),
        prop_oneof![Just("null"), Just("---\n"), Just("<<: "), Just("!!int "), Just("é"), Just("1e999"), Just("*name")]
            .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop_oneof![
        (position.clone(), 1..20usize).prop_map(|(at, length)| Mutation::Remove(at, length)),
        (position.clone(), inserted).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (position.clone(), 1..40usize, position).prop_map(|(from, length, to)| Mutation::Copy(from, length, to)),
    ]
}

fn mutated(mutations: &[Mutation]) -> Vec<u8> {
    let mut bytes = EVERYTHING.as_bytes().to_vec();
    for mutation in mutations {
        let clamp = |at: usize| at.min(bytes.len());
        match mutation {
            Mutation::Remove(at, length) => drop(bytes.drain(clamp(*at)..clamp(at + length))),
            Mutation::Insert(at, inserted) => {
                let at = clamp(*at);
                bytes.splice(at..at, inserted.iter().copied());
            }
            Mutation::Copy(from, length, to) => {
                let copied = bytes[clamp(*from)..clamp(from + length)].to_vec();
                let to = clamp(*to);
                bytes.splice(to..to, copied);
            }
        }
    }
    bytes
}

#[test]
fn a_schema_with_every_field_is_valid() {
    let source = Source::new("schemas/everything.yaml", EVERYTHING);
    let sources = [source];
    let table = generator::read(&sources)
        .map_err(|diagnostics| human(&diagnostics, &sources, Color::Never))
        .unwrap()
        .tables
        .remove(0);
    assert_eq!(table.columns[5].ty.name(), "varchar(12)", "through an alias");
    assert_eq!(table.columns[4].default.as_deref(), Some("it's"));
    assert_eq!(table.columns[2].default.as_deref(), Some("0"));
    assert_eq!(table.columns[2].formerly.as_deref(), Some("Flag_1"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_input_makes_the_generator_panic(mutations in proptest::collection::vec(mutation(), 1..5)) {
        let sources = [Source::from_bytes("schemas/everything.yaml", &mutated(&mutations))];
        if let Err(diagnostics) = generator::generate(&sources) {
            prop_assert!(!diagnostics.is_empty());
            assert_spans_are_inside(&diagnostics, &sources);
            human(&diagnostics, &sources, Color::Always);
            json(&diagnostics, &sources);
        }
    }
}
