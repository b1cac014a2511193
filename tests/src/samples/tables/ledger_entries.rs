//! `ledger_entries`: several parts listed in a manifest. Its twelve columns of mixed types take about 114 bytes a row.

use super::{cents, iso_date, other_decimal, other_float, row, text, time_of_day};
use crate::samples::layout::{Completeness, Layout};
use crate::samples::model::{Model, advance, redraw, rewrite};
use crate::samples::random::Random;
use crate::samples::row::Row;

pub(in crate::samples) const MODEL: Model = Model {
    table: "ledger_entries",
    columns: &[
        "book",
        "entry_id",
        "posted_on",
        "booked_at",
        "account",
        "counterparty",
        "amount",
        "currency",
        "fx_rate",
        "reversed",
        "reference",
        "batch_no",
    ],
    layout: Layout { complete: Completeness::Manifest { parts: 3 }, ..Layout::DEFAULT },
    fresh,
    update,
    touch,
    respell,
};

const BOOKS: [&str; 3] = ["EU01", "UK01", "US02"];
const CURRENCIES: [&str; 5] = ["EUR", "GBP", "USD", "CHF", "JPY"];

fn fresh(number: u64, random: &mut Random) -> Row {
    let posted_on = iso_date(random);
    let booked_at = format!("{posted_on}T{}", time_of_day(random));
    row([
        text(BOOKS[(number % 3) as usize]),
        text(1_000_000 + number / 3),
        Some(posted_on),
        Some(booked_at),
        Some(format!("40{:08}", random.below(100_000_000))),
        counterparty(random),
        amount(random),
        text(random.pick(&CURRENCIES)),
        fx_rate(random),
        text("false"),
        reference(random),
        batch_no(random),
    ])
}

fn update(row: &mut Row, random: &mut Random) {
    match random.below(6) {
        0..2 => advance(&mut row[9], &["false", "true"]),
        2 => redraw(&mut row[5], random, counterparty),
        3 => redraw(&mut row[6], random, amount),
        4 => redraw(&mut row[8], random, fx_rate),
        _ => redraw(&mut row[10], random, reference),
    }
}

fn touch(row: &mut Row, random: &mut Random) {
    redraw(&mut row[11], random, batch_no);
}

fn respell(row: &mut Row) {
    rewrite(&mut row[1], |id| format!("+{}", id.trim_start_matches('+')));
    rewrite(&mut row[3], |moment| moment.replace(".0", "") + ".0");
    rewrite(&mut row[6], other_decimal);
    rewrite(&mut row[8], other_float);
    rewrite(&mut row[9], |reversed| reversed.to_uppercase());
}

fn counterparty(random: &mut Random) -> Option<String> {
    (!random.one_in(5))
        .then(|| format!("DE{:02}{:018}", random.between(2, 98), random.below(1_000_000_000_000_000_000)))
}

fn amount(random: &mut Random) -> Option<String> {
    let sign = if random.one_in(2) { "-" } else { "" };
    Some(format!("{sign}{}", cents(random, 1, 9_999_999)))
}

fn fx_rate(random: &mut Random) -> Option<String> {
    (!random.one_in(4)).then(|| format!("1.{:04}", random.below(10_000)))
}

fn reference(random: &mut Random) -> Option<String> {
    (!random.one_in(10)).then(|| format!("INV {:07}", random.below(10_000_000)))
}

fn batch_no(random: &mut Random) -> Option<String> {
    text(random.between(1, 400))
}
