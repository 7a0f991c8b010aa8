//! Prints docs/policy.schema.json; `cargo xtask docs` runs it.

fn main() {
    print!("{}", picket_cli::policy_docs::schema());
}
