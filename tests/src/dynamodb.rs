//! AWS's own DynamoDB Local as a child process. Knows how it is started; not what is kept in it.
#![expect(clippy::disallowed_methods, reason = "these threads have nothing else to do than to wait")]

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::layout;

/// How long it may take to start: a Java virtual machine on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running DynamoDB Local with nothing in it. It ends with this program, or when it is dropped.
pub struct DynamoDb {
    child: Child,
    port: u16,
}

impl DynamoDb {
    /// Starts one.
    ///
    /// # Errors
    /// Why it cannot be started here.
    pub fn start() -> Result<Self, String> {
        let jars = layout::tool("dynamodb/jars")?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .map_err(|error| error.to_string())?
            .port();
        // A server that a test program keeps in a static is never dropped. So a shell stands between: it holds the other end of a
        // pipe, and ends the server when the pipe closes, however this program ends.
        let child = Command::new("sh")
            .args(["-c", "java \"$@\" & server=$!; cat > /dev/null; kill $server; wait $server", "sh"])
            .arg(format!("-Djava.library.path={}", jars.display()))
            .args(["-Xmx512m", "-cp"])
            .arg(class_path(&jars))
            .args([
                "software.amazon.dynamodb.services.local.main.ServerRunner",
                "-inMemory",
                "-sharedDb",
                "-port",
            ])
            .arg(port.to_string())
            // It leaves a file with what it would tell its makers where it runs.
            .arg("-disableTelemetry")
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("sh: {error}"))?;
        let mut started = Self { child, port };
        started.wait().map(|()| started)
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn wait(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("DynamoDB Local ended at once: {status}"));
            }
            if answers(self.port) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(100));
        }
        Err("DynamoDB Local does not answer".to_owned())
    }
}

/// The main class lies in one jar, and that jar names no others.
fn class_path(jars: &Path) -> String {
    format!("{}/*", jars.display())
}

fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let asked = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut answer = [0; 4];
    stream.write_all(asked).is_ok() && stream.read_exact(&mut answer).is_ok() && &answer == b"HTTP"
}

impl Drop for DynamoDb {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}
