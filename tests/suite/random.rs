//! Schemas, tables and files made from dice, so that a failure shrinks by shrinking numbers.
//!
//! A die picks a value; that value has several spellings, and a second die picks one. So it is known without reading
//! any text which cells are equal.

mod files;
mod values;

use proptest::collection::vec;
use proptest::prelude::*;
use runtime::table::{Column, Completeness, Compression, Encoding, Guards, Source, Table, Type};

pub(crate) use files::{compress, export, texts};
use values::class;

/// Picks a value and one of its spellings.
pub(crate) type Cell = (u16, u16);
/// One cell a column, and more than enough of them.
pub(crate) type Row = Vec<Cell>;

pub(crate) const MOST_COLUMNS: usize = 9;

/// Dice for a schema.
#[derive(Debug, Clone)]
pub(crate) struct SchemaDice {
    pub(crate) columns: Vec<(u8, u8, u16)>,
    pub(crate) keys: usize,
    pub(crate) source: u32,
}

pub(crate) fn schema() -> impl Strategy<Value = SchemaDice> {
    let column = (any::<u8>(), any::<u8>(), any::<u16>());
    (vec(column, 1..=MOST_COLUMNS), 1_usize..=3, any::<u32>()).prop_map(|(columns, keys, source)| SchemaDice {
        columns,
        keys,
        source,
    })
}

pub(crate) fn rows(most: usize) -> impl Strategy<Value = Vec<Row>> {
    vec(vec(any::<Cell>(), MOST_COLUMNS), 0..most)
}

/// Dice for how a table is written as files.
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
    /// The table, for as long as the process lives.
    pub(crate) fn table(&self) -> &'static Table {
        let keys = self.keys.min(self.columns.len());
        let source = self.source();
        // Key columns stand anywhere, and the key has an order of its own.
        let first_key = self.source as usize >> 28;
        let is_key = |place: usize| (place + first_key) % self.columns.len() < keys;
        let columns: Vec<Column> =
            self.columns.iter().enumerate().map(|(at, dice)| column(at, *dice, is_key(at))).collect();
        let mut primary_key: Vec<&'static str> =
            columns.iter().enumerate().filter(|(at, _)| is_key(*at)).map(|(_, column)| column.name).collect();
        if self.source & 1 << 27 != 0 {
            primary_key.reverse();
        }
        Box::leak(Box::new(Table {
            name: "random",
            schema: "00000000000000000000000000000000",
            primary_key: primary_key.leak(),
            columns: columns.leak(),
            athena: self.source & 1 << 26 != 0 && !source.multiline && source.quoted_nulls,
            before_image: self.source & 1 << 25 != 0,
            source,
            guards: Guards::DEFAULT,
        }))
    }

    fn source(&self) -> Source {
        let die = self.source;
        let quote = pick(&[Some(b'"'), Some(b'"'), Some(b'\''), None], die);
        let nulls: &[&[&'static str]] = &[&[""], &[""], &["", "NULL"], &["\\N"], &["NULL", "n/a", ""], &[]];
        Source {
            compression: pick(&[Compression::None, Compression::Gzip, Compression::Zstd], die >> 2),
            delimiter: pick(b",;\t|", die >> 4),
            quote,
            header: die & 1 << 7 != 0,
            nulls: pick(nulls, die >> 8),
            quoted_nulls: quote.is_none() || die >> 16 & 3 != 0,
            multiline: quote.is_some() && die & 1 << 18 != 0,
            complete: Completeness::Single,
        }
    }
}

/// One column. The first die picks the type, the second the flags, the third the type's parameters.
fn column(at: usize, (ty, flags, parameter): (u8, u8, u16), is_key: bool) -> Column {
    let precision = (parameter % 38 + 1) as u8;
    let decimal = Type::Decimal { precision, scale: (parameter >> 6) as u8 % (precision + 1) };
    let length = u32::from(parameter % 6) + 1;
    let types = [
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
    ];
    // A key is never of a float type.
    let ty = if is_key { pick(&types[..14], ty) } else { pick(&types, ty) };
    let mut column = Column::new(leak(format!("c{at}")), ty);
    column.nullable = !is_key && flags & 3 != 0;
    column.compare = is_key || flags & 12 != 0;
    column.trim = flags & 48 == 0;
    column.pii = flags & 64 != 0;
    column.format = format(ty, parameter);
    if ty == Type::Boolean && parameter & 1 != 0 {
        column = column.words(&["yes", "ja"], &["no", "nein"]);
    }
    column
}

fn format(ty: Type, die: u16) -> Option<&'static str> {
    match ty {
        Type::Date => pick(&[None, Some("%d.%m.%Y"), Some("%Y%m%d"), Some("100%% %m/%d/%Y")], die),
        Type::Timestamp => pick(
            &[
                None,
                Some("%Y-%m-%d %H:%M:%S"),
                Some("%Y%m%d%H%M%S%f"),
                Some("%d/%m/%Y %H:%M"),
                Some("%f %S.%M.%H %Y _%d-%m"),
            ],
            die,
        ),
        Type::Timestamptz => pick(&[None, Some("%Y-%m-%d %H:%M:%S%z"), Some("%z %Y%m%d%H%M%S.%f")], die),
        _ => None,
    }
}

/// What a cell becomes in a file: the name of its value, its text, and whether quotes must or must not be around it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Written {
    pub(crate) name: Option<String>,
    pub(crate) text: String,
    pub(crate) quotes: Quotes,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Quotes {
    Needed,
    Free,
    Forbidden,
}

/// The cells of a row as texts; `None` where the dialect has no way to write one of them.
pub(crate) fn written(table: &Table, row: &Row) -> Option<Vec<Written>> {
    let cells: Option<Vec<Written>> =
        table.columns.iter().zip(row).map(|(column, cell)| written_cell(table, column, *cell)).collect();
    let cells = cells?;
    let is_blank = cells.len() == 1 && cells[0].text.is_empty();
    match table.source.quote {
        _ if !is_blank => Some(cells),
        Some(_) if cells[0].quotes != Quotes::Forbidden => {
            Some(vec![Written { quotes: Quotes::Needed, ..cells[0].clone() }])
        }
        _ => None,
    }
}

fn written_cell(table: &Table, column: &Column, (value, spelling): Cell) -> Option<Written> {
    let source = &table.source;
    if column.nullable && value % 8 == 0 && !source.nulls.is_empty() {
        let text = padded(column, pick(source.nulls, spelling), spelling);
        let quotes = match quotes(source, &text)? {
            needed if source.quoted_nulls => needed,
            Quotes::Free => Quotes::Forbidden,
            _ => return None,
        };
        return Some(Written { name: None, text, quotes });
    }
    let class = class(column, if table.is_key(column) { value % 61 } else { value });
    let first = usize::from(spelling) % class.spellings.len();
    let turns = (0..class.spellings.len()).map(|turn| &class.spellings[(first + turn) % class.spellings.len()]);
    for text in turns {
        let meant = if column.trim { text.trim_matches([' ', '\t']) } else { text };
        let name = if is_string(column) { meant.to_owned() } else { class.name.clone() };
        let text = padded(column, text, spelling);
        let Some(needed) = quotes(source, &text) else { continue };
        if table.athena && text.contains('\u{FFFD}') {
            continue;
        }
        let quotes = match source.nulls.contains(&meant) {
            false => needed,
            true if !column.nullable && !table.is_key(column) && meant.is_empty() && is_string(column) => needed,
            true if source.quoted_nulls => continue,
            true => Quotes::Needed,
        };
        return Some(Written { name: Some(name), text, quotes });
    }
    None
}

fn is_string(column: &Column) -> bool {
    matches!(column.ty, Type::String | Type::Varchar(_) | Type::Char(_))
}

/// Blanks around a text where the column removes them.
fn padded(column: &Column, text: &str, die: u16) -> String {
    let (left, right) =
        if column.trim { pick(&[("", ""), (" ", ""), ("", "  "), ("\t ", " ")], die / 7) } else { ("", "") };
    format!("{left}{text}{right}")
}

/// Whether quotes are needed around a text; `None` if even they do not help.
fn quotes(source: &Source, text: &str) -> Option<Quotes> {
    let has = |byte: u8| text.as_bytes().contains(&byte);
    let has_line_break = has(b'\n') || has(b'\r');
    if text.replace("\r\n", "").contains('\r') {
        return None;
    }
    let is_plain = !has(source.delimiter) && !has_line_break && source.quote.is_none_or(|quote| !has(quote));
    match source.quote {
        _ if is_plain => Some(Quotes::Free),
        Some(_) if source.multiline || !has_line_break => Some(Quotes::Needed),
        _ => None,
    }
}
