//! Dates and times.

use crate::import::dialect::Dialect::{self, Oracle, SqlServer};
use crate::import::mapped::Mapped;
use crate::import::type_text::TypeText;

/// The digits of a fraction that a timestamp keeps.
const MAX_FRACTION: i64 = 6;

pub(super) fn map(text: &TypeText, dialect: Dialect) -> Option<Mapped> {
    Some(match (text.name.as_str(), dialect) {
        // SQL Server's timestamp is a number of the row, in bytes.
        ("timestamp", SqlServer) => return None,
        ("date", Oracle) => {
            Mapped::new("timestamp").choice("Oracle's DATE has a time, and NLS_DATE_FORMAT says how it is written")
        }
        ("date", _) => Mapped::new("date"),
        ("timestamp", Oracle) => fraction(text, 6, written_as(Mapped::new("timestamp"), "NLS_TIMESTAMP_FORMAT")),
        ("timestamp with local time zone", Oracle) => {
            Mapped::new("timestamp").choice("Oracle writes it in the time zone of the session, without naming it")
        }
        ("timestamp with time zone", Oracle) => {
            fraction(text, 6, written_as(Mapped::new("timestamptz"), "NLS_TIMESTAMP_TZ_FORMAT"))
        }
        ("timestamp" | "timestamp without time zone" | "timestamp_ntz" | "datetime" | "smalldatetime", _) => {
            Mapped::new("timestamp")
        }
        ("timestamptz" | "timestamp_tz" | "timestamp with time zone" | "timestamp with local time zone", _) => {
            Mapped::new("timestamptz")
        }
        ("datetime2", _) => fraction(text, 7, Mapped::new("timestamp")),
        ("datetimeoffset", _) => {
            let format = Mapped::new("timestamptz").option("format", r#""%Y-%m-%d %H:%M:%S%.f %z""#);
            fraction(text, 7, format)
        }
        (name, _) if name == "timetz" || name.split(' ').any(|word| matches!(word, "time" | "interval")) => {
            Mapped::text(format!("no type equals {name}; its values are compared as text"))
        }
        _ => return None,
    })
}

fn written_as(mapped: Mapped, setting: &str) -> Mapped {
    mapped.choice(format!("{setting} says how it is written; if not as in ISO 8601, write a `format`"))
}

/// Says that the database may keep more digits than a timestamp.
fn fraction(text: &TypeText, by_default: i64, mapped: Mapped) -> Mapped {
    let digits = text.number(0).unwrap_or(by_default);
    if digits <= MAX_FRACTION {
        return mapped;
    }
    mapped.choice(format!(
        "{digits} digits of a second in the database, {MAX_FRACTION} here: others than zeros are refused. `string` \
         keeps them"
    ))
}
