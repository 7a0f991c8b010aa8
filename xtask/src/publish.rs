//! `cargo xtask publish-layer`: the calls of AWS's command line that publish the layer in many regions, shown or made. Knows that
//! command line; not what is in the zips.

use std::fs;
use std::path::Path;
use std::process::Command;

use picket_tests::clients::events::sha256;
use picket_tests::layout;

use crate::command;
use crate::layer::Architecture;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Regions, separated by commas
    #[arg(long, value_delimiter = ',', required = true)]
    regions: Vec<String>,
    /// Publish only for this architecture: x86_64 or arm64
    #[arg(long)]
    only: Option<Architecture>,
    /// The layer's name; the architecture is put behind it
    #[arg(long, default_value = "picket")]
    name: String,
    /// Let every account use it
    #[arg(long, conflicts_with = "organization")]
    public: bool,
    /// Let the accounts of this organization use it
    #[arg(long)]
    organization: Option<String>,
    /// Make the calls; without it they are only shown
    #[arg(long)]
    run: bool,
}

/// Who may use what is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Audience<'a> {
    ThisAccount,
    Organization(&'a str),
    Everybody,
}

/// Shows or makes the calls.
///
/// # Errors
/// When a zip is missing, a name is none, or a call fails.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    for region in &options.regions {
        plain("region", region)?;
    }
    plain("layer's name", &options.name)?;
    let audience = match (&options.organization, options.public) {
        (Some(organization), _) => {
            plain("organization", organization)?;
            Audience::Organization(organization)
        }
        (None, true) => Audience::Everybody,
        (None, false) => Audience::ThisAccount,
    };
    let architectures = Architecture::ALL.iter().filter(|one| options.only.is_none_or(|only| only == **one));
    for architecture in architectures {
        let zip = layout::target().join("layer").join(format!("picket-{}.zip", architecture.name()));
        let bytes = fs::read(&zip)
            .map_err(|error| format!("{}: {error}; `cargo xtask layer` builds it", zip.display()))?;
        for region in &options.regions {
            let publish = publish(&options.name, *architecture, &zip, &sha256(&bytes), region);
            let name = format!("{}-{}", options.name, architecture.name());
            if options.run {
                let version = command::output(aws(&publish).args(["--query", "Version"]))?;
                let version = version.trim();
                if let Some(allow) = allow(&name, version, region, audience) {
                    command::output(&mut aws(&allow))?;
                }
                println!("{region}: {name}:{version}");
            } else {
                print!("{}", shown(&publish, allow(&name, "\"$version\"", region, audience)));
            }
        }
    }
    Ok(())
}

/// What goes into a command line that a reader pastes must be a plain word.
fn plain(what: &str, word: &str) -> Result<(), String> {
    let fine =
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if fine { Ok(()) } else { Err(format!("{word:?} is no {what}")) }
}

fn aws(arguments: &[String]) -> Command {
    let mut command = Command::new("aws");
    command.args(arguments).args(["--output", "text"]);
    command
}

fn publish(name: &str, architecture: Architecture, zip: &Path, digest: &str, region: &str) -> Vec<String> {
    let architecture = architecture.name();
    [
        "lambda",
        "publish-layer-version",
        "--region",
        region,
        "--layer-name",
        &format!("{name}-{architecture}"),
        "--zip-file",
        &format!("fileb://{}", zip.display()),
        "--compatible-architectures",
        architecture,
        "--license-info",
        "Apache-2.0",
        "--description",
        // The reader of a list of layers can compare it with the list of digests.
        &format!("Picket {} sha256:{digest}", env!("CARGO_PKG_VERSION")),
    ]
    .map(str::to_owned)
    .to_vec()
}

fn allow(name: &str, version: &str, region: &str, audience: Audience<'_>) -> Option<Vec<String>> {
    let mut call: Vec<String> = [
        "lambda",
        "add-layer-version-permission",
        "--region",
        region,
        "--layer-name",
        name,
        "--version-number",
        version,
        "--statement-id",
        "use",
        "--action",
        "lambda:GetLayerVersion",
        "--principal",
        "*",
    ]
    .map(str::to_owned)
    .to_vec();
    match audience {
        Audience::ThisAccount => return None,
        Audience::Everybody => {}
        Audience::Organization(id) => call.extend(["--organization-id".to_owned(), id.to_owned()]),
    }
    Some(call)
}

/// The calls as a shell takes them.
fn shown(publish: &[String], allow: Option<Vec<String>>) -> String {
    let line = |call: &[String]| call.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    match allow {
        None => format!("aws {} --output text\n", line(publish)),
        Some(allow) => format!(
            "version=$(aws {} --query Version --output text) &&\n    aws {} --output text\n",
            line(publish),
            line(&allow)
        ),
    }
}

fn quoted(word: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=".contains(&byte);
    if word == "\"$version\"" || word.bytes().all(bare) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_is_one_call_and_the_others_allow_what_they_say() {
        let publish = publish("picket", Architecture::Arm64, Path::new("target/x.zip"), "ab", "eu-west-1");
        assert_eq!(
            shown(&publish, allow("picket-arm64", "1", "eu-west-1", Audience::ThisAccount)),
            format!(
                "aws lambda publish-layer-version --region eu-west-1 --layer-name picket-arm64 --zip-file \
                 fileb://target/x.zip --compatible-architectures arm64 --license-info Apache-2.0 --description \
                 'Picket {} sha256:ab' --output text\n",
                env!("CARGO_PKG_VERSION")
            )
        );
        let public = allow("picket-arm64", "7", "eu-west-1", Audience::Everybody).unwrap().join(" ");
        assert!(public.contains("--version-number 7") && public.contains("--principal *"), "{public}");
        assert!(!public.contains("--organization-id"), "{public}");
        let own = allow("picket-arm64", "7", "eu-west-1", Audience::Organization("o-1")).unwrap().join(" ");
        assert!(own.contains("--organization-id o-1"), "{own}");
        let script = shown(&publish, allow("picket-arm64", "\"$version\"", "eu-west-1", Audience::Everybody));
        assert!(
            script.contains("--version-number \"$version\"") && script.contains("--principal '*'"),
            "{script}"
        );
    }

    #[test]
    fn words_that_a_shell_would_read_are_refused() {
        for word in ["", "eu-west-1;rm", "$(x)", "a b"] {
            assert!(plain("region", word).is_err(), "{word:?}");
        }
        assert_eq!(plain("region", "us-gov-west-1"), Ok(()));
    }
}
