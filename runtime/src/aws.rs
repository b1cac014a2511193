//! The only place that builds AWS clients.
//!
//! Region, credentials and endpoints come from the same sources as in Amazon's own tools: `AWS_REGION`, `AWS_PROFILE`,
//! `AWS_ENDPOINT_URL_S3` and so on. A call that fails with a transient error is attempted five times in all.

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

/// How often a call is attempted before it fails.
const MAX_ATTEMPTS: u32 = 5;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the first byte of a response may take.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Clients, and the runtime of their calls.
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
    sts: aws_sdk_sts::Client,
    runtime: Handle,
    /// Dropping it ends the thread that drives the runtime.
    _stop: oneshot::Sender<()>,
}

impl Aws {
    /// Clients configured by the environment.
    pub fn from_environment() -> Result<Self> {
        Self::new(|runtime| {
            let config = runtime.block_on(settings(aws_config::defaults(version())).load());
            (config.clone(), config)
        })
    }

    /// Clients that act under a role, which this process must be allowed to assume.
    pub fn under_role(role: &str) -> Result<Self> {
        Self::new(|runtime| {
            let own = runtime.block_on(settings(aws_config::defaults(version())).load());
            let role = AssumeRoleProvider::builder(role).session_name("tidemark").configure(&own);
            let role = SharedCredentialsProvider::new(runtime.block_on(role.build()));
            let config = own.into_builder().credentials_provider(role).build();
            (config.clone(), config)
        })
    }

    /// Clients of other servers than Amazon's: one address for Athena, one for all other services.
    pub fn at(athena: &str, others: &str, region: &str, (key, secret): (&str, &str)) -> Result<Self> {
        Self::new(|runtime| {
            let credentials = Credentials::new(key, secret, None, None, "given");
            let loader = settings(aws_config::defaults(version())).region(Region::new(region.to_owned()));
            let loader = loader.credentials_provider(credentials);
            let others = runtime.block_on(loader.endpoint_url(others).load());
            (others.to_builder().endpoint_url(athena).build(), others)
        })
    }

    /// Clients with these configurations: one for Athena, one for all other services.
    fn new(config: impl FnOnce(&tokio::runtime::Runtime) -> (SdkConfig, SdkConfig)) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Error::aws("cannot start the runtime for AWS calls", error))?;
        let (athena, others) = config(&runtime);
        // Many threads wait for calls at once, and none of them may drive the runtime: it gets a thread of its own.
        let (handle, (stop, stopped)) = (runtime.handle().clone(), oneshot::channel());
        thread::spawn(move || runtime.block_on(stopped));
        Ok(Self {
            athena: aws_sdk_athena::Client::new(&athena),
            dynamodb: aws_sdk_dynamodb::Client::new(&others),
            glue: aws_sdk_glue::Client::new(&others),
            kinesis: aws_sdk_kinesis::Client::new(&others),
            s3: aws_sdk_s3::Client::new(&others),
            sfn: aws_sdk_sfn::Client::new(&others),
            sts: aws_sdk_sts::Client::new(&others),
            runtime: handle,
            _stop: stop,
        })
    }

    /// The ARN of the user or role whose credentials are used. Asking needs no permission.
    pub(crate) fn caller(&self) -> Result<String> {
        let identity = self.wait(self.sts.get_caller_identity().send()).map_err(|error| {
            Error::aws("cannot find out whose credentials are used", error_chain(&error).replace('\n', " "))
                .help("say who decides: --by NAME")
                .caused_by(error)
        })?;
        identity.arn.ok_or_else(|| {
            Error::aws("cannot find out whose credentials are used", "the answer has no ARN")
                .help("say who decides: --by NAME")
        })
    }

    /// Waits for a call to finish.
    pub fn wait<T>(&self, call: impl Future<Output = T>) -> T {
        self.runtime.block_on(call)
    }

    /// Makes calls concurrently and waits for all of them. The results are in the order of the calls.
    pub(crate) fn join_all<T: Send + 'static>(&self, calls: Vec<impl Future<Output = T> + Send + 'static>) -> Vec<T> {
        let calls: Vec<_> = calls.into_iter().map(|call| self.runtime.spawn(call)).collect();
        let join =
            |call: JoinHandle<T>| self.wait(call).unwrap_or_else(|error: JoinError| resume_unwind(error.into_panic()));
        calls.into_iter().map(join).collect()
    }

    /// Sleeps for a random time of at most `max`, so that callers that failed together do not retry together.
    pub(crate) fn pause_with_jitter(&self, max: Duration) {
        let pause = max.mul_f64(fastrand::f64());
        self.wait(async { tokio::time::sleep(pause).await });
    }
}

/// A unique text of 32 hex digits.
pub(crate) fn token() -> String {
    format!("{:032x}", fastrand::u128(..))
}

/// The messages of an error and its sources: the SDK's, the service's, the connection's.
pub fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let more = error.to_string();
        if !text.contains(&more) {
            text += ": ";
            text += &more;
        }
        next = error.source();
    }
    text
}

/// The SDK's defaults, pinned so that an update of the SDK does not change them.
fn version() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

fn settings(loader: ConfigLoader) -> ConfigLoader {
    let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    let http = aws_smithy_http_client::Builder::new().tls_provider(provider).build_https();
    loader
        .http_client(http)
        // For a large object S3 has checksums of its parts only, and the SDK logs a warning for each read. What is read
        // here is gzip, which has its own checksum, or is checked by length and ETag.
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .retry_config(RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS))
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT).build())
}
