//! Texts that are values of some type, or nearly.

use runtime::canonical::field::Field;
use runtime::canonical::row::{Layout, Row};
use runtime::table::{Column, Encoding, Guards, Source, Table, Target, Type};

use super::{assert_no_failures, disagreement};
use crate::engines::DeltaInput;
use crate::properties::damage::NASTY;
use crate::random;
use crate::workspace::add_to_summary;

#[test]
fn athena_parses_values_of_every_type_like_the_reference() {
    let (mut failures, mut read, mut refused) = (Vec::new(), 0, 0);
    for column in columns() {
        let ty = format!("{:?} {}", column.source_type(), column.format.unwrap_or_default());
        let table: &'static Table = Box::leak(Box::new(Table {
            name: "texts",
            description: None,
            role: "texts",
            schema: "00000000000000000000000000000000",
            primary_key: &["id"],
            columns: vec![Column::new("id", Type::Int), column].leak(),
            athena: true,
            before_image: false,
            source: Source::DEFAULT,
            guards: Guards::DEFAULT,
            expect: None,
            target: Target::NONE,
            tenants: &[],
        }));
        let (good, bad): (Vec<&str>, Vec<&str>) = texts().into_iter().partition(|text| is_value(table, text));
        (read, refused) = (read + good.len(), refused + bad.len());
        for texts in [good, bad].into_iter().filter(|texts| !texts.is_empty()) {
            let quoted = |text: &&str| format!("\"{}\"", text.replace('"', "\"\""));
            let line = |(id, text): (usize, &&str)| format!("{id},{}\n", quoted(text));
            let lines: String = texts.iter().enumerate().map(line).collect();
            let bytes = random::compress(table.source.compression, format!("id,v\n{lines}").as_bytes());
            let input = DeltaInput { table, baseline: None, snapshot: vec![("part-0.csv.gz".into(), bytes)] };
            failures.extend(disagreement(&input).map(|difference| format!("{ty}: {difference}")));
        }
    }
    add_to_summary(&format!("parity: reference, native engine and Trino read {read} texts and refuse {refused} alike"));
    assert_no_failures(&failures);
}

/// A column of every type, and of several formats.
fn columns() -> Vec<Column> {
    let types = [
        Type::Boolean,
        Type::Tinyint,
        Type::Smallint,
        Type::Int,
        Type::Bigint,
        Type::Float,
        Type::Double,
        Type::decimal(12, 2),
        Type::decimal(38, 0),
        Type::decimal(38, 38),
        Type::Char(2),
        Type::Varchar(5),
        Type::String,
        Type::Binary(Encoding::Hex),
        Type::Binary(Encoding::Base64),
        Type::Date,
        Type::Timestamp,
        Type::Timestamptz,
    ];
    let formats = [
        (Type::Date, "%d.%m.%Y"),
        (Type::Date, "100%% %m/%d/%Y"),
        (Type::Timestamp, "%Y%m%d%H%M%S%f"),
        (Type::Timestamp, "%d/%m/%Y %H:%M"),
        (Type::Timestamptz, "%z %Y%m%d%H%M%S.%f"),
        (Type::Timestamp, "epoch_seconds"),
        (Type::Timestamp, "epoch_micros"),
        (Type::Timestamptz, "epoch_millis"),
    ];
    let plain = types.into_iter().map(|ty| Column::new("v", ty).nullable());
    let formatted = formats.into_iter().map(|(ty, format)| Column::new("v", ty).nullable().format(format));
    let trimmed = Column { trim: true, ..Column::new("v", Type::Int).nullable() };
    let prefixed = ["\\x", "0x"].map(|prefix| Column::new("v", Type::Binary(Encoding::Hex)).nullable().prefix(prefix));
    plain.chain(formatted).chain([trimmed]).chain(prefixed).collect()
}

/// Texts that are values of some type, or nearly, in addition to [`NASTY`].
const MORE: &[&str] = &[
    "007",
    "+5",
    "-0.00",
    "000000000000000000000000000000000000000000001.5",
    "12345678.901234567890123456789",
    "1.50",
    "0.1e-5",
    "0E-18",
    "150e-2",
    "1.5E3",
    "-.5e+0000000000001",
    "0e99999999999999999999",
    "1e-99999999999999999999",
    "1e12",
    "12345678901234567890123456789012345678e-38",
    "12345678901234567890123456789012345678000e-3",
    "4.9e-324",
    "1.7976931348623157e308",
    "3.4028235e38",
    "1.17549435e-38",
    "16777217",
    "0.1",
    "-0.0",
    "T",
    "f",
    "2020-12-31T23:59:59.9",
    "2020-06-30 12:00:00.000001",
    "2020-06-30T12:00:00+05:30",
    "2020-06-30T12:00:00-0330",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999+00",
    "0001-01-01T13:00:00+14",
    "01/02/2020 03:04",
    "Z 20200101000000.5",
    "-01:30 20200101000000.25",
    "20201231235959123",
    "1650000123250",
    "-1",
    "-62135596800",
    "-62135596801",
    "253402300799",
    "253402300800",
    "-62135596800001",
    "253402300799999",
    "253402300799999999",
    "253402300800000000",
    "\\",
    "a\\b",
    "a,b",
    "\"",
    "ab\"c",
    "ÄÖ",
    "aaaaaa",
    "ééééé",
    "DEADbeef",
    "\\xDEADbeef",
    "0xDEADbeef",
    "0x",
    "\\x",
    "0x0",
    "0Xab",
    "SGVsbG8=",
    "0.12345678901234567890123456789012345678",
    "99999999999999999999999999999999999999",
];

/// Texts that are values of some type, or nearly. Athena's readers cannot represent line breaks and NUL.
fn texts() -> Vec<&'static str> {
    NASTY.iter().chain(MORE).copied().filter(|text| !text.contains(['\n', '\r', '\0'])).collect()
}

/// Returns whether the text is a value of the table's last column, or NULL.
fn is_value(table: &'static Table, text: &str) -> bool {
    let field = |index: usize| Field::new(if index == 0 { b"1" } else { text.as_bytes() }, true);
    Layout::new(table).read(field, &mut Row::default(), |_, _, _| {})
}
