//! When exports should arrive.

/// When an export of each tenant should have arrived. It decides what is reported as missing, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expect {
    /// The time between two deadlines in minutes: a day, or hours that add up to a day.
    pub every_minutes: u16,
    /// The hour and the minute of a deadline.
    pub by: (u8, u8),
    /// The IANA name of the time zone that deadlines are in.
    pub zone: String,
    /// How long before its deadline an export may come, in minutes.
    pub window_minutes: u16,
    /// The days with deadlines, as in a schema, in the order of the week; empty if these are all days.
    pub days: Vec<String>,
    /// The tenants that should deliver, sorted; empty if these are all that ever have.
    pub tenants: Vec<String>,
}

/// The minutes of a day.
pub(crate) const DAY: u16 = 24 * 60;

/// The days of a week, as in a schema.
pub(crate) const WEEK: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
