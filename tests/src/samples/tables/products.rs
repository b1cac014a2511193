//! `products`: two uncompressed parts, and versions that sort correctly only in natural order.

use super::{cents, iso_date, other_decimal, row, text};
use crate::samples::layout::{Completeness, Compression, Layout};
use crate::samples::model::{Model, advance, redraw, rewrite};
use crate::samples::random::Random;
use crate::samples::row::Row;

pub(in crate::samples) const MODEL: Model = Model {
    table: "products",
    columns: &["sku", "name", "category", "price", "weight_kg", "in_stock", "tags", "released_on", "tax_class", "note"],
    layout: Layout { compression: Compression::None, complete: Completeness::Count { parts: 2 }, ..Layout::DEFAULT },
    fresh,
    update,
    touch,
    respell,
};

const THINGS: [&str; 8] = ["lamp", "kettle", "stool", "shelf, oak", "bread knife", "jug 0.5\"", "Küchenwaage", "tray"];
const FINISHES: [&str; 5] = ["black", "white", "brass", "matt green", "raw"];
const CATEGORIES: [&str; 4] = ["kitchen", "living", "lighting", "outdoor"];
const TAGS: [&str; 4] = ["new", "new,gift", "sale", "sale,last chance"];
const TAX_CLASSES: [&str; 2] = ["standard", "reduced"];
const NOTES: [&str; 3] = ["counted by hand", "price checked", "picture missing"];

fn fresh(number: u64, random: &mut Random) -> Row {
    row([
        Some(format!("P-{:05}", 10_000 + number)),
        Some(format!("{} {}", random.pick(&THINGS), random.pick(&FINISHES))),
        text(random.pick(&CATEGORIES)),
        price(random),
        weight(random),
        text(if random.one_in(5) { "false" } else { "true" }),
        tags(random),
        (!random.one_in(6)).then(|| iso_date(random)),
        text(random.pick(&TAX_CLASSES)),
        note(random),
    ])
}

fn update(row: &mut Row, random: &mut Random) {
    match random.below(5) {
        0..2 => redraw(&mut row[3], random, price),
        2 => redraw(&mut row[4], random, weight),
        3 => redraw(&mut row[6], random, tags),
        _ => advance(&mut row[8], &TAX_CLASSES),
    }
}

fn touch(row: &mut Row, random: &mut Random) {
    redraw(&mut row[9], random, note);
}

fn respell(row: &mut Row) {
    rewrite(&mut row[3], other_decimal);
    rewrite(&mut row[4], |weight| format!("0{weight}"));
    rewrite(&mut row[5], |word| if word.starts_with(['t', '1']) { "1" } else { "F" }.to_owned());
}

fn price(random: &mut Random) -> Option<String> {
    Some(cents(random, 295, 39_900))
}

fn weight(random: &mut Random) -> Option<String> {
    (!random.one_in(8)).then(|| format!("{}.{:03}", random.below(20), random.below(1000)))
}

fn tags(random: &mut Random) -> Option<String> {
    random.one_in(2).then(|| random.pick(&TAGS).to_owned())
}

fn note(random: &mut Random) -> Option<String> {
    random.one_in(3).then(|| random.pick(&NOTES).to_owned())
}
