//! `orders`: a key of two columns, and the default of everything else.

use super::{cents, date_and_time, other_decimal, row, text};
use crate::samples::layout::Layout;
use crate::samples::model::{Model, advance, redraw, rewrite};
use crate::samples::random::Random;
use crate::samples::row::Row;

pub(in crate::samples) const MODEL: Model = Model {
    table: "orders",
    columns: &["region", "order_id", "customer_email", "status", "amount", "note", "updated_at", "exported_by"],
    layout: Layout::DEFAULT,
    fresh,
    update,
    touch,
    respell,
};

const REGIONS: [&str; 4] = ["eu-west", "eu-north", "us-east", "ap-south"];
const STATUSES: [&str; 5] = ["open", "paid", "shipped", "returned", "cancelled"];
const NAMES: [&str; 8] = ["ada", "bruno", "chidi", "dana", "emre", "françoise", "grete", "hiro"];
const NOTES: [&str; 6] = [
    "leave at the door",
    "gift, wrap it",
    "call \"Marie\" on arrival",
    "Zustellung erst nach 18 Uhr möglich",
    "second attempt; neighbour at no. 12",
    "fragile",
];
const EXPORTERS: [&str; 3] = ["nightly-1", "nightly-2", "operator"];

fn fresh(number: u64, random: &mut Random) -> Row {
    row([
        text(REGIONS[(number % 4) as usize]),
        text(number / 4 + 1),
        (!random.one_in(12)).then(|| format!("{}.{number}@example.com", random.pick(&NAMES))),
        text(random.pick(&STATUSES)),
        amount(random),
        note(random),
        updated_at(random),
        exported_by(random),
    ])
}

fn update(row: &mut Row, random: &mut Random) {
    match random.below(8) {
        0..4 => advance(&mut row[3], &STATUSES),
        4..6 => redraw(&mut row[4], random, amount),
        6 => redraw(&mut row[5], random, note),
        _ => row[4] = None,
    }
    redraw(&mut row[6], random, updated_at);
}

fn touch(row: &mut Row, random: &mut Random) {
    redraw(&mut row[7], random, exported_by);
}

fn respell(row: &mut Row) {
    rewrite(&mut row[1], |id| format!("00{id}"));
    rewrite(&mut row[4], other_decimal);
}

fn amount(random: &mut Random) -> Option<String> {
    (!random.one_in(20)).then(|| cents(random, 100, 99_999))
}

fn note(random: &mut Random) -> Option<String> {
    random.one_in(3).then(|| random.pick(&NOTES).to_owned())
}

fn updated_at(random: &mut Random) -> Option<String> {
    Some(date_and_time(random, ' '))
}

fn exported_by(random: &mut Random) -> Option<String> {
    text(random.pick(&EXPORTERS))
}
