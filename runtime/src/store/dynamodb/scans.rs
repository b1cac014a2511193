//! How many bytes Athena has read of each table today. A deployment can limit that, because Athena charges by the byte.

use aws_sdk_dynamodb::types::Update;

use super::item::{self, number, text};
use super::table::Dynamodb;
use crate::clock;
use crate::error::Result;

/// For how long a day's number is kept, in seconds.
const KEPT: i64 = 3 * 86_400;

impl Dynamodb {
    /// Adds the size of a query to what queries of a table have read today (UTC), unless all of them together would
    /// exceed a budget; all in bytes. Returns whether it was added. A call whose answer is lost may count twice.
    pub fn add_scan(&self, table: &str, bytes: u64, budget: u64) -> Result<bool> {
        let Some(rest) = budget.checked_sub(bytes) else { return Ok(false) };
        let now = clock::now_ms();
        let day = &clock::iso_time(now)[..10];
        let update = Update::builder()
            .set_key(Some(item::key(item::SCANS, format!("{table}#{day}"))))
            .update_expression("SET #ttl = :ttl, #table = :table ADD scanned :bytes")
            .condition_expression("attribute_not_exists(scanned) OR scanned <= :rest")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_names("#table", "table")
            .expression_attribute_values(":ttl", number(now / 1000 + KEPT))
            .expression_attribute_values(":table", text(table))
            .expression_attribute_values(":bytes", number(bytes))
            .expression_attribute_values(":rest", number(rest));
        Ok(self.update(update)?.is_ok())
    }
}
