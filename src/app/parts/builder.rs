use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::app::ground::{Ground, failed};
use crate::collect::{self, Ambient, Slot};
use crate::config::{Config, GroupConfig, Problems, RulesConfig};
use crate::control::{Allowed, Control};
use crate::fan;
use crate::homeassistant::{self, Settings};
use crate::host::{Host, Root};
use crate::http::{self, Api, TicketKey};
use crate::meter::{self, Meters};
use crate::power::{self, Activity, Curve};
use crate::predict::{self, Board};
use crate::push::Push;
use crate::report;
use crate::supervisor::{Policy, Stop, Supervisor};

/// What is read of services, and where it is left.
pub(super) struct Services {
    pub(super) groups: Vec<GroupConfig>,
    pub(super) activity: Activity,
}

/// The collectors that are switched on, and the meters' and the services' places among them.
pub(super) fn slots(
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
    slots.push(collect::services(host, &services.groups, activity));
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
        hard_disks: turning(root).len(),
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

/// Puts the tasks of the parts together.
pub(super) struct Builder<'a> {
    pub(super) tasks: Supervisor,
    pub(super) ground: &'a Ground,
    pub(super) token: &'a CancellationToken,
}

impl Builder<'_> {
    pub(super) async fn control(&mut self, rules: &RulesConfig) -> anyhow::Result<()> {
        let ground = self.ground;
        let open = {
            let (bus, store) = (ground.bus.clone(), ground.store.clone());
            let (clock, rules) = (ground.host.clock.clone(), rules.clone());
            let handover = ground.handover.clone();
            move || {
                let (bus, store, handover) = (bus.clone(), store.clone(), handover.clone());
                Control::open(bus, store, clock.clone(), rules.clone(), handover)
            }
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

    pub(super) fn homeassistant(&mut self, settings: &Settings) {
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

    pub(super) fn push(&mut self, config: &Config, tickets: TicketKey) {
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

    pub(super) fn http(&mut self, listener: http::Listener, config: &Config, api: Arc<Api>) {
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

    pub(super) fn allowed(&mut self, config: &Config) {
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

    pub(super) fn selftests(&mut self, config: &Config) {
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

    /// Without a fan to drive there is no such task; what an earlier run had taken is given back.
    pub(super) fn fans(&mut self, config: &Config) {
        let ground = self.ground;
        if config.fans.fans.is_empty() {
            fan::give_back(&ground.data_dir, &ground.host.root);
            return;
        }
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

    pub(super) fn meters(&mut self, meters: &Meters) {
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

    pub(super) fn agreement(&mut self) {
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

    pub(super) fn kernel(&mut self) {
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

    pub(super) fn ambient(&mut self, ambient: &Ambient) {
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

    pub(super) fn power(&mut self, config: &Config, activity: &Activity) {
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
                gap: power::Gap::at(config.node.interval),
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

    pub(super) fn reports(&mut self) {
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

    pub(super) fn ups(&mut self, config: &Config) {
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

    pub(super) fn predict(&mut self, board: &Board) {
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

    pub(super) fn advice(&mut self, config: &Config) {
        let ground = self.ground;
        let setup = report::AdviceSetup {
            kind: kind(&ground.host.root),
            interval: config.node.interval,
            turning: turning(&ground.host.root),
            root: ground.host.root.clone(),
            topics: ground.topics.clone(),
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

    pub(super) fn collectors(
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
