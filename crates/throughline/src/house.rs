//! The server and the hidden processes: the only place where the command line meets them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use facts::{Clock, SystemClock};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::ServeSettings;
use crate::settings::value::{ContainersChoice, IsolationChoice, Secret};

pub(crate) use server::{backup, living, wait_for};

/// After how long a server asks for shared results again that did not answer.
const AGAIN: Duration = Duration::from_secs(60);

/// A server that is ready.
#[derive(Debug)]
pub(crate) struct Started {
    /// Where it is.
    pub url: String,
    /// Its data folder.
    pub data: PathBuf,
    /// The admin's token, at the first start.
    pub first_token: Option<String>,
}

/// Runs the server until it is told to stop; `ready` hears when it listens.
pub(crate) fn serve(settings: ServeSettings, ready: impl FnOnce(&Started)) -> Result<(), Failure> {
    let executable = std::env::current_exe()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot find this program's own file: {error}")))?;
    logging(&settings.log)?;
    let variables = settings.variables;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let sharing = settings.shared_results.as_ref().map(|shared| {
        let tell = Arc::new(|sentence: &str| tracing::warn!("{sentence}"));
        crate::sharing::sharing(shared, &variables, &clock, Some(AGAIN), tell)
    });
    let settings = server::Settings {
        data: settings.data,
        database: settings.database,
        address: settings.address,
        tls: settings
            .tls
            .map(|(certificate, key)| server::TlsFiles { certificate, key }),
        behind_proxy: settings.behind_proxy,
        public_url: settings.public_url,
        environments: settings.environments,
        max_parallel: settings.max_parallel,
        shared_results: sharing.transpose()?,
        poll_interval: settings.poll_interval,
        largest_push: settings.largest_push,
        checkpoints: settings.checkpoints,
        checkpoint_interval: settings.checkpoint_interval,
        notifications: settings.notifications,
        secret_key: settings.secret_key.map(|Secret(key)| key),
        isolation: isolation(settings.isolation),
        containers: containers(settings.containers),
        hidden: settings.hidden,
        keep: server::Keep {
            logs: settings.keep.logs,
            workspaces: settings.keep.workspaces,
            caches: settings.keep.caches,
            caches_size: settings.keep.caches_size,
        },
        executable,
        step_variables: server::StepVariables::from(|name| variables.get(name).cloned()),
        told: settings
            .told
            .into_iter()
            .map(|(name, value, source)| server::Told { name, value, source })
            .collect(),
    };
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot start threads: {error}")))?;
    let served = runtime.block_on(server::serve(settings, |told| {
        ready(&Started {
            url: told.url.clone(),
            data: told.data.clone(),
            first_token: told.first_token.as_ref().map(|token| token.to_string()),
        });
    }));
    // Blocking work that still runs is not waited for: everything that counts is durable already.
    runtime.shutdown_background();
    served.map_err(|error| {
        use server::{OpenError, ServeError};
        let exit = match &error {
            ServeError::Exposed(_) | ServeError::Tls(_) => Exit::Usage,
            ServeError::Open(OpenError::Restored { .. }) => Exit::Refused,
            ServeError::Open(
                OpenError::Used(_)
                | OpenError::OtherFolder { .. }
                | OpenError::CopyInUse { .. }
                | OpenError::OtherVersion { .. },
            ) => Exit::Taken,
            ServeError::Open(OpenError::Policy(_) | OpenError::Notifications(_)) => Exit::BadFile,
            _ => Exit::Failed,
        };
        told(exit, &error.to_string())
    })
}

/// A message that may carry its hint in a line of its own.
fn told(exit: Exit, text: &str) -> Failure {
    match text.split_once("\nhint: ") {
        Some((message, hint)) => Failure::new(exit, message).hint(hint),
        None => Failure::new(exit, text),
    }
}

/// What the server says about its work goes to standard error.
pub(crate) fn logging(level: &str) -> Result<(), Failure> {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_new(level).map_err(|error| {
        Failure::new(Exit::Usage, format!("`{level}` does not say what to log: {error}"))
            .hint("say for instance `info`, or `warn,engine=debug`")
    })?;
    let format = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    format
        .try_init()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot log: {error}")))
}

/// The process in front of the instances of a component.
pub(crate) fn proxy(folder: &Path) -> i32 {
    target::proxy_main(folder)
}

/// Who runs containers, as the executor says it.
pub(crate) const fn containers(choice: ContainersChoice) -> executor::ContainerChoice {
    match choice {
        ContainersChoice::Auto => executor::ContainerChoice::Auto,
        ContainersChoice::Podman => executor::ContainerChoice::Podman,
        ContainersChoice::Docker => executor::ContainerChoice::Docker,
        ContainersChoice::Off => executor::ContainerChoice::Off,
    }
}

/// Whether steps are isolated, as the executor says it.
pub(crate) const fn isolation(choice: IsolationChoice) -> executor::IsolationMode {
    match choice {
        IsolationChoice::Required => server::IsolationMode::Required,
        IsolationChoice::Available => server::IsolationMode::Available,
        IsolationChoice::Off => server::IsolationMode::Off,
    }
}
