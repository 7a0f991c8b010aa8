//! `cargo xtask template`: what AWS's own tools and a checker of good habits say of the templates, without a network and without an
//! account. Knows the programs; what the templates promise beyond that is tested in tests/tests/template.rs.

use std::path::{Path, PathBuf};
use std::process::Command;

use picket_tests::layout;

use crate::{command, setup};

const TEMPLATES: [&str; 2] = ["template.yaml", "template-layer.yaml"];

/// The programs ask for a region, and then ask nobody in it.
const REGION: &str = "eu-central-1";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Install Python's package manager first where it is missing (Debian and Ubuntu)
    #[arg(long)]
    install: bool,
    /// Also run `sam build`, which compiles the layers and the engine
    #[arg(long)]
    build: bool,
}

/// Checks both templates.
///
/// # Errors
/// What a program is missing, or what it has against a template.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    if options.install {
        setup::install_python();
    }
    let sam = setup::only("sam")?;
    let checkov = setup::only("checkov")?;
    for template in TEMPLATES {
        let path = layout::repository().join(template);
        // It is no module that could be run: its program is.
        let lint = sam.join("bin/cfn-lint");
        command::output(python(&sam).arg(lint).args(["--regions", REGION, "--template"]).arg(&path))?;
        module(&sam, "samcli", &["validate", "--lint", "--region", REGION, "--template"], &path)?;
        module(
            &checkov,
            "checkov.main",
            &["--skip-download", "--quiet", "--compact", "--framework", "cloudformation", "--file"],
            &path,
        )?;
        println!("template: cfn-lint, sam validate and checkov have nothing against {template}");
    }
    if options.build {
        build(&sam, options.install)?;
    }
    Ok(())
}

fn module(tool: &Path, name: &str, arguments: &[&str], template: &Path) -> Result<(), String> {
    command::output(python(tool).args(["-m", name]).args(arguments).arg(template)).map(|_printed| ())
}

fn python(tool: &Path) -> Command {
    let mut command = Command::new("python3");
    command
        .current_dir(layout::repository())
        .env("PYTHONPATH", tool)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SAM_CLI_TELEMETRY", "0")
        .env("AWS_DEFAULT_REGION", REGION);
    command
}

/// Builds what the template deploys, and looks for the files that Lambda will start.
fn build(sam: &Path, install: bool) -> Result<(), String> {
    let place = layout::target().join("sam");
    command::show(
        python(sam)
            .env("XTASK_OPTIONS", if install { "--install" } else { "" })
            .args(["-m", "samcli", "build", "--region", REGION, "--template", "template.yaml", "--build-dir"])
            .arg(&place),
    )?;
    let wanted: [PathBuf; 6] = [
        "RotationFunction/bootstrap".into(),
        "EngineFunction/bootstrap".into(),
        "LayerX86/extensions/picket".into(),
        "LayerX86/picket/wrapper".into(),
        "LayerArm/extensions/picket".into(),
        "LayerArm/picket/wrapper".into(),
    ];
    for file in wanted {
        let file = place.join(file);
        if !file.is_file() {
            return Err(format!("template: sam build left no {}", file.display()));
        }
    }
    println!("template: sam build made the engine and both layers");
    Ok(())
}
