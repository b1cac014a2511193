//! Athena's generated queries, executed by a real Trino, agree with the reference and the native engine.

mod athena;
mod random_tables;
mod texts;

use tests::reference::Reject;

use self::athena::by_athena;
use crate::cases;
use crate::engines::{DeltaInput, DeltaResult, difference, native_delta, reference_delta};
use crate::workspace::add_to_summary;

/// Cases that Athena refuses for other reasons than the native engine: the files are broken, and its reader splits them
/// into other broken rows; or their header has another column order than the schema.
const REFUSED: &[&str] = &[
    "bad-character",
    "bad-character-without-quotes",
    "bad-quoting",
    "bad-quoting-line-break",
    "blank-lines",
    "changed-in-column-order",
    "duplicates",
    "gzip-empty-file",
    "header-case-ignored",
    "header-order",
    "mark-at-a-later-line",
    "quoted-header",
    "repeated-header-in-another-case",
    "several-parts",
    "spark-backslash-undeclared",
];

/// Cases whose fault is invisible to queries, because Athena's reader skips it; docs/athena.md lists them.
const INVISIBLE: &[&str] = &["blank-lines-in-one-column", "gzip-bytes-after-the-end", "gzip-zeros-after-the-end"];

/// The result without the details that Athena does not know: line numbers, and the parts of keys that appear again.
fn without_unknown_details(result: DeltaResult) -> DeltaResult {
    let DeltaResult::Rejected { shown, totals } = result else { return result };
    let strip = |mut reject: Reject| {
        reject.line = 0;
        if matches!(reject.reason.as_str(), "conflicting-duplicate" | "repeated-row") {
            reject.part = String::new();
        }
        reject
    };
    let mut shown: Vec<Reject> = shown.into_iter().map(strip).collect();
    shown.sort();
    shown.dedup();
    DeltaResult::Rejected { shown, totals }
}

/// How Athena or the native engine differs from the reference, if they do.
fn disagreement(input: &DeltaInput) -> Option<String> {
    let expected = reference_delta(input);
    if let Some(difference) = difference(&expected, &native_delta(input)) {
        return Some(format!("the native engine: {difference}"));
    }
    let (expected, found) = (without_unknown_details(expected), without_unknown_details(by_athena(input)));
    match (&expected, &found) {
        // Which of more than twenty offenders are shown depends on their lines.
        (DeltaResult::Rejected { shown: all, totals }, DeltaResult::Rejected { shown, totals: found }) => {
            let agrees = totals == found && !shown.is_empty() && shown.iter().all(|reject| all.contains(reject));
            (!agrees).then(|| format!("expected {totals:?} {all:#?}\nfound {found:?} {shown:#?}"))
        }
        _ => difference(&expected, &found),
    }
}

fn assert_no_failures(failures: &[String]) {
    assert!(failures.is_empty(), "{} failures\n\n{}", failures.len(), failures.join("\n\n"));
}

#[test]
fn athena_passes_every_case() {
    let (mut failures, mut agreed) = (Vec::new(), 0);
    for (name, input) in cases::inputs().into_iter().filter(|(_, input)| input.table.athena) {
        if REFUSED.contains(&name.as_str()) {
            let found = by_athena(&input);
            if matches!(found, DeltaResult::Changes(_)) {
                failures.push(format!("{name}: Athena should refuse it, but finds {found:#?}"));
            }
        } else {
            match (disagreement(&input), INVISIBLE.contains(&name.as_str())) {
                (Some(difference), false) => failures.push(format!("{name}: {difference}")),
                (None, true) => failures.push(format!("{name}: Athena does detect it; remove it from `INVISIBLE`")),
                _ => agreed += 1,
            }
        }
    }
    add_to_summary(&format!(
        "parity: reference, native engine and Trino agree on {agreed} cases; Trino refuses {} for other reasons",
        REFUSED.len()
    ));
    assert_no_failures(&failures);
}
