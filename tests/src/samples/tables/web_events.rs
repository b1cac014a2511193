//! `web_events`: tabs, no quotes, `\N` for NULL, Zstandard, and two parts with a marker.

use super::{date_and_time, row, text};
use crate::samples::layout::{Completeness, Compression, Layout};
use crate::samples::model::{Model, redraw, rewrite};
use crate::samples::random::{Random, mix};
use crate::samples::row::Row;

pub(in crate::samples) const MODEL: Model = Model {
    table: "web_events",
    columns: &[
        "visitor_id",
        "event_no",
        "kind",
        "path",
        "referrer",
        "duration_ms",
        "occurred_at",
        "country",
        "user_agent",
        "loaded_by",
    ],
    layout: Layout {
        compression: Compression::Zstd,
        delimiter: b'\t',
        quotes: false,
        null: "\\N",
        complete: Completeness::Marker { name: "_SUCCESS", parts: 2 },
        ..Layout::DEFAULT
    },
    fresh,
    update,
    touch,
    respell,
};

const EVENTS_PER_VISITOR: u64 = 5;
const KINDS: [&str; 4] = ["view", "click", "search", "checkout"];
const PATHS: [&str; 6] = ["/", "/lamps", "/search?q=\"red, round\"", "/basket", "/p/10017;ref=mail", "/über-uns"];
const REFERRERS: [&str; 3] = ["https://search.example/?q=oak+shelf", "https://news.example/gifts", "mail"];
const COUNTRIES: [&str; 5] = ["DE", "FR", "GB", "NO", "PT"];
const AGENTS: [&str; 3] = ["Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (iPhone)", "curl/8.9 \\ monitoring"];
const LOADERS: [&str; 3] = ["collector-a", "collector-b", "backfill"];

fn fresh(number: u64, random: &mut Random) -> Row {
    row([
        Some(format!("{:016x}", mix(number / EVENTS_PER_VISITOR))),
        text(number % EVENTS_PER_VISITOR + 1),
        text(random.pick(&KINDS)),
        text(random.pick(&PATHS)),
        referrer(random),
        duration(random),
        Some(date_and_time(random, 'T') + "Z"),
        country(random),
        text(random.pick(&AGENTS)),
        loaded_by(random),
    ])
}

fn update(row: &mut Row, random: &mut Random) {
    match random.below(4) {
        0 => redraw(&mut row[4], random, referrer),
        1..3 => redraw(&mut row[5], random, duration),
        _ => redraw(&mut row[7], random, country),
    }
}

fn touch(row: &mut Row, random: &mut Random) {
    redraw(&mut row[9], random, loaded_by);
}

fn respell(row: &mut Row) {
    rewrite(&mut row[1], |number| format!("0{number}"));
    rewrite(&mut row[5], |duration| format!("00{duration}"));
    rewrite(&mut row[6], |moment| moment.replace('Z', "+00:00"));
}

fn referrer(random: &mut Random) -> Option<String> {
    random.one_in(2).then(|| random.pick(&REFERRERS).to_owned())
}

fn duration(random: &mut Random) -> Option<String> {
    (!random.one_in(4)).then(|| random.between(40, 90_000).to_string())
}

fn country(random: &mut Random) -> Option<String> {
    (!random.one_in(5)).then(|| random.pick(&COUNTRIES).to_owned())
}

fn loaded_by(random: &mut Random) -> Option<String> {
    text(random.pick(&LOADERS))
}
