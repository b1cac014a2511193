//! Texts that are hard to parse, and damage to files.

/// Texts that look like values but are not, or the other way round.
pub(crate) const NASTY: &[&str] = &[
    "1.",
    ".5",
    ".",
    "1d",
    "0x10",
    "1e5",
    "1e400",
    "1e39",
    "-1e39",
    "٣",
    "２",
    " 1",
    "1 ",
    "--5",
    "+-5",
    "5-",
    "128",
    "-129",
    "32768",
    "2147483648",
    "9223372036854775808",
    "-9223372036854775808",
    "99999999999999999999999999999999999999999999",
    "nan",
    "+NaN",
    "infinit",
    "INF",
    "1_000",
    "1,5",
    "true",
    "TRUE",
    "tRuE",
    "yes",
    "Ja",
    "ja",
    "y",
    "2020-1-1",
    "2020-02-30",
    "2021-02-29",
    "0000-01-01",
    "10000-01-01",
    "2020-01-01",
    "2020-01-01 00:00:00",
    "2020-01-01T24:00:00",
    "2020-01-01T23:59:60",
    "2020-01-01T00:00:00.1234567",
    "2020-01-01T00:00:00.",
    "2020-01-01T00:00:00Z",
    "2020-01-01T00:00:00z",
    "2020-01-01T00:00:00+14:00",
    "2020-01-01T00:00:00+14:01",
    "0001-01-01T00:00:00+01",
    "9999-12-31T23:30:00-01:00",
    "2020-01-01T00:00:00+1",
    "2020-01-01T00:00:00 +01",
    "2020-01-01t00:00:00Z",
    "01.02.2020",
    "31.04.2020",
    "29.02.2000",
    "20200101",
    "20200101000000",
    "20200101000000123456",
    "AA==",
    "AB==",
    "AA=",
    "AAA=",
    "AAB=",
    "AA",
    "A===",
    "AAAA",
    "=",
    "dead",
    "DEADB",
    "0g",
    "",
    "NULL",
    "\\N",
    " ",
    "\t",
    "n/a",
    "\u{FFFD}",
    "\u{FEFF}",
    "1.10",
    "100% 01/02/2020",
    "-0",
    "00",
    "é",
    "e\u{301}e\u{301}",
];

/// Damage to a text: its kind, its position, and which bytes to use.
pub(super) type Damage = (u8, u16, u16);

pub(super) fn damage(text: &mut Vec<u8>, (kind, position, choice): Damage) {
    let at = usize::from(position) % (text.len() + 1);
    let bytes: &[&[u8]] = &[
        b"\"",
        b"'",
        b"\r",
        b"\0",
        b"\xFF",
        b"\n",
        b",",
        b";",
        b"\t",
        b"x",
        b"\r\n",
        b"\"\"",
        b" ",
        b"\xEF\xBB\xBF",
        b"\xEF\xBF\xBD",
    ];
    match kind % 4 {
        0 => drop(text.splice(at..at, bytes[usize::from(choice) % bytes.len()].iter().copied())),
        1 if at < text.len() => text[at] = bytes[usize::from(choice) % bytes.len()][0],
        2 if at < text.len() => drop(text.remove(at)),
        _ => {
            // Repeat a whole line, perhaps with another last byte.
            let begin = text[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |before| before + 1);
            let end = text[at..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |length| at + length);
            let mut line = text[begin..end].to_vec();
            if choice % 2 == 0 {
                line.pop();
                line.push(b'7');
            }
            text.extend_from_slice(b"\n");
            text.append(&mut line);
        }
    }
}
