//! The page of settings in docs/ is the one that the table gives.

use picket_extension::settings::Settings;

#[test]
fn the_page_of_settings_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/settings.md");
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == Settings::page(), "docs/settings.md is stale: run `cargo xtask docs`");
}
