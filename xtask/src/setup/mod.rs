//! What the black-box tests and the demo need and cargo does not fetch: AWS's emulator and its runtime clients, each pinned.
//! Knows where they come from; not what is done with them.
//!
//! Everything lands under `tools/` in cargo's target folder, once per version. What cannot be set up leaves a `<name>.missing`
//! file with the reason, which the tests print when they skip.

mod clients;
mod doubles;
mod dynamodb;
mod emulator;
mod packages;
mod templates;
mod toolchains;

use std::fs;
use std::path::{Path, PathBuf};

use picket_tests::layout;

pub(crate) use packages::{install_cross, install_python};

/// One thing to set up.
struct Tool {
    /// The name of its folder under `tools/`, and what the tests ask for.
    name: &'static str,
    /// Changes whenever the folder must be made anew: versions and the sources that go into it.
    stamp: fn() -> Result<String, String>,
    /// Fills the folder.
    build: fn(&Path) -> Result<(), String>,
}

/// What the black-box tests and the demo need.
const FOR_TESTS: &[Tool] = &[
    Tool { name: "rie", stamp: emulator::stamp, build: emulator::build },
    Tool { name: "python", stamp: clients::python_stamp, build: clients::python },
    Tool { name: "nodejs", stamp: clients::nodejs_stamp, build: clients::nodejs },
    Tool { name: "java", stamp: clients::java_stamp, build: clients::java },
    Tool { name: "go", stamp: clients::go_stamp, build: clients::go },
    Tool { name: "rust", stamp: clients::rust_stamp, build: clients::rust },
    Tool { name: "dynamodb", stamp: dynamodb::stamp, build: dynamodb::build },
    Tool { name: "moto", stamp: doubles::moto_stamp, build: doubles::moto },
];

/// What building the layer needs.
const FOR_LAYER: &[Tool] = &[
    Tool { name: "zig", stamp: toolchains::zig_stamp, build: toolchains::zig },
    Tool { name: "rust-arm64", stamp: toolchains::rust_arm64_stamp, build: toolchains::rust_arm64 },
];

/// What checking the templates needs.
const FOR_TEMPLATES: &[Tool] = &[
    Tool { name: "sam", stamp: templates::sam_stamp, build: templates::sam },
    Tool { name: "checkov", stamp: templates::checkov_stamp, build: templates::checkov },
];

/// Sets everything up and says what is missing. Gives the names of what is missing, with the reasons.
///
/// # Errors
/// When the tools' folder itself cannot be written.
pub(crate) fn all(install: bool) -> Result<Vec<(String, String)>, String> {
    if install {
        packages::install();
    }
    let tools = layout::tools();
    fs::create_dir_all(&tools).map_err(|error| format!("{}: {error}", tools.display()))?;
    let mut missing = Vec::new();
    for tool in FOR_TESTS {
        if let Err(why) = set_up(tool, &tools) {
            println!("setup: {} is missing: {why}", tool.name);
            missing.push((tool.name.to_owned(), why));
        }
    }
    Ok(missing)
}

/// Sets up one tool and gives its folder.
///
/// # Errors
/// Why it cannot be set up.
pub(crate) fn only(name: &str) -> Result<PathBuf, String> {
    let tools = layout::tools();
    fs::create_dir_all(&tools).map_err(|error| format!("{}: {error}", tools.display()))?;
    let tool = FOR_TESTS
        .iter()
        .chain(FOR_LAYER)
        .chain(FOR_TEMPLATES)
        .find(|tool| tool.name == name)
        .ok_or_else(|| format!("there is no tool {name}"))?;
    set_up(tool, &tools).map_err(|why| format!("{name} is missing: {why}"))?;
    Ok(tools.join(name))
}

fn set_up(tool: &Tool, tools: &Path) -> Result<(), String> {
    let folder = tools.join(tool.name);
    let stamp_file = tools.join(format!("{}.stamp", tool.name));
    let missing_file = tools.join(format!("{}.missing", tool.name));
    let result = (tool.stamp)().and_then(|stamp| {
        if folder.exists() && fs::read_to_string(&stamp_file).is_ok_and(|old| old == stamp) {
            return Ok(());
        }
        println!("setup: {} ({})", tool.name, stamp.lines().next().unwrap_or_default());
        // Filled beside its place and renamed, so that a run that is cut off leaves nothing that looks whole.
        let fresh = tools.join(format!("{}.new", tool.name));
        remove(&fresh)?;
        fs::create_dir_all(&fresh).map_err(|error| format!("{}: {error}", fresh.display()))?;
        (tool.build)(&fresh)?;
        remove(&folder)?;
        fs::rename(&fresh, &folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        fs::write(&stamp_file, stamp).map_err(|error| format!("{}: {error}", stamp_file.display()))
    });
    match &result {
        Ok(()) => remove(&missing_file)?,
        Err(why) => {
            remove(&folder)?;
            fs::write(&missing_file, why).map_err(|error| format!("{}: {error}", missing_file.display()))?;
        }
    }
    result
}

/// Removes a file or folder that may be absent.
fn remove(path: &Path) -> Result<(), String> {
    let done = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match done {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("{}: {error}", path.display()))
        }
        _ => Ok(()),
    }
}

/// A folder of this user's cache, for what takes long to build: a clean clone on the same machine finds it again.
fn user_cache(key: &str) -> Option<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "xtask is a program of its own, and the cache's place is the user's choice"
    )]
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))?;
    Some(cache.join("picket").join(key))
}

/// Fills `folder` from the user's cache, or builds it there and puts a copy into the cache.
fn cached(key: &str, folder: &Path, build: impl FnOnce(&Path) -> Result<(), String>) -> Result<(), String> {
    let Some(cache) = user_cache(key) else { return build(folder) };
    if !cache.is_dir() {
        let fresh = cache.with_extension(format!("new-{}", std::process::id()));
        remove(&fresh)?;
        if fs::create_dir_all(&fresh).is_err() {
            return build(folder);
        }
        build(&fresh)?;
        if fs::rename(&fresh, &cache).is_err() {
            // Another run was first; its copy is as good.
            remove(&fresh)?;
        }
    }
    crate::command::output(std::process::Command::new("cp").arg("-a").arg(cache.join(".")).arg(folder))
        .map(|_printed| ())
}
