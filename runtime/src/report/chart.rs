//! Charts of a table's versions. Colours are those of the style sheet, so that they suit light and dark pages; each
//! chart has a title and a description for screen readers, and its numbers are in a table next to it.

use std::fmt::Write as _;

use svg::node::element::{Element, Text, Title};
use svg::node::{Node as _, element};

use super::words::{by_kind, count};
use crate::plan::Counts;
use crate::run::guard::{OperationKind, percent, ratio};
use crate::store::{Status, Version};
use crate::table::Guards;

/// How many points a chart has at most.
const POINTS: usize = 52;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 120.0;
const LEFT: f64 = 72.0;
const BOTTOM: f64 = 18.0;
const TOP: f64 = 8.0;

/// What a chart shows of one or several versions that follow each other.
#[derive(Debug, Clone)]
struct Point {
    first: String,
    last: String,
    rows: u64,
    /// The operations of each kind as a share of the baseline's rows; the largest one of several versions.
    shares: [f64; 3],
    /// What guards allow; the smallest share of several versions.
    limits: [Option<f64>; 3],
    /// Whether one of the versions is not published.
    is_open: bool,
}

/// A chart, ready to be part of a page.
#[derive(Debug, serde::Serialize)]
pub(super) struct Chart {
    caption: String,
    svg: String,
}

/// The charts of a table: its rows, and the share of each kind of operation with what guards allow.
pub(super) fn charts(versions: &[Version], guards: Option<&Guards>) -> Vec<Chart> {
    let planned: Vec<(&Version, &Counts)> =
        versions.iter().filter_map(|version| Some((version, &version.plan.as_ref()?.counts))).collect();
    if planned.len() < 2 {
        return Vec::new();
    }
    let size = planned.len().div_ceil(POINTS);
    let points: Vec<Point> = planned.chunks(size).map(|versions| Point::new(versions, guards)).collect();
    let each =
        if size == 1 { String::new() } else { format!("; {size} versions in each step, the largest share of them") };
    let mut charts = vec![rows_chart(&points)];
    for (index, (_, word, _)) in by_kind(&Counts::default()).into_iter().enumerate() {
        charts.push(share_chart(&points, index, word, &each));
    }
    charts
}

impl Point {
    fn new(versions: &[(&Version, &Counts)], guards: Option<&Guards>) -> Self {
        let (first, last) = (versions[0].0, versions[versions.len() - 1]);
        let mut point = Self {
            first: first.version.clone(),
            last: last.0.version.clone(),
            rows: last.1.rows,
            shares: [0.0; 3],
            limits: [None; 3],
            is_open: versions.iter().any(|(version, _)| is_open(version)),
        };
        let compared = |version: &Version| version.plan.as_ref().is_some_and(|plan| plan.previous.is_some());
        for (_, counts) in versions.iter().filter(|(version, _)| compared(version)) {
            for (index, (kind, _, number)) in by_kind(counts).into_iter().enumerate() {
                point.shares[index] = point.shares[index].max(ratio(number, counts.baseline_rows));
                let limit = guards.and_then(|guards| limit(guards, kind, counts.baseline_rows));
                point.limits[index] = [point.limits[index], limit].into_iter().flatten().reduce(f64::min);
            }
        }
        point
    }

    fn name(&self) -> String {
        if self.first == self.last { self.first.clone() } else { format!("{} to {}", self.first, self.last) }
    }
}

fn is_open(version: &Version) -> bool {
    !matches!(version.status, Status::Succeeded | Status::Retired | Status::Publishing | Status::Planned)
}

/// The share of the baseline's rows that guards allow for a kind of operation; `None` if they allow any.
pub(super) fn limit(guards: &Guards, kind: OperationKind, baseline_rows: u64) -> Option<f64> {
    let (max_ratio, max_number) = match kind {
        OperationKind::Inserts => (guards.max_insert_ratio, guards.max_inserts),
        OperationKind::Updates => (guards.max_update_ratio, guards.max_updates),
        OperationKind::Deletes => (guards.max_delete_ratio, guards.max_deletes),
    };
    let max_ratio = max_ratio.filter(|_| baseline_rows >= guards.min_baseline_rows);
    let max_number = max_number.map(|number| ratio(number, baseline_rows));
    [max_ratio, max_number].into_iter().flatten().reduce(f64::min)
}

fn rows_chart(points: &[Point]) -> Chart {
    let max = points.iter().map(|point| point.rows).max().unwrap_or_default().max(1);
    let scale = Scale { max: max as f64, points: points.len() };
    let mut line = String::new();
    let mut open = String::new();
    for (index, point) in points.iter().enumerate() {
        let (x, y) = (scale.x(index), scale.y(point.rows as f64));
        let _ = write!(line, "{}{x:.0} {y:.0}", if index == 0 { 'M' } else { 'L' });
        if point.is_open {
            let _ = write!(open, "M{:.0} {y:.0}a4 4 0 1 0 8 0a4 4 0 1 0-8 0", x - 4.0);
        }
    }
    let (from, to) = (&points[0], &points[points.len() - 1]);
    let title = format!("Rows, {} to {}", from.first, to.last);
    let description = format!("From {} to {} rows; at most {}.", count(from.rows), count(to.rows), count(max));
    let mut svg = frame("rows", &title, &description, &count(max), points);
    path(&mut svg, "line", line);
    path(&mut svg, "open", open);
    Chart { caption: "Rows of each version. A circle is a version that is not published.".into(), svg: svg.to_string() }
}

fn share_chart(points: &[Point], kind: usize, word: &str, each: &str) -> Chart {
    let values = points.iter().map(|point| point.shares[kind]);
    let largest =
        points.iter().max_by(|a, b| a.shares[kind].total_cmp(&b.shares[kind])).expect("there are two or more");
    let limits = points.iter().filter_map(|point| point.limits[kind]);
    // Guards that allow everything would make the bars invisible.
    let max = values.clone().fold(0.0, f64::max).max(limits.clone().filter(|limit| *limit <= 1.0).fold(0.0, f64::max));
    let scale = Scale { max: if max > 0.0 { max * 1.1 } else { 1.0 }, points: points.len() };
    let (mut within, mut beyond) = (String::new(), String::new());
    for (index, point) in points.iter().enumerate().filter(|(_, point)| point.shares[kind] > 0.0) {
        let is_beyond = point.limits[kind].is_some_and(|limit| point.shares[kind] > limit);
        // What is there is seen, however little it is.
        let (x, zero) = (scale.x(index), scale.y(0.0));
        let y = scale.y(point.shares[kind]).min(zero - 1.0);
        let _ = write!(if is_beyond { &mut beyond } else { &mut within }, "M{x:.0} {zero}V{y:.0}");
    }
    let title = format!("Rows {word}, in percent of the baseline");
    let description = format!("At most {}, in {}.", percent(largest.shares[kind]), largest.name());
    let mut svg = frame(word, &title, &description, &percent(scale.max), points);
    path(&mut svg, "band", band(points, kind, &scale));
    for (class, bars) in [("bar", within), ("bar beyond", beyond)] {
        path(&mut svg, class, bars);
    }
    let guarded = if limits.count() > 0 { ". The shaded band is what guards let pass" } else { "" };
    Chart { caption: format!("Rows {word}, in percent of the baseline{each}{guarded}."), svg: svg.to_string() }
}

/// What guards let pass, as one shape for all points that follow each other with the same limit.
fn band(points: &[Point], kind: usize, scale: &Scale) -> String {
    let mut band = String::new();
    let mut index = 0;
    for run in points.chunk_by(|a, b| a.limits[kind] == b.limits[kind]) {
        if let Some(limit) = run[0].limits[kind] {
            let (left, width) = (scale.x(index) - scale.step() / 2.0, scale.step() * run.len() as f64);
            let (zero, top) = (scale.y(0.0), scale.y(limit.min(scale.max)));
            let _ = write!(band, "M{left:.0} {zero}V{top:.0}h{width:.0}V{zero}");
        }
        index += run.len();
    }
    band
}

/// Where points are.
struct Scale {
    max: f64,
    points: usize,
}

impl Scale {
    fn step(&self) -> f64 {
        (WIDTH - LEFT) / self.points as f64
    }

    fn x(&self, index: usize) -> f64 {
        LEFT + (index as f64 + 0.5) * self.step()
    }

    fn y(&self, value: f64) -> f64 {
        let height = HEIGHT - TOP - BOTTOM;
        TOP + height * (1.0 - value / self.max)
    }
}

/// The picture with its axes.
fn frame(id: &str, title: &str, description: &str, max: &str, points: &[Point]) -> Element {
    let mut svg = picture(id, title, description, HEIGHT);
    let (zero, right) = (HEIGHT - BOTTOM, WIDTH);
    path(&mut svg, "axis", format!("M{LEFT} {TOP}V{zero}H{right}"));
    label(&mut svg, "end", LEFT - 6.0, TOP + 8.0, max);
    label(&mut svg, "end", LEFT - 6.0, zero, "0");
    label(&mut svg, "start", LEFT, HEIGHT - 4.0, &points[0].first);
    label(&mut svg, "end", right, HEIGHT - 4.0, &points[points.len() - 1].last);
    svg
}

/// An empty picture. A page has one with each id.
pub(super) fn picture(id: &str, title: &str, description: &str, height: f64) -> Element {
    let mut svg = Element::new("svg");
    svg.assign("class", "chart");
    svg.assign("viewBox", format!("0 0 {WIDTH} {height}"));
    svg.assign("role", "img");
    svg.assign("aria-labelledby", format!("chart-{id} about-{id}"));
    svg.append(Title::new(title).set("id", format!("chart-{id}")));
    let mut about = Element::new("desc");
    about.assign("id", format!("about-{id}"));
    about.append(svg::node::Text::new(description));
    svg.append(about);
    svg
}

/// Lines of one class, if there are any.
pub(super) fn path(svg: &mut Element, class: &str, lines: String) {
    if !lines.is_empty() {
        svg.append(element::Path::new().set("class", class).set("d", lines));
    }
}

/// A text that starts or ends at a point.
pub(super) fn label(svg: &mut Element, anchor: &str, x: f64, y: f64, text: &str) {
    svg.append(Text::new(text).set("class", anchor).set("x", x).set("y", y));
}

/// The width of every picture.
pub(super) const fn width() -> f64 {
    WIDTH
}
