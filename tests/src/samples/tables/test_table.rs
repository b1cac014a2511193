//! `test_table`: one key column, `;`, no header; small enough to check by hand.

use super::{row, text};
use crate::samples::counts::Counts;
use crate::samples::export::Export;
use crate::samples::layout::Layout;
use crate::samples::row::Row;
use crate::samples::tree;
use std::io;
use std::path::{Path, PathBuf};

const EXPORT: Export<'static> = Export {
    table: "test_table",
    layout: Layout { delimiter: b';', header: false, ..Layout::DEFAULT },
    columns: &["PK", "COL_1", "COL_2", "COL_3"],
    columns_reversed: false,
};

/// Rows of the third export, which is made on request: `PK0`, `PK1` and so on.
const MANY: u64 = 100_000;

type Line = [&'static str; 4];

/// One export: its rows, in which the empty text is NULL, and the changes since the previous one.
struct Small {
    tenant: &'static str,
    version: &'static str,
    rows: &'static [Line],
    inserted: u64,
    updated: u64,
    deleted: u64,
}

const FIRST: Small = Small {
    tenant: "acme",
    version: "20260101_V0001",
    rows: &[["PK1", "1", "value 1", "note 1"], ["PK2", "2", "value 2", ""], ["PK3", "3", "value 3", "note 3"]],
    inserted: 3,
    updated: 0,
    deleted: 0,
};

/// `PK1` is spelled differently, `PK2` changed, `PK3` is deleted, `PK4` is new.
const SECOND: Small = Small {
    tenant: "acme",
    version: "20260102_V0001",
    rows: &[["PK1", "001", "value 1", "note 1"], ["PK2", "2", "other value", ""], ["PK4", "4", "value 4", "note 4"]],
    inserted: 1,
    updated: 1,
    deleted: 1,
};

const SMALL: [Small; 5] = [
    FIRST,
    SECOND,
    Small {
        tenant: "globex",
        version: "20260101_V0001",
        rows: &[["PK1", "10", "semi;colon", ""], ["PK2", "", "", ""]],
        inserted: 2,
        updated: 0,
        deleted: 0,
    },
    // NULL becomes a value, and a value becomes NULL.
    Small {
        tenant: "globex",
        version: "20260102_V0001",
        rows: &[["PK1", "", "semi;colon", ""], ["PK2", "0", "", ""]],
        inserted: 0,
        updated: 2,
        deleted: 0,
    },
    // The same values in another order and spelling.
    Small {
        tenant: "globex",
        version: "20260103_V0001",
        rows: &[["PK2", "-0", "", ""], ["PK1", "", "semi;colon", ""]],
        inserted: 0,
        updated: 0,
        deleted: 0,
    },
];

/// Writes the committed exports under `exports`, and returns their counts.
pub(in crate::samples) fn write_small(exports: &Path) -> io::Result<Vec<Counts>> {
    SMALL.iter().map(|small| small.write(exports)).collect()
}

/// Writes three exports of `acme/test_table` into `out`, which must not exist, or be empty: 3 rows; then 3 rows, of
/// which one changed and one is new, while one was deleted; then 100,000 rows.
pub fn write_three(out: &Path) -> io::Result<Vec<Counts>> {
    tree::create(out, |exports| Ok(vec![FIRST.write(exports)?, SECOND.write(exports)?, write_many(exports)?]))
}

/// Of the previous rows, `PK1` and `PK4` are unchanged, and `PK2` has its first value again.
fn write_many(exports: &Path) -> io::Result<Counts> {
    let (tenant, version) = ("acme", "20260103_V0001");
    EXPORT.write(&folder(exports, tenant, version), |_| (0..MANY).map(numbered))?;
    Ok(counts(tenant, version, [MANY, MANY - 3, 1, 0]))
}

fn numbered(number: u64) -> Row {
    let note = (number != 2).then(|| format!("note {number}"));
    row([Some(format!("PK{number}")), text(number), Some(format!("value {number}")), note])
}

impl Small {
    fn write(&self, exports: &Path) -> io::Result<Counts> {
        let field = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let rows = || self.rows.iter().map(move |line| line.map(field).into());
        EXPORT.write(&folder(exports, self.tenant, self.version), |_| rows())?;
        let rows = self.rows.len() as u64;
        Ok(counts(self.tenant, self.version, [rows, self.inserted, self.updated, self.deleted]))
    }
}

fn folder(exports: &Path, tenant: &str, version: &str) -> PathBuf {
    exports.join(tenant).join(EXPORT.table).join(version)
}

fn counts(tenant: &str, version: &str, [rows, inserted, updated, deleted]: [u64; 4]) -> Counts {
    let (tenant, version) = (tenant.to_owned(), version.to_owned());
    Counts { tenant, table: EXPORT.table.to_owned(), version, rows, inserted, updated, deleted }
}
