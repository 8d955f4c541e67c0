mod builder;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use super::ground::{Ground, blocking};
use super::well;
use crate::collect::{self, Ambient, Slot};
use crate::config::Config;
use crate::control::Allowed;
use crate::homeassistant::Settings;
use crate::http::{self, Api, Setup, TicketKey};
use crate::meter::Meters;
use crate::model::{Batch, Outcome};
use crate::power::Activity;
use crate::predict::Board;
use crate::supervisor::{Supervisor, SupervisorError};
use builder::{Builder, Services, slots};

/// How long the parts may take to end.
const STOP_LIMIT: Duration = Duration::from_millis(700);

/// The parts that are rebuilt when the configuration is reloaded.
pub(super) struct Parts {
    supervisor: Supervisor,
    token: CancellationToken,
    api_addr: SocketAddr,
    collectors: Vec<&'static str>,
    bus: crate::bus::Bus,
    clock: crate::host::Clock,
}

impl Parts {
    /// Builds everything on `ground`; nothing runs yet, but what was known of alerts before a
    /// restart is known again.
    pub(super) async fn build(ground: &Ground, config: &Config) -> anyhow::Result<Self> {
        ground.reports.configure(Arc::new(config.clone()));
        let listener = http::bind(&config.api).await?;
        let api_addr = listener.addr()?;
        let dir = ground.data_dir.clone();
        let tickets = blocking(move || Ok(TicketKey::load(&dir)?)).await?;
        let meters = Meters::new(&config.power.meters);
        let activity = Activity::default();
        let services = Services {
            groups: config.power.groups.clone(),
            activity: activity.clone(),
        };
        let ambient = Ambient::new(&config.health.ambient);
        let slots = slots(&ground.host, &config.collect, &meters, &services, &ambient);
        let collectors: Vec<_> = slots.iter().map(Slot::name).collect();
        let period = |slot: &Slot| {
            let period = slot.period().max(config.node.interval);
            (slot.name().to_owned(), period)
        };
        let periods: Vec<_> = slots.iter().map(period).collect();
        let token = CancellationToken::new();
        let mut builder = Builder {
            tasks: Supervisor::new(token.clone()),
            ground,
            token: &token,
        };
        builder.control(&config.rules).await?;
        let heartbeat = config.node.heartbeat;
        let off = collect::ENTRIES.iter().map(|entry| entry.name);
        let off = off.filter(|name| !collectors.contains(name));
        let discovery = &config.homeassistant;
        let offers = Allowed::offers(&config.control);
        let off = off.map(str::to_owned);
        let settings = Settings::new(discovery, heartbeat, periods, off, offers);
        builder.homeassistant(&settings);
        builder.push(config, tickets.clone());
        let board = Board::default();
        let api = Api::new(Setup {
            bus: ground.bus.clone(),
            node: ground.identity.node.clone(),
            clock: ground.host.clock.clone(),
            data_dir: &ground.data_dir,
            daily_budget: config.api.daily_budget,
            history: Arc::new(ground.store.clone()),
            reports: ground.reports.clone(),
            days: http::Days {
                book: ground.book.clone(),
                store: ground.store.clone(),
                time_zone: (config.power.tariff.as_ref())
                    .map_or_else(TimeZone::system, |tariff| tariff.time_zone.clone()),
            },
            parts: well::parts(&ground.bus, config),
            tickets,
            predictions: board.clone(),
            memory: ground.host.memory.clone(),
        });
        builder.http(listener, config, api);
        builder.meters(&meters);
        builder.allowed(config);
        builder.fans(config);
        builder.ambient(&ambient);
        builder.kernel();
        builder.agreement();
        builder.power(config, &activity);
        builder.ups(config);
        builder.reports();
        builder.predict(&board);
        builder.selftests(config);
        builder.advice(config);
        builder.collectors(slots, config, meters, services, ambient);
        Ok(Self {
            supervisor: builder.tasks,
            token,
            api_addr,
            collectors,
            bus: ground.bus.clone(),
            clock: ground.host.clock.clone(),
        })
    }

    /// Ends the parts when it is cancelled.
    pub(super) fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Where the REST bridge listens.
    pub(super) const fn api_addr(&self) -> SocketAddr {
        self.api_addr
    }

    /// The collectors that are switched on.
    pub(super) fn collectors(&self) -> &[&'static str] {
        &self.collectors
    }

    /// Tells that those of `before` that are no longer switched on have nothing to say.
    pub(super) fn dismiss(&self, before: &[&'static str]) {
        let gone = before.iter().filter(|name| !self.collectors.contains(name));
        let outcomes: Vec<_> = gone
            .map(|name| Outcome {
                collector: name,
                result: Ok(Vec::new()),
            })
            .collect();
        if !outcomes.is_empty() {
            let at = self.clock.now();
            self.bus.publish(Batch { at, outcomes });
        }
    }

    /// Runs them until the token is cancelled or one that is vital ends.
    pub(super) async fn run(self) -> Result<(), SupervisorError> {
        self.supervisor.run(STOP_LIMIT).await
    }
}
