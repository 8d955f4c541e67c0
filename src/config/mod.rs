//! The configuration: read from defaults, files and the environment, checked as a whole. Every
//! fault is told at once, with where it stands and what would be right.

mod api;
mod control;
mod fans;
mod health;
mod history;
mod homeassistant;
mod load;
mod mqtt;
mod node;
mod power;
mod problem;
mod push;
mod rules;
mod secret;
mod section;
mod values;

pub use api::{ApiConfig, ApiTls};
pub use control::{ControlConfig, WakeConfig};
pub use fans::{FanConfig, FanCurve, FansConfig, OutputAddress};
pub use health::{AmbientConfig, HealthConfig};
pub use history::HistoryConfig;
pub use homeassistant::HomeAssistantConfig;
pub use load::{Environment, Sources, load, read};
pub use mqtt::{
    BrokerConfig, BrokerUrl, EmbeddedConfig, EmbeddedTls, EmbeddedUser, MqttConfig, Protocol,
    Scheme,
};
pub use node::{HostConfig, NodeConfig};
pub use power::{
    Address, BudgetConfig, Co2Config, DEAREST, DynamicConfig, EnergyUnit, FeedConfig, Fields,
    GroupConfig, Holiday, HostPower, Limit, MeterConfig, Period, PowerConfig, PowerUnit, Rates,
    Season, Standing, Step, StepPrice, TariffConfig, Terms, Tiers, Window,
};
pub use problem::{Problem, Problems};
pub use push::{NtfyAuth, NtfyConfig, PushConfig};
pub use rules::{Condition, Levels, Relative, Rule, RulesConfig, Side, Threshold};
pub use secret::Secret;
pub use section::Section;
pub(crate) use section::nearest;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Everything the configuration says, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// This node.
    pub node: NodeConfig,
    /// Where the store, tokens and certificates live.
    pub data_dir: PathBuf,
    /// The machine that is watched.
    pub host: HostConfig,
    /// Both MQTT edges.
    pub mqtt: MqttConfig,
    /// The REST bridge.
    pub api: ApiConfig,
    /// The history store.
    pub history: HistoryConfig,
    /// Home Assistant's discovery.
    pub homeassistant: HomeAssistantConfig,
    /// Alert rules.
    pub rules: RulesConfig,
    /// Push messages.
    pub push: PushConfig,
    /// Power, energy and money.
    pub power: PowerConfig,
    /// What commands may do to the machine.
    pub control: ControlConfig,
    /// Fans that are driven.
    pub fans: FansConfig,
    /// What of the house is watched besides this machine's parts.
    pub health: HealthConfig,
    /// Each collector's own table, by its name; the collector checks it when it is built.
    pub collect: BTreeMap<String, config::Value>,
}

impl Config {
    /// Reads the whole tree. Faults go to `problems`; what was faulty has its default.
    fn read(root: config::Value, env: &load::Environment, problems: &Problems) -> Self {
        let mut root = Section::root(root, problems);
        let data_dir = root
            .path("data_dir")
            .unwrap_or_else(|| env.default_data_dir());
        let config = Self {
            node: NodeConfig::read(root.section("node")),
            host: HostConfig::read(root.section("host")),
            mqtt: MqttConfig::read(root.section("mqtt")),
            api: ApiConfig::read(root.section("api")),
            history: HistoryConfig::read(root.section("history")),
            homeassistant: HomeAssistantConfig::read(root.section("homeassistant")),
            rules: RulesConfig::read(root.section("rules")),
            push: PushConfig::read(root.section("push")),
            power: PowerConfig::read(root.section("power")),
            control: ControlConfig::read(root.section("control")),
            fans: FansConfig::read(root.section("fans")),
            health: HealthConfig::read(root.section("health")),
            collect: root.tables("collect"),
            data_dir,
        };
        root.finish();
        config.check_ports(problems);
        config
    }

    /// Two listeners cannot have one address.
    fn check_ports(&self, problems: &Problems) {
        let mut taken = vec![("api.listen", self.api.listen)];
        let embedded = self.mqtt.embedded.as_ref();
        let plain = embedded.map(|broker| ("mqtt.embedded.listen", broker.listen));
        let tls = embedded.and_then(|broker| broker.tls.as_ref());
        let tls = tls.map(|tls| ("mqtt.embedded.tls.listen", tls.listen));
        for (key, listen) in plain.into_iter().chain(tls) {
            let other = taken.iter().find(|(_, other)| collide(*other, listen));
            if let Some((other, _)) = other {
                let text =
                    format!("({listen}) is the address of {other}; give one of them another");
                problems.add("configuration", key, text);
            }
            taken.push((key, listen));
        }
    }
}

/// Whether one of them takes the port of the other. Port 0 is any that is free.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let any = a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && (a.ip() == b.ip() || any)
}
