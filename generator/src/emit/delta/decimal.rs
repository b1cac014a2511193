//! The SQL of decimals, with and without an exponent.

use super::sql::matches;

/// The conditions under which a text is a decimal, each with the canonical text.
pub(super) fn values(text: &str, precision: u8, scale: u8) -> Vec<(String, String)> {
    let mut values = plain(text, precision, scale);
    values.extend(with_exponent(text, precision, scale));
    values
}

/// Without an exponent. Insignificant zeros at either end can have any number.
fn plain(text: &str, precision: u8, scale: u8) -> Vec<(String, String)> {
    let grammar = format!("^[+-]?0*[0-9]{{0,{}}}(\\.[0-9]{{0,{scale}}}0*)?$", precision - scale);
    let is_value = format!("{} AND {}", matches(text, &grammar), matches(text, "[0-9]"));
    // Trino's cast accepts no more digits than the type has, counting leading zeros.
    let significant = format!("regexp_replace({text}, '^([+-]?)0+([0-9])', '$1$2')");
    vec![(is_value, format!("CAST(CAST({significant} AS decimal({precision}, {scale})) AS varchar)"))]
}

/// With an exponent. Nothing is cast but the exponent: the digits become those of the value times 10^scale.
fn with_exponent(text: &str, precision: u8, scale: u8) -> Vec<(String, String)> {
    let is_zero = matches(text, "^[+-]?(0+(\\.0*)?|\\.0+)[eE][+-]?[0-9]+$");
    let zero = if scale == 0 { "'0'".to_owned() } else { format!("'0.{}'", "0".repeat(scale.into())) };
    let grammar = "^[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)[eE][+-]?[0-9]+$";
    // The digits from the first that is not zero, and the number of those after the point.
    let digits = format!("replace(regexp_extract({text}, '^[+-]?[0.]*([0-9.]*)[eE]', 1), '.', '')");
    let fraction = format!("coalesce(length(regexp_extract({text}, '[.]([0-9]*)[eE]', 1)), 0)");
    let exponent = format!("try_cast(regexp_extract({text}, '[eE]([+-]?[0-9]+)$', 1) AS integer)");
    // The number of digits of the value times 10^scale.
    let length = format!("(length({digits}) - {fraction} + {exponent} + {scale})");
    // No digit that counts may be cut off.
    let significant = format!("length(regexp_replace({digits}, '0+$', ''))");
    let is_value = format!("{} AND {length} BETWEEN {significant} AND {precision}", matches(text, grammar));
    // Both functions also shorten a text that is longer.
    let unscaled = format!("rpad({digits}, {length}, '0')");
    let padded = format!("lpad({unscaled}, greatest({length}, {}), '0')", scale + 1);
    let point = if scale == 0 { padded } else { format!("regexp_replace({padded}, '(.{{{scale}}})$', '.$1')") };
    vec![(is_zero, zero), (is_value, format!("IF(starts_with({text}, '-'), '-', '') || {point}"))]
}
