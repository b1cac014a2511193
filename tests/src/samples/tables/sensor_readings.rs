//! `sensor_readings`: every type, with a second spelling of the same value if the type has one.

use super::{date_and_time, day_of_2025, iso_date, other_decimal, other_float, row, text, time_of_day};
use crate::samples::layout::Layout;
use crate::samples::model::{Model, advance, redraw, rewrite};
use crate::samples::random::Random;
use crate::samples::row::Row;

pub(in crate::samples) const MODEL: Model = Model {
    table: "sensor_readings",
    columns: &[
        "site",
        "sensor_id",
        "serial",
        "label",
        "online",
        "calibrated",
        "channel",
        "battery_mv",
        "uptime_s",
        "temperature_c",
        "pressure_pa",
        "energy_kwh",
        "firmware_sha",
        "payload",
        "installed_on",
        "inspected_on",
        "measured_at",
        "recorded_at",
        "received_at",
        "polled_by",
    ],
    layout: Layout { delimiter: b'|', null: "n/a", ..Layout::DEFAULT },
    fresh,
    update,
    touch,
    respell,
};

const SITES: [&str; 3] = ["HAM", "OSLO", "ÎLE"];
const LABELS: [&str; 5] = ["boiler, top", "roof | north", "gate \"B\"", "Kühlraum 2", ""];
/// Base64 of short byte strings, the first of them empty.
const PAYLOADS: [&str; 5] = ["", "AA==", "/+8=", "dGlkZSAyLjQxIG0=", "bG93IGJhdHRlcnk="];
const PRESSURES: [&str; 6] = ["101325", "99870.5", "1.01325e5", "100000.25", "NaN", "0.0"];
const POLLERS: [&str; 3] = ["edge-1", "edge-2", "manual"];

fn fresh(number: u64, random: &mut Random) -> Row {
    row([
        text(SITES[(number % 3) as usize]),
        text(number / 3 + 1),
        Some(format!("SN{:06}", random.below(1_000_000))),
        text(random.pick(&LABELS)),
        text(random.pick(&["up", "up", "down"])),
        text(random.pick(&["true", "false"])),
        text(random.between(0, 255) as i64 - 128),
        (!random.one_in(5)).then(|| random.between(2_800, 3_700).to_string()),
        text(random.below(400_000_000)),
        temperature(random),
        pressure(random),
        energy(random),
        firmware(random),
        payload(random),
        text(german_date(random)),
        (!random.one_in(3)).then(|| iso_date(random)),
        measured_at(random),
        recorded_at(random),
        Some(date_and_time(random, 'T') + ".25Z"),
        polled_by(random),
    ])
}

fn update(row: &mut Row, random: &mut Random) {
    match random.below(8) {
        0 => advance(&mut row[4], &["up", "down"]),
        1 => redraw(&mut row[9], random, temperature),
        2 => redraw(&mut row[11], random, energy),
        3 => redraw(&mut row[12], random, firmware),
        4 => redraw(&mut row[13], random, payload),
        5 => redraw(&mut row[16], random, measured_at),
        6 => redraw(&mut row[17], random, recorded_at),
        _ => redraw(&mut row[10], random, |random| text(random.between(90_000, 99_000))),
    }
}

fn touch(row: &mut Row, random: &mut Random) {
    redraw(&mut row[19], random, polled_by);
}

fn respell(row: &mut Row) {
    rewrite(&mut row[1], |id| format!("+0{}", id.trim_start_matches('+')));
    rewrite(&mut row[2], |serial| format!("  {serial} "));
    rewrite(&mut row[4], |word| word.to_uppercase());
    rewrite(&mut row[5], |word| word[..1].to_uppercase());
    rewrite(&mut row[7], |millivolts| format!("0{millivolts}"));
    rewrite(&mut row[9], other_float);
    rewrite(&mut row[10], other_float);
    rewrite(&mut row[11], other_decimal);
    rewrite(&mut row[12], |digits| digits.to_uppercase());
    rewrite(&mut row[17], other_fraction);
    rewrite(&mut row[18], |moment| moment.replace(".25Z", ".250000+00:00"));
}

fn other_fraction(moment: &str) -> String {
    if moment.contains('.') { format!("{moment}0") } else { format!("{moment}.000") }
}

fn german_date(random: &mut Random) -> String {
    let (year, month, day) = day_of_2025(random.below(365));
    format!("{day:02}.{month:02}.{year}")
}

fn temperature(random: &mut Random) -> Option<String> {
    let sign = if random.one_in(4) { "-" } else { "" };
    (!random.one_in(9)).then(|| format!("{sign}{}.{}", random.between(1, 39), random.below(10)))
}

fn pressure(random: &mut Random) -> Option<String> {
    (!random.one_in(7)).then(|| random.pick(&PRESSURES).to_owned())
}

fn energy(random: &mut Random) -> Option<String> {
    let whole = if random.one_in(6) { "1234567890123456789012345678" } else { "48210" };
    Some(format!("{whole}.{:010}", random.below(10_000_000_000)))
}

fn firmware(random: &mut Random) -> Option<String> {
    (!random.one_in(8)).then(|| format!("{:016x}", random.next()))
}

fn payload(random: &mut Random) -> Option<String> {
    (!random.one_in(8)).then(|| random.pick(&PAYLOADS).to_owned())
}

fn measured_at(random: &mut Random) -> Option<String> {
    let date = german_date(random);
    Some(format!("{date} {}.{:06}", time_of_day(random), random.below(1_000_000)))
}

fn recorded_at(random: &mut Random) -> Option<String> {
    Some(format!("{}.{:03}", date_and_time(random, 'T'), random.below(1000)))
}

fn polled_by(random: &mut Random) -> Option<String> {
    text(random.pick(&POLLERS))
}
