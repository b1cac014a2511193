//! How work is watched while it runs: progress bars, logs, and the wish to stop.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing_subscriber::EnvFilter;

use crate::clock;
use crate::error::{Error, Result};

/// Set by the first Ctrl-C; everything that takes long looks at it now and then.
static STOP: AtomicBool = AtomicBool::new(false);

/// Watches one piece of work: counts its rows on a bar, and hears the wish to stop.
#[derive(Debug, Default)]
pub struct Watch {
    bar: Option<Bar>,
    /// Whether the work was cancelled.
    is_cancelled: AtomicBool,
    /// When it has to be over, in milliseconds since 1970.
    end: Option<i64>,
}

#[derive(Debug)]
struct Bar {
    bar: ProgressBar,
    rows: AtomicU64,
    since: Instant,
}

/// The bars of all tables, on a terminal; nothing elsewhere.
#[derive(Debug, Clone)]
pub struct Progress {
    bars: Option<MultiProgress>,
}

impl Progress {
    /// Bars on stderr where that is a terminal and they are wanted.
    pub fn new(wanted: bool) -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        Self { bars: (wanted && !bars.is_hidden()).then_some(bars) }
    }

    /// A bar for one tenant's table, with so many versions to come.
    pub fn table(&self, tenant: &str, table: &str, versions: u64) -> Watch {
        let Some(bars) = &self.bars else { return Watch::default() };
        let bar = bars.add(ProgressBar::new(versions));
        let style = ProgressStyle::with_template("{prefix} {bar:26.cyan/blue} {pos}/{len} versions   {msg}");
        bar.set_style(style.expect("the template is well formed").progress_chars("━╸─"));
        bar.set_prefix(format!("{tenant:<10} {table:<18}"));
        bar.enable_steady_tick(Duration::from_millis(200));
        let bar = Bar { bar, rows: AtomicU64::new(0), since: clock::instant() };
        Watch { bar: Some(bar), ..Watch::default() }
    }
}

impl Watch {
    /// Watches work that has to be over at a moment, in milliseconds since 1970.
    pub fn until(end: i64) -> Self {
        Self { end: Some(end), ..Self::default() }
    }

    /// Counts rows that were read. Fails when the user asked to stop, the work was cancelled or its time is up.
    pub fn checkpoint(&self, rows: u64) -> Result<()> {
        if let Some(Bar { bar, rows: all, since }) = &self.bar {
            let all = all.fetch_add(rows, Ordering::Relaxed) + rows;
            let rate = all as f64 / since.elapsed().as_secs_f64().max(1e-3);
            bar.set_message(format!("{:.1} M rows/s", rate / 1e6));
        }
        if self.is_over() {
            return Err(Error::out_of_time("the delta").help(
                "give `plan` more memory, deliver the export in more parts, or write `engine: { athena: true }`",
            ));
        }
        if self.is_cancelled.load(Ordering::Relaxed) { Err(Error::interrupted()) } else { check_stop() }
    }

    /// Whether it has to be over by now.
    pub fn is_over(&self) -> bool {
        self.end.is_some_and(|end| clock::now_ms() > end)
    }

    /// Sleeps. Fails as soon as [`Watch::checkpoint`] would.
    pub fn sleep(&self, pause: Duration) -> Result<()> {
        const MOMENT: Duration = Duration::from_millis(100);
        let mut left = pause;
        while !left.is_zero() {
            self.checkpoint(0)?;
            let moment = left.min(MOMENT);
            std::thread::sleep(moment);
            left -= moment;
        }
        self.checkpoint(0)
    }

    /// Shows a message instead of a row rate.
    pub fn message(&self, what: &str) {
        if let Some(Bar { bar, .. }) = &self.bar {
            bar.set_message(what.to_owned());
        }
    }

    /// Cancels the work at its next checkpoint.
    pub fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// A version is done.
    pub fn version_done(&self) {
        if let Some(Bar { bar, .. }) = &self.bar {
            bar.inc(1);
        }
    }

    /// Everything is done; the bar goes away.
    pub fn finish(&self) {
        if let Some(Bar { bar, .. }) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Fails when the user asked to stop.
pub fn check_stop() -> Result<()> {
    if STOP.load(Ordering::Relaxed) { Err(Error::interrupted()) } else { Ok(()) }
}

/// From now on the first Ctrl-C asks to stop, and the second one stops at once.
pub fn listen_for_ctrl_c() {
    const INTERRUPTED: i32 = 130;
    let handler = || {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED);
        }
        eprintln!("\nstopping after this step; press Ctrl-C again to stop at once");
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        tracing::warn!(%error, "Ctrl-C will stop at once, because its handler cannot be set");
    }
}

/// Logs of a Lambda function, which become a line of JSON each, as RUST_LOG says; without it all but details.
#[cfg(feature = "aws")]
pub fn init_function_logs() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,aws_config=warn"));
    let logs = tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).with_current_span(false);
    // A second call, as in tests, changes nothing.
    let _ = logs.without_time().try_init();
}

/// Logs to stderr, as RUST_LOG says; warnings and errors without it.
pub fn init_logs() {
    // What the SDK warns of where it finds no account comes again as an error, in fewer words.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,aws_config=error"));
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // A second call, as in tests, changes nothing.
    let _ = tracing_subscriber::fmt()
        .with_ansi(colours)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .try_init();
}
