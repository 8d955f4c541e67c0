use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::bus::Bus;
use crate::host::{Clock, Memory};
use crate::predict::Board;
use crate::report::Reports;

use super::answer::Cache;
use super::events::Events;
use super::limiter::Limiter;
use super::token::Tokens;
use super::usage::Usage;
use super::{Days, History, TicketKey};

/// One part of the service, as `/healthz` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// What is wrong with it now; `None` if nothing is.
    pub error: Option<String>,
    /// Whether the service cannot do its work without it.
    pub vital: bool,
}

/// Tells the state of every part of the service.
pub type Parts = Arc<dyn Fn() -> Vec<Part> + Send + Sync>;

/// What the REST bridge is made of.
pub struct Setup<'a> {
    /// What is known, and where commands go.
    pub bus: Bus,
    /// The node's name.
    pub node: String,
    /// Wall-clock time.
    pub clock: Clock,
    /// Where the tokens are.
    pub data_dir: &'a Path,
    /// What one token may fetch in a day, bytes.
    pub daily_budget: u64,
    /// The history.
    pub history: Arc<dyn History>,
    /// Makes reports.
    pub reports: Reports,
    /// What each day's energy went to.
    pub days: Days,
    /// The state of the service's parts.
    pub parts: Parts,
    /// Checks the tickets of push messages' buttons.
    pub tickets: TicketKey,
    /// What is foreseen to fail.
    pub predictions: Board,
    /// What is remembered over restarts.
    pub memory: Memory,
}

/// The REST bridge.
pub struct Api {
    pub(super) bus: Bus,
    pub(super) node: String,
    pub(super) clock: Clock,
    pub(super) daily_budget: u64,
    pub(super) history: Arc<dyn History>,
    pub(super) reports: Reports,
    pub(super) days: Days,
    pub(super) parts: Parts,
    pub(super) tickets: TicketKey,
    pub(super) predictions: Board,
    pub(super) memory: Memory,
    pub(super) tokens: Tokens,
    pub(super) limiter: Limiter,
    pub(super) usage: Usage,
    pub(super) cache: Cache,
    pub(super) events: Arc<Events>,
    pub(super) started: (Timestamp, Instant),
    /// Tells this run's cursors and event ids from those of another.
    pub(super) epoch: String,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

impl Api {
    /// The bridge; nothing is served yet.
    pub fn new(setup: Setup<'_>) -> Arc<Self> {
        let now = setup.clock.now();
        let epoch = format!("{:x}", now.as_millisecond());
        Arc::new(Self {
            bus: setup.bus,
            node: setup.node,
            clock: setup.clock,
            daily_budget: setup.daily_budget,
            history: setup.history,
            reports: setup.reports,
            days: setup.days,
            parts: setup.parts,
            tickets: setup.tickets,
            predictions: setup.predictions,
            memory: setup.memory,
            tokens: Tokens::new(setup.data_dir),
            limiter: Limiter::default(),
            usage: Usage::default(),
            cache: Cache::default(),
            events: Arc::new(Events::new(&epoch)),
            started: (now, Instant::now()),
            epoch,
        })
    }

    /// Takes events in for `/api/v1/events` for as long as it is polled. [`super::run`] does so.
    pub async fn pump(&self) {
        self.events.pump(&self.bus).await;
    }

    /// The state's revision as a cursor.
    pub(super) fn cursor(&self, revision: u64) -> String {
        super::cursor::format(&self.epoch, revision)
    }

    /// The revision after which a client needs to hear; `None` means everything.
    pub(super) fn since(&self, text: Option<&str>) -> Result<Option<u64>, super::Problem> {
        let since = super::cursor::since(text, &self.epoch)?;
        // Something was taken out after it, which a delta would not tell.
        Ok(since.filter(|since| *since >= self.bus.state().removal()))
    }
}

/// The address a request came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);
