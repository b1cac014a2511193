//! Infers the schema of a table from its exports.
//!
//! [`infer`] reads every row, so that what it finds holds for all of them, in any order, in memory that does not grow
//! with their number: `bytes` finds compression and encoding, `dialect` and `frame` how rows are separated, `column`
//! gathers facts that `decide` turns into types, `header` names columns, `key` searches for a primary key, `yaml`
//! writes the schema, and `proof` reads every row with it.
//!
//! All of this is first done with the beginnings of large parts. Then `pass` reads every row once: it gathers the same
//! facts, and reads the rows with the schema that the beginnings gave. Where all rows agree with that, nothing is read
//! again. Otherwise rows are read as often as it takes, so that their order decides nothing but how long it takes.

mod bytes;
mod column;
mod decide;
mod dialect;
mod draft;
mod frame;
mod header;
mod inputs;
mod key;
mod lookalikes;
mod numbers;
mod pass;
mod proof;
mod reading;
mod request;
mod rows;
mod symbols;
mod texts;
mod times;
mod words;
mod work;
mod yaml;

pub use draft::Draft;
pub use request::Request;

use crate::error::Result;
use crate::telemetry::{Progress, Watch};
use inputs::Inputs;
use work::Work;

/// Infers the schema that reads all exports of a request.
///
/// # Errors
/// Fails if an export cannot be read, if no schema can describe it, or if the key that the user named is not unique.
pub fn infer(request: &Request) -> Result<Draft> {
    let inputs = inputs::find(request)?;
    let watch = Progress::new(request.progress).table("", &inputs.table, inputs.versions.len() as u64);
    let draft = from_inputs(&inputs, request, &watch);
    watch.finish();
    draft
}

fn from_inputs(inputs: &Inputs, request: &Request, watch: &Watch) -> Result<Draft> {
    let beginnings = inputs.beginnings();
    let work = Work { inputs, beginnings: &beginnings, request, watch };
    let mut survey = bytes::survey(&beginnings, watch)?;
    if survey.is_whole {
        return work.in_passes(&survey);
    }
    if let Some(draft) = pass::infer(&work, &survey)? {
        return Ok(draft);
    }
    // What the beginnings do not show: a line at the end that is not a row, or a code page.
    survey = bytes::survey(&inputs.versions, watch)?;
    let draft = match pass::infer(&work, &survey)? {
        Some(draft) => draft,
        None => work.in_passes(&survey)?,
    };
    let reason = "the beginnings do not show how all rows are written";
    Ok(Draft { read_again: [&[reason], &draft.read_again[..]].concat(), ..draft })
}
