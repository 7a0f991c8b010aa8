//! Real runtime clients with an example handler each. Knows how each is started; not what is asked of it.
//!
//! Every handler prints `handler-called <request id> <what it got>` and answers with the length and SHA-256 of the event's bytes,
//! so that a test sees both whether the handler was called and whether it got the bytes that were sent.

pub mod contract;
pub mod events;

use std::path::{Path, PathBuf};

use crate::layout;
use crate::rie::layer::WRAPPER;

/// A runtime client that AWS publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// `awslambdaric` from PyPI.
    Python,
    /// `aws-lambda-ric` from npm.
    NodeJs,
    /// `aws-lambda-java-runtime-interface-client` from Maven Central.
    Java,
    /// `aws-lambda-go` from the Go module proxy.
    Go,
    /// `lambda_runtime` from crates.io.
    Rust,
}

/// A function: what lands in /var/task and how it is started.
#[derive(Debug, Clone)]
pub struct Function {
    /// The folder that is laid on /var/task.
    pub task: PathBuf,
    /// The start command and its arguments.
    pub command: Vec<String>,
    /// Variables that this client needs.
    pub variables: Vec<(String, String)>,
    /// Whether the runtime's bootstrap honours `AWS_LAMBDA_EXEC_WRAPPER`. Where it does not, the command names the wrapper.
    pub managed: bool,
}

impl Client {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Python, Self::NodeJs, Self::Java, Self::Go, Self::Rust];

    /// The name under which it is provisioned.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::NodeJs => "nodejs",
            Self::Java => "java",
            Self::Go => "go",
            Self::Rust => "rust",
        }
    }

    /// The example function of this client.
    ///
    /// # Errors
    /// Why it cannot be run here: a tool that is not provisioned.
    pub fn function(self) -> Result<Function, String> {
        layout::tool(layout::EMULATOR)?;
        let tools = layout::tool(self.name())?;
        let sources = layout::repository().join("tests/functions").join(self.name());
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        Ok(match self {
            Self::Python => Function {
                task: sources,
                command: words(&["python3", "-m", "awslambdaric", "app.handler"]),
                variables: vec![
                    ("PYTHONPATH".to_owned(), text(tools)),
                    ("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned()),
                ],
                managed: true,
            },
            Self::NodeJs => Function {
                task: sources,
                command: words(&[
                    "node",
                    &text(tools.join("node_modules/aws-lambda-ric/index.mjs")),
                    "app.handler",
                ]),
                variables: vec![],
                managed: true,
            },
            Self::Java => Function {
                task: tools.join("function"),
                command: words(&[
                    "java",
                    "-cp",
                    &format!("{}/*:/var/task", text(tools.join("jars"))),
                    "com.amazonaws.services.lambda.runtime.api.client.AWSLambda",
                    "App::handleRequest",
                ]),
                variables: vec![],
                managed: true,
            },
            Self::Go | Self::Rust => on_os_only(&tools.join("function"), &words(&["/var/task/app"])),
        })
    }
}

/// A function on an OS-only runtime, which has no bootstrap of AWS's: its start command names the wrapper.
#[must_use]
pub fn on_os_only(task: &Path, command: &[String]) -> Function {
    let mut wrapped = vec![WRAPPER.to_owned()];
    wrapped.extend_from_slice(command);
    Function { task: task.to_path_buf(), command: wrapped, variables: vec![], managed: false }
}
