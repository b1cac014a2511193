//! Numbers and booleans.

use crate::import::dialect::Dialect::{self, Generic, Hive, Mysql, Oracle, Postgres, SqlServer};
use crate::import::mapped::Mapped;
use crate::import::type_text::TypeText;

/// The largest precision and scale of a decimal.
const MAX_DIGITS: i64 = 38;

pub(super) fn map(text: &TypeText, dialect: Dialect) -> Option<Mapped> {
    whole(text, dialect).or_else(|| exact(text, dialect)).or_else(|| floating(text, dialect))
}

/// Booleans and integers.
fn whole(text: &TypeText, dialect: Dialect) -> Option<Mapped> {
    let sized = |signed: &str, unsigned: &str| Mapped::new(if text.is_unsigned { unsigned } else { signed });
    Some(match (text.name.as_str(), dialect) {
        ("smallint" | "int" | "integer", Oracle) => Mapped::new("decimal(38,0)"),
        ("boolean" | "bool", Mysql) => mysql_boolean(),
        ("boolean" | "bool", _) | ("bit", SqlServer) => Mapped::new("boolean"),
        ("tinyint", Mysql) if text.number(0) == Some(1) && !text.is_unsigned => mysql_boolean(),
        ("tinyint", SqlServer) => Mapped::new("smallint"),
        ("tinyint" | "int1", _) => sized("tinyint", "smallint"),
        ("smallint" | "int2", _) => sized("smallint", "int"),
        ("mediumint" | "int3" | "middleint", _) => Mapped::new("int"),
        ("int" | "integer" | "int4", _) => sized("int", "bigint"),
        ("bigint" | "int8", _) | ("long", Generic) => sized("bigint", "decimal(20,0)"),
        ("serial", Mysql) => Mapped::new("decimal(20,0)"),
        ("smallserial" | "serial2", _) => Mapped::new("smallint"),
        ("serial" | "serial4", _) => Mapped::new("int"),
        ("bigserial" | "serial8" | "oid", _) => Mapped::new("bigint"),
        ("year", Mysql) => Mapped::new("smallint"),
        ("bit", Mysql) => Mapped::new("decimal(20,0)").choice("MySQL writes bits as raw bytes; export `column + 0`"),
        ("bit", _) => Mapped::new("string"),
        ("bit varying" | "varbit", _) => Mapped::new("string"),
        _ => return None,
    })
}

fn mysql_boolean() -> Mapped {
    Mapped::new("tinyint").choice("by convention a boolean; write `boolean` if it is nothing but 0 and 1")
}

/// Numbers with a fixed number of digits.
fn exact(text: &TypeText, dialect: Dialect) -> Option<Mapped> {
    match (text.name.as_str(), dialect) {
        ("money", SqlServer) => Some(Mapped::new("decimal(19,4)")),
        ("smallmoney", _) => Some(Mapped::new("decimal(10,4)")),
        ("money", Postgres) => Some(Mapped::text(
            "no type equals money: PostgreSQL writes a currency sign and groups, as its locale says. A \
             `decimal(19,2)` with `strip` and `group_mark` reads them",
        )),
        ("number" | "numeric" | "decimal" | "dec" | "fixed", _) => Some(decimal(text, dialect)),
        _ => None,
    }
}

fn decimal(text: &TypeText, dialect: Dialect) -> Mapped {
    let first = text.parameters.first().map(String::as_str);
    let by_default = match dialect {
        Mysql | Hive => Some(10),
        SqlServer => Some(18),
        Oracle if text.name != "number" => Some(MAX_DIGITS),
        _ => None,
    };
    let precision = if first == Some("*") { Some(MAX_DIGITS) } else { text.number(0).or(by_default) };
    let Some(precision) = precision else { return open_decimal() };
    // In Oracle, a negative scale rounds to tens, hundreds …, and a scale may exceed the precision.
    let scale = text.number(1).unwrap_or(0);
    let digits = precision.max(scale).saturating_sub(scale.min(0)).max(1);
    let scale = scale.max(0);
    if digits <= MAX_DIGITS {
        return Mapped::new(format!("decimal({digits},{scale})"));
    }
    let scale = scale.min(MAX_DIGITS);
    Mapped::new(format!("decimal({MAX_DIGITS},{scale})"))
        .choice(format!("the definition has {digits} digits; a value with more than {MAX_DIGITS} is refused"))
}

/// A decimal for numbers of any precision.
fn open_decimal() -> Mapped {
    let choice = "the definition has no precision; a value with more than 28 digits before the point or 10 after it is \
                  refused";
    Mapped { is_open_decimal: true, ..Mapped::new("decimal(38,10)").choice(choice) }
}

/// Floating-point numbers.
fn floating(text: &TypeText, dialect: Dialect) -> Option<Mapped> {
    /// The largest precision in bits of 32 and of 64 bits.
    const FLOAT_BITS: i64 = 24;
    const DOUBLE_BITS: i64 = 53;
    let bits = text.number(0);
    let is_small = bits.is_some_and(|bits| bits <= FLOAT_BITS);
    Some(match (text.name.as_str(), dialect) {
        ("float", Oracle) if bits.is_some_and(|bits| bits <= DOUBLE_BITS) => Mapped::new("double"),
        ("float" | "real" | "double precision", Oracle) => {
            Mapped::text("Oracle keeps more digits than a double; write `double` if 15 of them are enough")
        }
        ("real", Mysql) => Mapped::new("double"),
        ("float", Mysql) => {
            Mapped::new(if bits.is_none() || is_small || text.parameters.len() > 1 { "float" } else { "double" })
        }
        ("float", Hive) | ("real" | "float4" | "binary_float", _) => Mapped::new("float"),
        ("float", _) => Mapped::new(if is_small { "float" } else { "double" }),
        ("double" | "double precision" | "float8" | "binary_double", _) => Mapped::new("double"),
        _ => return None,
    })
}
