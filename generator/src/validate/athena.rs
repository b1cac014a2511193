//! What Athena may cost.

use crate::diagnostic::{Code, Diagnostic};
use crate::spec::{Spec, shown};

/// Units of a size. Athena is paid by the terabyte, which has a million million bytes there as elsewhere on a bill.
const UNITS: [(&str, u64); 3] = [("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000)];

/// The least that Athena's own cut-off may be, and what it charges for a query at least.
/// <https://docs.aws.amazon.com/athena/latest/APIReference/API_WorkGroupConfiguration.html>
const LEAST: u64 = 10_000_000;

/// `engine.max_scan` in bytes.
pub(super) fn max_scan(spec: &Spec, athena: bool, found: &mut Vec<Diagnostic>) -> Option<u64> {
    let written = spec.max_scan.as_ref()?;
    if let Some(flag) = spec.athena.as_ref().filter(|_| !athena) {
        found.push(
            Diagnostic::new(Code::Contradiction, &written.span, "`max_scan` contradicts `athena: false`".to_owned())
                .label("it limits what Athena reads")
                .also(&flag.span, "Athena reads nothing")
                .help("remove one of the two"),
        );
        return None;
    }
    let bytes = size(&written.value);
    if bytes.is_none_or(|bytes| bytes < LEAST) {
        let message = format!("`max_scan` `{}` is not a size of 10 MB or more", shown(&written.value));
        found.push(
            Diagnostic::new(Code::OutOfRange, &written.span, message)
                .label("a whole number of MB, GB or TB")
                .help("write `max_scan: 50 GB`; a run whose exports are larger, compressed, is refused"),
        );
    }
    bytes
}

fn size(text: &str) -> Option<u64> {
    let (unit, factor) = UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
    let number = text.strip_suffix(unit)?.trim_end_matches(' ');
    number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse::<u64>().ok())??.checked_mul(*factor)
}
