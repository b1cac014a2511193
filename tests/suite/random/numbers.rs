//! Numbers as writers of other countries and programs write them.

use runtime::table::{Numbers, Sign, Type};

use super::pick;

/// The marks before a fraction and between groups.
const MARKS: [(char, Option<char>); 10] = [
    ('.', None),
    (',', None),
    (',', Some('.')),
    ('.', Some(',')),
    (',', Some(' ')),
    ('.', Some('\'')),
    ('.', Some('’')),
    (',', Some('_')),
    (',', Some('\u{a0}')),
    (',', Some('\u{202f}')),
];

/// The texts around a number, longer ones first, as schemas keep them.
const STRIPS: [&[&str]; 4] = [&[], &[], &["EUR", "%"], &["US$", "kg.", "$"]];

/// How many ways of writing there are for each type.
const WAYS: u16 = 20;

/// How the numbers of a column are written; `None` if not in a special way, as in most columns.
pub(super) fn numbers(ty: Type, die: u16) -> Option<Numbers> {
    let is_integer = matches!(ty, Type::Tinyint | Type::Smallint | Type::Int | Type::Bigint);
    if !is_integer && !matches!(ty, Type::Decimal { .. } | Type::Float | Type::Double) || !die.is_multiple_of(3) {
        return None;
    }
    // The reference takes long to compile the expression of a way that it has not seen yet.
    let way = die / 3 % WAYS;
    let (decimal_mark, group_mark) = pick(&MARKS, way);
    let decimal_mark = match (is_integer, group_mark) {
        (false, _) => decimal_mark,
        (true, Some('.')) => ',',
        (true, _) => '.',
    };
    let sign = pick(&[Sign::Leading, Sign::Trailing, Sign::Parentheses], way);
    let strip = pick(&STRIPS, way / 3);
    let is_plain = decimal_mark == '.' && group_mark.is_none() && sign == Sign::Leading && strip.is_empty();
    (!is_plain).then_some(Numbers { decimal_mark, group_mark, sign, strip })
}

/// A number that is written in the ordinary way, in this one. `turn` picks what is left open.
pub(super) fn written(text: &str, numbers: Numbers, turn: usize) -> String {
    let (sign, unsigned) = text.split_at(usize::from(text.starts_with(['+', '-'])));
    let number = with_marks(unsigned, numbers, turn.is_multiple_of(2));
    // The sign can be around the number alone, or around what is stripped, too.
    if turn % 4 < 2 {
        with_symbol(&signed(sign, &number, numbers.sign), numbers.strip, turn)
    } else {
        signed(sign, &with_symbol(&number, numbers.strip, turn), numbers.sign)
    }
}

fn signed(sign: &str, number: &str, place: Sign) -> String {
    match (place, sign) {
        (Sign::Leading, _) => format!("{sign}{number}"),
        (Sign::Trailing, _) => format!("{number}{sign}"),
        (Sign::Parentheses, "-") => format!("({number})"),
        (Sign::Parentheses, _) => number.into(),
    }
}

fn with_symbol(number: &str, strip: &[&str], turn: usize) -> String {
    let Some(symbol) = strip.get(turn % (strip.len() + 1)) else { return number.into() };
    let blank = ["", " ", "\u{a0}", "\u{202f} "][turn / 2 % 4];
    if turn.is_multiple_of(3) { format!("{symbol}{blank}{number}") } else { format!("{number}{blank}{symbol}") }
}

fn with_marks(number: &str, numbers: Numbers, has_groups: bool) -> String {
    if number.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return number.into();
    }
    let (mantissa, exponent) = number.split_at(number.find(['e', 'E']).unwrap_or(number.len()));
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, format!("{}{fraction}", numbers.decimal_mark)),
        None => (mantissa, String::new()),
    };
    let whole = match numbers.group_mark {
        Some(mark) if has_groups => grouped(whole, mark),
        _ => whole.into(),
    };
    format!("{whole}{fraction}{exponent}")
}

fn grouped(digits: &str, mark: char) -> String {
    let is_start = |at: usize| at > 0 && (digits.len() - at).is_multiple_of(3);
    let digit = |(at, digit): (usize, char)| if is_start(at) { format!("{mark}{digit}") } else { digit.to_string() };
    digits.chars().enumerate().map(digit).collect()
}

/// One table for each way of writing: every spelling of every number is a row.
#[test]
fn every_way_of_writing_a_number_is_read_alike_by_all_engines() {
    use runtime::table::{Column, Source};

    use crate::engines::{DeltaInput, DeltaResult, difference, native_delta, reference_delta};

    let (mut ways, mut spelled) = (0, 0);
    for ty in [Type::Int, Type::decimal(9, 2), Type::Float, Type::Double] {
        for numbers in (0..=u16::MAX).step_by(397).filter_map(|die| numbers(ty, die)) {
            let column = Column::new("v", ty).numbers(numbers);
            let classes = (0..40).map(|die| super::values::class(&column, die));
            let texts: Vec<String> = classes.flat_map(|class| class.spellings).collect();
            let source = Source { header: false, delimiter: b'|', quote: None, ..Source::DEFAULT };
            let table = super::plain_table(vec![Column::new("id", Type::Int), column], source);
            let rows: String = texts.iter().enumerate().map(|(id, text)| format!("{id}|{text}\n")).collect();
            let part = super::compress(table.source.compression, rows.as_bytes());
            let input = DeltaInput { table, baseline: None, snapshot: vec![("part.gz".into(), part)] };
            let expected = reference_delta(&input);
            assert!(matches!(expected, DeltaResult::Changes(_)), "{numbers:?}\n{expected:#?}\n{rows}");
            assert_eq!(difference(&expected, &native_delta(&input)), None, "{numbers:?}\n{rows}");
            (ways, spelled) = (ways + 1, spelled + texts.len());
        }
    }
    assert!(ways > 100 && spelled > 10_000, "{ways} ways, {spelled} spellings");
}
