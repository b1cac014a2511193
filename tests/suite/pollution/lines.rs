//! Polluted headers, ends of records, lines that are not rows, and rows of another length.

use super::Polluted;
use super::texts::{Dialect, NAMES, ROWS, quoted, records, with_line, with_record};

pub(super) fn headers() -> Vec<Polluted> {
    let header = NAMES.join(",");
    let mut files = vec![
        Polluted::new("no header", Dialect { has_header: false, ..Dialect::default() }.text()).under("header: false"),
        Polluted::new("upper case", with_record(0, header.to_uppercase())).under("header_case: ignore"),
        Polluted::new("a name in upper case", with_record(0, header.replace("day", "Day")))
            .under("header_case: ignore"),
        Polluted::new("a second header", with_line(1, "int,text,decimal,date,text")).under("comment: \"int,\""),
        Polluted::new("a line below", with_line(1, "--,----,------,---,----")).under("comment: \"--\""),
        Polluted::new("a byte order mark", format!("\u{feff}{}", Dialect::default().text())),
        Polluted::new("two byte order marks", format!("\u{feff}\u{feff}{}", Dialect::default().text())),
        Polluted::new("the delimiter is named", with_line(0, "sep=,")).under("skip_first: 1"),
    ];
    for at in 1..=records().len() {
        files.push(Polluted::new(format!("repeated at {at}"), with_line(at, &header)).under("repeated_header: skip"));
        let moved: Vec<String> = [&records()[1..at], &records()[..1], &records()[at..]].concat();
        files.push(Polluted::new(format!("the header after row {at}"), Dialect::default().join(&moved)));
        let permuted = "day,note,id,amount,name";
        files.push(Polluted::new(format!("another order at {at}"), with_line(at, permuted)));
    }
    for (count, titles) in
        ["Export of orders", "Orders,,,,\n2026-01-31,,,,", "a\nb\nc", "\"quoted, title\""].iter().enumerate()
    {
        let lines = titles.lines().count();
        let what = format!("titles {count}");
        files.push(Polluted::new(what, with_line(0, titles)).under(format!("skip_first: {lines}")));
    }
    files.extend(names());
    files.extend(orders());
    files
}

/// A name is another, missing, padded, or there twice.
fn names() -> Vec<Polluted> {
    let mut files = Vec::new();
    for column in 0..NAMES.len() {
        for other in ["", "other", "x id", NAMES[(column + 1) % NAMES.len()]] {
            let mut names = NAMES;
            names[column] = other;
            files.push(Polluted::new(format!("column {column} is {other:?}"), with_record(0, names.join(","))));
        }
        for padded in [format!(" {}", NAMES[column]), format!("{}\t", NAMES[column])] {
            let mut names = NAMES.map(str::to_owned);
            names[column] = padded.clone();
            files.push(Polluted::new(format!("column {column} is {padded:?}"), with_record(0, names.join(","))));
        }
    }
    files
}

/// Columns in other orders, and columns that the schema does not name.
fn orders() -> Vec<Polluted> {
    let dialect = Dialect::default();
    let mut files = Vec::new();
    for by in 0..NAMES.len() {
        let rotated = |row: &[&'static str; 5]| {
            let mut fields = *row;
            fields.rotate_left(by);
            fields
        };
        let rows: Vec<String> = [NAMES].iter().chain(&ROWS).map(|row| dialect.record(rotated(row))).collect();
        files.push(Polluted::new(format!("columns rotated by {by}"), dialect.join(&rows)));
        let with_extra = |row: &[&'static str; 5]| {
            let mut fields = row.to_vec();
            fields.insert(by, if row[0] == "id" { "extra" } else { row[0] });
            dialect.record(fields)
        };
        let rows: Vec<String> = [NAMES].iter().chain(&ROWS).map(with_extra).collect();
        files.push(Polluted::new(format!("a column more at {by}"), dialect.join(&rows)).under("unlisted: ignore"));
    }
    files
}

pub(super) fn ends() -> Vec<Polluted> {
    let standard = Dialect::default;
    let mut files = vec![
        Polluted::new("CR LF", Dialect { end: "\r\n", ..standard() }.text()),
        Polluted::new("CR LF", Dialect { end: "\r\n", ..standard() }.text()).under(r#"record_end: "\r\n""#),
        Polluted::new("LF CR", Dialect { end: "\n\r", ..standard() }.text()),
        Polluted::new("CR CR LF", Dialect { end: "\r\r\n", ..standard() }.text()),
        Polluted::new("a delimiter each", Dialect { end: ",\n", ..standard() }.text())
            .under("trailing_delimiter: true"),
        Polluted::new("none at the end", standard().text().trim_end()),
    ];
    for end in ["\r", "%#%\n", "|#|", "@@"] {
        files.push(
            Polluted::new(format!("{end:?}"), Dialect { end, ..standard() }.text())
                .under(format!("record_end: {}", quoted(end))),
        );
    }
    for end in ["\0", "\u{1a}", "\n\n\n", " ", " \n", "\u{1a}\n", "\r", "\r\n"] {
        files.push(Polluted::new(format!("{end:?} behind the last row"), standard().text() + end));
    }
    // Behind the last record, they would be part of its text.
    for at in 0..records().len() - 1 {
        for end in ["\r", "\r\n", "\n\n", "\u{85}", "\u{2028}", "\u{b}", "\u{c}", "\0", "", " ", "\n\r"] {
            let text: String = records()
                .iter()
                .enumerate()
                .map(|(index, record)| record.clone() + if index == at { end } else { "\n" })
                .collect();
            files.push(Polluted::new(format!("{end:?} behind record {at}"), text));
        }
    }
    files
}

pub(super) fn not_rows() -> Vec<Polluted> {
    let mut files = Vec::new();
    for at in 0..=records().len() {
        for comment in ["#", "--", "//", "%"] {
            let line = format!("{comment} a comment, with \"quotes\" and, delimiters");
            let file = Polluted::new(format!("{line} at {at}"), with_line(at, &line));
            files.push(file.under(format!("comment: {}", quoted(comment))));
        }
        for line in [
            "",
            " ",
            "-----",
            ",,,,",
            "\"\",\"\",\"\",\"\",\"\"",
            "Total",
            "Total,,30.50,,",
            ",,30.50,,",
            "NULL",
            "\u{feff}",
        ] {
            files.push(Polluted::new(format!("{line:?} at {at}"), with_line(at, line)));
        }
        if at > 0 {
            let row = Dialect::default().record(ROWS[3]);
            let contradicted = row.replace("0.00", "0.01");
            for line in [row.clone(), contradicted, format!("\u{feff}{row}")] {
                files.push(Polluted::new(format!("{line} at {at}"), with_line(at, &line)));
            }
        }
    }
    files.extend(trailers());
    files
}

fn trailers() -> Vec<Polluted> {
    let last = records().len();
    let trailers = [
        ("TRL|7", TRAILER),
        ("(7 rows affected)", r#"trailer: "\\((\\d+) rows? affected\\)""#),
        ("7 rows selected.", r#"trailer: "(\\d+) rows selected\\.""#),
        ("Total,,30.50,,", r#"trailer: "Total,.*""#),
        ("END", "skip_last: 1"),
        ("a\nb", "skip_last: 2"),
    ];
    trailers.map(|(line, declared)| Polluted::new(line, with_line(last, line)).under(declared)).into()
}

const TRAILER: &str = r#"trailer: "^TRL\\|(\\d+)$""#;

/// A file with a trailer, and the options that read it.
pub(super) fn with_trailer() -> (String, &'static str) {
    (with_line(records().len(), "TRL|7"), TRAILER)
}

/// Records with fields too many or too few, cut in two, and joined.
pub(super) fn ragged() -> Vec<Polluted> {
    let dialect = Dialect::default();
    let mut files = Vec::new();
    for (at, row) in [NAMES].iter().chain(&ROWS).enumerate() {
        let record = dialect.record(*row);
        for column in 0..=row.len() {
            let mut fields = row.map(|text| dialect.field(text)).to_vec();
            fields.insert(column, String::new());
            files.push(Polluted::new(format!("a field more in record {at}"), with_record(at, fields.join(","))));
            fields.remove(column);
            if column < row.len() {
                fields.remove(column);
                files.push(Polluted::new(
                    format!("field {column} of record {at} missing"),
                    with_record(at, fields.join(",")),
                ));
            }
        }
        for (cut, _) in record.char_indices() {
            let in_two = format!("{}\n{}", &record[..cut], &record[cut..]);
            files.push(Polluted::new(format!("record {at} cut at {cut}"), with_record(at, in_two)));
        }
    }
    files
}
