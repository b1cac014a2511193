//! When exports should arrive.

/// When an export of each tenant should have arrived. It decides what is reported as missing, and nothing else.
/// [`Expect::DEFAULT`] has the defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expect {
    /// The time between two deadlines in minutes: a day, or hours that add up to a day.
    pub every_minutes: u16,
    /// The hour and the minute of a deadline.
    pub by: (u8, u8),
    /// The IANA name of the time zone that deadlines are in.
    pub zone: &'static str,
    /// How long before its deadline an export may come, in minutes.
    pub window_minutes: u16,
    /// The days with deadlines, `mon` to `sun`; empty if these are all days.
    pub days: &'static [&'static str],
    /// The tenants that should deliver; empty if these are all that ever have.
    pub tenants: &'static [&'static str],
}

impl Expect {
    /// Each day by midnight UTC, in the twelve hours before.
    pub const DEFAULT: Self =
        Self { every_minutes: 24 * 60, by: (0, 0), zone: "UTC", window_minutes: 12 * 60, days: &[], tenants: &[] };

    /// Returns whether a tenant should deliver, if it has delivered before.
    pub fn includes(&self, tenant: &str) -> bool {
        self.tenants.is_empty() || self.tenants.contains(&tenant)
    }
}
