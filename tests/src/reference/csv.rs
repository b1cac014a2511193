//! Splits text into records: RFC 4180 with the declared delimiter and quote.

use runtime::table::Source;

use super::dialect;
use super::record::has_bad_character;
pub use super::record::{Field, Record};

/// The records of a part. Blank lines are skipped.
pub fn records(part: &[u8], source: &Source) -> Vec<Record> {
    let text = part.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(part);
    if dialect::is_special(source) {
        return dialect::records(text, source, source.header);
    }
    let mut records = Vec::new();
    let mut pending: Option<(u64, Vec<u8>)> = None;
    for (line, bytes) in (1..).zip(text.split_inclusive(|byte| *byte == b'\n')) {
        let (begin, mut record) = pending.take().unwrap_or((line, Vec::new()));
        record.extend_from_slice(bytes);
        if record.len() == bytes.len() && source.comment.is_some_and(|comment| bytes.starts_with(comment.as_bytes())) {
            continue;
        }
        // An odd number of quotes so far means that the line end is inside a quoted field.
        if source.multiline && is_open(&record, source) {
            pending = Some((begin, record));
        } else {
            records.push((begin, record));
        }
    }
    records.extend(pending);
    records
        .into_iter()
        .map(|(line, record)| (line, without_line_end(&record).to_vec()))
        .filter(|(_, record)| !record.is_empty())
        .map(|(line, record)| Record { line, fields: fields(&record, source) })
        .collect()
}

fn is_open(record: &[u8], source: &Source) -> bool {
    record.iter().filter(|byte| Some(**byte) == source.quote).count() % 2 == 1
}

fn without_line_end(record: &[u8]) -> &[u8] {
    match record.strip_suffix(b"\n") {
        Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
        None => record,
    }
}

/// Where the splitter is within a field.
#[derive(Clone, Copy, PartialEq)]
enum State {
    /// At the beginning.
    Start,
    /// In a field without quotes.
    Bare,
    /// After the opening quote.
    Quoted,
    /// After the closing quote, or after the first of two quotes that mean one.
    Closed,
}

fn fields(record: &[u8], source: &Source) -> Result<Vec<Field>, &'static str> {
    if has_bad_character(record) {
        return Err("bad-character");
    }
    let mut fields = vec![Field { bytes: Vec::new(), quoted: false }];
    let mut state = State::Start;
    for byte in record.iter().copied() {
        let is_quote = Some(byte) == source.quote;
        let is_delimiter = byte == source.delimiter;
        state = match state {
            State::Start | State::Bare | State::Closed if is_delimiter => {
                fields.push(Field { bytes: Vec::new(), quoted: false });
                State::Start
            }
            State::Start if is_quote => {
                last(&mut fields).quoted = true;
                State::Quoted
            }
            State::Quoted if is_quote => State::Closed,
            State::Start | State::Bare if !is_quote => push(&mut fields, byte, State::Bare),
            State::Quoted => push(&mut fields, byte, State::Quoted),
            State::Closed if is_quote => push(&mut fields, byte, State::Quoted),
            State::Start | State::Bare | State::Closed => return Err("bad-quoting"),
        };
    }
    if state == State::Quoted { Err("bad-quoting") } else { Ok(fields) }
}

fn push(fields: &mut [Field], byte: u8, next: State) -> State {
    last(fields).bytes.push(byte);
    next
}

fn last(fields: &mut [Field]) -> &mut Field {
    fields.last_mut().expect("the list starts with one field")
}
