//! What all files of SQLite have in common: other programs may write to them, too.

use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use crate::clock;
use crate::telemetry;

/// After this time, somebody may wonder what the program is doing.
const NOTICEABLE: Duration = Duration::from_secs(1);

/// Makes a connection wait for other writers, for at most this long, and say so. `name` is that of the file.
pub(crate) fn wait_for_writers(connection: &mut Connection, name: String, max: Duration) -> rusqlite::Result<()> {
    let (mut since, mut is_reported) = (clock::instant(), false);
    connection.busy_handler(Some(move |attempt: i32| {
        if attempt == 0 {
            (since, is_reported) = (clock::instant(), false);
        }
        let waited = since.elapsed();
        if waited >= NOTICEABLE && !is_reported {
            is_reported = true;
            telemetry::message(&format!("waiting for another program that is writing to {name}"));
        }
        thread::sleep(Duration::from_millis(1 << attempt.clamp(0, 5)));
        waited < max
    }))
}
