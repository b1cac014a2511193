//! A plan as a picture: which part of the baseline is gone, and how much is new.

use svg::node::Node as _;
use svg::node::element::{Element, Rectangle};

use super::chart::{label, picture, width};
use super::private;
use super::words::count;
use crate::plan::{Block, Plan};
use crate::run::guard::{percent, ratio};
use crate::table::Table;

/// A picture with what it shows in words.
#[derive(Debug, serde::Serialize)]
pub(super) struct Picture {
    svg: String,
    words: Vec<String>,
}

/// A stretch of the bar: its class, and its number of rows.
type Stretch = (&'static str, u64);

/// Draws the rows of the baseline from the first to the last, and below them those of the export.
pub(super) fn draw(plan: &Plan, table: Option<&Table>) -> Picture {
    let counts = &plan.counts;
    let block = plan.findings.deleted_block.as_ref().map(|block| (block, rows_of(block, counts.deleted)));
    let words = words(plan, block, table);
    let mut svg = picture("plan", "The baseline and the export", &words.join(" "), 96.0);
    let widest = counts.baseline_rows.max(counts.rows).max(1);
    let scattered = counts.deleted - block.map_or(0, |(_, rows)| rows).min(counts.deleted);
    let old = stretches(counts.baseline_rows, scattered, block);
    let kept = counts.rows.saturating_sub(counts.inserted + counts.updated);
    let new = [("kept", kept), ("updated", counts.updated), ("inserted", counts.inserted)];
    bar(&mut svg, 20.0, widest, &old);
    bar(&mut svg, 66.0, widest, &new);
    let previous = plan.previous.as_deref().unwrap_or("nothing before it");
    label(&mut svg, "start", 0.0, 14.0, &format!("{previous}: {} rows", count(counts.baseline_rows)));
    label(&mut svg, "start", 0.0, 60.0, &format!("this version: {} rows", count(counts.rows)));
    Picture { svg: svg.to_string(), words }
}

/// The number of rows of the block; an earlier release recorded only blocks of all deleted rows.
fn rows_of(block: &Block, deleted: u64) -> u64 {
    if block.rows == 0 { deleted } else { block.rows.min(deleted) }
}

/// The baseline: what is kept, and where the block of deleted rows is. Where exactly a block in the middle begins is
/// not known, and neither is where single rows are.
fn stretches(baseline: u64, scattered: u64, block: Option<(&Block, u64)>) -> Vec<Stretch> {
    let gone = block.map_or(0, |(_, rows)| rows);
    let kept = baseline.saturating_sub(gone + scattered);
    match block {
        None => vec![("kept", kept), ("scattered", scattered)],
        Some((block, rows)) if block.at_the_end => vec![("kept", kept), ("scattered", scattered), ("gone", rows)],
        Some((Block { after: None, .. }, rows)) => vec![("gone", rows), ("kept", kept), ("scattered", scattered)],
        Some((_, rows)) => {
            vec![("kept", kept / 2), ("gone", rows), ("kept", kept - kept / 2), ("scattered", scattered)]
        }
    }
}

fn bar(svg: &mut Element, y: f64, widest: u64, stretches: &[Stretch]) {
    let mut x = 0.0;
    for (class, rows) in stretches.iter().filter(|(_, rows)| *rows > 0) {
        // A single row among millions is visible, too.
        let length = (width() * *rows as f64 / widest as f64).max(1.5);
        let place = [("x", x), ("y", y), ("width", length), ("height", 22.0)];
        let mut part = Rectangle::new().set("class", *class);
        for (name, value) in place {
            part = part.set(name, format!("{value:.1}"));
        }
        svg.append(part);
        x += length;
    }
}

/// What the picture shows, a sentence each.
fn words(plan: &Plan, block: Option<(&Block, u64)>, table: Option<&Table>) -> Vec<String> {
    let counts = &plan.counts;
    let share = |number| percent(ratio(number, counts.baseline_rows));
    let mut words = vec![format!(
        "{} of {} rows of the baseline are gone ({}); {} are updated, and {} are new.",
        count(counts.deleted),
        count(counts.baseline_rows),
        share(counts.deleted),
        count(counts.updated),
        count(counts.inserted)
    )];
    if let Some((block, rows)) = block.filter(|(_, rows)| *rows > 1) {
        let after = block.after.as_ref().map(|after| private::key(table, after));
        words.push(match (after, block.at_the_end) {
            (None, true) => "Every row of the baseline is gone.".into(),
            (None, false) => format!("{} of them are one block at the beginning.", count(rows)),
            (Some(after), true) => format!(
                "{} of them are one block at the end, after the key {after}: the export may be truncated.",
                count(rows)
            ),
            (Some(after), false) => format!(
                "{} of them are one block, after the key {after}; the picture does not show how far from the beginning.",
                count(rows)
            ),
        });
    }
    let common = plan.findings.deleted_common.iter();
    let common: Vec<String> =
        common.map(|(column, value)| format!("{column} = {}", private::value(table, column, value))).collect();
    words.extend((!common.is_empty()).then(|| format!("All deleted rows have {}.", common.join(", "))));
    words
}
