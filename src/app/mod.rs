//! The composition root: builds every part, puts it into its place and ends all of them in order.
//!
//! Two layers. The ground ([`ground`]) is what must not be disturbed while the configuration is
//! reloaded: the store, the bus, both MQTT edges, the history. On it stand the parts that read
//! the configuration ([`parts`]): collectors, rules, Home Assistant's discovery, push messages,
//! the REST bridge. A reload rebuilds those; if it changes what the ground is made of, everything
//! is ended and begun anew in the same process.

mod banner;
mod ground;
mod memory;
mod parts;
mod signal;
mod well;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::{Pin, pin};

use crate::collect;
use crate::config::{self, Config, Problem, Problems, Sources};
use crate::host::Host;
use crate::simulate::Simulation;
use crate::supervisor::SupervisorError;
use ground::Ground;
use parts::Parts;
use signal::{Signal, Signals};

pub use ground::{host, node_name};

/// Reads the whole configuration, the tables of the collectors included; on failure every fault.
pub fn load(sources: &Sources) -> Result<Config, Vec<Problem>> {
    let problems = Problems::default();
    let config = config::read(sources, &problems);
    drop(collect::build_all(
        &host(&config.host),
        &config.collect,
        &problems,
    ));
    let problems = problems.into_vec();
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(problems)
    }
}

/// What is to be run.
#[derive(Debug)]
pub struct Program {
    /// Where the configuration comes from, for reading it again.
    pub sources: Sources,
    /// What it says now.
    pub config: Config,
    /// A simulated home in the place of this machine.
    pub simulation: Option<Simulation>,
    /// How this program was called (with `--config` if that was given), for the commands that it
    /// proposes.
    pub called: String,
}

/// Runs the service until it is told to stop; tells on `out` where everything is once it is
/// there.
///
/// # Errors
/// A port that is taken, a store that cannot be opened, a part that it cannot do without ends.
pub async fn run(program: Program, out: &mut dyn Write) -> anyhow::Result<()> {
    let Program {
        sources,
        config,
        simulation,
        called,
    } = program;
    let mut service = Service {
        signals: Signals::new()?,
        simulated: simulation.as_ref().map(Simulation::host),
        filled: sources.filled(),
        sources,
        called,
        told: false,
    };
    let broker = plug_broker(&config);
    let serve = service.serve(config, out);
    match simulation {
        None => serve.await,
        Some(simulation) => tokio::select! {
            result = serve => result,
            result = simulation.run(broker) => Ok(result?),
        },
    }
}

/// Where the smart plugs of a simulated home may publish: the broker inside, if it knows no users.
fn plug_broker(config: &Config) -> Option<SocketAddr> {
    let embedded = config.mqtt.embedded.as_ref()?;
    let fits = embedded.users.is_empty() && embedded.listen.port() != 0;
    fits.then_some(embedded.listen)
}

struct Service {
    signals: Signals,
    simulated: Option<Host>,
    sources: Sources,
    /// The files that said something when they were read last.
    filled: Vec<PathBuf>,
    called: String,
    told: bool,
}

/// What ends a stay of the parts on the ground.
enum Change {
    Stop,
    Reload(Box<Config>),
}

impl Service {
    async fn serve(&mut self, mut config: Config, out: &mut dyn Write) -> anyhow::Result<()> {
        let mut former: Option<Config> = None;
        loop {
            let ground = match Ground::lay(&config, self.simulated.as_ref()).await {
                Ok(ground) => ground,
                Err(error) => {
                    // What ran before can run again.
                    config = refused(&error, former.take()).ok_or(error)?;
                    continue;
                }
            };
            match self.stand(ground, config, out).await? {
                None => return Ok(()),
                Some((old, new)) => (former, config) = (Some(old), new),
            }
        }
    }

    /// Runs all parts on `ground`, through every reload that leaves it in place. Returns the
    /// configuration until now and the one that needs another ground; `None` at the stop.
    async fn stand(
        &mut self,
        ground: Ground,
        mut config: Config,
        out: &mut dyn Write,
    ) -> anyhow::Result<Option<(Config, Config)>> {
        let (supervisor, token) = ground.supervise(&config);
        let mut below = pin!(supervisor.run(ground::STOP_LIMIT));
        let mut parts = Parts::build(&ground, &config).await?;
        if self.told {
            tracing::info!("the configuration was read again and is in force");
        } else {
            self.told = true;
            banner::write(out, &config, &ground, &parts, &self.called)?;
            tracing::info!(node = ground.topics.node(), "started");
        }
        let end = loop {
            let collectors = parts.collectors().to_vec();
            match self.watch(below.as_mut(), parts).await {
                Err(error) => break Err(error),
                Ok(Change::Stop) => break Ok(None),
                Ok(Change::Reload(new)) if ground.fits(&new) => {
                    let former = std::mem::replace(&mut config, *new);
                    parts = match Parts::build(&ground, &config).await {
                        Ok(parts) => parts,
                        Err(error) => {
                            config = refused(&error, Some(former)).ok_or(error)?;
                            Parts::build(&ground, &config).await?
                        }
                    };
                    parts.dismiss(&collectors);
                    tracing::info!("the configuration was read again and is in force");
                }
                Ok(Change::Reload(new)) => break Ok(Some(*new)),
            }
        };
        token.cancel();
        let stopped = below.await;
        let new = end?;
        stopped?;
        if new.is_none() {
            tracing::info!("stopped; everything is written");
        }
        Ok(new.map(|new| (config, new)))
    }

    /// Runs `parts` until something has to change. They have ended when this returns.
    async fn watch(
        &mut self,
        mut below: Pin<&mut impl Future<Output = Result<(), SupervisorError>>>,
        parts: Parts,
    ) -> Result<Change, SupervisorError> {
        let token = parts.token();
        let mut above = pin!(parts.run());
        let change = loop {
            tokio::select! {
                biased;
                result = &mut below => return result.map(|()| Change::Stop),
                result = &mut above => return result.map(|()| Change::Stop),
                signal = self.signals.next() => match signal {
                    Signal::Stop => break Change::Stop,
                    Signal::Reload => {
                        if let Some(config) = self.reload() {
                            break Change::Reload(Box::new(config));
                        }
                    }
                },
            }
        };
        token.cancel();
        // What did not end in time is in the log and was dropped: nothing to be done about it.
        drop(above.await);
        Ok(change)
    }

    /// The configuration as it is now, if it can be used; else every fault goes to the log.
    fn reload(&mut self) -> Option<Config> {
        tracing::info!("reading the configuration again");
        if let Some(file) = self.sources.emptied(&self.filled) {
            tracing::error!(
                "{}: is empty or gone, as a file is while it is being saved; if all is to be as \
                 without a configuration, restart homewatch",
                file.display()
            );
        } else {
            match load(&self.sources) {
                Ok(config) => {
                    self.filled = self.sources.filled();
                    return Some(config);
                }
                Err(problems) => {
                    for problem in problems {
                        tracing::error!("{problem}");
                    }
                }
            }
        }
        tracing::error!("the new configuration is refused; the old one stays in force");
        None
    }
}

fn refused(error: &anyhow::Error, former: Option<Config>) -> Option<Config> {
    if former.is_some() {
        tracing::error!("{error:#}");
        tracing::error!("the new configuration cannot be used; the old one stays in force");
    }
    former
}
