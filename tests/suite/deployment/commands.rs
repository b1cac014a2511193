//! Runs `infra/deploy` and the `aws` command against the test stack.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::limits::command;
use crate::stack::Stack;

/// The folder with the functions' programs, built for the tests.
pub(crate) fn functions() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let built = Path::new(env!("CARGO_BIN_EXE_bootstrap-under-test")).parent().unwrap();
        functions_in(built, &Path::new(env!("CARGO_TARGET_TMPDIR")).join("functions"))
    });
    &FOLDER
}

/// Fills a folder with launchers of the functions' programs, under the names that `infra/deploy` expects.
fn functions_in(built: &Path, folder: &Path) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("suite/deployment/launcher.c");
    for name in ["bootstrap", "apply-orders"] {
        let program = built.join(format!("{name}-under-test"));
        let mut compiler = command("cc");
        compiler.arg(format!("-DPROGRAM={program:?}")).arg("-o").arg(folder.join(name)).arg(&source);
        assert!(compiler.status().unwrap().success());
    }
    folder.to_owned()
}

/// Deploys the templates below `root` with these binaries. Returns the output.
pub(super) fn deploy(root: &Path, functions: &Path, name: &str, parameters: &[String], more: &[&str]) -> String {
    let mut arguments = arguments(functions, name);
    arguments.extend(more.iter().copied().map(str::to_owned));
    arguments.extend(parameters.iter().flat_map(|parameter| ["--param".to_owned(), parameter.clone()]));
    infra_deploy(root, &arguments)
}

/// The arguments for `infra/deploy`.
pub(crate) fn arguments(functions: &Path, name: &str) -> Vec<String> {
    let binaries = functions.to_str().unwrap();
    ["--name", name, "--arch", "x86_64", "--yes", "--binaries", binaries].map(str::to_owned).to_vec()
}

/// Runs `infra/deploy`, which must succeed. Returns its output.
pub(super) fn infra_deploy(root: &Path, arguments: &[impl AsRef<OsStr>]) -> String {
    let (succeeded, output) = run_infra_deploy(root, arguments);
    assert!(succeeded, "{output}");
    output
}

/// Runs `infra/deploy`. Returns whether it succeeded, and its output.
pub(crate) fn run_infra_deploy(root: &Path, arguments: &[impl AsRef<OsStr>]) -> (bool, String) {
    outcome(&mut infra_deploy_command(root, arguments))
}

/// `infra/deploy` with the programs and the account of the test stack.
pub(super) fn infra_deploy_command(root: &Path, arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = command(root.join("infra/deploy"));
    command.args(arguments).env("PATH", path()).envs(environment(Stack::get())).env("TIDEMARK_DEPLOY_PAUSE", "1");
    command
}

/// Runs a command. Returns whether it succeeded, and its output.
pub(super) fn outcome(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    (output.status.success(), text)
}

/// The lines on a stream, as stack/read_stream.py prints them with these options.
pub(crate) fn read_stream(stream: &str, options: &[&str]) -> Vec<String> {
    let mut aws = command("aws");
    aws.args(["read-stream", Stack::get().aws(), stream]).args(options).env("PATH", path());
    let output = aws.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// A `PATH` on which the `aws` command of the test stack comes first, and then its Python: that of a version manager
/// would put other programs before ours.
pub(crate) fn path() -> String {
    let stack = Stack::get();
    let python = Path::new(stack.python()).parent().unwrap();
    format!("{}:{}:{}", stack.programs(), python.display(), std::env::var("PATH").unwrap_or_default())
}

/// The environment of commands that call AWS.
pub(super) fn environment(stack: &Stack) -> Vec<(&'static str, String)> {
    let mut environment: Vec<(&str, String)> =
        stack.environment().iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    environment.push(("AWS_EC2_METADATA_DISABLED", "true".into()));
    environment.push(("AWS_DEFAULT_REGION", "us-east-1".into()));
    environment
}
