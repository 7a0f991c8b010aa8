//! The agent's program: the environment, the runtime, and nothing else.

use std::{path::Path, process::ExitCode};

use picket_extension::agent::{self, Environment};
use picket_runtime_proxy::desk;

fn main() -> ExitCode {
    let environment = Environment {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place of the agent that reads the environment"
        )]
        value_of: |key| std::env::var(key).ok(),
        // Lambda knows an external extension by the name of its file; any other name makes Init hang.
        name: std::env::args()
            .next()
            .and_then(|path| Path::new(&path).file_name()?.to_str().map(str::to_owned))
            .unwrap_or_else(|| "picket".to_owned()),
    };
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            desk::run(runtime, |desk| agent::run(environment, desk));
            // Threads that still inspect are not waited for: SHUTDOWN has a deadline.
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("picket: no runtime: {error}");
            ExitCode::FAILURE
        }
    }
}
