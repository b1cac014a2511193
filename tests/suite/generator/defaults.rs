//! Column defaults: the generator checks them as the runtime reads exports.

use generator::model;
use proptest::prelude::*;
use runtime::canonical::value::Reader;
use runtime::epoch::SourceFormat;
use runtime::table::Column;
use tests::table::table;

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The generator accepts a text as a default exactly if the runtime can read it in an export.
    #[test]
    fn generator_and_runtime_accept_the_same_defaults((ty, text) in typed_text(), nullable: bool, trim: bool) {
        let quoted = serde_json::to_string(&text).unwrap();
        let column = format!("{{ name: c, {ty}, nullable: {nullable}, trim: {trim}");
        let schema = |column: &str| {
            format!("{{ table: t, primary_key: [k], engine: {{ athena: false }}, columns: [{{ name: k, type: int }}, {column}] }}")
        };
        let accepted = generator::parse(&schema(&format!("{column}, default: {quoted} }}"))).is_ok();
        let model: model::Table = generator::parse(&schema(&format!("{column} }}"))).unwrap();
        let table = table(&model);
        let readable = runtime_reads(&table.columns[1], table, &text);
        prop_assert_eq!(accepted, readable, "{} {:?}", ty, text);
    }
}

fn runtime_reads(column: &'static Column, table: &'static runtime::table::Table, text: &str) -> bool {
    let reader = Reader::new(column, &SourceFormat::from_source(&table.source), false, false);
    reader.read(text.as_bytes(), false, &mut Vec::new()).is_ok()
}

/// A type with its options, and a text that resembles a value of it.
fn typed_text() -> impl Strategy<Value = (&'static str, String)> {
    const INTEGERS: &[&str] = &["type: tinyint", "type: smallint", "type: int", "type: bigint"];
    const NUMBERS: &[&str] = &["type: float", "type: double", "type: \"decimal(4,2)\"", "type: decimal(38)"];
    const WORDS: &[&str] = &[
        "type: boolean",
        "type: boolean, true_values: [Y, t], false_values: [N, f]",
        "type: string",
        "type: varchar(2)",
        "type: binary",
        "type: binary, encoding: hex",
        "type: binary, encoding: hex, prefix: 0x",
    ];
    let others = prop_oneof![
        (proptest::sample::select(INTEGERS), "[ \t]?[+-]?[0-9]{0,20}[ ]?"),
        (proptest::sample::select(INTEGERS), "-?(12[789]|3276[78]|214748364[78]|922337203685477580[78])"),
        (
            proptest::sample::select(NUMBERS),
            "[+-]?[0-9]{0,3}\\.?[0-9]{0,4}([eE][+-]?[0-9]{0,3})?|[+-]?(NaN|inf|Infinity)|[0-9]{37,40}"
        ),
        (
            proptest::sample::select(WORDS),
            "[tTyYnNfF01]|true|FALSE|(0x)?[a-f0-9A-F]{0,4}|[A-Za-z0-9+/]{2,4}={0,2}|é{0,3}| ?"
        ),
    ];
    prop_oneof![times(), others]
}

/// A date or timestamp with its options, and a text that resembles a value of it.
fn times() -> impl Strategy<Value = (&'static str, String)> {
    const TIMES: &[&str] = &[
        "type: date",
        "type: timestamp",
        "type: timestamptz",
        "type: date, format: \"%d.%m.%Y\"",
        "type: timestamp, format: \"%Y%m%d %H%M%S.%f\"",
        "type: timestamptz, format: \"%Y-%m-%d %H:%M %z\"",
        "type: timestamp, format: epoch_millis",
        "type: date, format: \"%-d %b %y\"",
        "type: date, format: \"%e/%-m/%Y\"",
        "type: date, format: \"%Y.%-j\"",
        "type: timestamp, format: \"%-m/%-d/%Y %-I:%M:%S%.f %p\"",
        "type: timestamptz, format: \"%Y-%m-%d %H:%M:%S%.f %Z\"",
    ];
    let date = "[0-9]{3}[0-9]-[01][0-9]-[0-3][0-9]|[0-3][0-9]\\.[01][0-9]\\.20[0-9]{2}|20[0-9]{2}\\.[0-3]?[0-9]{1,2}";
    let words = "[ 0-3]?[0-9](/1?[0-9]/20[0-9]{2}| (jan|Feb|MAI|sep|Sept|dec) [0-9]{2})";
    let moment = "20[0-9]{2}-?[01][0-9]-?[0-3][0-9][T ][0-2][0-9]:?[0-5][0-9](:?[0-6][0-9](\\.[0-9]{0,7})?)? ?(Z|[+-][01][0-9](:?[0-5][0-9])?)?";
    let half_day = "1?[0-9]/[0-3]?[0-9]/2024 [01]?[0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{0,8})? (am|Pm|PM|xm)";
    let zones = "(UTC|CEST|IST|Europe/Berlin|America/New_York|Nowhere/Place)";
    let zoned =
        format!("20[0-9]{{2}}-(03|10|11|07)-(0[1-9]|2[5-9]) 0[0-9]:[0-5][0-9]:00(\\.[0-9]{{0,8}}0{{0,3}})? {zones}");
    let texts = [date, words, moment, half_day, &zoned, "[+-]?0?[0-9]{1,20}"];
    let text = proptest::sample::select(texts.map(str::to_owned).to_vec()).prop_flat_map(|pattern| {
        proptest::string::string_regex(&pattern).expect("the patterns are regular expressions")
    });
    (proptest::sample::select(TIMES), text)
}
