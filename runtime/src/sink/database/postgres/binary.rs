//! Rows in the binary format of COPY, which takes numbers and times as the server keeps them: to read their texts would
//! cost it a third of its time. <https://www.postgresql.org/docs/current/sql-copy.html>

use jiff::civil;
use postgres::types::Type;

use crate::canonical::value::TimeLayout;
use crate::sink::database::cell::Cell;
use crate::table;

/// What comes before the first row: a signature, no flags, no extension.
pub(super) const HEADER: [u8; 19] = *b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What comes after the last row.
pub(super) const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// The moment from which the server counts.
const EPOCH: civil::DateTime = civil::date(2000, 1, 1).at(0, 0, 0, 0);
const SECONDS_A_DAY: i64 = 24 * 60 * 60;

/// How the server keeps the values of a column.
#[derive(Debug)]
pub(super) enum Encoding {
    Boolean,
    Smallint,
    Integer,
    Bigint,
    Real,
    Double,
    Numeric,
    Text,
    Bytes,
    /// Days, from texts of this layout.
    Date(TimeLayout),
    /// Microseconds.
    Timestamp(TimeLayout),
}

impl Encoding {
    /// The encoding of a type; `None` if no column is generated with it.
    pub(super) fn new(ty: &Type) -> Option<Self> {
        Some(match *ty {
            Type::BOOL => Self::Boolean,
            Type::INT2 => Self::Smallint,
            Type::INT4 => Self::Integer,
            Type::INT8 => Self::Bigint,
            Type::FLOAT4 => Self::Real,
            Type::FLOAT8 => Self::Double,
            Type::NUMERIC => Self::Numeric,
            Type::VARCHAR | Type::TEXT => Self::Text,
            Type::BYTEA => Self::Bytes,
            Type::DATE => Self::Date(TimeLayout::new(table::Type::Date, None)),
            Type::TIMESTAMP => Self::Timestamp(TimeLayout::new(table::Type::Timestamp, None)),
            Type::TIMESTAMPTZ => Self::Timestamp(TimeLayout::new(table::Type::Timestamptz, None)),
            _ => return None,
        })
    }

    /// Appends a value; `None` if it is not one of the type.
    fn write(&self, cell: &Cell<'_>, out: &mut Vec<u8>) -> Option<()> {
        match (self, cell) {
            (Self::Boolean, Cell::Bool(value)) => out.push(u8::from(*value)),
            (Self::Smallint, Cell::Integer(value)) => out.extend(i16::try_from(*value).ok()?.to_be_bytes()),
            (Self::Integer, Cell::Integer(value)) => out.extend(i32::try_from(*value).ok()?.to_be_bytes()),
            (Self::Bigint, Cell::Integer(value)) => out.extend(value.to_be_bytes()),
            (Self::Real, Cell::Real(value)) => {
                let single = *value as f32;
                (single.is_finite() == value.is_finite()).then_some(())?;
                out.extend(single.to_be_bytes());
            }
            (Self::Double, Cell::Real(value)) => out.extend(value.to_be_bytes()),
            (Self::Numeric, Cell::Text(text)) => write_numeric(text, out)?,
            (Self::Text, Cell::Text(text)) => out.extend_from_slice(text.as_bytes()),
            (Self::Bytes, Cell::Bytes(bytes)) => out.extend_from_slice(bytes),
            (Self::Date(layout), Cell::Text(text)) => {
                let days = since_epoch(layout, text)?.as_secs() / SECONDS_A_DAY;
                out.extend(i32::try_from(days).ok()?.to_be_bytes());
            }
            (Self::Timestamp(layout), Cell::Text(text)) => {
                out.extend(i64::try_from(since_epoch(layout, text)?.as_micros()).ok()?.to_be_bytes());
            }
            _ => return None,
        }
        Some(())
    }
}

/// Appends a row; `None` if a value is not one of its column's type.
pub(super) fn write_row(encodings: &[Encoding], cells: &[Cell<'_>], out: &mut Vec<u8>) -> Option<()> {
    out.extend(i16::try_from(cells.len()).ok()?.to_be_bytes());
    for (encoding, cell) in encodings.iter().zip(cells) {
        if *cell == Cell::Null {
            out.extend((-1_i32).to_be_bytes());
            continue;
        }
        let length = out.len();
        let value = length + size_of::<i32>();
        out.extend([0; size_of::<i32>()]);
        encoding.write(cell, out)?;
        let written = i32::try_from(out.len() - value).ok()?;
        out[length..value].copy_from_slice(&written.to_be_bytes());
    }
    Some(())
}

fn since_epoch(layout: &TimeLayout, text: &str) -> Option<jiff::SignedDuration> {
    let moment = layout.read(text.as_bytes()).ok()?.to_utc().ok()?;
    Some(moment.civil().duration_since(EPOCH))
}

/// How many digits the server keeps together.
const GROUP: usize = 4;

/// Appends a decimal: the number of groups of digits, how many of them are before the point less one, the sign, the
/// number of digits after the point, and the groups. None of them is divided by the point.
fn write_numeric(text: &str, out: &mut Vec<u8>) -> Option<()> {
    const NEGATIVE: u16 = 0x4000;
    let (sign, digits) = text.strip_prefix('-').map_or((0, text), |digits| (NEGATIVE, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = !whole.is_empty() && whole.bytes().chain(fraction.bytes()).all(|digit| digit.is_ascii_digit());
    is_number.then_some(())?;
    let groups = [whole, fraction].map(|digits| digits.len().div_ceil(GROUP));
    out.extend(u16::try_from(groups[0] + groups[1]).ok()?.to_be_bytes());
    out.extend((i16::try_from(groups[0]).ok()? - 1).to_be_bytes());
    out.extend(sign.to_be_bytes());
    out.extend(u16::try_from(fraction.len()).ok()?.to_be_bytes());
    let zeros = |count| std::iter::repeat_n(b'0', count);
    let whole = zeros(groups[0] * GROUP - whole.len()).chain(whole.bytes());
    let fraction = fraction.bytes().chain(zeros(groups[1] * GROUP - fraction.len()));
    let mut group = 0;
    for (index, digit) in whole.chain(fraction).enumerate() {
        group = group * 10 + u16::from(digit - b'0');
        if index % GROUP == GROUP - 1 {
            out.extend(std::mem::take(&mut group).to_be_bytes());
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(ty: &Type, cell: Cell<'_>) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        Encoding::new(ty).unwrap().write(&cell, &mut out).map(|()| out)
    }

    #[test]
    fn decimals_are_groups_of_four_digits() {
        for (text, expected) in [
            ("0.00", [2, 0, 0, 2, 0, 0].as_slice()),
            ("76.29", &[2, 0, 0, 2, 76, 2900]),
            ("-12345678.90123", &[4, 1, 0x4000, 5, 1234, 5678, 9012, 3000]),
            ("123456", &[2, 1, 0, 0, 12, 3456]),
        ] {
            let bytes: Vec<u8> = expected.iter().flat_map(|number: &u16| number.to_be_bytes()).collect();
            assert_eq!(written(&Type::NUMERIC, Cell::Text(text.into())), Some(bytes), "{text}");
        }
        for text in ["", "-", "1e5", "+1", "1.2.3", " 1", ".5"] {
            assert_eq!(written(&Type::NUMERIC, Cell::Text(text.into())), None, "{text}");
        }
    }

    #[test]
    fn dates_and_times_are_counted_from_2000() {
        for (text, days) in [("2000-01-01", 0), ("1999-12-31", -1), ("2000-03-01", 60), ("0001-01-01", -730_119)] {
            let written = written(&Type::DATE, Cell::Text(text.into()));
            assert_eq!(written, Some(i32::to_be_bytes(days).to_vec()), "{text}");
        }
        let micros = |ty, text: &'static str| written(ty, Cell::Text(text.into()));
        assert_eq!(micros(&Type::TIMESTAMP, "2000-01-01T00:00:01.000002"), Some(i64::to_be_bytes(1_000_002).into()));
        assert_eq!(micros(&Type::TIMESTAMPTZ, "1999-12-31T23:59:59.999999Z"), Some(i64::to_be_bytes(-1).into()));
        for text in ["2026-02-30", "2026-2-3", "0000-01-01", "2026-02-03T00:00:00.000000"] {
            assert_eq!(micros(&Type::DATE, text), None, "{text}");
        }
    }

    #[test]
    fn a_value_of_another_type_is_refused() {
        for (ty, cell) in [
            (Type::INT2, Cell::Integer(32_768)),
            (Type::INT4, Cell::Integer(-2_147_483_649)),
            (Type::FLOAT4, Cell::Real(1e300)),
            (Type::BOOL, Cell::Integer(1)),
            (Type::INT8, Cell::Text("1".into())),
        ] {
            assert_eq!(written(&ty, cell), None, "{ty}");
        }
        assert_eq!(written(&Type::FLOAT4, Cell::Real(f64::INFINITY)), Some(f32::INFINITY.to_be_bytes().into()));
    }

    #[test]
    fn a_row_says_how_long_its_values_are() {
        let mut out = Vec::new();
        let encodings = [Type::TEXT, Type::BYTEA, Type::BOOL].map(|ty| Encoding::new(&ty).unwrap());
        write_row(&encodings, &[Cell::Text("\u{e9}".into()), Cell::Bytes(vec![0]), Cell::Null], &mut out).unwrap();
        assert_eq!(out, b"\0\x03\0\0\0\x02\xc3\xa9\0\0\0\x01\0\xff\xff\xff\xff");
    }
}
