//! Athena's generated queries, executed by a real Trino, agree with the reference and the native engine.

mod athena;
mod random_tables;
mod texts;

use tests::reference::Reject;

use self::athena::by_athena;
use crate::cases;
use crate::engines::{Finding, Given, by_reference, difference, natively};
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
    "gzip-of-no-bytes",
    "header-order",
    "quoted-header",
    "several-parts",
];

/// Cases whose fault is invisible to queries, because Athena's reader skips it; docs/athena.md lists them.
const INVISIBLE: &[&str] = &["blank-lines-of-one-column", "gzip-bytes-after-the-end", "gzip-zeros-after-the-end"];

/// The finding without the details that Athena does not know: line numbers, and the parts of conflicting duplicates.
fn without_unknown_details(finding: Finding) -> Finding {
    let Finding::Rejected { shown, totals } = finding else { return finding };
    let strip = |mut reject: Reject| {
        reject.line = 0;
        if reject.reason == "conflicting-duplicate" {
            reject.part = String::new();
        }
        reject
    };
    let mut shown: Vec<Reject> = shown.into_iter().map(strip).collect();
    shown.sort();
    shown.dedup();
    Finding::Rejected { shown, totals }
}

/// How Athena or the native engine differs from the reference, if they do.
fn disagreement(given: &Given) -> Option<String> {
    let expected = by_reference(given);
    if let Some(difference) = difference(&expected, &natively(given)) {
        return Some(format!("the native engine: {difference}"));
    }
    let (expected, found) = (without_unknown_details(expected), without_unknown_details(by_athena(given)));
    match (&expected, &found) {
        // Which of more than twenty offenders are shown depends on their lines.
        (Finding::Rejected { shown: all, totals }, Finding::Rejected { shown, totals: found }) => {
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
    for (name, given) in cases::given().into_iter().filter(|(_, given)| given.table.athena) {
        if REFUSED.contains(&name.as_str()) {
            let found = by_athena(&given);
            if matches!(found, Finding::Changes(_)) {
                failures.push(format!("{name}: Athena should refuse it, but finds {found:#?}"));
            }
        } else {
            match (disagreement(&given), INVISIBLE.contains(&name.as_str())) {
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
