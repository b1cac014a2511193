//! Schemas, tables and files made from dice, so that a failure shrinks by shrinking numbers.
//!
//! A die picks a value; that value has several spellings, and a second die picks one. So it is known without reading
//! any text which cells are equal.

use std::io::Write as _;

use proptest::collection::vec;
use proptest::prelude::*;
use runtime::table::{Column, Completeness, Compression, Encoding, Guards, Source, Table, Type};

use crate::engines::Parts;

/// Picks a value and one of its spellings.
pub type Cell = (u16, u16);
/// One cell a column, and more than enough of them.
pub type Row = Vec<Cell>;

pub const MOST_COLUMNS: usize = 9;

/// Dice for a schema.
#[derive(Debug, Clone)]
pub struct SchemaDice {
    pub columns: Vec<(u8, u8, u16)>,
    pub keys: usize,
    pub source: u32,
}

pub fn schema() -> impl Strategy<Value = SchemaDice> {
    let column = (any::<u8>(), any::<u8>(), any::<u16>());
    (vec(column, 1..=MOST_COLUMNS), 1_usize..=3, any::<u32>())
        .prop_map(|(columns, keys, source)| SchemaDice { columns, keys, source })
}

pub fn rows(most: usize) -> impl Strategy<Value = Vec<Row>> {
    vec(vec(any::<Cell>(), MOST_COLUMNS), 0..most)
}

/// Dice for how a table is written as files.
#[derive(Debug, Clone)]
pub struct FileDice {
    pub parts: usize,
    pub style: u32,
    pub order: Vec<u16>,
}

pub fn files() -> impl Strategy<Value = FileDice> {
    (1_usize..=3, any::<u32>(), vec(any::<u16>(), 64)).prop_map(|(parts, style, order)| FileDice { parts, style, order })
}

fn pick<T: Copy>(choices: &[T], die: impl Into<u64>) -> T {
    choices[(die.into() % choices.len() as u64) as usize]
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

impl SchemaDice {
    /// The table, for as long as the process lives.
    pub fn table(&self) -> &'static Table {
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
            &[None, Some("%Y-%m-%d %H:%M:%S"), Some("%Y%m%d%H%M%S%f"), Some("%d/%m/%Y %H:%M"), Some("%f %S.%M.%H %Y é%d-%m")],
            die,
        ),
        Type::Timestamptz => pick(&[None, Some("%Y-%m-%d %H:%M:%S%z"), Some("%z %Y%m%d%H%M%S.%f")], die),
        _ => None,
    }
}

/// A value by name, and all the texts that mean it. Names differ where canonical values do.
#[derive(Debug, Clone, PartialEq)]
pub struct Class {
    pub name: String,
    pub spellings: Vec<String>,
}

impl Class {
    fn new<S: Into<String>>(name: impl Into<String>, spellings: impl IntoIterator<Item = S>) -> Self {
        Self { name: name.into(), spellings: spellings.into_iter().map(Into::into).collect() }
    }
}

/// The value that a die picks for a column; `None` where the column's dialect cannot write it.
fn class(column: &Column, die: u16) -> Class {
    match column.ty {
        Type::Boolean => boolean(column, die),
        Type::Tinyint => integer(8, die),
        Type::Smallint => integer(16, die),
        Type::Int => integer(32, die),
        Type::Bigint => integer(64, die),
        Type::Decimal { precision, scale } => decimal(precision, scale, die),
        Type::Float => float(FLOATS, die),
        Type::Double => float(DOUBLES, die),
        Type::Char(length) | Type::Varchar(length) => string(length as usize, die),
        Type::String => string(usize::MAX, die),
        Type::Binary(encoding) => binary(encoding, die),
        Type::Date | Type::Timestamp | Type::Timestamptz => time(column, die),
    }
}

fn boolean(column: &Column, die: u16) -> Class {
    let (own, usual): (_, &[&str]) =
        if die % 2 == 0 { (column.true_values, &["true", "T", "1", "True"]) } else { (column.false_values, &["false", "f", "0", "fALSE"]) };
    Class::new((die % 2).to_string(), (if own.is_empty() { usual } else { own }).iter().copied())
}

fn integer(bits: u32, die: u16) -> Class {
    let limit = 1_i128 << (bits - 1);
    let number = pick(&[0, 1, -1, 7, limit - 1, -limit, i128::from(die) % limit, -(i128::from(die) % limit)], die % 11);
    let digits = number.abs();
    let spellings = match number {
        0 => vec!["0".into(), "-0".into(), "+0".into(), "0000000000000000000000000".into()],
        1.. => vec![format!("{digits}"), format!("+{digits}"), format!("000{digits}"), format!("+0{digits}")],
        _ => vec![format!("-{digits}"), format!("-00{digits}")],
    };
    Class::new(number.to_string(), spellings)
}

fn decimal(precision: u8, scale: u8, die: u16) -> Class {
    let limit = 10_i128.pow(u32::from(precision));
    let small = i128::from(die >> 3) % limit;
    let unscaled = pick(&[0, 1, -1, limit - 1, 1 - limit, small, -small], die % 9);
    let scale = usize::from(scale);
    let digits = format!("{:0>width$}", unscaled.abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    let short = fraction.trim_end_matches('0');
    let mut spellings = vec![
        format!("{sign}{whole}.{fraction}"),
        format!("{sign}{whole}.{short}"),
        format!("{sign}000{whole}.{fraction}000"),
    ];
    if short.is_empty() {
        spellings.push(format!("{sign}{whole}"));
    }
    if whole == "0" && !fraction.is_empty() {
        spellings.push(format!("{sign}.{fraction}"));
    }
    if unscaled >= 0 {
        spellings.push(format!("+{whole}.{fraction}"));
    }
    if unscaled == 0 {
        spellings.push("-0".into());
    }
    Class::new(unscaled.to_string(), spellings)
}

const FLOATS: &[&[&str]] = &[
    &["0", "-0.0", "0e5", ".0", "-0.", "1e-60", "-1e-999"],
    &["1.5", "+1.50", "15e-1", ".15E+1", "0001.5"],
    &["nan", "NaN", "-nan", "+NAN"],
    &["inf", "Infinity", "+INF"],
    &["-inf", "-infinity"],
    &["0.1", "1e-1", "0.100000001"],
    &["16777216", "16777217", "1.6777216e7"],
    &["3.4028235e38", "340282350000000000000000000000000000000"],
    &["1e-45", "1.4e-45"],
    &["-2", "-2.", "-2e0"],
    &["123456.79", "123456.789"],
];

const DOUBLES: &[&[&str]] = &[
    &["0", "-0.0", "0e5", ".0", "-0.", "1e-400", "-1e-999"],
    &["1.5", "+1.50", "15e-1", ".15E+1", "0001.5"],
    &["nan", "NaN", "-nan", "+NAN"],
    &["inf", "Infinity", "+INF"],
    &["-inf", "-infinity"],
    &["0.1", "1e-1", "0.1000000000000000055511151231257827"],
    &["9007199254740992", "9007199254740993", "9.007199254740992e15"],
    &["9007199254740994"],
    &["1.7976931348623157e308", "17976931348623157e292"],
    &["5e-324", "4.9e-324"],
    &["2.2250738585072014e-308"],
    &["-2", "-2.", "-2e0"],
    &["123456.789"],
];

fn float(known: &[&[&str]], die: u16) -> Class {
    let place = usize::from(die) % (known.len() + 3);
    match known.get(place) {
        Some(spellings) => Class::new(format!("known {place}"), spellings.iter().copied()),
        None => {
            // An eighth of a small integer is exact in both widths.
            let number = 20.0 + f64::from(die) / 8.0;
            Class::new(format!("{number}"), [format!("{number}"), format!("{number:e}"), format!("+0{number}00e00").replace("00e", if number.fract() == 0.0 { "e" } else { "00e" })])
        }
    }
}

const STRINGS: &[&str] = &[
    "a", "b", "ab", "bc", "c", "", "é", "日本", "a b", " a", "a ", "\"", "\"\"q", "'", "''", "x,y", "x;y", "x\ty", "x|y",
    "l\nl", "l\r\nl", "\n", "1:a-", "-", "!", "NULL", "null", "\\N", "n/a", "a:::b", "\u{FFFD}", "😀", "e\u{301}", "c0",
    "\u{7f}\u{1}", "a\"b",
];

fn string(length: usize, die: u16) -> Class {
    let known = STRINGS.get(usize::from(die) % (STRINGS.len() * 2)).copied().map(String::from);
    let text = known.unwrap_or_else(|| format!("s{}", die % 100));
    let text: String = text.chars().take(length).collect();
    Class::new(text.clone(), [text])
}

fn binary(encoding: Encoding, die: u16) -> Class {
    let [high, low] = die.to_be_bytes();
    let choices = [vec![], vec![high], vec![high, low], vec![0, 255, high], vec![0xDE, 0xAD, 0xBE, 0xEF]];
    let bytes = choices[usize::from(die % 5)].as_slice();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let spellings = match encoding {
        Encoding::Hex => vec![hex.clone(), hex.to_uppercase()],
        Encoding::Base64 => vec![base64(bytes)],
    };
    Class::new(hex, spellings)
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A moment between eight and sixteen o'clock, so that its offsets stay within the day.
fn time(column: &Column, die: u16) -> Class {
    let year = pick(&[1, 1969, 1970, 2000, 2024, 9999], die);
    let (month, day) = (u64::from(die) / 6 % 12 + 1, u64::from(die) / 72 % 28 + 1);
    let (hour, minute, second) = (8 + u64::from(die) % 8, u64::from(die) % 60, u64::from(die) / 8 % 60);
    let fraction = pick(&["", ".5", ".000001", ".123456"], die / 5);
    let (date, micros) = (format!("{year:04}-{month:02}-{day:02}"), format!("{:0<6}", fraction.trim_start_matches('.')));
    let Some(format) = column.format else {
        let padded = format!(".{micros}");
        let time = |hour: u64| format!("{hour:02}:{minute:02}:{second:02}");
        return match column.ty {
            Type::Date => Class::new(date.clone(), [date]),
            Type::Timestamp => {
                let name = format!("{date}T{}{padded}", time(hour));
                Class::new(name.clone(), [name, format!("{date} {}{fraction}", time(hour)), format!("{date}T{}{fraction}", time(hour))])
            }
            _ => {
                let name = format!("{date}T{}{padded}Z", time(hour));
                let moved = [
                    format!("{date} {}{fraction}+02", time(hour + 2)),
                    format!("{date}T{}{fraction}-0300", time(hour - 3)),
                    format!("{date}T{}{padded}+00:00", time(hour)),
                    format!("{date}T{}{fraction}-07:00", time(hour - 7)),
                ];
                Class::new(name.clone(), [name].into_iter().chain(moved))
            }
        };
    };
    let has_seconds = format.contains("%S");
    let has_fraction = format.contains("%f");
    let spelled = |fraction: &str, hour: u64, zone: &str| {
        format
            .replace("%Y", &format!("{year:04}"))
            .replace("%m", &format!("{month:02}"))
            .replace("%d", &format!("{day:02}"))
            .replace("%H", &format!("{hour:02}"))
            .replace("%M", &format!("{minute:02}"))
            .replace("%S", &format!("{second:02}"))
            .replace("%f", fraction)
            .replace("%z", zone)
            .replace("%%", "%")
    };
    let name = match column.ty {
        Type::Date => date,
        _ => format!(
            "{date} {hour}:{minute}:{} {}",
            if has_seconds { second } else { 0 },
            if has_fraction { &micros } else { "" }
        ),
    };
    let short = match micros.trim_end_matches('0') {
        "" => "0",
        short => short,
    };
    let zones = [("Z", 0), ("+02", 2), ("+0200", 2), ("+02:00", 2)];
    let spellings = zones.map(|(zone, hours)| {
        let hours = if column.ty == Type::Timestamptz { hours } else { 0 };
        spelled(if hours == 0 { &micros } else { short }, hour + hours, zone)
    });
    Class::new(name, spellings)
}

/// What a cell becomes in a file: the name of its value, its text, and whether quotes must or must not be around it.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    pub name: Option<String>,
    pub text: String,
    pub quotes: Quotes,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quotes {
    Needed,
    Free,
    Forbidden,
}

/// The cells of a row as texts; `None` where the dialect has no way to write one of them.
pub fn written(table: &Table, row: &Row) -> Option<Vec<Written>> {
    let cells: Option<Vec<Written>> =
        table.columns.iter().zip(row).map(|(column, cell)| written_cell(table, column, *cell)).collect();
    let cells = cells?;
    let is_blank = cells.len() == 1 && cells[0].text.is_empty();
    match table.source.quote {
        _ if !is_blank => Some(cells),
        Some(_) if cells[0].quotes != Quotes::Forbidden => Some(vec![Written { quotes: Quotes::Needed, ..cells[0].clone() }]),
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
    let (left, right) = if column.trim { pick(&[("", ""), (" ", ""), ("", "  "), ("\t ", " ")], die / 7) } else { ("", "") };
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

/// Writes rows as the parts of an export.
pub fn export(table: &Table, rows: &[Vec<Written>], dice: &FileDice) -> Parts {
    texts(table, rows, dice).into_iter().map(|(name, text)| (name, compress(table.source.compression, &text))).collect()
}

/// The parts before compression.
pub fn texts(table: &Table, rows: &[Vec<Written>], dice: &FileDice) -> Parts {
    let extension = match table.source.compression {
        Compression::Gzip => "csv.gz",
        Compression::Zstd => "csv.zst",
        Compression::None => "csv",
    };
    let die = |at: usize| usize::from(dice.order[at % dice.order.len()]);
    let mut turns: Vec<usize> = (0..rows.len()).collect();
    turns.sort_by_key(|at| if dice.style & 1 != 0 { die(*at) } else { 0 });
    let bound = |part: usize| part * rows.len() / dice.parts;
    (0..dice.parts)
        .map(|part| {
            let rows = turns[bound(part)..bound(part + 1)].iter().map(|at| &rows[*at]);
            // The column order is a part's own matter where a header tells it.
            let mut order: Vec<usize> = (0..table.columns.len()).collect();
            if table.source.header && dice.style & 2 != 0 {
                order.sort_by_key(|at| die(at + part * 7));
            }
            (format!("part-{part}.{extension}"), text(table, rows, &order, dice, part))
        })
        .collect()
}

fn text<'a>(table: &Table, rows: impl Iterator<Item = &'a Vec<Written>>, order: &[usize], dice: &FileDice, part: usize) -> Vec<u8> {
    let style = dice.style >> 2;
    let line_end = if style & 1 != 0 { "\r\n" } else { "\n" };
    let mut text = if style & 2 != 0 { "\u{FEFF}".to_owned() } else { String::new() };
    let mut lines: Vec<String> = Vec::new();
    if table.source.header {
        let names = order.iter().map(|at| field(&table.source, table.columns[*at].name, Quotes::Free, dice.style >> 12));
        lines.push(names.collect::<Vec<_>>().join(&char::from(table.source.delimiter).to_string()));
    }
    for (number, row) in rows.enumerate() {
        if style & 4 != 0 && dice.order[(number + part) % dice.order.len()] % 5 == 0 {
            lines.push(String::new());
        }
        let die = u32::from(dice.order[number % dice.order.len()]);
        let fields = order.iter().map(|at| field(&table.source, &row[*at].text, row[*at].quotes, die >> (at % 12)));
        lines.push(fields.collect::<Vec<_>>().join(&char::from(table.source.delimiter).to_string()));
    }
    text.push_str(&lines.join(line_end));
    if style & 8 != 0 || lines.is_empty() {
        text.push_str(line_end);
    }
    text.into_bytes()
}

fn field(source: &Source, text: &str, quotes: Quotes, die: u32) -> String {
    match source.quote.map(char::from) {
        Some(quote) if quotes == Quotes::Needed || (quotes == Quotes::Free && die & 1 != 0) => {
            format!("{quote}{}{quote}", text.replace(quote, &format!("{quote}{quote}")))
        }
        _ => text.to_owned(),
    }
}

/// The bytes as a file of this compression; gzip in two members, which is one file all the same.
pub fn compress(compression: Compression, text: &[u8]) -> Vec<u8> {
    match compression {
        Compression::None => text.to_vec(),
        Compression::Zstd => zstd::encode_all(text, 1).unwrap(),
        Compression::Gzip => {
            let (head, tail) = text.split_at(text.len() / 2);
            let member = |text: &[u8]| {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            };
            [member(head), member(tail)].concat()
        }
    }
}
