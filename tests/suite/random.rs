//! Schemas, tables and files made from dice (random numbers), so that a failure shrinks by shrinking numbers.
//!
//! One die picks a value; the value has several spellings, and a second die picks one of them. So the tests know which
//! cells are equal without reading any text.

mod coverage;
mod files;
mod lines;
mod numbers;
mod source;
mod values;

use proptest::collection::vec;
use proptest::prelude::*;
use runtime::table::{Column, Encoding, Escape, Guards, Source, Table, Target, Type};

pub(crate) use files::{compress, encode, export, inflate, texts};
use source::{can_be_on_athena, can_encode};
use values::class;

/// Picks a value and one of its spellings.
pub(crate) type Cell = (u16, u16);
/// `MAX_COLUMNS` cells, of which a table uses one for each of its columns.
pub(crate) type Row = Vec<Cell>;

pub(crate) const MAX_COLUMNS: usize = 9;

/// The manifest of exports that have one as Redshift writes it.
pub(crate) const MANIFEST: &str = "part-manifest";

/// Dice for a schema.
#[derive(Debug, Clone)]
pub(crate) struct SchemaDice {
    pub(crate) columns: Vec<(u8, u8, u16)>,
    pub(crate) keys: usize,
    pub(crate) source: u32,
}

pub(crate) fn schema() -> impl Strategy<Value = SchemaDice> {
    let column = (any::<u8>(), any::<u8>(), any::<u16>());
    (vec(column, 1..=MAX_COLUMNS), 1_usize..=3, any::<u32>()).prop_map(|(columns, keys, source)| SchemaDice {
        columns,
        keys,
        source,
    })
}

pub(crate) fn rows(max_rows: usize) -> impl Strategy<Value = Vec<Row>> {
    vec(vec(any::<Cell>(), MAX_COLUMNS), 0..max_rows)
}

/// Dice for the files of an export.
#[derive(Debug, Clone)]
pub(crate) struct FileDice {
    pub(crate) parts: usize,
    pub(crate) style: u32,
    pub(crate) order: Vec<u16>,
}

pub(crate) fn files() -> impl Strategy<Value = FileDice> {
    (1_usize..=3, any::<u32>(), vec(any::<u16>(), 64)).prop_map(|(parts, style, order)| FileDice {
        parts,
        style,
        order,
    })
}

fn pick<T: Copy>(choices: &[T], die: impl Into<u64>) -> T {
    choices[(die.into() % choices.len() as u64) as usize]
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

impl SchemaDice {
    /// The table, which is never freed.
    pub(crate) fn table(&self) -> &'static Table {
        let keys = self.keys.min(self.columns.len());
        let source = self.source();
        // Key columns can be anywhere, and the key can have another order than the columns.
        let first_key = self.source as usize >> 28;
        let is_key = |at: usize| (at + first_key) % self.columns.len() < keys;
        let mut columns: Vec<Column> =
            self.columns.iter().enumerate().map(|(at, dice)| column(at, *dice, is_key(at), source.header)).collect();
        own_nulls_without_escape(&mut columns, &source);
        let mut primary_key: Vec<&'static str> =
            columns.iter().enumerate().filter(|(at, _)| is_key(*at)).map(|(_, column)| column.name).collect();
        if self.source & 1 << 27 != 0 {
            primary_key.reverse();
        }
        Box::leak(Box::new(Table {
            primary_key: primary_key.leak(),
            athena: self.source & 1 << 26 != 0 && can_be_on_athena(&source),
            before_image: self.source & 1 << 25 != 0,
            ..plain_table(columns, source).clone()
        }))
    }
}

/// A table whose key is its first column.
fn plain_table(columns: Vec<Column>, source: Source) -> &'static Table {
    Box::leak(Box::new(Table {
        name: "random",
        description: None,
        role: "random",
        schema: "00000000000000000000000000000000",
        primary_key: vec![columns[0].name].leak(),
        columns: columns.leak(),
        athena: false,
        before_image: false,
        source,
        guards: Guards::DEFAULT,
        expect: None,
        target: Target::NONE,
        tenants: &[],
    }))
}

/// An escaped `N` is NULL in all columns or in none.
fn own_nulls_without_escape(columns: &mut [Column], source: &Source) {
    if matches!(source.escape, Some(Escape::Char(_))) && !source.nulls.contains(&"\\N") {
        for column in columns.iter_mut().filter(|column| column.nulls == Some(&["\\N"])) {
            column.nulls = Some(&[]);
        }
    }
}

/// One column. The first die picks the type, the second the flags, the third the type's parameters.
fn column(at: usize, (ty, flags, parameter): (u8, u8, u16), is_key: bool, has_header: bool) -> Column {
    let types = types(parameter);
    // Floats cannot be keys.
    let ty = if is_key { pick(&types[..14], ty) } else { pick(&types, ty) };
    let mut column = Column::new(leak(format!("c{at}_")), ty);
    column.header = if has_header && flags & 128 != 0 { Some(leak(format!("Column {at}. Größe"))) } else { None };
    column.nullable = !is_key && flags & 3 != 0;
    column.nulls = nulls(parameter >> 9);
    column.compare = is_key || flags & 12 != 0;
    column.trim = flags & 48 == 0;
    column.pii = flags & 64 != 0;
    if !is_key && parameter & 15 == 15 {
        column = column.unpublished();
    }
    column.format = format(ty, parameter);
    if ty == Type::Binary(Encoding::Hex) {
        column.prefix = pick(&[None, Some("0x"), Some("\\x")], parameter);
    }
    column.numbers = numbers::numbers(ty, parameter >> 1 ^ u16::from(flags) << 3);
    if ty == Type::Boolean && parameter & 1 != 0 {
        column = column.words(&["yes", "ja"], &["no", "nein"]);
    }
    if column.publish && parameter & 15 == 14 {
        column = column.hmac();
    }
    column
}

/// All types, with floats at the end.
fn types(parameter: u16) -> [Type; 16] {
    let precision = (parameter % 38 + 1) as u8;
    let decimal = Type::Decimal { precision, scale: (parameter >> 6) as u8 % (precision + 1) };
    let length = u32::from(parameter % 6) + 1;
    [
        Type::String,
        Type::Bigint,
        decimal,
        Type::Boolean,
        Type::Tinyint,
        Type::Smallint,
        Type::Int,
        Type::Char(length),
        Type::Varchar(length),
        Type::Binary(Encoding::Hex),
        Type::Binary(Encoding::Base64),
        Type::Date,
        Type::Timestamp,
        Type::Timestamptz,
        Type::Float,
        Type::Double,
    ]
}

/// The column's own NULL markers.
fn nulls(die: u16) -> Option<&'static [&'static str]> {
    pick(&[None, None, None, Some(&[]), Some(&["\\N"]), Some(&["", "NA"])], die)
}

const DATES: [Option<&str>; 7] = [
    None,
    Some("%d.%m.%Y"),
    Some("%Y%m%d"),
    Some("100%% %m/%d/%Y"),
    Some("%e-%b-%Y"),
    Some("%-d. %B %Y"),
    Some("%Y-%j"),
];

const TIMESTAMPS: [Option<&str>; 9] = [
    None,
    Some("%Y-%m-%d %H:%M:%S"),
    Some("%Y%m%d%H%M%S%f"),
    Some("%d/%m/%Y %H:%M"),
    Some("%f %S.%M.%H %Y _%d-%m"),
    Some("%-m/%-d/%Y %-I:%-M:%-S%.f %p"),
    Some("%b %e %Y %I:%M%p"),
    Some("epoch_seconds"),
    Some("epoch_micros"),
];

const TIMESTAMPTZS: [Option<&str>; 5] = [
    None,
    Some("%Y-%m-%d %H:%M:%S%z"),
    Some("%z %Y%m%d%H%M%S.%f"),
    Some("%Y-%m-%d %H:%M:%S%.f %Z"),
    Some("epoch_millis"),
];

fn format(ty: Type, die: u16) -> Option<&'static str> {
    match ty {
        Type::Date => pick(&DATES, die),
        Type::Timestamp => pick(&TIMESTAMPS, die),
        Type::Timestamptz => pick(&TIMESTAMPTZS, die),
        _ => None,
    }
}

/// The text of a cell in a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CellText {
    /// The name of its value; `None` is NULL.
    pub(crate) name: Option<String>,
    pub(crate) text: String,
    pub(crate) quotes: Quotes,
}

/// Whether a field is written in quotes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Quotes {
    Needed,
    Optional,
    Forbidden,
}

/// The texts of a row's cells; `None` if the dialect cannot write one of them.
pub(crate) fn cell_texts(table: &Table, row: &Row) -> Option<Vec<CellText>> {
    let cells: Option<Vec<CellText>> =
        table.columns.iter().zip(row).map(|(column, cell)| cell_text(table, column, *cell)).collect();
    let cells = cells?;
    let is_blank = cells.len() == 1 && cells[0].text.is_empty();
    match table.source.quote {
        _ if !is_blank => Some(cells),
        Some(_) if cells[0].quotes != Quotes::Forbidden => {
            Some(vec![CellText { quotes: Quotes::Needed, ..cells[0].clone() }])
        }
        _ => None,
    }
}

fn cell_text(table: &Table, column: &Column, (value, spelling): Cell) -> Option<CellText> {
    let source = &table.source;
    let nulls = column.nulls.unwrap_or(source.nulls);
    if column.nullable && value % 8 == 0 && !nulls.is_empty() {
        let null = pick(nulls, spelling);
        let is_marker = source.escape.is_some() && null == "\\N";
        let text = if is_marker { null.to_owned() } else { padded(column, null, spelling) };
        let quotes = match quotes(source, &text)? {
            quotes if source.quoted_nulls => quotes,
            Quotes::Optional => Quotes::Forbidden,
            _ => return None,
        };
        return Some(CellText { name: None, text, quotes });
    }
    let class = class(column, if table.is_key(column) { value % 61 } else { value });
    let first = usize::from(spelling) % class.spellings.len();
    let turns = (0..class.spellings.len()).map(|turn| &class.spellings[(first + turn) % class.spellings.len()]);
    for text in turns {
        let meant = if column.trim { text.trim_matches([' ', '\t']) } else { text };
        let name = if is_string(column) { meant.to_owned() } else { class.name.clone() };
        let text = padded(column, text, spelling);
        let Some(needed) = quotes(source, &text) else { continue };
        if table.athena && text.contains('\u{FFFD}') || !can_encode(source.encoding, &text) {
            continue;
        }
        let quotes = match nulls.contains(&meant) {
            false => needed,
            true if !column.nullable && !table.is_key(column) && meant.is_empty() && is_string(column) => needed,
            true if source.quoted_nulls => continue,
            true => Quotes::Needed,
        };
        return Some(CellText { name: Some(name), text, quotes });
    }
    None
}

fn is_string(column: &Column) -> bool {
    matches!(column.source_type(), Type::String | Type::Varchar(_) | Type::Char(_))
}

/// The text with blanks around it, if the column is trimmed.
fn padded(column: &Column, text: &str, die: u16) -> String {
    let (left, right) =
        if column.trim { pick(&[("", ""), (" ", ""), ("", "  "), ("\t ", " ")], die / 7) } else { ("", "") };
    format!("{left}{text}{right}")
}

/// Whether a text needs quotes; `None` if the dialect cannot write it even with quotes.
fn quotes(source: &Source, text: &str) -> Option<Quotes> {
    let has = |byte: u8| text.as_bytes().contains(&byte);
    let has_line_break = has(b'\n') || has(b'\r');
    if text.replace("\r\n", "").contains('\r') || source.record_end.is_some() && (has_line_break || has(b'~')) {
        return None;
    }
    let delimiter = delimiter(source);
    // A text that begins or ends like a delimiter can become a part of one.
    let has_delimiter = text.contains(&delimiter)
        || delimiter.len() > 1 && delimiter.chars().any(|part| text.starts_with(part) || text.ends_with(part));
    let is_escaped = source.escape.is_some() && has(b'\\');
    let is_plain = !has_delimiter && !has_line_break && !is_escaped && source.quote.is_none_or(|quote| !has(quote));
    match (source.quote, source.escape) {
        _ if is_plain => Some(Quotes::Optional),
        (Some(_), None) if source.multiline || !has_line_break => Some(Quotes::Needed),
        (Some(_), Some(_)) => Some(Quotes::Needed),
        (None, Some(Escape::Char(_))) if delimiter.len() > 1 && has_delimiter => None,
        (None, Some(_)) if !(delimiter.len() > 1 && has_delimiter) => Some(Quotes::Forbidden),
        _ => None,
    }
}

/// The text between two fields.
pub(crate) fn delimiter(source: &Source) -> String {
    source.long_delimiter.map_or_else(|| char::from(source.delimiter).to_string(), Into::into)
}
