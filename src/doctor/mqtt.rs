use super::{Finding, Verdict, is_running};
use crate::bus::{broker, embedded};
use crate::config::Config;
use crate::http;

const CHAPTER: &str = "MQTT and REST";

pub(super) async fn examine(config: &Config) -> Vec<Finding> {
    let running = is_running(config);
    let mut findings = Vec::new();
    if let Some(embedded) = &config.mqtt.embedded {
        let listen = embedded.listen;
        findings.push(if running {
            served(&format!("embedded broker on {listen}"))
        } else {
            match embedded::bind(embedded).await {
                Ok(_) => fine(format!("embedded broker: {listen} is free")),
                Err(error) => broken(error.to_string()),
            }
        });
    }
    if let Some(outside) = &config.mqtt.broker {
        findings.push(match broker::probe(outside).await {
            Ok(()) => fine(format!("the broker {} lets us in", outside.url)),
            Err(error) => broken(format!("the broker {}: {error}", outside.url))
                .with("check mqtt.broker.url, username and password, and the broker's log"),
        });
    }
    let listen = config.api.listen;
    findings.push(if running {
        served(&format!("REST bridge on {listen}"))
    } else {
        match http::bind(&config.api).await {
            Ok(_) => fine(format!("REST bridge: {listen} is free")),
            Err(error) => broken(error.to_string()),
        }
    });
    findings
}

fn fine(text: String) -> Finding {
    Finding::new(CHAPTER, Verdict::Fine, text)
}

fn served(text: &str) -> Finding {
    fine(format!("{text}, served by the running homewatch"))
}

fn broken(text: String) -> Finding {
    Finding::new(CHAPTER, Verdict::Broken, text)
}
