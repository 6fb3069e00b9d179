//! Tortures a transport with faults of the server and the network and checks that nothing is lost, doubled, reordered or
//! made up in silence. Ends with 1 if anything is, with 2 if there was nothing to judge.

use std::process::ExitCode;

use event_bus_tests::torture::{NO_RUN, Options, USAGE, torture};

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
    match Options::from_args(pico_args::Arguments::from_env()) {
        Ok(options) => torture(&options).await,
        Err(error) => {
            eprintln!("{error}\nusage: {USAGE}");
            ExitCode::from(NO_RUN)
        }
    }
}
