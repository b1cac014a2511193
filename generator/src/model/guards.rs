//! What can hold a version.

/// The rules that can hold a version before publication. `None` switches a rule off.
#[derive(Debug, Clone, PartialEq)]
pub struct Guards {
    /// The maximum ratio of deleted rows to rows of the baseline, 0 to 1.
    pub max_delete_ratio: Option<f64>,
    /// The maximum ratio of updated rows to rows of the baseline, 0 to 1.
    pub max_update_ratio: Option<f64>,
    /// The maximum ratio of inserted rows to rows of the baseline.
    pub max_insert_ratio: Option<f64>,
    /// The maximum number of deleted rows.
    pub max_deletes: Option<u64>,
    /// The maximum number of updated rows.
    pub max_updates: Option<u64>,
    /// The maximum number of inserted rows.
    pub max_inserts: Option<u64>,
    /// The minimum number of rows in a snapshot.
    pub min_rows: u64,
    /// The minimum number of rows in a baseline for the ratios to apply.
    pub min_baseline_rows: u64,
    /// The maximum number of days from the date that the version before begins with to the date that a version begins
    /// with.
    pub max_version_jump_days: Option<u64>,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            max_delete_ratio: Some(0.2),
            max_update_ratio: Some(0.5),
            max_insert_ratio: None,
            max_deletes: None,
            max_updates: None,
            max_inserts: None,
            min_rows: 1,
            min_baseline_rows: 100,
            max_version_jump_days: Some(180),
        }
    }
}
