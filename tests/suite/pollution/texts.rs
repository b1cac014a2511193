//! The rows of all polluted files, and a writer of any dialect.

/// A row: `id`, `name`, `amount`, `day` and `note`.
pub(super) type Row = [&'static str; 5];

pub(super) const NAMES: Row = ["id", "name", "amount", "day", "note"];

/// Texts with delimiters, quotes and letters beyond ASCII. None looks like NULL, a comment or an escape.
pub(super) const ROWS: [Row; 7] = [
    ["1", "Anna", "10.50", "2026-01-31", "first"],
    ["2", "Jürgen Groß", "-0.25", "2025-12-24", "über Köln"],
    ["3", "Smith, John", "1234.00", "2024-02-29", "a; b | c"],
    ["4", "6\" pipe", "0.00", "1999-12-31", "say \"hi\""],
    ["5", "O'Neil", "7.70", "2000-01-01", ""],
    ["6", "Zoë", "99999.99", "2026-06-15", "x:y~z^"],
    ["70", "last", "3.10", "2026-03-01", "end"],
];

/// How a file is written.
#[derive(Debug, Clone)]
pub(super) struct Dialect {
    pub(super) delimiter: &'static str,
    pub(super) quote: Option<char>,
    /// What is before a quote in a quoted field.
    pub(super) escape: char,
    pub(super) quotes_all: bool,
    pub(super) end: &'static str,
    pub(super) has_header: bool,
}

impl Default for Dialect {
    fn default() -> Self {
        Self { delimiter: ",", quote: Some('"'), escape: '"', quotes_all: false, end: "\n", has_header: true }
    }
}

impl Dialect {
    pub(super) fn field(&self, text: &str) -> String {
        let Some(quote) = self.quote else { return text.to_owned() };
        let needs_quotes = text.contains([quote, '\n', '\r']) || text.contains(self.delimiter);
        if !self.quotes_all && !needs_quotes {
            return text.to_owned();
        }
        format!("{quote}{}{quote}", text.replace(quote, &format!("{}{quote}", self.escape)))
    }

    pub(super) fn record<'a>(&self, fields: impl IntoIterator<Item = &'a str>) -> String {
        fields.into_iter().map(|field| self.field(field)).collect::<Vec<_>>().join(self.delimiter)
    }

    /// The header, if there is one, and the rows.
    pub(super) fn records(&self) -> Vec<String> {
        let header = self.has_header.then_some(NAMES);
        header.iter().chain(&ROWS).map(|row| self.record(*row)).collect()
    }

    pub(super) fn text(&self) -> String {
        self.join(&self.records())
    }

    pub(super) fn join(&self, records: &[String]) -> String {
        records.iter().map(|record| format!("{record}{}", self.end)).collect()
    }
}

/// A text as YAML and JSON quote it.
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// The records of the clean twin.
pub(super) fn records() -> Vec<String> {
    Dialect::default().records()
}

/// The records of the clean twin, but one is another.
pub(super) fn with_record(at: usize, record: impl Into<String>) -> String {
    let mut records = records();
    records[at] = record.into();
    Dialect::default().join(&records)
}

/// The records of the clean twin with a line before one of them, or after the last.
pub(super) fn with_line(at: usize, line: &str) -> String {
    let mut records = records();
    records.insert(at, line.into());
    Dialect::default().join(&records)
}

/// The clean twin of all polluted files.
pub(super) fn clean() -> Vec<u8> {
    Dialect::default().text().into()
}
