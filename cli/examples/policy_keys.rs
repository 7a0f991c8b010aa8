//! Prints docs/policy-keys.md; `cargo xtask docs` runs it.

fn main() {
    print!("{}", picket_cli::policy_docs::keys());
}
