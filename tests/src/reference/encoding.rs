//! Decodes text, character by character.

use encoding_rs::Encoding;

/// A byte that is in no UTF-8 text, in place of what is not a character.
const INVALID: &[u8] = b"\xFF";

/// The text of a part as UTF-8; `None` if its first bytes show that it is written in another encoding.
pub fn decode(bytes: &[u8], encoding: Option<&str>) -> Option<Vec<u8>> {
    let declared = encoding.unwrap_or("utf-8");
    if shown(bytes).is_some_and(|shown| shown != declared) {
        return None;
    }
    match declared {
        "utf-8" => Some(bytes.to_vec()),
        "utf-16le" => Some(utf16(bytes, u16::from_le_bytes)).filter(|text| has_line_breaks(text)),
        "utf-16be" => Some(utf16(bytes, u16::from_be_bytes)).filter(|text| has_line_breaks(text)),
        label => Some(single_bytes(bytes, label)),
    }
}

/// Other text that is read as UTF-16 has none.
fn has_line_breaks(text: &[u8]) -> bool {
    text.is_empty() || text.contains(&b'\n') || text.contains(&b'\r')
}

/// The encoding that a byte order mark or the zero halves of ASCII characters show.
fn shown(bytes: &[u8]) -> Option<&'static str> {
    let start = &bytes[..bytes.len().min(64)];
    let is_ascii = |pair: &&[u8], side: usize| pair[side] == 0 && pair[1 - side] != 0 && pair[1 - side].is_ascii();
    let zeros = |side: usize| start.chunks_exact(2).filter(|pair| is_ascii(pair, side)).count();
    match start {
        [0xEF, 0xBB, 0xBF, ..] => Some("utf-8"),
        [0xFF, 0xFE, ..] => Some("utf-16le"),
        [0xFE, 0xFF, ..] => Some("utf-16be"),
        _ if zeros(0) == 0 && zeros(1) > 1 => Some("utf-16le"),
        _ if zeros(1) == 0 && zeros(0) > 1 => Some("utf-16be"),
        _ => None,
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Vec<u8> {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let characters = char::decode_utf16(units).map(|character| character.map_or(INVALID.to_vec(), utf8));
    let odd = if bytes.len() % 2 == 1 { INVALID } else { b"" };
    let text = [characters.collect::<Vec<_>>().concat(), odd.to_vec()].concat();
    text.strip_prefix("\u{FEFF}".as_bytes()).map(<[u8]>::to_vec).unwrap_or(text)
}

fn utf8(character: char) -> Vec<u8> {
    character.to_string().into_bytes()
}

/// An encoding with one byte for each character.
fn single_bytes(bytes: &[u8], label: &str) -> Vec<u8> {
    let encoding = Encoding::for_label(label.as_bytes()).expect("the generator knows the encoding");
    assert!(encoding.is_single_byte(), "the reference does not decode {label}");
    let characters = bytes.iter().map(|byte| {
        let text = encoding.decode_without_bom_handling_and_without_replacement(std::slice::from_ref(byte));
        // Bytes without a character in a code page of Windows are control characters in the standard.
        let is_gap =
            |text: &str| label.starts_with("windows-") && text.chars().all(|c| ('\u{80}'..'\u{A0}').contains(&c));
        text.filter(|text| !is_gap(text)).map_or(INVALID.to_vec(), |text| text.as_bytes().to_vec())
    });
    characters.collect::<Vec<_>>().concat()
}
