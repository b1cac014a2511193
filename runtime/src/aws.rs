//! The only place where a client of AWS is built.
//!
//! Region, credentials and endpoints come from where Amazon's own tools look for them: `AWS_REGION`, `AWS_PROFILE`,
//! `AWS_ENDPOINT_URL_S3` and so on. A call that fails for a reason that may pass is made five times in all.

pub mod flow;
pub mod s3;

use std::future::Future;
use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, ResponseChecksumValidation, SharedCredentialsProvider};
use aws_smithy_http_client::tls;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};

use crate::error::{Error, Result};

/// How often a call is made before it counts as failed.
const ATTEMPTS: u32 = 5;

/// How long a connection may take, and an answer to begin.
const CONNECT: Duration = Duration::from_secs(5);
const READ: Duration = Duration::from_secs(30);

/// Clients, and what their calls run on.
#[derive(Debug)]
pub struct Aws {
    /// Athena.
    pub athena: aws_sdk_athena::Client,
    /// DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// Glue's data catalog.
    pub glue: aws_sdk_glue::Client,
    /// Kinesis.
    pub kinesis: aws_sdk_kinesis::Client,
    /// S3.
    pub s3: aws_sdk_s3::Client,
    /// Step Functions.
    pub sfn: aws_sdk_sfn::Client,
    calls: Handle,
    /// The thread that moves the bytes ends when this is dropped.
    _end: oneshot::Sender<()>,
}

impl Aws {
    /// Clients as the environment says.
    pub fn from_environment() -> Result<Self> {
        Self::of(|runtime| {
            let config = runtime.block_on(settings(aws_config::defaults(version())).load());
            (config.clone(), config)
        })
    }

    /// Clients that act under a role, which this process may take.
    pub fn under_role(role: &str) -> Result<Self> {
        Self::of(|runtime| {
            let own = runtime.block_on(settings(aws_config::defaults(version())).load());
            let role = AssumeRoleProvider::builder(role).session_name("tidemark").configure(&own);
            let role = SharedCredentialsProvider::new(runtime.block_on(role.build()));
            let config = own.into_builder().credentials_provider(role).build();
            (config.clone(), config)
        })
    }

    /// Clients of other servers than Amazon's: one address for Athena, one for everything else.
    pub fn at(athena: &str, others: &str, region: &str, (key, secret): (&str, &str)) -> Result<Self> {
        Self::of(|runtime| {
            let credentials = Credentials::new(key, secret, None, None, "given");
            let loader = settings(aws_config::defaults(version())).region(Region::new(region.to_owned()));
            let loader = loader.credentials_provider(credentials);
            let others = runtime.block_on(loader.endpoint_url(others).load());
            (others.to_builder().endpoint_url(athena).build(), others)
        })
    }

    /// Clients of what `config` says: of Athena, and of everything else.
    fn of(config: impl FnOnce(&tokio::runtime::Runtime) -> (SdkConfig, SdkConfig)) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Error::aws("cannot begin to speak to AWS", error))?;
        let (athena, others) = config(&runtime);
        // Calls are waited for on many threads at once; what moves the bytes must not be one of those.
        let (calls, (end, is_over)) = (runtime.handle().clone(), oneshot::channel());
        thread::spawn(move || runtime.block_on(is_over));
        Ok(Self {
            athena: aws_sdk_athena::Client::new(&athena),
            dynamodb: aws_sdk_dynamodb::Client::new(&others),
            glue: aws_sdk_glue::Client::new(&others),
            kinesis: aws_sdk_kinesis::Client::new(&others),
            s3: aws_sdk_s3::Client::new(&others),
            sfn: aws_sdk_sfn::Client::new(&others),
            calls,
            _end: end,
        })
    }

    /// Waits for a call.
    pub fn wait<T>(&self, call: impl Future<Output = T>) -> T {
        self.calls.block_on(call)
    }

    /// Makes calls at the same time, and waits for all of them.
    pub(crate) fn all<T: Send + 'static>(&self, calls: Vec<impl Future<Output = T> + Send + 'static>) -> Vec<T> {
        let calls: Vec<_> = calls.into_iter().map(|call| self.calls.spawn(call)).collect();
        let join =
            |call: JoinHandle<T>| self.wait(call).unwrap_or_else(|error: JoinError| resume_unwind(error.into_panic()));
        calls.into_iter().map(join).collect()
    }

    /// Waits for up to `most`, and not always as long, so that those who failed together do not try again together.
    pub(crate) fn rest(&self, most: Duration) {
        let pause = most.mul_f64(fastrand::f64());
        self.wait(async { tokio::time::sleep(pause).await });
    }
}

/// 32 hex digits that nobody else has.
pub(crate) fn token() -> String {
    format!("{:032x}", fastrand::u128(..))
}

/// What a call failed for, in the words of each layer: the SDK's, the service's, the connection's.
pub fn why(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let more = error.to_string();
        if !words.contains(&more) {
            words += ": ";
            words += &more;
        }
        next = error.source();
    }
    words
}

/// How the SDK behaves: that of another day must not come with an update.
fn version() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

fn settings(loader: ConfigLoader) -> ConfigLoader {
    let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    let http = aws_smithy_http_client::Builder::new().tls_provider(provider).build_https();
    loader
        .http_client(http)
        // Of a large object S3 has checksums of its parts only, and the SDK warns of each. What is read here is gzip, which has
        // a checksum of its own, or is held against the length and the ETag.
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).read_timeout(READ).build())
}
