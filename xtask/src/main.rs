//! `cargo xtask`: everything that is not cargo's own job. Knows the commands; each one lives in a module of its own.

mod command;
mod cost;
mod demo;
mod docs;
mod engine;
mod exactness;
mod layer;
mod load;
mod publish;
mod score;
mod setup;
mod template;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Everything that is not cargo's own job")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Fetch and build what the black-box tests need, under cargo's target folder
    Setup {
        /// Install missing system packages too (Debian and Ubuntu)
        #[arg(long)]
        install: bool,
    },
    /// Write the pages of docs/ that are generated from the code
    Docs,
    /// Score the detection on a labelled corpus beside the repository
    Score(score::Options),
    /// Start a protected example function behind a local address, and attack it
    Demo(demo::Options),
    /// Send signals through the engine while killing it, and compare what it has counted with what was sent
    Exactness(exactness::Options),
    /// Measure how many batches the engine takes a second, how long each waits, and its memory
    Load(load::Options),
    /// Build the layer's zips under target/layer
    Layer(layer::Options),
    /// Show or make the calls that publish the layer in many regions
    PublishLayer(publish::Options),
    /// Build the engine as a Lambda function's program
    Engine(engine::Options),
    /// Compute what Picket costs on AWS, from measured figures and list prices
    Cost(cost::Options),
    /// Check the deployment templates with AWS's own tools, offline
    Template(template::Options),
    /// Set up what the tests need and run them all
    Test(test::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Setup { install } => setup::all(install).map(|_missing| ()),
        Task::Docs => docs::run(),
        Task::Score(options) => score::run(&options),
        Task::Demo(options) => demo::run(&options),
        Task::Exactness(options) => exactness::run(&options),
        Task::Load(options) => load::run(&options),
        Task::Layer(options) => layer::run(&options),
        Task::PublishLayer(options) => publish::run(&options),
        Task::Engine(options) => engine::run(&options),
        Task::Cost(options) => cost::run(&options),
        Task::Template(options) => template::run(&options),
        Task::Test(options) => test::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
