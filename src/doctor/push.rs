use super::{Finding, Verdict, node};
use crate::config::Config;
use crate::host::Host;
use crate::push;

const CHAPTER: &str = "Push messages";

pub(super) async fn examine(host: &Host, config: &Config, send: bool) -> Vec<Finding> {
    let Some(ntfy) = &config.push.ntfy else {
        let absent = Finding::new(
            CHAPTER,
            Verdict::Absent,
            "not configured: alerts reach no phone",
        )
        .with("choose a topic nobody guesses and set push.ntfy.topic to it");
        return vec![absent];
    };
    if !send {
        let found = Finding::new(CHAPTER, Verdict::Fine, format!("ntfy at {}", ntfy.server));
        return vec![found.with("homewatch doctor --push tries it")];
    }
    vec![
        match push::send_test(host, &config.push, &node(host, config)).await {
            Ok(text) => Finding::new(CHAPTER, Verdict::Fine, text),
            Err(error) => Finding::new(CHAPTER, Verdict::Broken, error.to_string())
                .with("check push.ntfy.server, topic and token, and this machine's connection"),
        },
    ]
}
