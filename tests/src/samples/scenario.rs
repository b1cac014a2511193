//! The list of exports: what each tenant's source system did between two versions.

use super::counts::Counts;
use super::export::Export;
use super::model::{Fate, Model};
use super::random::{Random, mix};
use super::row::Row;
use super::tables::{ledger_entries, orders, products, sensor_readings, support_tickets, web_events};
use std::io;
use std::iter::repeat_n;
use std::path::Path;

/// The history of one table of one tenant.
pub(super) struct Scenario {
    tenant: &'static str,
    model: &'static Model,
    /// Whether the tenant's exports have a byte order mark and CR LF.
    windows: bool,
    nights: &'static [Night],
}

/// The changes before one version was exported. On the first night, rows can only be inserted.
struct Night {
    version: &'static str,
    insert: u64,
    update: usize,
    delete: usize,
    /// Rows that change only in columns that are not compared.
    touch: usize,
    /// Rows whose values are spelled differently.
    respell: usize,
    rows_reversed: bool,
    columns_reversed: bool,
}

/// A night without changes.
const QUIET: Night = Night {
    version: "",
    insert: 0,
    update: 0,
    delete: 0,
    touch: 0,
    respell: 0,
    rows_reversed: false,
    columns_reversed: false,
};

const fn first(version: &'static str, insert: u64) -> Night {
    Night { version, insert, ..QUIET }
}

/// Every scenario of `samples/exports`, except `test_table`, whose rows are written by hand.
pub(super) const ALL: &[Scenario] = &[
    Scenario {
        tenant: "acme",
        model: &orders::MODEL,
        windows: false,
        nights: &[
            first("20260101_V0001", 1000),
            Night { version: "20260102_V0001", insert: 9, update: 31, delete: 5, touch: 40, respell: 25, ..QUIET },
            Night {
                version: "20260103_V0001",
                insert: 12,
                update: 46,
                delete: 11,
                touch: 10,
                rows_reversed: true,
                ..QUIET
            },
            // Exported a second time that night, manually: nothing to publish.
            Night { version: "20260103_V0002", touch: 60, respell: 30, ..QUIET },
        ],
    },
    Scenario {
        tenant: "globex",
        model: &orders::MODEL,
        windows: true,
        nights: &[
            first("20260101_V0001", 200),
            Night { version: "20260102_V0001", insert: 7, update: 12, delete: 2, touch: 5, respell: 20, ..QUIET },
            Night { version: "20260103_V0001", insert: 1, update: 3, delete: 15, ..QUIET },
        ],
    },
    Scenario {
        tenant: "acme",
        model: &sensor_readings::MODEL,
        windows: false,
        nights: &[
            first("20260101_V0001", 90),
            Night { version: "20260102_V0001", insert: 4, update: 30, delete: 2, touch: 10, respell: 25, ..QUIET },
            Night { version: "20260103_V0001", insert: 1, update: 24, delete: 1, touch: 8, respell: 40, ..QUIET },
        ],
    },
    Scenario {
        tenant: "globex",
        model: &sensor_readings::MODEL,
        windows: false,
        nights: &[
            first("20260101_V0001", 24),
            Night { version: "20260102_V0001", insert: 2, update: 9, delete: 1, touch: 3, respell: 6, ..QUIET },
        ],
    },
    Scenario {
        tenant: "acme",
        model: &support_tickets::MODEL,
        windows: false,
        nights: &[
            first("20260101_V0001", 60),
            Night { version: "20260102_V0001", insert: 8, update: 14, delete: 3, touch: 6, respell: 9, ..QUIET },
            Night { version: "20260103_V0001", insert: 5, update: 10, delete: 2, columns_reversed: true, ..QUIET },
        ],
    },
    Scenario {
        tenant: "globex",
        model: &support_tickets::MODEL,
        windows: true,
        nights: &[
            first("20260101_V0001", 20),
            Night { version: "20260102_V0001", insert: 3, update: 5, delete: 1, touch: 2, respell: 4, ..QUIET },
        ],
    },
    Scenario {
        tenant: "acme",
        model: &ledger_entries::MODEL,
        windows: false,
        nights: &[
            first("20260101_V0001", 400),
            Night { version: "20260102_V0001", insert: 35, update: 18, delete: 1, touch: 50, respell: 60, ..QUIET },
            Night { version: "20260103_V0001", insert: 28, update: 9, touch: 30, rows_reversed: true, ..QUIET },
        ],
    },
    Scenario {
        tenant: "globex",
        model: &ledger_entries::MODEL,
        windows: false,
        nights: &[
            first("20260101_V0001", 90),
            Night { version: "20260102_V0001", insert: 10, update: 6, delete: 2, touch: 10, respell: 12, ..QUIET },
        ],
    },
    Scenario {
        tenant: "acme",
        model: &web_events::MODEL,
        windows: false,
        nights: &[
            first("20260101_V0001", 300),
            Night { version: "20260102_V0001", insert: 60, update: 25, delete: 20, touch: 30, respell: 40, ..QUIET },
            Night { version: "20260103_V0001", insert: 45, update: 17, delete: 30, rows_reversed: true, ..QUIET },
        ],
    },
    Scenario {
        tenant: "globex",
        model: &web_events::MODEL,
        windows: false,
        nights: &[
            first("20260101_V0001", 80),
            Night { version: "20260102_V0001", insert: 11, update: 4, delete: 6, touch: 5, respell: 9, ..QUIET },
        ],
    },
    Scenario {
        tenant: "acme",
        model: &products::MODEL,
        windows: false,
        nights: &[
            first("V8", 120),
            Night { version: "V9", insert: 5, update: 16, delete: 3, touch: 7, respell: 20, ..QUIET },
            Night { version: "V10", insert: 2, update: 8, delete: 4, rows_reversed: true, ..QUIET },
        ],
    },
    Scenario {
        tenant: "globex",
        model: &products::MODEL,
        windows: true,
        nights: &[
            first("V9", 40),
            Night { version: "V10", insert: 3, update: 6, delete: 2, touch: 2, respell: 5, ..QUIET },
        ],
    },
];

/// `samples/late`: a corrected delivery of the first day, which arrived after the later days had been published.
pub(super) const LATE: Scenario = Scenario {
    tenant: "acme",
    model: &orders::MODEL,
    windows: false,
    nights: &[first("20260101_V0001", 1000), Night { version: "20260101_V0002", insert: 2, update: 6, ..QUIET }],
};

impl Scenario {
    /// Writes the exports of all nights under `exports`.
    pub(super) fn write_all(&self, exports: &Path) -> io::Result<Vec<Counts>> {
        let mut table = SourceTable::new(self);
        let mut counts = Vec::new();
        for night in self.nights {
            counts.push(table.apply(night));
            table.write(night, exports)?;
        }
        Ok(counts)
    }

    /// Writes the export of the last night alone.
    pub(super) fn write_last(&self, exports: &Path) -> io::Result<()> {
        let mut table = SourceTable::new(self);
        for night in self.nights {
            table.apply(night);
        }
        self.nights.last().map_or(Ok(()), |night| table.write(night, exports))
    }

    fn seed(&self) -> u64 {
        let names = self.tenant.bytes().chain([0]).chain(self.model.table.bytes());
        names.fold(0, |seed, byte| mix(seed ^ u64::from(byte)))
    }
}

/// The table in the source system.
struct SourceTable<'a> {
    scenario: &'a Scenario,
    seed: u64,
    rows: Vec<Row>,
    next_number: u64,
    /// Decides everything except the first values of a row, which depend on its number.
    random: Random,
}

impl<'a> SourceTable<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let seed = scenario.seed();
        Self { scenario, seed, rows: Vec::new(), next_number: 0, random: Random::new(seed, u64::MAX) }
    }

    fn apply(&mut self, night: &Night) -> Counts {
        let model = self.scenario.model;
        let fates = night.fates(self.rows.len(), &mut self.random);
        let rows = std::mem::take(&mut self.rows).into_iter().zip(&fates);
        self.rows = rows.filter_map(|(row, &fate)| model.after(fate, row, &mut self.random)).collect();
        for number in self.next_number..self.next_number + night.insert {
            self.rows.push((model.fresh)(number, &mut Random::new(self.seed, number)));
        }
        self.next_number += night.insert;
        let number_of = |fate| fates.iter().filter(|&&other| other == fate).count() as u64;
        Counts {
            tenant: self.scenario.tenant.to_owned(),
            table: model.table.to_owned(),
            version: night.version.to_owned(),
            rows: self.rows.len() as u64,
            inserted: night.insert,
            updated: number_of(Fate::Update),
            deleted: number_of(Fate::Delete),
        }
    }

    fn write(&self, night: &Night, exports: &Path) -> io::Result<()> {
        let Scenario { tenant, model, windows, .. } = self.scenario;
        let mut layout = model.layout;
        layout.windows = *windows;
        let columns_reversed = night.columns_reversed;
        let export = Export { table: model.table, layout, columns: model.columns, columns_reversed };
        let mut rows = self.rows.clone();
        if night.rows_reversed {
            rows.reverse();
        }
        let share = rows.len().div_ceil(layout.parts());
        let folder = exports.join(tenant).join(model.table).join(night.version);
        export.write(&folder, |part| rows.iter().skip(part * share).take(share).cloned().collect::<Vec<_>>())
    }
}

impl Night {
    /// One fate for each of `count` rows.
    fn fates(&self, count: usize, random: &mut Random) -> Vec<Fate> {
        let drawn = repeat_n(Fate::Delete, self.delete)
            .chain(repeat_n(Fate::Update, self.update))
            .chain(repeat_n(Fate::Touch, self.touch))
            .chain(repeat_n(Fate::Respell, self.respell));
        let mut fates = vec![Fate::Keep; count];
        for (index, fate) in random.shuffled(count).into_iter().zip(drawn) {
            fates[index] = fate;
        }
        fates
    }
}
