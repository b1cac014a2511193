//! Rows as COPY reads them: a line each, with tabs between the values.
//! <https://www.postgresql.org/docs/current/sql-copy.html>

use std::io::Write as _;

use crate::canonical::value::hex_digits;
use crate::sink::database::cell::Cell;

/// Appends a row.
pub(super) fn write_row(cells: &[Cell<'_>], out: &mut Vec<u8>) {
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            out.push(b'\t');
        }
        write_cell(cell, out);
    }
    out.push(b'\n');
}

fn write_cell(cell: &Cell<'_>, out: &mut Vec<u8>) {
    match cell {
        Cell::Null => out.extend_from_slice(br"\N"),
        Cell::Bool(value) => out.push(if *value { b't' } else { b'f' }),
        Cell::Integer(value) => write!(out, "{value}").expect("memory can be written to"),
        Cell::Real(value) if value.is_nan() => out.extend_from_slice(b"NaN"),
        Cell::Real(value) if value.is_infinite() => {
            out.extend_from_slice(if *value > 0.0 { b"Infinity" } else { b"-Infinity" });
        }
        // The shortest digits that name the number; with an exponent, because it may have hundreds of zeros.
        Cell::Real(value) => write!(out, "{value:e}").expect("memory can be written to"),
        Cell::Text(text) => write_text(text.as_bytes(), out),
        Cell::Bytes(bytes) => {
            out.extend_from_slice(br"\\x");
            out.extend(bytes.iter().flat_map(|byte| hex_digits(*byte)));
        }
    }
}

fn write_text(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\\' | b'\t' | b'\n' | b'\r')) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(match rest[at] {
            b'\\' => br"\\",
            b'\t' => br"\t",
            b'\n' => br"\n",
            _ => br"\r",
        });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_copy_reads_them() {
        let mut out = Vec::new();
        let text = |text: &'static str| Cell::Text(text.into());
        write_row(&[Cell::Null, Cell::Bool(true), Cell::Integer(-7), text("a\\b\tc\nd\re"), text(r"\N")], &mut out);
        write_row(
            &[Cell::Real(0.1), Cell::Real(f64::NAN), Cell::Real(f64::NEG_INFINITY), Cell::Real(-1e300)],
            &mut out,
        );
        write_row(&[Cell::Bytes(vec![0, 255]), Cell::Bytes(Vec::new()), text("")], &mut out);
        let expected = concat!(
            "\\N\tt\t-7\ta\\\\b\\tc\\nd\\re\t\\\\N\n",
            "1e-1\tNaN\t-Infinity\t-1e300\n",
            "\\\\x00ff\t\\\\x\t\n"
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
