//! Conduit's benchmarks, each figure beside its limit, measured in turn in the same run: `make bench`.

mod child;
mod clock;
mod counting_sink;
mod database;
mod document;
mod figure;
mod findings;
mod memory;
mod peer;
mod receiver;
mod role;
mod samples;
mod settings;
mod state;
mod suite;

use std::process::ExitCode;

use child::ROLE_ARGUMENT;
use figure::Figure;
use mimalloc::MiMalloc;
use settings::Settings;
use suite::Suite;

/// As the server has it; the limits have it too.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Why a benchmark broke, for whoever reads it.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.as_slice() {
        [role, job] if role == ROLE_ARGUMENT => role::play(job),
        names => run(names),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(names: &[String]) -> Result<(), Failure> {
    let figures = Figure::named(names)?;
    let settings = Settings::read()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { Suite::start(settings).await?.run(&figures).await })
}
