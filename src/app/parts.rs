use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use super::ground::{Ground, blocking, failed};
use super::well;
use crate::collect::{self, Ambient, Slot};
use crate::config::{Config, GroupConfig, Problems, RulesConfig};
use crate::control::{Allowed, Control};
use crate::fan;
use crate::homeassistant::{self, Settings};
use crate::host::{Host, Root};
use crate::http::{self, Api, Setup, TicketKey};
use crate::meter::{self, Meters};
use crate::model::{Batch, Outcome};
use crate::power::{self, Activity, Curve};
use crate::predict::{self, Board};
use crate::push::Push;
use crate::report;
use crate::supervisor::{Policy, Stop, Supervisor, SupervisorError};

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
            has_disks: config.power.disk_w.is_some(),
            activity: activity.clone(),
        };
        let ambient = Ambient::new(&config.health.ambient);
        let slots = slots(&ground.host, &config.collect, &meters, &services, &ambient);
        let collectors: Vec<_> = slots.iter().map(Slot::name).collect();
        let periods: Vec<_> = slots
            .iter()
            .map(|slot| {
                (
                    slot.name().to_owned(),
                    slot.period().max(config.node.interval),
                )
            })
            .collect();
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
        let settings = Settings::new(discovery, heartbeat, periods, off.map(str::to_owned));
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

/// What is read of services, and where it is left.
struct Services {
    groups: Vec<GroupConfig>,
    /// Whether disks have a share of their own.
    has_disks: bool,
    activity: Activity,
}

/// The collectors that are switched on, and the meters' and the services' places among them.
fn slots(
    host: &Host,
    tables: &BTreeMap<String, config::Value>,
    meters: &Meters,
    services: &Services,
    ambient: &Ambient,
) -> Vec<Slot> {
    // Its faults were told when the configuration was read.
    let mut slots = collect::build_all(host, tables, &Problems::default());
    slots.push(meters.slot());
    slots.push(ambient.slot());
    let activity = services.activity.clone();
    slots.push(collect::nvidia_clients(host, activity.clone()));
    let (groups, has_disks) = (&services.groups, services.has_disks);
    slots.push(collect::services(host, groups, has_disks, activity));
    slots
}

/// What kind of machine `root` is of.
fn kind(root: &Root) -> power::Kind {
    let board = Root::read_trimmed(&root.proc("device-tree/model"));
    let processor = Root::read(&root.proc("cpuinfo")).unwrap_or_default();
    let line = |key: &str| processor.lines().find(|line| line.starts_with(key));
    let name = line("model name").and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()));
    power::Kind {
        // The firmware ends its text with a zero.
        board: board.map(|board| board.trim_end_matches('\0').to_owned()),
        processor: name,
        is_virtual: line("flags")
            .is_some_and(|line| line.ends_with(" hypervisor") || line.contains(" hypervisor ")),
    }
}

/// The disks of `root` that turn: the id of each and the kernel's name for it.
fn turning(root: &Root) -> Vec<(String, String)> {
    let disks = std::fs::read_dir(root.sys("block")).into_iter().flatten();
    let names = disks.filter_map(|disk| disk.ok()?.file_name().into_string().ok());
    let turns = names.filter(|name| {
        let file = root.sys(&format!("block/{name}/queue/rotational"));
        let is_disk = name.starts_with("sd") || name.starts_with("hd");
        is_disk && Root::read_trimmed(&file).as_deref() == Some("1")
    });
    turns
        .map(|name| (collect::Disk::identify(root, &name).id.clone(), name))
        .collect()
}

struct Builder<'a> {
    tasks: Supervisor,
    ground: &'a Ground,
    token: &'a CancellationToken,
}

impl Builder<'_> {
    async fn control(&mut self, rules: &RulesConfig) -> anyhow::Result<()> {
        let ground = self.ground;
        let open = {
            let (bus, store) = (ground.bus.clone(), ground.store.clone());
            let (clock, rules) = (ground.host.clock.clone(), rules.clone());
            move || Control::open(bus.clone(), store.clone(), clock.clone(), rules.clone())
        };
        let ready = Mutex::new(Some(open().await?));
        let (requests, cancel) = (Arc::clone(&ground.requests), self.token.clone());
        self.tasks
            .spawn("control", Policy::Restart, Stop::Await, move || {
                let ready = ready.lock().unwrap_or_else(PoisonError::into_inner).take();
                let (again, requests) = (open(), Arc::clone(&requests));
                let cancel = cancel.clone();
                async move {
                    let control = match ready {
                        Some(control) => control,
                        // The one before has crashed: its successor takes up what was kept.
                        None => again.await.map_err(|error| failed(&error))?,
                    };
                    let requests = &mut *requests.lock().await;
                    control.run(requests, cancel).await;
                    Ok(())
                }
            });
        Ok(())
    }

    fn homeassistant(&mut self, settings: &Settings) {
        let ground = self.ground;
        let (bus, store, topics) = (
            ground.bus.clone(),
            ground.store.clone(),
            ground.topics.clone(),
        );
        let (identity, settings) = (ground.identity.clone(), settings.clone());
        let cancel = self.token.clone();
        self.tasks
            .spawn("homeassistant", Policy::Restart, Stop::Await, move || {
                let run = homeassistant::run(
                    bus.clone(),
                    store.clone(),
                    topics.clone(),
                    identity.clone(),
                    settings.clone(),
                    cancel.clone(),
                );
                async move { run.await.map_err(|error| failed(&error)) }
            });
    }

    fn push(&mut self, config: &Config, tickets: TicketKey) {
        let ground = self.ground;
        let (host, bus, store) = (
            ground.host.clone(),
            ground.bus.clone(),
            ground.store.clone(),
        );
        let (push, node) = (config.push.clone(), ground.identity.node.clone());
        let public_url = config.api.public_url.clone();
        let tickets = Arc::new(tickets);
        let cancel = self.token.clone();
        self.tasks
            .spawn("push", Policy::Restart, Stop::Await, move || {
                let push = Push {
                    host: host.clone(),
                    config: push.clone(),
                    node: node.clone(),
                    public_url: public_url.clone(),
                    bus: bus.clone(),
                    store: store.clone(),
                    tickets: Arc::clone(&tickets) as Arc<dyn crate::push::Tickets>,
                };
                let cancel = cancel.clone();
                async move { push.run(cancel).await.map_err(|error| failed(&error)) }
            });
    }

    fn http(&mut self, listener: http::Listener, config: &Config, api: Arc<Api>) {
        let ready = Mutex::new(Some(listener));
        let (config, cancel) = (config.api.clone(), self.token.clone());
        self.tasks
            .spawn("api", Policy::Restart, Stop::Await, move || {
                let ready = ready.lock().unwrap_or_else(PoisonError::into_inner).take();
                let (config, api, cancel) = (config.clone(), Arc::clone(&api), cancel.clone());
                async move {
                    let listener = match ready {
                        Some(listener) => listener,
                        None => http::bind(&config).await.map_err(|error| failed(&error))?,
                    };
                    http::run(listener, api, cancel).await;
                    Ok(())
                }
            });
    }

    fn allowed(&mut self, config: &Config) {
        let ground = self.ground;
        let allowed = Allowed {
            config: config.control.clone(),
            jobs: collect::jobs::names(&config.collect),
            host: ground.host.clone(),
        };
        let (bus, cancel) = (ground.bus.clone(), self.token.clone());
        self.tasks
            .spawn("allowed", Policy::Restart, Stop::Await, move || {
                let run = allowed.clone().run(bus.clone(), cancel.clone());
                async move {
                    run.await;
                    Ok(())
                }
            });
    }

    fn selftests(&mut self, config: &Config) {
        let (host, bus) = (self.ground.host.clone(), self.ground.bus.clone());
        let by_command = collect::smart::takes_orders(&config.collect);
        let cancel = self.token.clone();
        self.tasks
            .spawn("selftests", Policy::Restart, Stop::Await, move || {
                let (host, bus, cancel) = (host.clone(), bus.clone(), cancel.clone());
                async move {
                    collect::smart::run(host, bus, by_command, cancel).await;
                    Ok(())
                }
            });
    }

    /// Without a fan to drive there is no such task.
    fn fans(&mut self, config: &Config) {
        if config.fans.fans.is_empty() {
            return;
        }
        let ground = self.ground;
        let setup = fan::Setup {
            config: config.fans.clone(),
            host: ground.host.clone(),
            tables: config.collect.clone(),
            interval: config.node.interval,
            data_dir: ground.data_dir.clone(),
        };
        let (bus, cancel) = (ground.bus.clone(), self.token.clone());
        self.tasks
            .spawn("fans", Policy::Restart, Stop::Await, move || {
                let run = fan::run(setup.clone(), bus.clone(), cancel.clone());
                async move {
                    run.await;
                    Ok(())
                }
            });
    }

    fn meters(&mut self, meters: &Meters) {
        let ground = self.ground;
        let (host, bus, store) = (
            ground.host.clone(),
            ground.bus.clone(),
            ground.store.clone(),
        );
        let (meters, cancel) = (meters.clone(), self.token.clone());
        self.tasks
            .spawn("meters", Policy::Restart, Stop::Await, move || {
                let (bus, host, store) = (bus.clone(), host.clone(), store.clone());
                let run = meter::run(meters.clone(), bus, host, store, cancel.clone());
                async move {
                    run.await;
                    Ok(())
                }
            });
    }

    fn agreement(&mut self) {
        let (bus, cancel) = (self.ground.bus.clone(), self.token.clone());
        self.tasks
            .spawn("agreement", Policy::Restart, Stop::Await, move || {
                let run = collect::compare(bus.clone(), cancel.clone());
                async move {
                    run.await;
                    Ok(())
                }
            });
    }

    fn kernel(&mut self) {
        let (bus, cancel) = (self.ground.bus.clone(), self.token.clone());
        self.tasks
            .spawn("kernel", Policy::Restart, Stop::Await, move || {
                let run = collect::tell_kernel(bus.clone(), cancel.clone());
                async move {
                    run.await;
                    Ok(())
                }
            });
    }

    fn ambient(&mut self, ambient: &Ambient) {
        let (ambient, bus, cancel) = (ambient.clone(), self.ground.bus.clone(), self.token.clone());
        self.tasks
            .spawn("ambient", Policy::Restart, Stop::Await, move || {
                let run = ambient.clone().run(bus.clone(), cancel.clone());
                async move {
                    run.await;
                    Ok(())
                }
            });
    }

    fn power(&mut self, config: &Config, activity: &Activity) {
        let ground = self.ground;
        let (bus, store) = (ground.bus.clone(), ground.store.clone());
        let setup = power::Setup {
            curve: config.power.host.map(|host| Curve {
                idle_w: host.idle_w,
                max_w: host.max_w,
            }),
            kind: kind(&ground.host.root),
            activity: activity.clone(),
            terms: power::Terms {
                services: config.power.services,
                processes: config.power.processes,
                disk_w: config.power.disk_w,
            },
            tariff: config.power.tariff.clone(),
            calibration: ground.calibration.clone(),
            co2: config.power.co2.clone(),
            budgets: config.power.budgets.clone(),
            standby_w: config.power.standby_w,
            book: ground.book.clone(),
        };
        let cancel = self.token.clone();
        self.tasks
            .spawn("power", Policy::Restart, Stop::Await, move || {
                let run = power::run(setup.clone(), bus.clone(), store.clone(), cancel.clone());
                async move { run.await.map_err(|error| failed(&error)) }
            });
    }

    fn reports(&mut self) {
        let (reports, bus) = (self.ground.reports.clone(), self.ground.bus.clone());
        let cancel = self.token.clone();
        self.tasks
            .spawn("reports", Policy::Restart, Stop::Drop, move || {
                let run = report::run(reports.clone(), bus.clone(), cancel.clone());
                async move {
                    run.await;
                    Ok(())
                }
            });
    }

    fn ups(&mut self, config: &Config) {
        let (host, bus) = (self.ground.host.clone(), self.ground.bus.clone());
        let table = config.collect.get("ups").cloned().unwrap_or_default();
        let cancel = self.token.clone();
        self.tasks
            .spawn("ups", Policy::Restart, Stop::Await, move || {
                let (table, host, bus) = (table.clone(), host.clone(), bus.clone());
                let run = collect::ups::run(table, host, bus, cancel.clone());
                async move {
                    run.await;
                    Ok(())
                }
            });
    }

    fn predict(&mut self, board: &Board) {
        let (bus, memory) = (self.ground.bus.clone(), self.ground.host.memory.clone());
        let (board, cancel) = (board.clone(), self.token.clone());
        self.tasks
            .spawn("predict", Policy::Restart, Stop::Await, move || {
                let (bus, memory) = (bus.clone(), memory.clone());
                let run = predict::run(bus, memory, board.clone(), cancel.clone());
                async move {
                    run.await;
                    Ok(())
                }
            });
    }

    fn advice(&mut self, config: &Config) {
        let ground = self.ground;
        let setup = report::AdviceSetup {
            kind: kind(&ground.host.root),
            interval: config.node.interval,
            turning: turning(&ground.host.root),
            root: ground.host.root.clone(),
        };
        let (reports, bus) = (ground.reports.clone(), ground.bus.clone());
        let cancel = self.token.clone();
        self.tasks
            .spawn("advice", Policy::Restart, Stop::Drop, move || {
                let (setup, reports) = (setup.clone(), reports.clone());
                let run = report::advise(setup, reports, bus.clone(), cancel.clone());
                async move {
                    run.await;
                    Ok(())
                }
            });
    }

    fn collectors(
        &mut self,
        slots: Vec<Slot>,
        config: &Config,
        meters: Meters,
        services: Services,
        ambient: Ambient,
    ) {
        let ground = self.ground;
        let (host, bus) = (ground.host.clone(), ground.bus.clone());
        let (tables, interval) = (config.collect.clone(), config.node.interval);
        let (ready, cancel) = (Mutex::new(Some(slots)), self.token.clone());
        self.tasks
            .spawn("collectors", Policy::Restart, Stop::Await, move || {
                let ready = ready.lock().unwrap_or_else(PoisonError::into_inner).take();
                let slots = ready
                    .unwrap_or_else(|| self::slots(&host, &tables, &meters, &services, &ambient));
                let (host, bus, cancel) = (host.clone(), bus.clone(), cancel.clone());
                async move {
                    collect::run(slots, host, bus, interval, cancel).await;
                    Ok(())
                }
            });
    }
}
