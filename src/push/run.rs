use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::bus::{Bus, Event, Heard, Listener};
use crate::config::{NtfyConfig, PushConfig};
use crate::host::{Clock, Host, HttpError, Lines};
use crate::model::{Batch, Outcome};
use crate::store::{Change, Collection, Store, StoreError};

use super::buttons::{Buttons, Tickets};
use super::message::Message;
use super::ntfy::{Incoming, Ntfy};
use super::outbox::{Effect, Failure, Input, Moment, Outbox, Policy};
use super::reply::Replies;

/// The name under which a fault is told to the rules.
const COLLECTOR: &str = "push";
/// How long a stop waits for the message in flight.
const LAST_WORDS: Duration = Duration::from_secs(1);
const FIRST_RETRY: Duration = Duration::from_secs(5);
const LAST_RETRY: Duration = Duration::from_mins(5);
const REFUSED_RETRY: Duration = Duration::from_mins(15);

/// Why pushing cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// There is no `[push.ntfy]` with a topic.
    #[error("push is not configured: set push.ntfy.topic")]
    NotConfigured,
    /// The client cannot be built.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The store failed at the start.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server did not take the message.
    #[error("{0}")]
    NotTaken(String),
}

/// Everything that pushing needs.
#[derive(Clone)]
pub struct Push {
    /// HTTP and the wall clock.
    pub host: Host,
    /// `[push]`.
    pub config: PushConfig,
    /// The node's name.
    pub node: String,
    /// `api.public_url`: where the phone reaches the REST bridge, if it does.
    pub public_url: Option<String>,
    /// Where alerts come from and commands go.
    pub bus: Bus,
    /// What is kept over restarts.
    pub store: Store,
    /// Makes and checks the tickets of the buttons.
    pub tickets: Arc<dyn Tickets>,
}

impl std::fmt::Debug for Push {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Push")
            .field("config", &self.config)
            .field("node", &self.node)
            .field("public_url", &self.public_url)
            .finish_non_exhaustive()
    }
}

/// Sends a test message; the text on success says where it went.
pub async fn send_test(host: &Host, config: &PushConfig, node: &str) -> Result<String, PushError> {
    let config = config.ntfy.clone().ok_or(PushError::NotConfigured)?;
    let ntfy = Ntfy::new(&host.http, config.clone())?;
    match ntfy
        .publish(&Message::test(node, host.clock.now()), &[])
        .await
    {
        Ok(id) => Ok(format!("{} took the message (id {id})", config.server)),
        Err(Failure::Away { text, .. } | Failure::Refused(text) | Failure::Unfit(text)) => {
            Err(PushError::NotTaken(text))
        }
    }
}

impl Push {
    /// Pushes until `cancel`. Without a configured service it only waits for that.
    pub async fn run(self, cancel: CancellationToken) -> Result<(), PushError> {
        let Some(config) = self.config.ntfy.clone() else {
            cancel.cancelled().await;
            return Ok(());
        };
        // From here on nothing is missed; what was before is in the state.
        let listener = self.bus.listen();
        let ntfy = Ntfy::new(&self.host.http, config.clone())?;
        let read = self.store.blocking(|store| store.all(Collection::Push));
        let records = read.await?;
        let replies = self.replies(&config, &records);
        let buttons = match (&self.public_url, &replies) {
            _ if !config.buttons => Buttons::Off,
            (Some(url), _) => Buttons::Rest(url.trim_end_matches('/').to_owned()),
            (None, replies) => Buttons::Topic {
                url: ntfy.url(&replies.topic),
                token: config.reply_token.clone(),
            },
        };
        let start = Instant::now();
        let now = moment(&self.host.clock, start);
        let policy = Policy {
            node: self.node.clone(),
            min_severity: config.min_severity,
            group: self.config.group,
            digest_after: self.config.digest_after,
            reminder: self.config.reminder,
            resolved: self.config.resolved,
        };
        // Without randomness the retries are only less spread.
        let seed = getrandom::u64().unwrap_or(1);
        let outbox = Outbox::restore(policy, &records, now, seed);
        drop(records);
        let sender = Sender {
            push: &self,
            ntfy: &ntfy,
            buttons: &buttons,
            outbox,
            start,
            flight: None,
        };
        let listens = matches!(buttons, Buttons::Topic { .. });
        tokio::join!(sender.run(listener, &cancel), async {
            if listens {
                self.hear(&ntfy, replies, &cancel).await;
            }
        });
        Ok(())
    }

    fn replies(&self, config: &NtfyConfig, records: &[(String, Vec<u8>)]) -> Replies {
        let record = records
            .iter()
            .find(|(key, _)| key == Replies::key())
            .map(|(_, record)| record.as_slice());
        let mut random = [0; 16];
        if let Err(error) = getrandom::fill(&mut random) {
            tracing::warn!(%error, "no randomness: the name of the reply topic can be guessed");
        }
        let now = self.host.clock.now();
        Replies::restore(
            record,
            &config.topic,
            config.reply_topic.as_deref(),
            now,
            random,
        )
    }

    async fn persist(&self, changes: Vec<Change>) {
        let kept = self.store.blocking(move |store| store.write(&changes));
        // A full disk must not stop the messages: they go out, and may go out twice.
        if let Err(error) = kept.await {
            tracing::warn!(%error, "push messages cannot be kept over a restart");
        }
    }

    /// Listens to the presses of buttons until `cancel`. What was carried out by then is noted, so
    /// that it is not carried out again after a restart.
    async fn hear(&self, ntfy: &Ntfy, mut replies: Replies, cancel: &CancellationToken) {
        self.persist(vec![replies.put()]).await;
        let mut retry = FIRST_RETRY;
        let mut told: Option<String> = None;
        loop {
            let stream = ntfy.subscribe(&replies.topic, &replies.since);
            let Some(stream) = cancel.run_until_cancelled(stream).await else {
                return;
            };
            let wait = match stream {
                Ok(lines) => {
                    if told.take().is_some() {
                        tracing::info!("the buttons of push messages work again");
                    }
                    retry = FIRST_RETRY;
                    self.follow(lines, &mut replies, cancel).await;
                    FIRST_RETRY
                }
                Err(failure) => {
                    let (text, wait) = match failure {
                        Failure::Away { text, after } => {
                            retry = (retry * 2).min(LAST_RETRY);
                            (text, retry.max(after.unwrap_or_default()))
                        }
                        Failure::Refused(text) | Failure::Unfit(text) => (text, REFUSED_RETRY),
                    };
                    if told.as_ref() != Some(&text) {
                        tracing::warn!("the buttons of push messages do not work: {text}");
                        told = Some(text);
                    }
                    wait
                }
            };
            // Up to a quarter more, so that many nodes do not come at once.
            let share = getrandom::u32().map_or(0, |random| random % 26);
            let pause = tokio::time::sleep(wait + wait * share / 100);
            if cancel.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }

    /// Carries out the presses of one stream until it ends, or `cancel`.
    async fn follow(&self, mut lines: Lines, replies: &mut Replies, cancel: &CancellationToken) {
        loop {
            let line = match cancel.run_until_cancelled(lines.next()).await {
                Some(Ok(Some(line))) => line,
                Some(Ok(None)) | None => return,
                Some(Err(error)) => {
                    tracing::debug!(%error, "the stream of presses has ended");
                    return;
                }
            };
            let Ok(incoming) = serde_json::from_slice::<Incoming>(&line) else {
                continue;
            };
            if incoming.event != "message" {
                continue;
            }
            let now = self.host.clock.now();
            let commands = replies.read(&incoming.message, now, self.tickets.as_ref());
            if commands.is_empty() {
                // Not made durable: a stranger's messages shall cost us no writes.
                continue;
            }
            for command in commands {
                let answer = self.bus.command(command);
                let Some(result) = cancel.run_until_cancelled(answer).await else {
                    return;
                };
                match result.error {
                    None => tracing::info!(command = result.command, "a button was pressed"),
                    Some(error) => {
                        tracing::warn!(command = result.command, error, "a button did nothing");
                    }
                }
            }
            replies.since = incoming.id;
            self.persist(vec![replies.put()]).await;
        }
    }
}

type Flight<'a> = Pin<Box<dyn Future<Output = Result<String, Failure>> + Send + 'a>>;

/// Carries out what the outbox decides.
struct Sender<'a> {
    push: &'a Push,
    ntfy: &'a Ntfy,
    buttons: &'a Buttons,
    outbox: Outbox,
    start: Instant,
    flight: Option<Flight<'a>>,
}

impl Sender<'_> {
    async fn run(mut self, mut listener: Listener, cancel: &CancellationToken) {
        self.step(Input::All(self.push.bus.state().alerts())).await;
        loop {
            let now = moment(&self.push.host.clock, self.start);
            let wake = self.outbox.wake(now).map(|up| self.start + up);
            let input = tokio::select! {
                heard = listener.next() => match heard {
                    Heard::Event(Event::Alert(alert)) => Input::Alert(alert),
                    Heard::Event(Event::AlertCleared(alert)) => Input::Cleared(alert),
                    Heard::Event(_) => continue,
                    Heard::Missed(_) => Input::All(self.push.bus.state().alerts()),
                    Heard::Closed => return,
                },
                result = landed(&mut self.flight) => outcome(result),
                () = until(wake) => Input::Tick,
                () = cancel.cancelled() => break,
            };
            self.step(input).await;
        }
        if let Some(flight) = self.flight.take()
            && let Ok(result) = tokio::time::timeout(LAST_WORDS, flight).await
        {
            let now = moment(&self.push.host.clock, self.start);
            for effect in self.outbox.step(now, outcome(result)) {
                if let Effect::Persist(changes) = effect {
                    self.push.persist(changes).await;
                }
            }
        }
    }

    async fn step(&mut self, input: Input) {
        let now = moment(&self.push.host.clock, self.start);
        for effect in self.outbox.step(now, input) {
            match effect {
                Effect::Persist(changes) => self.push.persist(changes).await,
                Effect::Send(message) => {
                    let (ntfy, tickets) = (self.ntfy, self.push.tickets.as_ref());
                    let buttons = self.buttons.of(&message, now.wall, tickets);
                    self.flight = Some(Box::pin(
                        async move { ntfy.publish(&message, &buttons).await },
                    ));
                }
                Effect::Health(fault) => {
                    if let Some(text) = &fault {
                        tracing::warn!("push messages do not arrive: {text}");
                    } else {
                        tracing::info!("push messages arrive again");
                    }
                    self.push.bus.publish(Batch {
                        at: now.wall,
                        outcomes: vec![Outcome {
                            collector: COLLECTOR,
                            result: fault.map_or_else(|| Ok(Vec::new()), Err),
                        }],
                    });
                }
            }
        }
    }
}

fn outcome(result: Result<String, Failure>) -> Input {
    match result {
        Ok(id) => {
            tracing::debug!(id, "push message taken");
            Input::Sent
        }
        Err(failure) => Input::Failed(failure),
    }
}

/// Waits for the message in flight; for ever if there is none.
async fn landed(flight: &mut Option<Flight<'_>>) -> Result<String, Failure> {
    match flight {
        Some(future) => {
            let result = future.await;
            *flight = None;
            result
        }
        None => std::future::pending().await,
    }
}

async fn until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

fn moment(clock: &Clock, start: Instant) -> Moment {
    Moment {
        wall: clock.now(),
        up: start.elapsed(),
    }
}
