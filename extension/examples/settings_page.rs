//! Prints docs/settings.md; `cargo xtask docs` writes it.

fn main() {
    print!("{}", picket_extension::settings::Settings::page());
}
