//! The only place that builds AWS clients.
//!
//! Region, credentials and endpoints come from the same sources as in Amazon's own tools: `AWS_REGION`, `AWS_PROFILE`,
//! `AWS_ENDPOINT_URL_S3` and so on. A call that fails with a transient error is attempted five times in all.

pub mod flow;
pub mod s3;

use std::future::{Future, pending};
use std::panic::resume_unwind;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, ResponseChecksumValidation, SharedCredentialsProvider, SharedHttpClient};
use aws_smithy_http_client::tls;
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};

use crate::error::{Error, Result};

/// How often a call is attempted before it fails.
const MAX_ATTEMPTS: u32 = 5;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the first byte of a response may take.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Clients, and the runtime of their calls. All clients of a process share one runtime and one pool of connections, so
/// that their number costs no threads and no file descriptors.
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
    /// Secrets Manager.
    pub secrets: aws_sdk_secretsmanager::Client,
    /// Step Functions.
    pub sfn: aws_sdk_sfn::Client,
    /// SQS.
    pub sqs: aws_sdk_sqs::Client,
    sts: aws_sdk_sts::Client,
    config: Config,
    runtime: Handle,
}

/// The configurations of clients: that of Athena, and that of all other services.
#[derive(Debug, Clone)]
struct Config {
    athena: SdkConfig,
    others: SdkConfig,
}

/// A role to act under, which this process must be allowed to assume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleSession {
    /// The ARN of the role.
    pub role: String,
    /// The name of the session, by which logs of AWS tell one from another.
    pub name: String,
    /// Restricts what the role allows, as JSON; at most 2,048 characters.
    /// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
    pub policy: Option<String>,
}

impl Aws {
    /// Clients configured by the environment.
    pub fn from_environment() -> Result<Self> {
        let runtime = shared_runtime()?;
        let config = runtime.block_on(settings(aws_config::defaults(version())).load());
        Ok(Self::new(Config { athena: config.clone(), others: config }, runtime))
    }

    /// Clients that act under a role. The role is assumed by the first call that needs it, and again when its
    /// credentials expire.
    pub fn under_role(&self, session: RoleSession) -> Self {
        let role = AssumeRoleProvider::builder(session.role).session_name(session.name).configure(&self.config.others);
        let role = session.policy.into_iter().fold(role, |role, policy| role.policy(policy));
        let role = SharedCredentialsProvider::new(self.wait(role.build()));
        // A cache of its own, because that of the configuration would keep the credentials of every session for ever.
        let cache = IdentityCache::lazy().build();
        let under_role = |config: &SdkConfig| {
            let config = config.to_builder().credentials_provider(role.clone());
            config.identity_cache(cache.clone()).build()
        };
        let config = Config { athena: under_role(&self.config.athena), others: under_role(&self.config.others) };
        Self::new(config, self.runtime.clone())
    }

    /// Clients of other servers than Amazon's: one address for Athena, one for all other services.
    pub fn at(athena: &str, others: &str, region: &str, (key, secret): (&str, &str)) -> Result<Self> {
        let runtime = shared_runtime()?;
        let credentials = Credentials::new(key, secret, None, None, "given");
        let loader = settings(aws_config::defaults(version())).region(Region::new(region.to_owned()));
        let loader = loader.credentials_provider(credentials);
        let others = runtime.block_on(loader.endpoint_url(others).load());
        let athena = others.to_builder().endpoint_url(athena).build();
        Ok(Self::new(Config { athena, others }, runtime))
    }

    fn new(config: Config, runtime: Handle) -> Self {
        let Config { athena, others } = &config;
        Self {
            athena: aws_sdk_athena::Client::new(athena),
            dynamodb: aws_sdk_dynamodb::Client::new(others),
            glue: aws_sdk_glue::Client::new(others),
            kinesis: aws_sdk_kinesis::Client::new(others),
            s3: aws_sdk_s3::Client::new(others),
            secrets: aws_sdk_secretsmanager::Client::new(others),
            sfn: aws_sdk_sfn::Client::new(others),
            sqs: aws_sdk_sqs::Client::new(others),
            sts: aws_sdk_sts::Client::new(others),
            config,
            runtime,
        }
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

/// The runtime of all calls of this process, which a thread of its own drives: many threads wait for calls at once, and
/// none of them may have to drive it.
fn shared_runtime() -> Result<Handle> {
    static RUNTIME: Mutex<Option<Handle>> = Mutex::new(None);
    let mut known = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = &*known {
        return Ok(runtime.clone());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::aws("cannot start the runtime for AWS calls", error))?;
    let handle = known.insert(runtime.handle().clone()).clone();
    thread::spawn(move || runtime.block_on(pending::<()>()));
    Ok(handle)
}

/// The connections of this process.
fn http() -> SharedHttpClient {
    static HTTP: LazyLock<SharedHttpClient> = LazyLock::new(|| {
        let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
        aws_smithy_http_client::Builder::new().tls_provider(provider).build_https()
    });
    HTTP.clone()
}

fn settings(loader: ConfigLoader) -> ConfigLoader {
    loader
        .http_client(http())
        // For a large object S3 has checksums of its parts only, and the SDK logs a warning for each read. What is read
        // here is gzip, which has its own checksum, or is checked by length and ETag.
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .retry_config(RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS))
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT).build())
}
