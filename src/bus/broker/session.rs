use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::link::Link;
use super::wire::{Hello, Said, Welcome, Wire};
use super::worker::Worker;
use crate::bus::{Incoming, Message};

/// The most messages that are unacknowledged at a time.
const WINDOW: u16 = 100;
/// How long the broker may take to answer what it must answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the last messages may take when we stop.
const FAREWELL: Duration = Duration::from_millis(600);
/// The packet id of our own subscription …
const SUBSCRIPTION: u16 = 1;
/// … of those to what other clients say …
const FOREIGN: u16 = 2;
/// … of what is taken back of these …
const TAKEN_BACK: u16 = 3;
/// … and of that to the alerts that the broker has kept. Messages have higher ones.
const KEPT: u16 = 4;

/// Why a connection could not be made or has ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// We were asked to stop, and have said goodbye.
    Stopped,
    /// The broker would not have us.
    Refused(String),
    /// It may speak only another version.
    Version(String),
    /// Anything else.
    Lost(String),
}

/// One connection to the broker.
pub(super) struct Session {
    link: Link,
    wire: Wire,
    input: BytesMut,
    output: BytesMut,
    limits: Welcome,
    keep_alive: Duration,
    /// What is sent and not acknowledged: packet id and number in the outbox.
    in_flight: VecDeque<(u16, Option<u64>)>,
    last_id: u16,
    /// When to ask for a sign of life.
    ping_at: Instant,
    /// Until when the broker must have answered something.
    answer_by: Option<Instant>,
    /// What of other clients is subscribed to.
    foreign: BTreeSet<String>,
    /// A change of that is not answered yet: the next one waits.
    changing: bool,
    /// So many bytes still belong to a message that was too large.
    skip: usize,
}

impl Session {
    /// Says hello on `link` and waits for the broker's welcome; the caller sets the time limit.
    pub(super) async fn open(mut link: Link, wire: Wire, hello: &Hello<'_>) -> Result<Self, End> {
        let mut output = BytesMut::with_capacity(1024);
        let mut input = BytesMut::with_capacity(1024);
        wire.hello(&mut output, hello).map_err(End::Lost)?;
        link.write(&mut output)
            .await
            .map_err(|error| End::Lost(error.to_string()))?;
        let limits = loop {
            // A broker that does not know MQTT 5 may just hang up or answer strangely.
            link.read(&mut input)
                .await
                .map_err(|error| End::Version(error.to_string()))?;
            match wire.read(&mut input).map_err(End::Version)? {
                Some(Said::Welcome(limits)) => break limits,
                Some(Said::Refused { why, version: true }) => return Err(End::Version(why)),
                Some(Said::Refused { why, .. }) => return Err(End::Refused(why)),
                Some(_) => return Err(End::Lost("an answer that is no MQTT".to_owned())),
                None => {}
            }
        };
        let seconds = limits.keep_alive_s.unwrap_or(hello.keep_alive_s).max(1);
        let keep_alive = Duration::from_secs(seconds.into());
        Ok(Self {
            link,
            wire,
            input,
            output,
            limits,
            keep_alive,
            in_flight: VecDeque::new(),
            last_id: KEPT,
            ping_at: Instant::now() + keep_alive,
            answer_by: None,
            foreign: BTreeSet::new(),
            changing: false,
            skip: 0,
        })
    }

    /// Subscribes, then carries messages both ways until the connection ends.
    pub(super) async fn run(mut self, worker: &mut Worker, cancel: &CancellationToken) -> End {
        let filters = worker.edge.filters();
        let subscribed = self
            .wire
            .subscribe(&mut self.output, SUBSCRIPTION, &filters, true);
        let kept = [worker.edge.alert_filter()];
        let subscribed =
            subscribed.and_then(|()| self.wire.subscribe(&mut self.output, KEPT, &kept, false));
        if let Err(error) = subscribed {
            return End::Lost(error);
        }
        self.expect_answer();
        let mut changes = worker.edge.bus.wanted_changes();
        let mut wanted = worker.edge.bus.wanted();
        loop {
            let wants = self.subscribe_foreign(&wanted);
            if let Err(error) = wants.and(self.send(worker).await) {
                return End::Lost(error);
            }
            let answer_by = self.answer_by;
            let late = async {
                match answer_by {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let result = tokio::select! {
                biased;
                () = cancel.cancelled() => {
                    let goodbye = timeout(FAREWELL, self.goodbye(worker)).await;
                    if !matches!(goodbye, Ok(Ok(()))) {
                        tracing::debug!("the broker did not confirm our goodbye");
                    }
                    return End::Stopped;
                }
                read = self.link.read(&mut self.input) => match read {
                    Ok(()) => self.take_in(worker),
                    Err(error) => Err(error.to_string()),
                },
                () = worker.step() => Ok(()),
                Ok(()) = changes.changed() => {
                    wanted = worker.edge.bus.wanted();
                    Ok(())
                }
                () = late => Err(format!("no answer within {} s", ANSWER.as_secs())),
                () = sleep_until(self.ping_at) => {
                    self.expect_answer();
                    self.wire.ping(&mut self.output)
                }
            };
            if let Err(error) = result {
                return End::Lost(error);
            }
            worker.chores().await;
        }
    }

    /// Hears what is said on `filters` until then, says nothing, and leaves.
    pub(super) async fn overhear(
        mut self,
        filters: &[String],
        until: Instant,
        mut hear: impl FnMut(Incoming),
    ) -> Result<(), String> {
        self.wire
            .subscribe(&mut self.output, FOREIGN, filters, false)?;
        self.flush().await?;
        while let Ok(read) = timeout_at(until, self.link.read(&mut self.input)).await {
            read.map_err(|error| error.to_string())?;
            while let Some(said) = self.next_packet()? {
                match said {
                    Said::Publish(message, _) => hear(message),
                    Said::Subscribed { refused, .. } if refused == filters.len() => {
                        return Err("the broker does not let us read the topics of meters".into());
                    }
                    Said::Bye(why) => {
                        return Err(format!("the broker ended the connection: {why}"));
                    }
                    Said::Welcome(_)
                    | Said::Refused { .. }
                    | Said::Acked(..)
                    | Said::Subscribed { .. }
                    | Said::Unsubscribed
                    | Said::Pong
                    | Said::Other => {}
                }
            }
        }
        self.wire.goodbye(&mut self.output)?;
        self.flush().await?;
        self.link.close().await.map_err(|error| error.to_string())
    }

    /// Brings the subscriptions to other clients' topics in line with what is wanted.
    fn subscribe_foreign(&mut self, wanted: &BTreeSet<String>) -> Result<(), String> {
        if self.changing || self.foreign == *wanted {
            return Ok(());
        }
        let old: Vec<String> = self.foreign.difference(wanted).cloned().collect();
        let new: Vec<String> = wanted.difference(&self.foreign).cloned().collect();
        // One at a time; the answer brings us here again.
        if new.is_empty() {
            self.foreign.retain(|filter| wanted.contains(filter));
            self.wire.unsubscribe(&mut self.output, TAKEN_BACK, old)?;
        } else {
            self.wire
                .subscribe(&mut self.output, FOREIGN, &new, false)?;
            self.foreign.extend(new);
        }
        self.changing = true;
        self.expect_answer();
        Ok(())
    }

    /// The next whole packet that has arrived; messages that are too large are thrown away.
    fn next_packet(&mut self) -> Result<Option<Said>, String> {
        loop {
            let gone = self.skip.min(self.input.len());
            self.input.advance(gone);
            self.skip -= gone;
            match Wire::oversized(&self.input) {
                Some(length) => {
                    tracing::debug!(length, "a message is too large; thrown away");
                    self.skip = length;
                }
                None => return self.wire.read(&mut self.input),
            }
            if self.input.is_empty() {
                return Ok(None);
            }
        }
    }

    fn expect_answer(&mut self) {
        self.answer_by
            .get_or_insert_with(|| Instant::now() + ANSWER);
    }

    /// Fills the window and writes all of it at once.
    async fn send(&mut self, worker: &mut Worker) -> Result<(), String> {
        worker.catch_up();
        let window = usize::from(WINDOW.min(self.limits.receive_max).max(1));
        while self.in_flight.len() < window {
            let id = self.free_id();
            let (number, fits) = match worker.outbox.next() {
                Some((number, message)) => (Some(number), self.put(id, message)?),
                None => match worker.fresh.pop() {
                    Some(message) => (None, self.put(id, &message)?),
                    None => break,
                },
            };
            if !fits {
                if let Some(number) = number {
                    worker.outbox.done(number);
                }
                continue;
            }
            self.in_flight.push_back((id, number));
            self.expect_answer();
        }
        self.flush().await
    }

    /// Writes a message, and says whether the broker takes one of its size: one that it does not
    /// would end the connection, now and every time.
    fn put(&mut self, id: u16, message: &Message) -> Result<bool, String> {
        let before = self.output.len();
        self.wire.publish(&mut self.output, Some(id), message)?;
        let size = u32::try_from(self.output.len() - before).unwrap_or(u32::MAX);
        let fits = self.limits.max_packet.is_none_or(|max| size <= max);
        if !fits {
            self.output.truncate(before);
            tracing::warn!(
                topic = message.topic,
                size,
                "a message is larger than the broker takes and cannot be sent; raise its limit \
                 (mqtt.embedded.max_payload of a homewatch, max_packet_size of Mosquitto)"
            );
        }
        Ok(fits)
    }

    async fn flush(&mut self) -> Result<(), String> {
        if self.output.is_empty() {
            return Ok(());
        }
        match timeout(ANSWER, self.link.write(&mut self.output)).await {
            Ok(Ok(())) => {
                self.ping_at = Instant::now() + self.keep_alive;
                Ok(())
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("takes nothing for {} s", ANSWER.as_secs())),
        }
    }

    fn free_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(KEPT + 1);
            if self.in_flight.iter().all(|(id, _)| *id != self.last_id) {
                return self.last_id;
            }
        }
    }

    /// Acts on every whole packet that has arrived.
    fn take_in(&mut self, worker: &mut Worker) -> Result<(), String> {
        while let Some(said) = self.next_packet()? {
            match said {
                Said::Publish(incoming, id) => {
                    if let Some(id) = id {
                        self.wire.ack(&mut self.output, id)?;
                    }
                    if let Some(message) = worker.edge.receive(incoming) {
                        worker.fresh.push(message);
                    }
                }
                Said::Acked(id, why) => {
                    self.acked(id, worker);
                    if let Some(why) = why {
                        worker.complain(&format!("the broker did not take a message: {why}"));
                    }
                }
                Said::Subscribed {
                    id: FOREIGN,
                    refused,
                } => {
                    self.answered();
                    self.changing = false;
                    if refused > 0 {
                        worker.complain("the broker does not let us read the topics of meters");
                    }
                }
                Said::Unsubscribed => {
                    self.answered();
                    self.changing = false;
                }
                Said::Subscribed { id: KEPT, refused } => {
                    self.answered();
                    if refused > 0 {
                        tracing::debug!("the broker does not let us read what alerts it keeps");
                    }
                }
                Said::Subscribed { refused, .. } => {
                    self.answered();
                    if refused > 0 {
                        worker.complain("the broker does not let us subscribe to commands");
                    }
                }
                Said::Pong => self.answered(),
                Said::Bye(why) => return Err(format!("the broker ended the connection: {why}")),
                Said::Welcome(_) | Said::Refused { .. } | Said::Other => {}
            }
        }
        Ok(())
    }

    fn acked(&mut self, id: u16, worker: &mut Worker) {
        if let Some(at) = self.in_flight.iter().position(|(other, _)| *other == id)
            && let Some((_, number)) = self.in_flight.remove(at)
        {
            if let Some(number) = number {
                worker.outbox.done(number);
            }
            self.answered();
        }
    }

    /// The broker is alive; if it owes us more, it has more time.
    fn answered(&mut self) {
        self.answer_by = (!self.in_flight.is_empty()).then(|| Instant::now() + ANSWER);
    }

    /// Sends what can be sent, `offline` last, waits until the broker has it, and hangs up.
    async fn goodbye(&mut self, worker: &mut Worker) -> Result<(), String> {
        let half = Instant::now() + FAREWELL / 2;
        worker.fresh.remove(&worker.edge.status(true).topic);
        self.send(worker).await?;
        while !self.in_flight.is_empty() {
            match timeout_at(half, self.link.read(&mut self.input)).await {
                Ok(Ok(())) => self.take_in(worker)?,
                Ok(Err(error)) => return Err(error.to_string()),
                Err(_) => break,
            }
            self.send(worker).await?;
        }
        let offline = worker.edge.status(false);
        let room = self.in_flight.len() < usize::from(self.limits.receive_max);
        let id = room.then(|| self.free_id());
        self.wire.publish(&mut self.output, id, &offline)?;
        self.flush().await?;
        if let Some(id) = id {
            self.in_flight.push_back((id, None));
            while self.in_flight.iter().any(|(other, _)| *other == id) {
                self.link
                    .read(&mut self.input)
                    .await
                    .map_err(|error| error.to_string())?;
                self.take_in(worker)?;
            }
        }
        self.wire.goodbye(&mut self.output)?;
        self.flush().await?;
        self.link.close().await.map_err(|error| error.to_string())
    }
}
