//! What was found on this machine, what is missing, and the exact command that would grant or
//! install it. Looks and never changes anything; one file a chapter.

mod collectors;
mod disks;
mod fans;
mod meters;
mod mqtt;
mod network;
mod push;
mod store;

use crate::app;
use crate::config::Config;
use crate::host::Host;
use crate::local::{self, Request, Status};
use crate::model::line;

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It works.
    Fine,
    /// This machine has no such thing, which is no fault.
    Absent,
    /// It works, and could do better.
    Hint,
    /// It is configured or needed, and cannot work.
    Broken,
}

/// One line of the examination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub chapter: &'static str,
    /// How it stands.
    pub verdict: Verdict,
    /// What was found.
    pub text: String,
    /// The command or setting that would help.
    pub remedy: Option<String>,
}

impl Finding {
    fn new(chapter: &'static str, verdict: Verdict, text: impl Into<String>) -> Self {
        Self {
            chapter,
            verdict,
            // Names come from devices and from the network.
            text: line(&text.into()),
            remedy: None,
        }
    }

    fn with(self, remedy: impl Into<String>) -> Self {
        Self {
            remedy: Some(line(&remedy.into())),
            ..self
        }
    }
}

/// Examines everything that `config` names; with `test_push` a message is sent to the phone.
pub async fn examine(config: &Config, test_push: bool) -> Vec<Finding> {
    let host = app::host(&config.host);
    let service = service(config).await;
    let service = service.as_ref();
    // Side by side: both of them wait for answers.
    let (looked, meters) = tokio::join!(
        async {
            let mut looked = collectors::examine(&host, config, service).await;
            looked.extend(disks::examine(&host, &config.collect, service).await);
            looked
        },
        meters::examine(&host, config, service)
    );
    let mut findings = looked;
    findings.extend(fans::examine(&host, config));
    findings.extend(network::examine(&host));
    findings.extend(mqtt::examine(config).await);
    findings.extend(meters);
    findings.extend(store::examine(config));
    findings.extend(push::examine(&host, config, test_push).await);
    findings
}

/// What the running service says: it may have rights that whoever examines has not, and hears what
/// takes a while.
async fn service(config: &Config) -> Option<Status> {
    let data_dir = config.data_dir.clone();
    let ask = move || {
        let dir = local::find(&data_dir)?;
        local::ask(&dir, &Request::Status)
    };
    tokio::task::spawn_blocking(ask).await.ok()?.ok()?
}

/// Whether the service runs on the store of `config`: its own ports are then taken by itself.
fn is_running(config: &Config) -> bool {
    local::find(&config.data_dir).is_ok()
}

/// The name that the node of `config` has.
fn node(host: &Host, config: &Config) -> String {
    app::node_name(config, host)
}

#[cfg(test)]
mod tests;
