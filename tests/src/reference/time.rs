//! Parses dates, times of day and offsets, without a date library.

use serde_json::Value as Json;

use super::pattern::captures;
use super::value::Value;
use super::zones::{self, LocalHour};

const DATE: &str = "%Y-%m-%d";
const TIME_OF_DAY: &str = r"(?<H>[0-9]{2}):(?<M>[0-9]{2}):(?<S>[0-9]{2})(\.(?<f>[0-9]{1,6})0*)?";
const OFFSET: &str = r"(?<z>Z|[+-][0-9]{2}(:?[0-9]{2})?)";
const MINUTES_A_DAY: i64 = 24 * 60;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// The fields of a date and time.
struct Fields {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    micros: String,
    /// Minutes east of Greenwich.
    offset: i64,
}

/// Parses a date.
pub fn date(text: &str, format: Option<&str>) -> Option<Value> {
    let fields = read(text, &pattern(format.unwrap_or(DATE)))?;
    Some(value(fields.date()))
}

/// Parses a timestamp without a time zone.
pub fn timestamp(text: &str, format: Option<&str>) -> Option<Value> {
    if let Some(fields) = format.and_then(|format| since_1970(text, format)) {
        return fields.map(|fields| value(format!("{}T{}", fields.date(), fields.time())));
    }
    let iso = format!("{}[T ]{TIME_OF_DAY}", pattern(DATE));
    let fields = read(text, &format.map_or(iso, pattern))?;
    Some(value(format!("{}T{}", fields.date(), fields.time())))
}

/// Parses a timestamp with an offset, and converts it to UTC.
pub fn timestamptz(text: &str, format: Option<&str>) -> Option<Value> {
    if let Some(fields) = format.and_then(|format| since_1970(text, format)) {
        return fields.map(|fields| value(format!("{}T{}Z", fields.date(), fields.time())));
    }
    let iso = format!("{}[T ]{TIME_OF_DAY}{OFFSET}", pattern(DATE));
    let fields = read(text, &format.map_or(iso, pattern))?.in_utc()?;
    Some(value(format!("{}T{}Z", fields.date(), fields.time())))
}

/// Reads a number of units since 1970, if the format says so. Years are counted off one by one.
fn since_1970(text: &str, format: &str) -> Option<Option<Fields>> {
    let micros: i128 = match format {
        "epoch_seconds" => 1_000_000,
        "epoch_millis" => 1000,
        "epoch_micros" => 1,
        _ => return None,
    };
    let count = captures("[+-]?0*[0-9]{1,18}", text).and_then(|_| text.parse::<i128>().ok());
    Some(count.and_then(|count| from_micros(count * micros)))
}

fn from_micros(micros: i128) -> Option<Fields> {
    const DAY: i128 = 86_400_000_000;
    let (mut day, rest) = (i64::try_from(micros.div_euclid(DAY)).ok()?, micros.rem_euclid(DAY));
    if day.abs() > 4_000_000 {
        return None;
    }
    let days_of = |year: i64| (1..=12).map(|month| days_in(year, month)).sum::<i64>();
    let (mut year, mut month) = (1970, 1);
    while day < 0 {
        year -= 1;
        day += days_of(year);
    }
    while day >= days_of(year) {
        day -= days_of(year);
        year += 1;
    }
    while day >= days_in(year, month) {
        day -= days_in(year, month);
        month += 1;
    }
    let seconds = (rest / 1_000_000) as i64;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let micros = format!("{:06}", rest % 1_000_000);
    let fields = Fields { year, month, day: day + 1, hour, minute, second, micros, offset: 0 };
    fields.exist().then_some(fields)
}

fn value(text: String) -> Value {
    Value::new(text.clone(), Json::from(text))
}

/// The regular expression of a `format`.
fn pattern(format: &str) -> String {
    let mut pattern = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        match character {
            '%' => {
                let mut letters: String = characters.next().into_iter().collect();
                if letters == "-" || letters == "." {
                    letters.extend(characters.next());
                }
                pattern.push_str(&directive(&letters));
            }
            literal => pattern.push_str(&regex::escape(literal.encode_utf8(&mut [0; 4]))),
        }
    }
    pattern
}

fn directive(letters: &str) -> String {
    let names = |length: usize| {
        let names = MONTHS.iter().map(|name| &name[..length.min(name.len())]);
        format!("(?<b>(?i-u:{}))", names.collect::<Vec<_>>().join("|"))
    };
    match letters {
        "Y" => "(?<Y>[0-9]{4})",
        "y" | "m" | "d" | "H" | "I" | "M" | "S" => return format!("(?<{letters}>[0-9]{{2}})"),
        "-m" | "-d" | "-H" | "-I" | "-M" | "-S" => return format!("(?<{}>[0-9]{{1,2}})", &letters[1..]),
        "e" => "(?<d> ?[0-9]|[0-9]{2})",
        "j" => "(?<j>[0-9]{3})",
        "-j" => "(?<j>[0-9]{1,3})",
        "b" => return names(3),
        "B" => return names(usize::MAX),
        "p" => "(?<p>(?i-u:am|pm))",
        "f" => "(?<f>[0-9]{1,6})0*",
        ".f" => r"(\.(?<f>[0-9]{1,6})0*)?",
        "z" => OFFSET,
        "Z" => "(?<Z>[A-Za-z0-9/_+-]+)",
        "%" => "%",
        other => panic!("the generator refuses the directive {other}"),
    }
    .to_owned()
}

fn read(text: &str, pattern: &str) -> Option<Fields> {
    let groups = captures(pattern, text)?;
    let number = |name: &str| groups.get(name).and_then(|digits| digits.trim_start().parse::<i64>().ok());
    let short_year = number("y").map(|year| if year < 69 { 2000 + year } else { 1900 + year });
    let month_name = groups.get("b").map(|name| name.to_lowercase());
    let month_name = month_name.and_then(|name| MONTHS.iter().position(|month| month.starts_with(&name)));
    let mut fields = Fields {
        year: number("Y").or(short_year)?,
        month: number("m").or(month_name.map(|month| month as i64 + 1)).unwrap_or(1),
        day: number("d").unwrap_or(1),
        hour: number("H").unwrap_or(0),
        minute: number("M").unwrap_or(0),
        second: number("S").unwrap_or(0),
        micros: format!("{:0<6}", groups.get("f").map_or("", String::as_str)),
        offset: groups.get("z").map_or(Some(0), |text| offset(text))?,
    };
    if let Some(hour) = number("I") {
        let is_afternoon = groups.get("p").is_some_and(|text| text.eq_ignore_ascii_case("pm"));
        fields.hour = if (1..=12).contains(&hour) { hour % 12 + if is_afternoon { 12 } else { 0 } } else { 99 };
    }
    if let Some(day) = number("j") {
        fields.day = day;
        while fields.month <= 12 && fields.day > days_in(fields.year, fields.month) {
            fields.day -= days_in(fields.year, fields.month);
            fields.month += 1;
        }
    }
    if let Some(zone) = groups.get("Z") {
        let local = LocalHour { year: fields.year, month: fields.month, day: fields.day, hour: fields.hour };
        fields.offset = if fields.exist() { zones::offset(zone, local)? } else { 0 };
    }
    fields.exist().then_some(fields)
}

/// `Z`, `+HH`, `+HHMM` or `+HH:MM`, at most 14 hours.
fn offset(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let digits = text[1..].replace(':', "");
    let hours: i64 = digits[..2].parse().ok()?;
    let minutes: i64 = if digits.len() == 4 { digits[2..].parse().ok()? } else { 0 };
    let total = hours * 60 + minutes;
    let is_offset = minutes < 60 && total <= 14 * 60;
    is_offset.then_some(if text.starts_with('-') { -total } else { total })
}

impl Fields {
    /// Returns whether there is such a date and time.
    fn exist(&self) -> bool {
        (1..=9999).contains(&self.year)
            && (1..=12).contains(&self.month)
            && (1..=days_in(self.year, self.month)).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second < 60
    }

    fn date(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    fn time(&self) -> String {
        format!("{:02}:{:02}:{:02}.{}", self.hour, self.minute, self.second, self.micros)
    }

    /// Subtracts the offset, which is less than a day. `None` outside the years 1 to 9999.
    fn in_utc(mut self) -> Option<Self> {
        let minutes = self.hour * 60 + self.minute - self.offset;
        let wrapped = minutes.rem_euclid(MINUTES_A_DAY);
        (self.hour, self.minute) = (wrapped / 60, wrapped % 60);
        match minutes.div_euclid(MINUTES_A_DAY) {
            -1 => self.previous_day(),
            1 => self.next_day(),
            _ => {}
        }
        self.exist().then_some(self)
    }

    fn previous_day(&mut self) {
        self.day -= 1;
        if self.day == 0 {
            self.month -= 1;
            if self.month == 0 {
                (self.year, self.month) = (self.year - 1, 12);
            }
            self.day = days_in(self.year, self.month);
        }
    }

    fn next_day(&mut self) {
        self.day += 1;
        if self.day > days_in(self.year, self.month) {
            (self.month, self.day) = (self.month + 1, 1);
            if self.month == 13 {
                (self.year, self.month) = (self.year + 1, 1);
            }
        }
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
