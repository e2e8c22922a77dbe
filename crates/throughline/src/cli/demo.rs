//! The demonstration.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// See it work: a real repository, three commits, one path to production.
///
/// Starts a server, pushes the sample service with `git push`, and follows its way: built once, tested, deployed to
/// staging and then to production, under steady load. The second commit brings a feature with a migration and reaches
/// production by canary. The third one fails for some requests; production goes back. It takes about a minute, and
/// needs git, cargo and a C compiler. Afterwards it keeps serving until Ctrl-C, which leaves no process behind.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// End by itself, with code 0 only if everything came out right.
    #[arg(long)]
    pub exit: bool,
    /// Print what happened as a document; the progress goes to standard error.
    #[arg(long)]
    pub json: bool,
    /// Where everything is put and kept, such as the record of all requests; a folder of its own that goes with the
    /// demo by default.
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// Where the server listens. [default: 127.0.0.1:8400, or another port where that one is taken]
    #[arg(long, value_name = "IP:PORT")]
    pub address: Option<SocketAddr>,
}

/// Sends steady load to a service and records every request.
#[derive(Debug, Args)]
#[command(hide = true)]
pub struct DemoLoadArgs {
    /// The service.
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// Requests a second.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rate: u32,
    /// The file that gets a line for each request.
    #[arg(long, value_name = "FILE")]
    pub record: PathBuf,
}
