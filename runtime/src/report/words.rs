//! Numbers, times and entries of the journal as pages show them.

use indicatif::HumanCount;

use crate::clock::readable_time;
use crate::name::printable;
use crate::plan::Counts;
use crate::run::guard::{OperationKind, percent};
use crate::store::{JournalEntry, Version};

/// A number with commas between thousands.
pub(super) fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

/// The kinds of operations with their words and their numbers.
pub(super) fn by_kind(counts: &Counts) -> [(OperationKind, &'static str, u64); 3] {
    [
        (OperationKind::Inserts, "inserted", counts.inserted),
        (OperationKind::Updates, "updated", counts.updated),
        (OperationKind::Deletes, "deleted", counts.deleted),
    ]
}

/// A share in percent; nothing without a baseline.
pub(super) fn share(share: Option<f64>) -> String {
    share.map(percent).unwrap_or_default()
}

/// A time in milliseconds since 1970, in UTC, to the minute.
pub(super) fn minute(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds)
        .map_or_else(|_| "?".into(), |time| time.strftime("%Y-%m-%d %H:%MZ").to_string())
}

/// Why a version has its status; empty if that needs no explaining.
pub(super) fn reason(version: &Version) -> String {
    match (&version.reason, &version.refused_parts) {
        (Some(reason), _) => printable(reason),
        (None, Some(_)) => "a revision was refused".into(),
        (None, None) => String::new(),
    }
}

/// `2026-01-04 07:31:02Z approve by alice: the shop moved`.
pub(super) fn entry(entry: &JournalEntry) -> String {
    let JournalEntry { at, by, because, action, details, .. } = entry;
    let why = match action.is_decision() {
        true => because.as_deref(),
        false => details["reason"].as_str(),
    };
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    printable(&format!("{} {} by {by}{why}", readable_time(*at), action.name()))
}
