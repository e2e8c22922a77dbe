//! Playing the story: what is pushed when, and what is seen meanwhile.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use facts::{Clock, RunId};
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::draw::{Frame, draw};
use super::load::record::Totals;
use super::needs::Places;
use super::news::News;
use super::processes::{LoadProcess, Server, recorded};
use super::repository::Repository;
use super::story::{Load, Look, Next, Story};
use super::{LATER_RATE, RATE, end, follow, sample};
use crate::client::{Answer, Client, Contact};
use crate::commands::Around;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::settings::value::Secret;
use crate::show::paint::Tone;
use crate::show::screen::{Line, Screen};

/// How often a terminal is drawn anew.
const FRAME: Duration = Duration::from_millis(125);
/// The shortest time between two looks at the server.
const PAUSE: Duration = Duration::from_millis(100);
/// How long nothing may happen before the story is given up.
const SILENCE: Duration = Duration::from_secs(300);

/// How the story is shown: drawn in place on a terminal, told line by line elsewhere.
pub(super) struct View {
    size: Option<fn() -> (usize, usize)>,
    begun: Instant,
    clock: Arc<dyn Clock>,
    screen: Screen,
    news: News,
    pages: String,
}

impl View {
    pub fn new(size: Option<fn() -> (usize, usize)>, begun: Instant, clock: Arc<dyn Clock>) -> Self {
        Self {
            size,
            begun,
            clock,
            screen: Screen::default(),
            news: News::default(),
            pages: String::new(),
        }
    }

    /// Since the start.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Says where to look from now on.
    pub fn begin(&mut self, link: &str, places: &Places, printer: &mut Printer) {
        self.pages = format!("{link}  (logs you in, once)");
        if self.size.is_none() {
            printer.say(&format!("pages {}", self.pages));
            printer.say(&format!("folder {}", places.folder.display()));
        }
    }

    fn show(&mut self, story: &Story, printer: &mut Printer) {
        match self.size {
            Some(size) => {
                let size = size();
                let frame = Frame {
                    now: self.clock.now(),
                    elapsed: self.elapsed(),
                    pages: self.pages.clone(),
                    columns: size.0,
                };
                self.screen.draw(&draw(story, &frame), size, printer);
            }
            None => {
                for line in self.news.of(story, self.begun.elapsed()) {
                    printer.say(&line.painted(usize::MAX));
                }
            }
        }
    }

    /// The last picture, which stays.
    pub fn still(&mut self, story: &Story, printer: &mut Printer) {
        if !self.pages.is_empty() {
            self.show(story, printer);
        }
        self.screen.keep();
        self.pages.clear();
    }

    /// Takes the picture away.
    pub fn clear(&mut self, printer: &mut Printer) {
        if self.size.is_some() {
            self.screen.clear(printer);
        }
    }
}

/// Everything that stands on the stage.
pub(super) struct Stage {
    /// Where everything lies.
    pub places: Places,
    /// The story so far.
    pub story: Story,
    /// How it is shown.
    pub view: View,
    client: Option<Client>,
    server: Option<Server>,
    load: Option<LoadProcess>,
    repository: Option<Repository>,
    heard: Arc<Notify>,
    looking: Option<JoinHandle<Result<Look, Failure>>>,
    changed: bool,
    looked_at: Instant,
    heard_at: Instant,
    canary: Option<(RunId, mpsc::UnboundedReceiver<String>)>,
    counted: Option<(Instant, u64)>,
}

impl Stage {
    pub fn new(places: Places, view: View) -> Self {
        let now = Instant::now();
        Self {
            places,
            story: Story::new(),
            view,
            client: None,
            server: None,
            load: None,
            repository: None,
            heard: Arc::default(),
            looking: None,
            changed: true,
            looked_at: now,
            heard_at: now,
            canary: None,
            counted: None,
        }
    }

    /// Starts the server and makes the repository.
    pub async fn open(
        &mut self,
        address: SocketAddr,
        variables: &BTreeMap<String, String>,
        around: &Around,
    ) -> Result<(), Failure> {
        let places = &self.places;
        let wrong = |error: std::io::Error| {
            Failure::new(
                Exit::Failed,
                format!("cannot write to {}: {error}", places.folder.display()),
            )
        };
        std::fs::write(&places.environments, sample::POLICY).map_err(wrong)?;
        // Commands find the demo's server by this file, and the server no settings that are not its own.
        std::fs::write(&places.settings, "token-file = \"token\"\n").map_err(wrong)?;
        let server = self.server.insert(Server::start(places, address, variables).await?);
        write_private(&places.token, &server.token).map_err(wrong)?;
        let settings = format!("server = \"{}\"\ntoken-file = \"token\"\n", server.url);
        std::fs::write(&places.settings, settings).map_err(wrong)?;
        let contact = Contact {
            server: server.url.clone(),
            token: Some(Secret(server.token.clone())),
            roots: None,
        };
        let client = self.client.insert(Client::new(contact, around.entropy.clone())?);
        self.heard = follow::listen(client.clone());
        let (folder, credentials) = (&places.repository, &places.credentials);
        self.repository = Some(Repository::create(folder, credentials, &server.url, &server.token, variables).await?);
        Ok(())
    }

    /// Asks the server something.
    pub async fn ask<T: DeserializeOwned + Send + 'static>(
        &self,
        ask: impl FnOnce(&Client) -> Result<Answer<T>, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let client = self
            .client
            .clone()
            .ok_or_else(|| Failure::new(Exit::NotReachable, "the server is not there"))?;
        let asked = tokio::task::spawn_blocking(move || ask(&client)).await;
        let answer = asked.map_err(|error| Failure::new(Exit::Failed, format!("the question was lost: {error}")))??;
        Ok(answer.document)
    }

    /// Waits for the next thing that happens, shows it, and does what comes next.
    pub async fn step(&mut self, printer: &mut Printer) -> Result<(), Failure> {
        self.attend().await?;
        self.view.show(&self.story, printer);
        if self.heard_at.elapsed() > SILENCE {
            return Err(Failure::new(
                Exit::Failed,
                format!("nothing happened for {} s", SILENCE.as_secs()),
            ));
        }
        if let Next::Push(index) = self.story.next() {
            let commit = self.story.chapters[index].sample;
            if let Some(repository) = &mut self.repository {
                let name = repository.commit(&commit).await?;
                repository.push().await?;
                self.story.chapters[index].commit = Some(name);
                self.changed = true;
            }
        }
        if self.load.is_none() {
            self.start_load()?;
        }
        Ok(())
    }

    /// The load goes on for a while after the end.
    pub async fn linger(&mut self, time: Duration, printer: &mut Printer) -> Result<(), Failure> {
        let until = Instant::now() + time;
        while Instant::now() < until || self.looking.is_some() || self.changed {
            self.attend().await?;
            self.view.show(&self.story, printer);
        }
        Ok(())
    }

    /// Keeps serving until something ends that should not.
    pub async fn serve(&mut self, printer: &mut Printer) -> Result<(), Failure> {
        self.story.load = None;
        loop {
            self.attend().await?;
            if let (Some(size), Some(load)) = (self.view.size, &self.story.load) {
                let line = Line::default()
                    .with(Tone::Good, "●")
                    .with(Tone::Plain, " serving")
                    .with(
                        Tone::Quiet,
                        format!(
                            "   {:.0} requests/s on production, {} failed",
                            load.rate, load.totals.failed
                        ),
                    );
                self.view.screen.draw(&[line], size(), printer);
            }
        }
    }

    /// Waits for what happens first: a fact, the load's count, the next frame.
    async fn attend(&mut self) -> Result<(), Failure> {
        if self.changed && self.looking.is_none() && self.looked_at.elapsed() >= PAUSE {
            self.look();
        }
        let load = async {
            match &mut self.load {
                Some(load) => load.totals().await,
                None => std::future::pending().await,
            }
        };
        let looked = async {
            match &mut self.looking {
                Some(looking) => looking.await,
                None => std::future::pending().await,
            }
        };
        let said = async {
            match &mut self.canary {
                Some((_, lines)) => match lines.recv().await {
                    Some(line) => line,
                    None => std::future::pending().await,
                },
                None => std::future::pending().await,
            }
        };
        let ended = async {
            match &mut self.server {
                Some(server) => {
                    let _ = server.child.wait().await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.heard.notified() => {
                self.changed = true;
                self.heard_at = Instant::now();
            }
            looked = looked => {
                self.looking = None;
                self.looked_at = Instant::now();
                let look = looked.map_err(|error| Failure::new(Exit::Failed, format!("a look was lost: {error}")))??;
                self.story.learn(look);
                self.follow_canary();
            }
            totals = load => {
                let totals = totals?;
                self.count(totals);
            }
            line = said => self.story.canary = Some(line),
            () = ended => {
                return Err(Failure::new(Exit::Failed, "the server ended by itself")
                    .hint(format!("its last words stand in {}", self.places.log.display())));
            }
            () = tokio::time::sleep(FRAME) => {}
        }
        Ok(())
    }

    fn look(&mut self) {
        let Some(client) = self.client.clone() else { return };
        let (commits, known) = (self.story.commits(), self.story.finished_runs());
        self.changed = false;
        self.looking = Some(tokio::task::spawn_blocking(move || {
            follow::look(&client, &commits, &known)
        }));
    }

    fn follow_canary(&mut self) {
        let analysis = self.story.analysis();
        if self.canary.as_ref().map(|(run, _)| *run) != analysis {
            self.canary = match (analysis, self.client.clone()) {
                (Some(run), Some(client)) => Some((run, follow::log(client, run, "analyze"))),
                _ => None,
            };
        }
    }

    fn count(&mut self, totals: Totals) {
        let now = Instant::now();
        let load = self.story.load.get_or_insert_default();
        match self.counted {
            Some((at, sent)) if now - at >= Duration::from_secs(1) => {
                load.rate = totals.sent.saturating_sub(sent) as f64 / (now - at).as_secs_f64();
                self.counted = Some((now, totals.sent));
            }
            None => self.counted = Some((now, totals.sent)),
            _ => {}
        }
        load.totals = totals;
    }

    /// The load begins when production answers.
    fn start_load(&mut self) -> Result<(), Failure> {
        let Some(placed) = self.story.placed("production") else {
            return Ok(());
        };
        let serves =
            placed.package.is_some() && placed.traffic.iter().any(|group| group.healthy > 0 && group.weight > 0);
        if let (true, Some(url)) = (serves, &placed.url) {
            self.load = Some(LoadProcess::start(url, RATE, &self.places.requests, &self.places)?);
        }
        Ok(())
    }

    /// Ends the load of the story, and starts a gentle one where it is to go on. The answer is what the
    /// record holds, line by line.
    pub async fn finish_load(&mut self, go_on: bool) -> Result<Totals, Failure> {
        let Some(load) = self.load.take() else {
            return Ok(Totals::default());
        };
        if go_on && let Some(url) = self.story.placed("production").and_then(|placed| placed.url.clone()) {
            self.load = Some(LoadProcess::start(
                &url,
                LATER_RATE,
                &self.places.later_requests,
                &self.places,
            )?);
            self.counted = None;
        }
        let counted = load.finish().await?;
        let recorded = recorded(&self.places.requests)?;
        if counted != recorded {
            let message = format!("the load sent {} requests and recorded {}", counted.sent, recorded.sent);
            return Err(Failure::new(Exit::Failed, message));
        }
        let rate = self.story.load.as_ref().map_or(0.0, |load| load.rate);
        self.story.load = Some(Load {
            totals: recorded.clone(),
            rate,
        });
        Ok(recorded)
    }

    /// Ends everything; the answer is whether nothing is left.
    pub async fn end(&mut self) -> bool {
        let server = self.server.take().map(|server| server.child);
        let load = self.load.take().map(|load| load.child);
        end::end(server, self.client.take(), load).await
    }
}

/// Writes a file that only this user may read.
fn write_private(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{text}")
}
