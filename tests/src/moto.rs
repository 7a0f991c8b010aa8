//! AWS's services as `moto` imitates them: a server of its own on a free port. It may not know what is asked of it.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{agent::free_port, layout};

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server. It is killed when it is dropped.
#[derive(Debug)]
pub struct Moto {
    child: Child,
    port: u16,
}

impl Moto {
    /// Starts a server with nothing in it.
    ///
    /// # Errors
    /// Why there is none, for a test that skips.
    pub fn start() -> Result<Self, String> {
        let folder = layout::tool("moto")?;
        let port = free_port();
        let child = Command::new("python3")
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
            .env("PYTHONPATH", &folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let server = Self { child, port };
        let end = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > end {
                return Err("moto does not start".to_owned());
            }
            pause();
        }
        Ok(server)
    }

    /// `http://host:port`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Calls an action of Secrets Manager in the region that the agents' tests use, and gives its answer.
    pub fn secrets(&self, action: &str, body: &Value) -> Value {
        self.secrets_in("eu-central-1", action, body)
    }

    /// The same in any region.
    #[expect(clippy::expect_used, reason = "a double that does not answer has failed the test")]
    pub fn secrets_in(&self, region: &str, action: &str, body: &Value) -> Value {
        let mut answer = ureq::post(self.url())
            .header("x-amz-target", format!("secretsmanager.{action}"))
            .header("content-type", "application/x-amz-json-1.1")
            .header(
                "authorization",
                format!(
                    "AWS4-HMAC-SHA256 Credential=AKIDTEST/20261125/{region}/secretsmanager/aws4_request, \
                     SignedHeaders=host, Signature=0"
                ),
            )
            .send(body.to_string())
            .expect("moto takes it");
        let text = answer.body_mut().read_to_string().expect("an answer");
        serde_json::from_str(&text).unwrap_or_default()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[expect(clippy::disallowed_methods, reason = "a test waits; no event passes through this thread")]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}
