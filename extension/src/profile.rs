//! What the runtime's own client says about the language of the function.

use picket_detection::{Profile, Runtime};

/// Reads the runtime from the `User-Agent` of the runtime's client, for instance `aws-lambda-python/3.13-4.2`.
pub(crate) fn profile_of(user_agent: Option<&str>) -> Profile {
    let words = user_agent.unwrap_or_default().to_ascii_lowercase();
    let known = [
        ("python", Runtime::Python),
        ("node", Runtime::Node),
        ("java", Runtime::Java),
        ("dotnet", Runtime::DotNet),
        ("ruby", Runtime::Ruby),
        ("rust", Runtime::Rust),
        ("go-http-client", Runtime::Go),
        ("aws-lambda-go", Runtime::Go),
        ("php", Runtime::Php),
    ];
    let runtime =
        known.iter().find(|(word, _)| words.contains(word)).map_or(Runtime::Unknown, |(_, runtime)| *runtime);
    Profile { runtime }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_name_their_runtime() {
        for (agent, runtime) in [
            ("aws-lambda-python/3.13-4.2.2", Runtime::Python),
            ("aws-lambda-nodejs/20.20-4.0.2", Runtime::Node),
            ("aws-lambda-java/17-2.8", Runtime::Java),
            ("Go-http-client/1.1", Runtime::Go),
            ("aws-lambda-rust/1.5.0", Runtime::Rust),
            ("", Runtime::Unknown),
        ] {
            assert_eq!(profile_of(Some(agent)).runtime, runtime, "{agent}");
        }
        assert_eq!(profile_of(None).runtime, Runtime::Unknown);
    }
}
