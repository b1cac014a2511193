//! A real PostgreSQL, from Debian's packages or whatever else is installed. It refuses to run as root, so it runs as
//! `nobody`; it ends with the suite.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex};

use postgres::{Client, NoTls};

use crate::limits::{command, without_limit};
use crate::waiting::holds_in_time;

/// The user id of `nobody` on Linux.
const NOBODY: &str = "65534";

/// A server, with the tests' databases.
pub(crate) struct Server {
    folder: PathBuf,
    port: u16,
    process: Mutex<Child>,
}

/// The server that most tests share, each with its own database.
pub(crate) static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start("shared"));

impl Server {
    /// Creates a server of its own and starts it.
    pub(super) fn start(name: &str) -> Self {
        remove_old();
        let folder = PathBuf::from(format!("/tmp/tidemark-postgres-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        assert!(Command::new("chown").arg(NOBODY).arg(&folder).status().unwrap().success() || !is_root());
        let mut initdb = as_nobody("initdb");
        initdb.args(["--username=postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8"]);
        initdb.args(["--locale=C.UTF-8", "--no-sync", "--no-instructions", "-D"]).arg(folder.join("data"));
        let output = initdb.current_dir(&folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        certify(&folder);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Mutex::new(spawn(&folder, port));
        let server = Self { folder, port, process };
        server.wait();
        server
    }

    /// Stops it, and starts it again.
    pub(super) fn restart(&self) {
        self.stop();
        self.restart_after_stop();
    }

    /// Starts it again after it was stopped.
    pub(super) fn restart_after_stop(&self) {
        *self.process.lock().unwrap() = spawn(&self.folder, self.port);
        self.wait();
    }

    /// Stops it; connections end.
    pub(super) fn stop(&self) {
        let mut process = self.process.lock().unwrap();
        assert!(command("kill").args(["-INT", &process.id().to_string()]).status().unwrap().success());
        process.wait().unwrap();
    }

    fn wait(&self) {
        let is_started = || Client::connect(&self.socket("postgres", "postgres"), NoTls).is_ok();
        assert!(holds_in_time(is_started), "PostgreSQL did not start; see {}", self.folder.join("log").display());
    }

    /// A new database, by its address through the socket.
    pub(crate) fn database(&self, name: &str) -> String {
        let mut client = self.client("postgres");
        client.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        self.socket("postgres", name)
    }

    /// A connection as the owner of everything.
    pub(crate) fn client(&self, database: &str) -> Client {
        Client::connect(&self.socket("postgres", database), NoTls).unwrap()
    }

    /// The address of a database through the socket, for a user who needs no password.
    pub(super) fn socket(&self, user: &str, database: &str) -> String {
        let folder = self.folder.to_string_lossy().replace('/', "%2F");
        format!("postgres://{user}@{folder}:{}/{database}", self.port)
    }

    /// The address of a database through TCP, where a password is asked for.
    pub(crate) fn tcp(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Where its files are.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The certificate that the server shows, for `localhost`.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join("server.crt")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn is_root() -> bool {
    command("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// A program of PostgreSQL, as `nobody` if the tests run as root.
fn as_nobody(program: &str) -> Command {
    let program = find(program);
    if !is_root() {
        return command(program);
    }
    let mut command = command("setpriv");
    command.args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups", "--"]).arg(program);
    command
}

/// Debian keeps the programs of each version out of the PATH.
fn find(program: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.map(|version| version.path().join("bin").join(program)).filter(|path| path.exists()).max();
    newest.unwrap_or_else(|| {
        let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap();
        assert!(found.status.success(), "PostgreSQL is not installed: apt-get install postgresql");
        PathBuf::from(String::from_utf8(found.stdout).unwrap().trim())
    })
}

/// Makes a certificate for `localhost`.
fn certify(folder: &Path) {
    let mut openssl = as_nobody("openssl");
    openssl.args(["req", "-new", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"]);
    openssl.args(["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"]);
    openssl.args(["-keyout", "server.key", "-out", "server.crt"]).current_dir(folder);
    let output = openssl.stdout(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn spawn(folder: &Path, port: u16) -> Child {
    let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    let mut server = as_nobody("postgres");
    server.arg("-D").arg(folder.join("data")).arg("-k").arg(folder).args(["-p", &port.to_string()]);
    for setting in ["listen_addresses=127.0.0.1", "fsync=off", "max_connections=200", "ssl=on"] {
        server.args(["-c", setting]);
    }
    for (setting, file) in [("ssl_cert_file", "server.crt"), ("ssl_key_file", "server.key")] {
        server.args(["-c", &format!("{setting}={}", folder.join(file).display())]);
    }
    without_limit(&mut server).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

/// Removes what servers of earlier suites left, which were killed with them.
fn remove_old() {
    for entry in fs::read_dir("/tmp").unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let id = name.strip_prefix("tidemark-postgres-").and_then(|rest| rest.split('-').next());
        if id.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
