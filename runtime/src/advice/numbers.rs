//! The options that read a number.

use generator::hints::{number_options, reads_number};
use generator::model;

use crate::table::{Column, Numbers, Sign, Type};

/// The options that would read a text as a number.
pub(super) fn advice(column: &Column, text: &str) -> Option<String> {
    let has_fraction = matches!(column.ty, Type::Decimal { .. } | Type::Float | Type::Double);
    let options = number_options(text, &declared(column), has_fraction)?;
    let options: Vec<String> = options.iter().map(|option| format!("`{option}`")).collect();
    let [init @ .., last] = options.as_slice() else { return None };
    let all = if init.is_empty() { last.clone() } else { format!("{} and {last}", init.join(", ")) };
    let is_ambiguous = has_fraction && column.numbers.is_none() && could_be_groups(text);
    let other = if is_ambiguous { ", or `group_mark: \",\"`," } else { "" };
    Some(format!("declare {all}{other} if it is a number"))
}

/// Returns whether a text is a number as its column writes it, whatever its size.
pub(super) fn reads(column: &Column, text: &str) -> bool {
    reads_number(text, &declared(column))
}

/// A comma before three digits can be either mark.
fn could_be_groups(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    text.trim_start_matches('-')
        .split_once(',')
        .is_some_and(|(whole, rest)| (1..=3).contains(&whole.len()) && digits(whole) && rest.len() == 3 && digits(rest))
}

/// The column's number format, in the generator's type.
fn declared(column: &Column) -> model::Numbers {
    let Some(Numbers { decimal_mark, group_mark, sign, strip }) = column.numbers else {
        return model::Numbers { decimal_mark: '.', group_mark: None, sign: model::Sign::Leading, strip: Vec::new() };
    };
    let sign = match sign {
        Sign::Leading => model::Sign::Leading,
        Sign::Trailing => model::Sign::Trailing,
        Sign::Parentheses => model::Sign::Parentheses,
    };
    model::Numbers { decimal_mark, group_mark, sign, strip: strip.iter().map(|text| (*text).into()).collect() }
}
