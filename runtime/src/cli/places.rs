//! Where exports lie and what computes their delta, as it is typed: a path, or `s3://…`; an engine, and its account.

use std::path::Path;

use clap::{Args, ValueEnum};

use crate::delta;
use crate::engine::athena::Statements;
use crate::engine::{Choice, Engines};
use crate::error::Result;
use crate::snapshot::local::Local;
use crate::snapshot::{Export, Snapshots};

/// What computes a delta.
#[derive(Debug, Args)]
pub(super) struct EngineArgs {
    /// What computes the delta: this process, or Athena for exports in S3; `auto` takes Athena beyond 12 GB of exports.
    #[arg(long, value_enum, default_value_t = Name::Auto)]
    engine: Name,
    /// The database of Glue's data catalog that has the tables.
    #[arg(long, value_name = "NAME", default_value = "tidemark")]
    athena_database: String,
    /// The work group that statements run in.
    #[arg(long, value_name = "NAME", default_value = "primary")]
    athena_workgroup: String,
    /// Where statements leave what they write until it is read [default: s3://BUCKET-OF-THE-EXPORTS/_tidemark/athena].
    #[arg(long, value_name = "URI")]
    athena_results: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    Native,
    Athena,
    Auto,
}

/// Whether something is in S3 rather than on this machine.
fn is_remote(place: &Path) -> bool {
    place.to_string_lossy().starts_with("s3://")
}

/// The tree of exports that somebody named.
pub(super) fn exports(root: &Path) -> Result<Box<dyn Snapshots>> {
    if is_remote(root) {
        return remote::exports(&root.to_string_lossy());
    }
    Ok(Box::new(Local::new(root)?))
}

/// The export that somebody named.
pub(super) fn export(place: &Path) -> Result<Export> {
    if is_remote(place) { remote::export(&place.to_string_lossy()) } else { delta::export(place) }
}

impl EngineArgs {
    fn choice(&self) -> Choice {
        match self.engine {
            Name::Native => Choice::Native,
            Name::Athena => Choice::Athena,
            Name::Auto => Choice::Auto,
        }
    }

    /// The engines, for exports that lie in these places.
    pub(super) fn engines(&self, statements: &'static [Statements], places: &[&Path]) -> Result<Engines> {
        if self.engine == Name::Native || !places.iter().any(|place| is_remote(place)) {
            // Without AWS, nothing asks for an account.
            return Ok(Engines { choice: self.choice(), ..Engines::default() });
        }
        remote::engines(self, statements)
    }
}

#[cfg(feature = "aws")]
mod remote {
    use std::sync::{Arc, OnceLock};

    use super::EngineArgs;
    use crate::aws::Aws;
    use crate::delta;
    use crate::engine::Engines;
    use crate::engine::athena::{Athena, Statements};
    use crate::error::{Error, Result};
    use crate::snapshot::s3::{Place, S3, S3Folder};
    use crate::snapshot::{Export, Snapshots};

    /// The one account of this program.
    fn aws() -> Result<Arc<Aws>> {
        static AWS: OnceLock<Arc<Aws>> = OnceLock::new();
        if let Some(aws) = AWS.get() {
            return Ok(Arc::clone(aws));
        }
        let aws = Arc::new(Aws::from_environment()?);
        Ok(Arc::clone(AWS.get_or_init(|| aws)))
    }

    fn place(uri: &str) -> Result<Place> {
        Place::parse(uri).ok_or_else(|| {
            Error::refused(uri, "it names no bucket").help("name a place in S3 as s3://BUCKET or s3://BUCKET/PREFIX")
        })
    }

    pub(super) fn exports(root: &str) -> Result<Box<dyn Snapshots>> {
        Ok(Box::new(S3::new(aws()?, place(root)?)))
    }

    pub(super) fn export(uri: &str) -> Result<Export> {
        delta::whole(uri.trim_end_matches('/').into(), Arc::new(S3Folder::new(aws()?, place(uri)?)))
    }

    pub(super) fn engines(args: &EngineArgs, statements: &'static [Statements]) -> Result<Engines> {
        let athena = Athena {
            aws: aws()?,
            statements,
            database: args.athena_database.clone(),
            workgroup: args.athena_workgroup.clone(),
            results: args.athena_results.as_deref().map(place).transpose()?,
        };
        Ok(Engines { choice: args.choice(), athena: Some(athena) })
    }
}

#[cfg(not(feature = "aws"))]
mod remote {
    use super::EngineArgs;
    use crate::engine::Engines;
    use crate::engine::athena::Statements;
    use crate::error::{Error, Result};
    use crate::snapshot::{Export, Snapshots};

    pub(super) fn exports(_: &str) -> Result<Box<dyn Snapshots>> {
        Err(Error::without_aws("S3"))
    }

    pub(super) fn export(_: &str) -> Result<Export> {
        Err(Error::without_aws("S3"))
    }

    pub(super) fn engines(args: &EngineArgs, _: &'static [Statements]) -> Result<Engines> {
        let _ = (&args.athena_database, &args.athena_workgroup, &args.athena_results);
        Err(Error::without_aws("S3"))
    }
}
