//! Parses dates, times of day and offsets, without a date library.

use serde_json::Value as Json;

use super::pattern::captures;
use super::value::Value;

const DATE: &str = "%Y-%m-%d";
const TIME_OF_DAY: &str = r"(?<H>[0-9]{2}):(?<M>[0-9]{2}):(?<S>[0-9]{2})(\.(?<f>[0-9]{1,6}))?";
const OFFSET: &str = r"(?<z>Z|[+-][0-9]{2}(:?[0-9]{2})?)";
const MINUTES_A_DAY: i64 = 24 * 60;

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
            '%' => pattern.push_str(directive(characters.next())),
            literal => pattern.push_str(&regex::escape(literal.encode_utf8(&mut [0; 4]))),
        }
    }
    pattern
}

fn directive(letter: Option<char>) -> &'static str {
    match letter {
        Some('Y') => "(?<Y>[0-9]{4})",
        Some('m') => "(?<m>[0-9]{2})",
        Some('d') => "(?<d>[0-9]{2})",
        Some('H') => "(?<H>[0-9]{2})",
        Some('M') => "(?<M>[0-9]{2})",
        Some('S') => "(?<S>[0-9]{2})",
        Some('f') => "(?<f>[0-9]{1,6})",
        Some('z') => OFFSET,
        Some('%') => "%",
        other => panic!("the generator refuses the directive {other:?}"),
    }
}

fn read(text: &str, pattern: &str) -> Option<Fields> {
    let groups = captures(pattern, text)?;
    let number = |name: &str| groups.get(name).map_or(Some(0), |digits| digits.parse().ok());
    let fields = Fields {
        year: number("Y")?,
        month: number("m")?,
        day: number("d")?,
        hour: number("H")?,
        minute: number("M")?,
        second: number("S")?,
        micros: format!("{:0<6}", groups.get("f").map_or("", String::as_str)),
        offset: groups.get("z").map_or(Some(0), |text| offset(text))?,
    };
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
