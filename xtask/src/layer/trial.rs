//! The finished zip, unpacked as Lambda does it, around a real function under AWS's emulator. Knows what a protected function must
//! do; the tests proper use the same emulator with the binaries of the day.

use picket_tests::clients::{Client, contract};
use picket_tests::rie::Environment;
use picket_tests::rie::layer::Layer;

use super::{Architecture, archive};
use crate::{command, setup};

/// Runs foreign binaries on this machine, and where their dynamic loader lies.
const EMULATOR: &str = "qemu-aarch64-static";
const FOREIGN_LIBRARIES: &str = "/usr/aarch64-linux-gnu";

/// Sends one clean request and one attack.
///
/// # Errors
/// What did not go as it should. That this machine cannot run these binaries is said, and is no error.
pub(super) fn run(architecture: Architecture, zip: &[u8]) -> Result<(), String> {
    setup::only("rie")?;
    setup::only("python")?;
    let Some(layer) = unpacked(architecture, zip)? else { return Ok(()) };
    let environment = Environment { layer, function: Client::Python.function()?, variables: vec![] };
    let emulator = environment.with("PICKET_MODE", "block").start().map_err(|error| error.to_string())?;
    let (clean, attack) = (contract::clean(), contract::attack());
    for (event, status, calls) in [(&clean, 200, 1), (&attack, 406, 1), (&clean, 200, 2)] {
        let answer = emulator.invoke(event).map_err(|error| error.to_string())?;
        if answer.status_code() != Some(status) || emulator.handler_calls() != calls {
            return Err(format!(
                "layer: the zip for {} does not protect: status {:?} instead of {status}, handler called {} times instead of {calls}\n{}",
                architecture.name(),
                answer.status_code(),
                emulator.handler_calls(),
                emulator.log()
            ));
        }
    }
    println!("layer: the zip for {} protects a Python function under AWS's emulator", architecture.name());
    Ok(())
}

/// The layer as it lands in /opt; none if this machine cannot run it.
fn unpacked(architecture: Architecture, zip: &[u8]) -> Result<Option<Layer>, String> {
    let broken = |error: std::io::Error| format!("layer: {error}");
    let layer = Layer::empty().map_err(broken)?;
    let files = archive::unpack(zip).map_err(broken)?;
    if architecture.is_this_machine() {
        for (name, bytes, mode) in files {
            layer.put_bytes(&name, &bytes, mode).map_err(broken)?;
        }
        return Ok(Some(layer));
    }
    if architecture != Architecture::Arm64 || !command::exists(EMULATOR) {
        println!("layer: {} is not tried out: {EMULATOR} is not installed", architecture.name());
        return Ok(None);
    }
    // Each program lies elsewhere under its own name, and a script of two lines in its place starts it.
    for (name, bytes, mode) in files {
        layer.put_bytes(&format!("foreign/{name}"), &bytes, mode).map_err(broken)?;
        let script =
            format!("#!/bin/sh\nexec {EMULATOR} -L {FOREIGN_LIBRARIES} /opt/foreign/{name} \"$@\"\n");
        layer.put_script(&name, &script).map_err(broken)?;
    }
    Ok(Some(layer))
}
