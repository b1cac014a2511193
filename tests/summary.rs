//! Runs after the suite, and prints the summary that its tests wrote.

fn main() {
    let summary = std::fs::read_to_string(concat!(env!("CARGO_TARGET_TMPDIR"), "/summary.txt")).unwrap_or_default();
    println!("\nSummary of the tests:\n");
    for line in summary.lines() {
        println!("  {line}");
    }
}
