use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::memory;
use crate::bus::{Bus, Request, State, broker, embedded};
use crate::config::{Config, HistoryConfig, HostConfig, MqttConfig};
use crate::control::Handover;
use crate::homeassistant::{Identity, installation_id};
use crate::host::{Host, Root};
use crate::local::{self, Door};
use crate::model::{Topics, slug};
use crate::power::{Calibration, DayBook};
use crate::report::{Basis, Reports};
use crate::store::{self, Store};
use crate::supervisor::{Policy, Stop, Supervisor, TaskError};

/// How long the ground may take to say goodbye and to write everything.
pub(super) const STOP_LIMIT: Duration = Duration::from_millis(1200);
/// What stays while the configuration is reloaded.
pub(super) struct Ground {
    pub(super) host: Host,
    pub(super) topics: Topics,
    pub(super) bus: Bus,
    pub(super) store: Store,
    /// What each day's energy went to; what is not kept yet survives a reload.
    pub(super) book: DayBook,
    pub(super) reports: Reports,
    pub(super) calibration: Calibration,
    /// What the rules have seen survives a reload.
    pub(super) handover: Handover,
    pub(super) identity: Identity,
    pub(super) data_dir: PathBuf,
    pub(super) embedded_addr: Option<SocketAddr>,
    /// Taken by whichever control is at work.
    pub(super) requests: Arc<tokio::sync::Mutex<mpsc::Receiver<Request>>>,
    store_dir: PathBuf,
    embedded: Arc<Mutex<Option<embedded::Listeners>>>,
    made_of: Makings,
}

/// What of the configuration the ground is made of.
#[derive(Debug, PartialEq)]
struct Makings {
    node: String,
    heartbeat: Duration,
    data_dir: PathBuf,
    host: HostConfig,
    mqtt: MqttConfig,
    history: HistoryConfig,
}

impl Makings {
    fn of(config: &Config, host: &Host) -> Self {
        Self {
            node: node_name(config, host),
            heartbeat: config.node.heartbeat,
            data_dir: config.data_dir.clone(),
            host: config.host.clone(),
            mqtt: config.mqtt.clone(),
            history: config.history.clone(),
        }
    }
}

/// The machine that `config` says is watched.
pub fn host(config: &HostConfig) -> Host {
    Host {
        root: Root::new(config.proc.clone(), config.sys.clone(), config.root.clone()),
        commands: Arc::new(config.commands.clone()),
        ..Host::real()
    }
}

/// The configured name of the node, else the watched machine's own name as a slug.
pub fn node_name(config: &Config, host: &Host) -> String {
    if let Some(name) = &config.node.name {
        return name.clone();
    }
    let kernel = host.root.proc("sys/kernel/hostname");
    let file = host.root.path("/etc/hostname".as_ref());
    // In a container the kernel tells the container's name, the mounted root the machine's.
    let places = if host.root.is_own() {
        [kernel, file]
    } else {
        [file, kernel]
    };
    let mut names = places.iter().filter_map(|path| Root::read_trimmed(path));
    names
        .find_map(|name| Some(slug(&name)).filter(|name| !name.is_empty()))
        .unwrap_or_else(|| "homewatch".to_owned())
}

impl Ground {
    /// Opens the store and the ports; nothing runs yet.
    pub(super) async fn lay(config: &Config, simulated: Option<&Host>) -> anyhow::Result<Self> {
        let mut host = simulated.map_or_else(|| host(&config.host), Clone::clone);
        let made_of = Makings::of(config, &host);
        let mqtt = &config.mqtt;
        let topics = Topics::new(&mqtt.base_topic, &made_of.node, &mqtt.discovery_prefix);
        let store_dir = match simulated {
            Some(_) => config.data_dir.join(local::SIMULATED),
            None => config.data_dir.clone(),
        };
        let (dir, history) = (store_dir.clone(), config.history.clone());
        let (store, installation, memory) = blocking(move || {
            let store = Store::open_with(&dir, &history)?;
            let installation = installation_id(&store)?;
            let memory = memory::open(&store)?;
            Ok((store, installation, memory))
        })
        .await?;
        host.memory = memory;
        let listeners = match &mqtt.embedded {
            Some(config) => Some(embedded::bind(config).await?),
            None => None,
        };
        let embedded_addr = listeners.as_ref().and_then(embedded::Listeners::addr);
        let (bus, requests) = Bus::new(State::new(config.node.heartbeat));
        let book = DayBook::default();
        let reports = Reports::new(Basis {
            store: store.clone(),
            book: book.clone(),
            memory: host.memory.clone(),
            node: made_of.node.clone(),
            clock: host.clock.clone(),
            config: Arc::new(config.clone()),
        });
        Ok(Self {
            host,
            topics,
            bus,
            store,
            book,
            reports,
            calibration: Calibration::default(),
            handover: Handover::default(),
            identity: Identity {
                installation,
                node: made_of.node.clone(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            data_dir: config.data_dir.clone(),
            embedded_addr,
            requests: Arc::new(tokio::sync::Mutex::new(requests)),
            store_dir,
            embedded: Arc::new(Mutex::new(listeners)),
            made_of,
        })
    }

    /// Where the store is.
    pub(super) fn store_dir(&self) -> &std::path::Path {
        &self.store_dir
    }

    /// Whether the machine is a simulated one.
    pub(super) fn is_simulated(&self) -> bool {
        self.store_dir != self.data_dir
    }

    /// Whether `config` can be put in force without disturbing the ground.
    pub(super) fn fits(&self, config: &Config) -> bool {
        Makings::of(config, &self.host) == self.made_of
    }

    /// The tasks of the ground, and the token that ends them.
    pub(super) fn supervise(&self, config: &Config) -> (Supervisor, CancellationToken) {
        let token = CancellationToken::new();
        let mut tasks = Supervisor::new(token.clone());
        // The first to listen: no batch may be missed.
        let (store, bus, cancel) = (self.store.clone(), self.bus.clone(), token.clone());
        tasks.spawn("history", Policy::Restart, Stop::Await, move || {
            let (store, bus, cancel) = (store.clone(), bus.clone(), cancel.clone());
            async move {
                store::run(store, bus, cancel).await;
                Ok(())
            }
        });
        let (memory, store) = (self.host.memory.clone(), self.store.clone());
        let cancel = token.clone();
        tasks.spawn("memory", Policy::Restart, Stop::Await, move || {
            let run = memory::run(memory.clone(), store.clone(), cancel.clone());
            async move {
                run.await;
                Ok(())
            }
        });
        if let Some(config) = config.mqtt.embedded.clone() {
            self.supervise_embedded(&mut tasks, config, &token);
        }
        if let Some(config) = config.mqtt.broker.clone() {
            let (config, topics) = (Arc::new(config), self.topics.clone());
            let (bus, clock, store) = (
                self.bus.clone(),
                self.host.clock.clone(),
                self.store.clone(),
            );
            let cancel = token.clone();
            tasks.spawn("mqtt-broker", Policy::Restart, Stop::Await, move || {
                let (config, topics, bus) = (Arc::clone(&config), topics.clone(), bus.clone());
                let (clock, store, cancel) = (clock.clone(), store.clone(), cancel.clone());
                async move {
                    broker::run(&config, topics, bus, clock, store, cancel).await;
                    Ok(())
                }
            });
        }
        let (dir, door) = (self.store_dir.clone(), Arc::new(self.door()));
        tasks.spawn("local", Policy::Restart, Stop::Drop, move || {
            let (dir, door) = (dir.clone(), Arc::clone(&door));
            async move {
                local::serve(&dir, door)
                    .await
                    .map_err(|error| failed(&error))
            }
        });
        (tasks, token)
    }

    fn supervise_embedded(
        &self,
        tasks: &mut Supervisor,
        config: crate::config::EmbeddedConfig,
        token: &CancellationToken,
    ) {
        let (topics, bus, store) = (self.topics.clone(), self.bus.clone(), self.store.clone());
        let (bound, cancel) = (Arc::clone(&self.embedded), token.clone());
        tasks.spawn("mqtt-embedded", Policy::Restart, Stop::Await, move || {
            let (config, topics, bus) = (config.clone(), topics.clone(), bus.clone());
            let (store, cancel) = (store.clone(), cancel.clone());
            let bound = bound.lock().unwrap_or_else(PoisonError::into_inner).take();
            async move {
                let listeners = match bound {
                    Some(listeners) => listeners,
                    // The ports of the start went with the run that failed.
                    None => embedded::bind(&config)
                        .await
                        .map_err(|error| failed(&error))?,
                };
                embedded::run(listeners, config, topics, bus, store, cancel)
                    .await
                    .map_err(|error| failed(&error))
            }
        });
    }

    fn door(&self) -> Door {
        Door {
            node: self.identity.node.clone(),
            bus: self.bus.clone(),
            store: self.store.clone(),
            clock: self.host.clock.clone(),
            reports: self.reports.clone(),
            calibration: self.calibration.clone(),
            simulated: self.is_simulated(),
        }
    }
}

/// An error as the supervisor's log wants it.
pub(super) fn failed(error: &impl std::fmt::Display) -> TaskError {
    TaskError(error.to_string())
}

/// Runs what blocks on a thread where it may.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .context("a thread has crashed")?
}
