use std::io;

use tracing_subscriber::EnvFilter;

use crate::config::Sources;

/// What is logged unless `$HOMEWATCH_LOG` says otherwise. rumqttd logs ordinary disconnects as
/// errors: only its silence is wanted. Of a certificate that is not trusted whoever connected tells, once
/// and with the remedy.
const DEFAULT: &str = "info,rumqttd=off,rumqttc=off,rustls=error,rustls_platform_verifier=off,\
                       hyper=error,reqwest=error";

/// Sends the log to standard error; without times under systemd, which adds its own.
pub(super) fn start(sources: &Sources) {
    let filter = sources
        .environment
        .get("HOMEWATCH_LOG")
        .and_then(|text| EnvFilter::try_new(text).ok())
        .unwrap_or_else(|| EnvFilter::new(DEFAULT));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(false)
        .with_writer(io::stderr);
    // A second start in one process (tests) keeps the first log.
    drop(if sources.environment.get("JOURNAL_STREAM").is_some() {
        builder.without_time().try_init()
    } else {
        builder.try_init()
    });
}
