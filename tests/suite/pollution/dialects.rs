//! Files, and single records, with other delimiters, quotes, escapes and ends of records.

use super::Polluted;
use super::texts::{Dialect, NAMES, ROWS, quoted, with_record};
use super::values::encode;

const DELIMITERS: [&str; 12] = [";", "\t", "|", ":", "~", "^", " ", "||", "[|]", "¢", "\u{1}", ", "];
const QUOTES: [char; 4] = ['\'', '`', '$', '%'];

/// The file in a dialect, with the options that say so.
fn written(dialect: &Dialect) -> Polluted {
    Polluted::new(format!("{dialect:?}"), dialect.text()).under(options(dialect))
}

fn options(dialect: &Dialect) -> String {
    let standard = Dialect::default();
    let mut options = Vec::new();
    if dialect.delimiter != standard.delimiter {
        options.push(format!("delimiter: {}", quoted(dialect.delimiter)));
    }
    if dialect.quote != standard.quote {
        options.push(format!("quote: {}", dialect.quote.map_or("none".into(), |quote| quoted(&quote.to_string()))));
    }
    if dialect.quote.is_some_and(|quote| quote != dialect.escape) {
        options.push(format!("escape: {}", quoted(&dialect.escape.to_string())));
    }
    if !["\n", "\r\n"].contains(&dialect.end) {
        options.push(format!("record_end: {}", quoted(dialect.end)));
    }
    if !dialect.has_header {
        options.push("header: false".into());
    }
    options.join(", ")
}

pub(super) fn files() -> Vec<Polluted> {
    let standard = Dialect::default;
    let mut dialects = vec![
        Dialect { quotes_all: true, ..standard() },
        Dialect { escape: '\\', ..standard() },
        Dialect { escape: '\\', quotes_all: true, ..standard() },
        Dialect { has_header: false, ..standard() },
    ];
    for delimiter in DELIMITERS {
        dialects.push(Dialect { delimiter, ..standard() });
        dialects.push(Dialect { delimiter, quotes_all: true, ..standard() });
        if !ROWS.iter().flatten().any(|text| text.contains(delimiter)) {
            dialects.push(Dialect { delimiter, quote: None, escape: ' ', ..standard() });
        }
    }
    for quote in QUOTES {
        for quotes_all in [false, true] {
            dialects.push(Dialect { quote: Some(quote), escape: quote, quotes_all, ..standard() });
            dialects.push(Dialect { quote: Some(quote), escape: '\\', quotes_all, ..standard() });
        }
    }
    dialects.iter().map(written).collect()
}

/// One record is in another dialect than the others.
pub(super) fn records() -> Vec<Polluted> {
    let standard = Dialect::default;
    let mut dialects = vec![Dialect { escape: '\\', ..standard() }];
    dialects.extend(DELIMITERS.map(|delimiter| Dialect { delimiter, ..standard() }));
    dialects.extend(DELIMITERS.map(|delimiter| Dialect { delimiter, quotes_all: true, ..standard() }));
    dialects.extend(QUOTES.map(|quote| Dialect { quote: Some(quote), escape: quote, quotes_all: true, ..standard() }));
    let mut files = Vec::new();
    for dialect in dialects {
        for (at, row) in [NAMES].iter().chain(&ROWS).enumerate() {
            let what = format!("record {at} in {dialect:?}");
            files.push(Polluted::new(what, with_record(at, dialect.record(*row))));
        }
    }
    files.extend(stray_quotes());
    files
}

/// A quote that is never closed, or that is neither at the beginning nor at the end of a field.
fn stray_quotes() -> Vec<Polluted> {
    let dialect = Dialect::default();
    let mut files = Vec::new();
    for (at, row) in ROWS.iter().enumerate() {
        for column in 0..row.len() {
            for (what, stray) in [("before", "\"{}"), ("after", "{}\""), ("text behind", "\"{}\" x"), ("in", "x\"{}")] {
                let mut fields = row.map(|text| dialect.field(text));
                fields[column] = stray.replace("{}", row[column]);
                let what = format!("a quote {what} field {column} of row {at}");
                files.push(Polluted::new(what, with_record(at + 1, fields.join(","))));
            }
        }
    }
    files
}

/// Everything at once: delimiter, quote, escape, end of records, header and encoding.
pub(super) fn combinations() -> Vec<Polluted> {
    let mut files = Vec::new();
    for delimiter in [",", ";", "\t", "|", "||", "[|]", "¢"] {
        for quote in ['"', '\''] {
            for (escape, quotes_all) in [(quote, false), (quote, true), ('\\', false), ('\\', true)] {
                for end in ["\n", "\r\n", "\r", "%#%\n"] {
                    for has_header in [true, false] {
                        let quote = Some(quote);
                        files.push(Dialect { delimiter, quote, escape, quotes_all, end, has_header });
                    }
                }
            }
        }
    }
    let encodings = ["utf-8", "windows-1252", "utf-16le"];
    let in_encodings = |dialect: Dialect| {
        encodings.map(|encoding| {
            let what = format!("{dialect:?} in {encoding}");
            let bytes = encode(&dialect.text(), encoding).unwrap();
            Polluted::new(what, bytes).under(format!("encoding: {encoding}, {}", options(&dialect)))
        })
    };
    files.into_iter().flat_map(in_encodings).collect()
}
