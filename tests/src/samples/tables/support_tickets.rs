//! `support_tickets`: texts with delimiters, quotes and line breaks; `""` is the empty text, and an empty field is
//! NULL.

use super::{date_and_time, row, text};
use crate::samples::layout::Layout;
use crate::samples::model::{Model, advance, redraw, rewrite};
use crate::samples::random::Random;
use crate::samples::row::Row;

pub(in crate::samples) const MODEL: Model = Model {
    table: "support_tickets",
    columns: &[
        "ticket_id",
        "opened_at",
        "customer_email",
        "subject",
        "body",
        "resolution",
        "priority",
        "status",
        "synced_at",
    ],
    layout: Layout { quotes_empty: true, ..Layout::DEFAULT },
    fresh,
    update,
    touch,
    respell,
};

const NAMES: [&str; 6] = ["amara", "ben", "caterina", "dmitri", "elif", "søren"];
const SUBJECTS: [&str; 6] = [
    "Invoice 2025/117, wrong VAT",
    "\"Forgot password\" link does nothing",
    "Delivery: half of it missing",
    "Lamp flickers, then dies",
    "Änderung der Lieferadresse",
    "Refund?",
];
const BODIES: [&str; 6] = [
    "Hello,\n\nthe invoice says 19 %, it should be 7 %.\nPlease send a new one.\n\nRegards",
    "I press \"Forgot password\", nothing happens. The page says:\n\"\"\nThat is all.",
    "Ordered: 2 stools, 1 tray.\r\nArrived: 1 stool; no tray.\r\nWhere is the rest?",
    "It worked for a week.\n\n> Did you change the bulb?\nYes, twice.",
    "Bitte an die neue Adresse, \"Hinterhaus, 3. Stock\".",
    "",
];
const RESOLUTIONS: [&str; 4] = ["", "sent again", "refunded, 12.50", "Customer wrote:\n\"all fine now\""];
const STATUSES: [&str; 4] = ["new", "open", "waiting", "closed"];

fn fresh(number: u64, random: &mut Random) -> Row {
    row([
        text(7_000 + number),
        Some(date_and_time(random, 'T') + "Z"),
        (!random.one_in(10)).then(|| format!("{}{number}@example.org", random.pick(&NAMES))),
        text(random.pick(&SUBJECTS)),
        body(random),
        resolution(random),
        text(random.between(1, 4)),
        text(random.pick(&STATUSES)),
        synced_at(random),
    ])
}

fn update(row: &mut Row, random: &mut Random) {
    match random.below(4) {
        0 => redraw(&mut row[4], random, body),
        1..3 => redraw(&mut row[5], random, resolution),
        _ => advance(&mut row[7], &STATUSES),
    }
}

fn touch(row: &mut Row, random: &mut Random) {
    redraw(&mut row[8], random, synced_at);
}

fn respell(row: &mut Row) {
    rewrite(&mut row[1], |moment| moment.replace('Z', ".000+00:00"));
    rewrite(&mut row[6], |priority| format!("0{priority}"));
}

fn body(random: &mut Random) -> Option<String> {
    text(random.pick(&BODIES))
}

/// NULL and the empty text are two values: not handled yet, and closed without comment.
fn resolution(random: &mut Random) -> Option<String> {
    (!random.one_in(3)).then(|| random.pick(&RESOLUTIONS).to_owned())
}

fn synced_at(random: &mut Random) -> Option<String> {
    Some(date_and_time(random, 'T'))
}
