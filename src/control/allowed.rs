//! Commands that act on the machine, as far as the configuration allows them by name, and what jobs
//! say of themselves.

use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::wake;
use crate::bus::{Bus, Request};
use crate::collect::jobs;
use crate::config::{ControlConfig, WakeConfig};
use crate::host::{ExecError, Host};
use crate::model::{Action, Offer, Order, slug};

/// A restart that takes longer goes on, but is no longer waited for.
const LIMIT: Duration = Duration::from_secs(90);

/// What may be done, and to whom.
#[derive(Debug, Clone)]
pub struct Allowed {
    /// What the configuration allows.
    pub config: ControlConfig,
    /// The jobs that are expected.
    pub jobs: Vec<String>,
    /// The machine.
    pub host: Host,
}

impl Allowed {
    /// The words of the commands that somebody may give.
    fn verbs(&self) -> Vec<&'static str> {
        let config = &self.config;
        let named = !config.units.is_empty() || !config.containers.is_empty();
        let all = [
            ("service/restart", named),
            ("host/reboot", config.reboot),
            ("host/shutdown", config.shutdown),
            ("job", !self.jobs.is_empty()),
            ("wake", !config.wake.is_empty()),
        ];
        let allowed = all.iter().filter(|(_, allowed)| *allowed);
        allowed.map(|(verb, _)| *verb).collect()
    }

    /// What somebody may be offered: all of it but what jobs say of themselves.
    pub fn offers(config: &ControlConfig) -> Vec<Offer> {
        let restart = |name: &String| {
            let plain = name.strip_suffix(".service").unwrap_or(name);
            let key = format!("restart_{}", slug(plain));
            let command = format!("service/{name}/restart");
            Offer::press(key, format!("Restart {plain}"), command)
        };
        let wake = |machine: &WakeConfig| {
            let name = &machine.name;
            Offer::press(
                format!("wake_{name}"),
                format!("Wake {name}"),
                format!("wake/{name}"),
            )
        };
        let named = config.units.iter().chain(&config.containers);
        let mut offers: Vec<Offer> = named.map(restart).collect();
        offers.extend(config.wake.iter().map(wake));
        // Nobody is to press these by accident: a person has to switch them on there as well.
        let host = [
            ("reboot", "Reboot", config.reboot),
            ("shutdown", "Shut down", config.shutdown),
        ];
        let host = host.iter().filter(|(_, _, allowed)| *allowed);
        offers.extend(
            host.map(|(word, name, _)| Offer::press(*word, *name, format!("host/{word}")).hidden()),
        );
        offers
    }

    /// Carries commands out until `cancel`. What the configuration does not allow is not taken.
    pub async fn run(self, bus: Bus, cancel: CancellationToken) {
        let mut orders = bus.take_orders(&self.verbs());
        while let Some(Some(request)) = cancel.run_until_cancelled(orders.recv()).await {
            self.obey(&bus, request).await;
        }
        refuse_the_rest(&bus, &mut orders, &self.host);
    }

    async fn obey(&self, bus: &Bus, request: Request) {
        let result = match &request.command.action {
            Action::Order(order) => self.order(order).await,
            Action::Ack { .. }
            | Action::Unack { .. }
            | Action::SilenceAlert { .. }
            | Action::SilenceRule { .. }
            | Action::Maintenance { .. } => Err("this is for the rules".to_owned()),
        };
        let result = match result {
            Ok(detail) => request.command.done(detail),
            Err(error) => request.command.refused(error),
        };
        bus.answer(request, result, self.host.clock.now());
    }

    async fn order(&self, order: &Order) -> Result<Json, String> {
        match order.verb {
            "job" => {
                let now = self.host.clock.now();
                let meant = jobs::say(&self.host, &self.jobs, order, now)?;
                Ok(json!({ "job": order.target, "state": meant }))
            }
            "service/restart" => {
                let (program, arguments) = self.restart(&order.target)?;
                self.call(program, &arguments).await?;
                Ok(json!({ "restarted": order.target }))
            }
            "wake" => self.wake(&order.target).await,
            "host/reboot" => self
                .call("systemctl", &["reboot"])
                .await
                .map(|()| Json::Null),
            _ => self
                .call("systemctl", &["poweroff"])
                .await
                .map(|()| Json::Null),
        }
    }

    /// What restarts the service `name`, if that is allowed.
    fn restart<'a>(&self, name: &'a str) -> Result<(&'static str, [&'a str; 2]), String> {
        let is =
            |allowed: &&String| **allowed == name || allowed.strip_suffix(".service") == Some(name);
        if self.config.units.iter().any(|unit| is(&unit)) {
            return Ok(("systemctl", ["restart", name]));
        }
        if self
            .config
            .containers
            .iter()
            .any(|container| container == name)
        {
            return Ok(("docker", ["restart", name]));
        }
        let all = self.config.units.iter().chain(&self.config.containers);
        let all: Vec<&str> = all.map(String::as_str).collect();
        Err(format!(
            "\"{name}\" is not allowed by the configuration; allowed are {}",
            all.join(", ")
        ))
    }

    async fn wake(&self, name: &str) -> Result<Json, String> {
        let machines = &self.config.wake;
        let Some(machine) = machines.iter().find(|machine| machine.name == name) else {
            let all: Vec<&str> = machines.iter().map(|one| one.name.as_str()).collect();
            return Err(format!(
                "\"{name}\" is not allowed by the configuration; allowed are {}",
                all.join(", ")
            ));
        };
        let address = machine.address;
        wake::wake(machine)
            .await
            .map_err(|error| format!("nothing could be sent to {address}: {error}"))?;
        Ok(json!({ "woken": name, "sent_to": address.to_string() }))
    }

    async fn call(&self, program: &str, arguments: &[&str]) -> Result<(), String> {
        let mut argv = self.host.command(program);
        argv.extend(arguments.iter().map(|&word| word.to_owned()));
        match self.host.exec.run(&argv, LIMIT).await {
            Ok(output) if output.code == Some(0) => Ok(()),
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stderr);
                let line = text.lines().next().unwrap_or("no word of why");
                Err(format!("{program}: {line}"))
            }
            Err(ExecError::TimeOut { limit, .. }) => Err(format!(
                "could not confirm that it was done: {program} has not ended within {limit:?}"
            )),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn refuse_the_rest(bus: &Bus, orders: &mut mpsc::Receiver<Request>, host: &Host) {
    orders.close();
    while let Ok(request) = orders.try_recv() {
        let result = request.command.refused("homewatch is stopping");
        bus.answer(request, result, host.clock.now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::State;
    use crate::model::{Command, CommandResult, Origin, Timestamp};
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use tokio::sync::oneshot;
    use tokio::task::JoinSet;

    struct House {
        bus: Bus,
        host: Host,
        cancel: CancellationToken,
        tasks: JoinSet<()>,
    }

    impl House {
        async fn new(config: ControlConfig, script: &str) -> Self {
            let (bus, _requests) = Bus::new(State::new(Duration::from_mins(5)));
            let mut host = Host::real();
            let argv = ["sh", "-c", script, "sh"].map(str::to_owned).to_vec();
            let commands = ["systemctl", "docker"].map(|name| (name.to_owned(), argv.clone()));
            host.commands = Arc::new(BTreeMap::from(commands));
            let allowed = Allowed {
                config,
                jobs: vec!["backup".to_owned()],
                host: host.clone(),
            };
            let (cancel, mut tasks) = (CancellationToken::new(), JoinSet::new());
            tasks.spawn(allowed.run(bus.clone(), cancel.clone()));
            tokio::task::yield_now().await;
            Self {
                bus,
                host,
                cancel,
                tasks,
            }
        }

        /// The answer; `None` if nobody takes such orders.
        async fn ask(&self, name: &str, payload: &str) -> Option<CommandResult> {
            let command = Command::parse(name, payload.as_bytes(), Origin::Push).unwrap();
            let (respond, answer) = oneshot::channel();
            let request = Request { command, respond };
            match self.bus.order(request, Timestamp::UNIX_EPOCH) {
                Some(_) => None,
                None => Some(answer.await.unwrap()),
            }
        }
    }

    fn all() -> ControlConfig {
        ControlConfig {
            units: vec!["jellyfin.service".to_owned()],
            containers: vec!["db".to_owned()],
            reboot: true,
            shutdown: true,
            wake: Vec::new(),
        }
    }

    #[tokio::test]
    async fn what_is_allowed_by_name_is_done_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let script = format!("echo \"$@\" >> {}", log.display());
        let house = House::new(all(), &script).await;
        for name in [
            "service/jellyfin/restart",
            "service/db/restart",
            "host/reboot",
            "host/shutdown",
        ] {
            let result = house.ask(name, "").await.unwrap();
            assert!(result.ok, "{name}: {result:?}");
        }
        let refused = house.ask("service/sshd/restart", "").await.unwrap();
        let error = refused.error.unwrap();
        assert!(
            error.contains("allowed are jellyfin.service, db"),
            "{error}"
        );
        let done = crate::host::Root::read(&log).unwrap();
        assert_eq!(done, "restart jellyfin\nrestart db\nreboot\npoweroff\n");
    }

    #[tokio::test]
    async fn a_machine_that_is_named_is_woken_and_no_other() {
        let sleeper = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let machine = |name: &str, address: &str| WakeConfig {
            name: name.to_owned(),
            mac: [1; 6],
            address: address.parse().unwrap(),
        };
        let config = ControlConfig {
            wake: vec![
                machine("nas", &sleeper.local_addr().unwrap().to_string()),
                machine("nowhere", "0.0.0.0:0"),
            ],
            ..ControlConfig::default()
        };
        let house = House::new(config, "exit 1").await;
        let done = house.ask("wake/nas", "").await.unwrap();
        assert!(done.ok, "{done:?}");
        let mut got = [0; 200];
        assert_eq!(sleeper.recv(&mut got).await.unwrap(), 102);
        let refused = house.ask("wake/tv", "").await.unwrap().error.unwrap();
        assert!(refused.ends_with("allowed are nas, nowhere"), "{refused}");
        let failed = house.ask("wake/nowhere", "").await.unwrap().error.unwrap();
        assert!(
            failed.starts_with("nothing could be sent to 0.0.0.0:0"),
            "{failed}"
        );
    }

    #[test]
    fn only_what_is_allowed_is_offered() {
        assert_eq!(Allowed::offers(&ControlConfig::default()), []);
        let offers = Allowed::offers(&ControlConfig {
            wake: vec![WakeConfig {
                name: "nas".to_owned(),
                mac: [1; 6],
                address: "127.0.0.1:9".parse().unwrap(),
            }],
            ..all()
        });
        let commands: Vec<&str> = offers.iter().map(|offer| offer.command.as_str()).collect();
        let expected = [
            "service/jellyfin.service/restart",
            "service/db/restart",
            "wake/nas",
            "host/reboot",
            "host/shutdown",
        ];
        assert_eq!(commands, expected);
        for command in commands {
            assert!(
                Command::parse(command, b"{}", Origin::Push).is_ok(),
                "{command}"
            );
        }
    }

    #[tokio::test]
    async fn without_leave_nobody_takes_the_command() {
        let mut house = House::new(ControlConfig::default(), "exit 0").await;
        for name in ["service/jellyfin/restart", "host/reboot", "host/shutdown"] {
            assert!(house.ask(name, "").await.is_none(), "{name}");
        }
        let done = house.ask("job/backup", "ok").await.unwrap();
        assert_eq!(done.detail, Some(json!({ "job": "backup", "state": "ok" })));
        assert_eq!(house.host.memory.keys("job/"), ["job/backup"]);
        assert!(!house.ask("job/other", "").await.unwrap().ok);
        house.cancel.cancel();
        house.tasks.join_next().await.unwrap().unwrap();
        assert!(
            house.ask("job/backup", "ok").await.is_none(),
            "it has ended"
        );
    }

    #[tokio::test]
    async fn what_does_not_work_is_told_in_the_program_s_words() {
        let script = "echo 'Interactive authentication required.' >&2; exit 1";
        let house = House::new(all(), script).await;
        let error = house.ask("host/reboot", "").await.unwrap().error.unwrap();
        assert_eq!(error, "systemctl: Interactive authentication required.");
        let mut house = House::new(all(), "exit 3").await;
        let error = house
            .ask("service/db/restart", "")
            .await
            .unwrap()
            .error
            .unwrap();
        assert_eq!(error, "docker: no word of why");
        house.tasks.abort_all();
    }
}
