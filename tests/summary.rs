//! Runs behind the suite, and says once more what its tests tried.

fn main() {
    let told = std::fs::read_to_string(concat!(env!("CARGO_TARGET_TMPDIR"), "/told.txt")).unwrap_or_default();
    println!("\nWhat the tests tried:\n");
    for line in told.lines() {
        println!("  {line}");
    }
}
