//! Progress bars, logs, and interruption.

use std::io::{IsTerminal as _, Write as _};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing_subscriber::EnvFilter;

use crate::clock;
use crate::error::{Error, Result};

/// Set by the first Ctrl-C; all long work checks it regularly.
static STOP: AtomicBool = AtomicBool::new(false);

/// The bars on the terminal, which a line must not cross.
static BARS: OnceLock<MultiProgress> = OnceLock::new();

/// Follows one piece of work: shows its progress on a bar, and stops it.
#[derive(Debug, Default)]
pub struct Watch {
    bar: Option<Bar>,
    /// Whether the work was cancelled.
    is_cancelled: AtomicBool,
    /// The time by which the work has to be done, in milliseconds since 1970.
    deadline: Option<i64>,
}

#[derive(Debug)]
struct Bar {
    bar: ProgressBar,
    rows: AtomicU64,
    since: Instant,
}

/// The progress bars of all tables; none without a terminal.
#[derive(Debug, Clone)]
pub struct Progress {
    bars: Option<MultiProgress>,
}

impl Progress {
    /// Bars on stderr, if they are enabled and stderr is a terminal.
    pub(crate) fn new(enabled: bool) -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let bars = (enabled && !bars.is_hidden()).then_some(bars);
        Self { bars: bars.map(|bars| BARS.get_or_init(|| bars).clone()) }
    }

    /// Shows what the program waits for until the watch is finished.
    pub(crate) fn wait(&self, what: &str) -> Watch {
        let Some(bars) = &self.bars else { return Watch::default() };
        let bar = bars.add(ProgressBar::new_spinner());
        bar.set_style(ProgressStyle::with_template("{spinner} {msg}").expect("the template is well formed"));
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        let bar = Bar { bar, rows: AtomicU64::new(0), since: clock::instant() };
        Watch { bar: Some(bar), ..Watch::default() }
    }

    /// Adds a bar for a tenant's table with this many versions to process.
    pub(crate) fn table(&self, tenant: &str, table: &str, versions: u64) -> Watch {
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
    /// Follows work that has to be done by a deadline, in milliseconds since 1970.
    #[cfg(feature = "aws")]
    pub(crate) fn until(deadline: i64) -> Self {
        Self { deadline: Some(deadline), ..Self::default() }
    }

    /// Counts rows that were read. Fails if the user interrupted the work, it was cancelled, or its deadline has
    /// passed.
    pub(crate) fn checkpoint(&self, rows: u64) -> Result<()> {
        if let Some(Bar { bar, rows: all, since }) = &self.bar {
            let all = all.fetch_add(rows, Ordering::Relaxed) + rows;
            let rate = all as f64 / since.elapsed().as_secs_f64().max(1e-3);
            bar.set_message(format!("{:.1} M rows/s", rate / 1e6));
        }
        if self.is_past_deadline() {
            return Err(Error::out_of_time("the delta").help(
                "give `plan` more memory, deliver the export in more parts, or write `engine: { athena: true }`",
            ));
        }
        if self.is_cancelled.load(Ordering::Relaxed) { Err(Error::interrupted()) } else { check_stop() }
    }

    /// Returns whether the deadline has passed.
    pub(crate) fn is_past_deadline(&self) -> bool {
        self.deadline.is_some_and(|deadline| clock::now_ms() > deadline)
    }

    /// Sleeps, and fails as soon as [`Watch::checkpoint`] would.
    #[cfg(feature = "aws")]
    pub(crate) fn sleep(&self, pause: Duration) -> Result<()> {
        const STEP: Duration = Duration::from_millis(100);
        let mut remaining = pause;
        while !remaining.is_zero() {
            self.checkpoint(0)?;
            let step = remaining.min(STEP);
            std::thread::sleep(step);
            remaining -= step;
        }
        self.checkpoint(0)
    }

    /// Shows a message instead of a row rate.
    pub(crate) fn message(&self, message: &str) {
        if let Some(Bar { bar, .. }) = &self.bar {
            bar.set_message(message.to_owned());
        }
    }

    /// Cancels the work at its next checkpoint.
    pub(crate) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// Counts a processed version.
    pub(crate) fn version_done(&self) {
        if let Some(Bar { bar, .. }) = &self.bar {
            bar.inc(1);
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        if let Some(Bar { bar, .. }) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Shows a message while the work goes on: as a line on a terminal, above the bars, and in the log.
pub(crate) fn message(text: &str) {
    tracing::info!("{text}");
    // A stderr that is full or closed is no reason to stop.
    let _ = match BARS.get() {
        Some(bars) => bars.println(text),
        None if std::io::stderr().is_terminal() => writeln!(std::io::stderr(), "{text}"),
        None => Ok(()),
    };
}

/// Fails if the user interrupted the program.
pub(crate) fn check_stop() -> Result<()> {
    if STOP.load(Ordering::Relaxed) { Err(Error::interrupted()) } else { Ok(()) }
}

/// Makes the first Ctrl-C interrupt the work at its next checkpoint, and the second one end the program.
pub(crate) fn listen_for_ctrl_c() {
    const INTERRUPTED: i32 = 130;
    let handler = || {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED);
        }
        // A stderr that is full or closed is no reason to stop at once.
        let _ = writeln!(std::io::stderr(), "\nstopping after this step; press Ctrl-C again to stop at once");
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        tracing::warn!(%error, "cannot handle Ctrl-C; it will stop the program immediately");
    }
}

/// Starts the logs of a Lambda function: a line of JSON each, filtered by RUST_LOG; by default from level info.
#[cfg(feature = "aws")]
pub fn init_function_logs() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,aws_config=warn"));
    let logs = tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).with_current_span(false);
    // A second call, as in tests, has no effect.
    let _ = logs.without_time().try_init();
}

/// Starts logs on stderr, filtered by RUST_LOG; by default from level warn.
pub(crate) fn init_logs() {
    // If the SDK does not find credentials, it warns in many words, and the error that follows is enough.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,aws_config=error"));
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // A second call, as in tests, has no effect.
    let _ = tracing_subscriber::fmt()
        .with_ansi(colours)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // It would report a stderr that is full or closed on stderr, and panic.
        .log_internal_errors(false)
        .without_time()
        .try_init();
}
