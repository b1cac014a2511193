//! Values, and all their spellings.

use runtime::table::{Column, Encoding, Type};

use super::{numbers, pick};

/// A value: its name, and all the texts that mean it. Two values have different names if their canonical texts differ.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Class {
    pub(super) name: String,
    pub(super) spellings: Vec<String>,
}

impl Class {
    fn new<S: Into<String>>(name: impl Into<String>, spellings: impl IntoIterator<Item = S>) -> Self {
        Self { name: name.into(), spellings: spellings.into_iter().map(Into::into).collect() }
    }
}

/// The value that a die picks for a column.
pub(super) fn class(column: &Column, die: u16) -> Class {
    let Class { name, spellings } = plain_class(column, die);
    let Some(numbers) = column.numbers else { return Class { name, spellings } };
    let spellings = spellings.iter().enumerate();
    let written = spellings.map(|(turn, text)| numbers::written(text, numbers, turn + usize::from(die)));
    Class::new(name, written.collect::<Vec<_>>())
}

/// The same with numbers in the ordinary way of writing.
fn plain_class(column: &Column, die: u16) -> Class {
    match column.source_type() {
        Type::Boolean => boolean(column, die),
        Type::Tinyint => integer(8, die),
        Type::Smallint => integer(16, die),
        Type::Int => integer(32, die),
        Type::Bigint => integer(64, die),
        Type::Decimal { precision, scale } => decimal(precision, scale, die),
        Type::Float => float(FLOATS, die),
        Type::Double => float(DOUBLES, die),
        Type::Char(length) | Type::Varchar(length) => string(length as usize, die),
        Type::String => string(usize::MAX, die),
        Type::Binary(encoding) => binary(encoding, column.prefix.unwrap_or_default(), die),
        Type::Date | Type::Timestamp | Type::Timestamptz => time(column, die),
    }
}

fn boolean(column: &Column, die: u16) -> Class {
    let (own, usual): (_, &[&str]) = if die.is_multiple_of(2) {
        (column.true_values, &["true", "T", "1", "True"])
    } else {
        (column.false_values, &["false", "f", "0", "fALSE"])
    };
    Class::new((die % 2).to_string(), (if own.is_empty() { usual } else { own }).iter().copied())
}

fn integer(bits: u32, die: u16) -> Class {
    let limit = 1_i128 << (bits - 1);
    let number = pick(&[0, 1, -1, 7, limit - 1, -limit, i128::from(die) % limit, -(i128::from(die) % limit)], die % 11);
    let digits = number.abs();
    let spellings = match number {
        0 => vec!["0".into(), "-0".into(), "+0".into(), "0000000000000000000000000".into()],
        1.. => vec![format!("{digits}"), format!("+{digits}"), format!("000{digits}"), format!("+0{digits}")],
        _ => vec![format!("-{digits}"), format!("-00{digits}")],
    };
    Class::new(number.to_string(), spellings)
}

fn decimal(precision: u8, scale: u8, die: u16) -> Class {
    let limit = 10_i128.pow(u32::from(precision));
    let small = i128::from(die >> 3) % limit;
    let unscaled = pick(&[0, 1, -1, limit - 1, 1 - limit, small, -small], die % 9);
    let scale = usize::from(scale);
    let digits = format!("{:0>width$}", unscaled.abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    let short = fraction.trim_end_matches('0');
    let mut spellings = vec![
        format!("{sign}{whole}.{fraction}"),
        format!("{sign}{whole}.{short}"),
        format!("{sign}000{whole}.{fraction}000"),
    ];
    if short.is_empty() {
        spellings.push(format!("{sign}{whole}"));
    }
    if whole == "0" && !fraction.is_empty() {
        spellings.push(format!("{sign}.{fraction}"));
    }
    if unscaled >= 0 {
        spellings.push(format!("+{whole}.{fraction}"));
    }
    spellings.push(format!("{sign}{digits}E-{scale}"));
    spellings.push(format!("{sign}0.00{digits}e+{}", digits.len() + 2 - scale));
    if unscaled == 0 {
        spellings.extend(["-0".into(), "0E-99999999999999999999".into()]);
    }
    Class::new(unscaled.to_string(), spellings)
}

const FLOATS: &[&[&str]] = &[
    &["0", "-0.0", "0e5", ".0", "-0.", "1e-60", "-1e-999"],
    &["1.5", "+1.50", "15e-1", ".15E+1", "0001.5"],
    &["nan", "NaN", "-nan", "+NAN"],
    &["inf", "Infinity", "+INF"],
    &["-inf", "-infinity"],
    &["0.1", "1e-1", "0.100000001"],
    &["16777216", "16777217", "1.6777216e7"],
    &["3.4028235e38", "340282350000000000000000000000000000000"],
    &["1e-45", "1.4e-45"],
    &["-2", "-2.", "-2e0"],
    &["123456.79", "123456.789"],
];

const DOUBLES: &[&[&str]] = &[
    &["0", "-0.0", "0e5", ".0", "-0.", "1e-400", "-1e-999"],
    &["1.5", "+1.50", "15e-1", ".15E+1", "0001.5"],
    &["nan", "NaN", "-nan", "+NAN"],
    &["inf", "Infinity", "+INF"],
    &["-inf", "-infinity"],
    &["0.1", "1e-1", "0.1000000000000000055511151231257827"],
    &["9007199254740992", "9007199254740993", "9.007199254740992e15"],
    &["9007199254740994"],
    &["1.7976931348623157e308", "17976931348623157e292"],
    &["5e-324", "4.9e-324"],
    &["2.2250738585072014e-308"],
    &["-2", "-2.", "-2e0"],
    &["123456.789"],
];

fn float(known: &[&[&str]], die: u16) -> Class {
    let index = usize::from(die) % (known.len() + 3);
    match known.get(index) {
        Some(spellings) => Class::new(format!("known {index}"), spellings.iter().copied()),
        None => {
            // An eighth of a small integer is exact in both widths.
            let number = 20.0 + f64::from(die) / 8.0;
            Class::new(
                format!("{number}"),
                [
                    format!("{number}"),
                    format!("{number:e}"),
                    format!("+0{number}00e00").replace("00e", if number.fract() == 0.0 { "e" } else { "00e" }),
                ],
            )
        }
    }
}

const STRINGS: &[&str] = &[
    "a",
    "b",
    "ab",
    "bc",
    "c",
    "",
    "é",
    "日本",
    "a b",
    " a",
    "a ",
    "\"",
    "\"\"q",
    "'",
    "''",
    "x,y",
    "x;y",
    "x\ty",
    "x|y",
    "l\nl",
    "l\r\nl",
    "\n",
    "1:a-",
    "-",
    "!",
    "NULL",
    "null",
    "\\N",
    "n/a",
    "a:::b",
    "\u{FFFD}",
    "😀",
    "e\u{301}",
    "c0",
    "\u{7f}\u{1}",
    "a\"b",
];

fn string(length: usize, die: u16) -> Class {
    let known = STRINGS.get(usize::from(die) % (STRINGS.len() * 2)).copied().map(String::from);
    let text = known.unwrap_or_else(|| format!("s{}", die % 100));
    let text: String = text.chars().take(length).collect();
    Class::new(text.clone(), [text])
}

fn binary(encoding: Encoding, prefix: &str, die: u16) -> Class {
    let [high, low] = die.to_be_bytes();
    let choices = [vec![], vec![high], vec![high, low], vec![0, 255, high], vec![0xDE, 0xAD, 0xBE, 0xEF]];
    let bytes = choices[usize::from(die % 5)].as_slice();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let spellings = match encoding {
        Encoding::Hex => vec![format!("{prefix}{hex}"), format!("{prefix}{}", hex.to_uppercase())],
        Encoding::Base64 => vec![base64(bytes)],
    };
    Class::new(hex, spellings)
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A moment between eight and sixteen o'clock, so that its offsets stay within the same day.
struct Moment {
    date: String,
    hour: u64,
    minute: u64,
    second: u64,
    /// Empty, or the point and digits without trailing zeros.
    fraction: &'static str,
}

fn time(column: &Column, die: u16) -> Class {
    let number = u64::from(die);
    let year = pick(&[1, 1969, 1970, 2000, 2024, 9999], die);
    let (month, day) = (number / 6 % 12 + 1, number / 72 % 28 + 1);
    let fractions: &[&str] = match column.format {
        Some("epoch_seconds") => &[""],
        Some("epoch_millis") => &["", ".5", ".012"],
        _ => &["", ".5", ".000001", ".123456"],
    };
    let moment = Moment {
        date: format!("{year:04}-{month:02}-{day:02}"),
        hour: 8 + number % 8,
        minute: number % 60,
        second: number / 8 % 60,
        fraction: pick(fractions, die / 5),
    };
    match (column.format, column.source_type()) {
        (Some("epoch_seconds"), _) => moment.since_1970(0),
        (Some("epoch_millis"), _) => moment.since_1970(3),
        (Some("epoch_micros"), _) => moment.since_1970(6),
        (Some(format), ty) => moment.formatted(format, ty),
        (None, Type::Date) => Class::new(moment.date.clone(), [moment.date]),
        (None, Type::Timestamp) => moment.timestamp(),
        (None, _) => moment.timestamptz(),
    }
}

impl Moment {
    fn micros(&self) -> String {
        format!("{:0<6}", self.fraction.trim_start_matches('.'))
    }

    fn iso(&self, hours_later: i64, separator: char, fraction: &str) -> String {
        let hour = self.hour.strict_add_signed(hours_later);
        format!("{}{separator}{hour:02}:{:02}:{:02}{fraction}", self.date, self.minute, self.second)
    }

    /// The number of units since 1970, of which a second has this power of ten.
    fn since_1970(&self, power: usize) -> Class {
        let year: i64 = self.date[..4].parse().unwrap();
        let leap_days = |year: i64| year / 4 - year / 100 + year / 400;
        let before_year = 365 * (year - 1970) + leap_days(year - 1) - leap_days(1969);
        let days = before_year + i64::from(self.day_of_year()) - 1;
        let of_day = (self.hour * 60 + self.minute) * 60 + self.second;
        let fraction: i64 = format!("0{}", &self.micros()[..power]).parse().unwrap();
        let units = (days * 86_400 + of_day as i64) * 10_i64.pow(power as u32) + fraction;
        Class::new(units.to_string(), [units.to_string()])
    }

    fn timestamp(&self) -> Class {
        let name = self.iso(0, 'T', &format!(".{}", self.micros()));
        Class::new(name.clone(), [name, self.iso(0, ' ', self.fraction), self.iso(0, 'T', self.fraction)])
    }

    fn timestamptz(&self) -> Class {
        let padded = format!(".{}", self.micros());
        let offsets = [(0, "Z"), (2, "+02"), (-3, "-0300"), (0, "+00:00"), (-7, "-07:00")];
        let spellings = offsets.map(|(hours, zone)| self.iso(hours, 'T', self.fraction) + zone);
        let others = [self.iso(0, ' ', &padded) + "-00", self.iso(5, ' ', &padded) + "+0500"];
        Class::new(spellings[0].clone(), spellings.into_iter().chain(others))
    }

    fn formatted(&self, format: &str, ty: Type) -> Class {
        let has_zone = format.contains("%Z");
        let zones = match ty {
            Type::Timestamptz if has_zone => [(0, "UTC"), (1, "CET"), (2, "CEST"), (0, "GMT")],
            Type::Timestamptz => [(0, "Z"), (2, "+02"), (2, "+0200"), (2, "+02:00")],
            _ => [(0, ""); 4],
        };
        let spellings = (0..).zip(zones).map(|(turn, (hours, zone))| self.spelled(format, turn, hours, zone));
        let spellings: Vec<String> = spellings.collect();
        Class::new(spellings[0].clone(), spellings)
    }

    /// The moment in a format. `turn` picks a spelling of each part.
    fn spelled(&self, format: &str, turn: usize, hours_later: u64, zone: &str) -> String {
        let [year, month, day] = [&self.date[..4], &self.date[5..7], &self.date[8..]];
        let name = self.month_name(turn);
        let hour = self.hour + hours_later;
        let unpadded =
            |text: &str| if turn.is_multiple_of(2) { text.trim_start_matches('0').into() } else { text.to_owned() };
        let two = |number: u64| format!("{number:02}");
        let short = |number: u64| if turn.is_multiple_of(2) { number.to_string() } else { two(number) };
        let (fraction, optional) = self.fractions(turn);
        let spaced = format!("{:>2}", unpadded(day));
        let parts: [(&str, String); 20] = [
            ("%-m", unpadded(month)),
            ("%-d", unpadded(day)),
            ("%-I", short((hour + 11) % 12 + 1)),
            ("%-M", short(self.minute)),
            ("%-S", short(self.second)),
            ("%.f", optional),
            ("%Y", year.into()),
            ("%m", month.into()),
            ("%d", day.into()),
            ("%e", spaced),
            ("%j", format!("{:03}", self.day_of_year())),
            ("%b", name[..3].into()),
            ("%B", name),
            ("%H", two(hour)),
            ("%I", two((hour + 11) % 12 + 1)),
            ("%p", [["am", "PM"], ["AM", "pm"]][turn % 2][usize::from(hour >= 12)].into()),
            ("%M", two(self.minute)),
            ("%S", two(self.second)),
            ("%f", fraction),
            ("%z", zone.into()),
        ];
        let text = parts.iter().fold(format.to_owned(), |text, (letters, part)| text.replace(letters, part));
        text.replace("%Z", zone).replace("%%", "%")
    }

    fn month_name(&self, turn: usize) -> String {
        const MONTHS: &str = "January February March April May June July August September October November December";
        let month: usize = self.date[5..7].parse().unwrap();
        let name = MONTHS.split(' ').nth(month - 1).unwrap();
        [name.to_owned(), name.to_lowercase(), name.to_uppercase(), name.to_owned()][turn].clone()
    }

    /// The digits of the fraction, and the same with a point, which may be left out if there are none.
    fn fractions(&self, turn: usize) -> (String, String) {
        let zeros = ["", "0", "000", ""][turn];
        match self.fraction {
            _ if turn == 0 => (self.micros(), format!(".{}", self.micros())),
            "" => (format!("0{zeros}"), String::new()),
            fraction => (format!("{}{zeros}", &fraction[1..]), format!("{fraction}{zeros}")),
        }
    }

    fn day_of_year(&self) -> u16 {
        let [year, month, day] = [0..4, 5..7, 8..10].map(|range| self.date[range].parse::<u16>().unwrap());
        let is_leap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
        let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334][usize::from(month) - 1];
        before + day + u16::from(is_leap && month > 2)
    }
}
