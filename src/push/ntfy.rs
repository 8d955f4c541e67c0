use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde::{Deserialize, Serialize};

use crate::config::{NtfyAuth, NtfyConfig};
use crate::host::{Answer, Http, HttpError, Lines};

use super::buttons::Button;
use super::message::Message;
use super::outbox::Failure;

/// ntfy says something every 45 s; three times that is a dead line.
const SILENCE: Duration = Duration::from_secs(150);

/// The wire to one ntfy server: publishes as JSON, subscribes to a JSON stream.
#[derive(Debug)]
pub(super) struct Ntfy {
    http: Http,
    config: NtfyConfig,
}

#[derive(Serialize)]
struct Publish<'a> {
    topic: &'a str,
    title: &'a str,
    message: &'a str,
    priority: u8,
    tags: &'a [String],
    #[serde(skip_serializing_if = "<[Button]>::is_empty")]
    actions: &'a [Button],
    /// ntfy 2.16 and later replace a notification by a later one of the same sequence; earlier
    /// ones ignore it and show a repetition.
    sequence_id: &'a str,
}

/// A message as the server hands it out.
#[derive(Debug, Deserialize)]
pub(super) struct Incoming {
    /// The server's id of it.
    #[serde(default)]
    pub(super) id: String,
    /// `open`, `keepalive`, `message`, and whatever comes in the future.
    #[serde(default)]
    pub(super) event: String,
    /// What was published.
    #[serde(default)]
    pub(super) message: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Ntfy {
    pub(super) fn new(http: &Http, config: NtfyConfig) -> Result<Self, HttpError> {
        let http = match &config.ca_file {
            Some(file) => Http::trusting(file)?,
            None => http.clone(),
        };
        Ok(Self { http, config })
    }

    /// The URL of a topic, as the phone sees it.
    pub(super) fn url(&self, topic: &str) -> String {
        format!("{}/{topic}", self.config.server)
    }

    /// Publishes and returns the server's id of the message.
    pub(super) async fn publish(
        &self,
        message: &Message,
        buttons: &[Button],
    ) -> Result<String, Failure> {
        let publish = Publish {
            topic: &self.config.topic,
            title: &message.title,
            message: &message.body,
            priority: message.priority,
            tags: &message.tags,
            actions: buttons,
            sequence_id: &message.key,
        };
        let request = self
            .request(Method::POST, &self.config.server)
            .map_err(|error| self.failure(&error))?
            .json(&publish);
        let answer = self
            .http
            .exchange(request)
            .await
            .map_err(|error| self.failure(&error))?;
        self.judge(&answer)
    }

    /// Opens the stream of `topic` from `since` on: the id of a message or a Unix time.
    pub(super) async fn subscribe(&self, topic: &str, since: &str) -> Result<Lines, Failure> {
        let url = format!("{}/json?since={since}", self.url(topic));
        let request = self
            .request(Method::GET, &url)
            .map_err(|error| self.failure(&error))?;
        let lines = self
            .http
            .stream(request, SILENCE)
            .await
            .map_err(|error| self.failure(&error))?;
        match lines.status() {
            200 => Ok(lines),
            status => Err(self.refusal(status, "", None)),
        }
    }

    fn request(&self, method: Method, url: &str) -> Result<RequestBuilder, HttpError> {
        let request = self.http.request(method, url)?;
        Ok(match &self.config.auth {
            None => request,
            Some(NtfyAuth::Token(token)) => request.bearer_auth(token.reveal()),
            Some(NtfyAuth::Basic { username, password }) => {
                request.basic_auth(username, Some(password.reveal()))
            }
        })
    }

    fn failure(&self, error: &HttpError) -> Failure {
        let text = format!("ntfy server {}: {error}", self.config.server);
        match error {
            HttpError::Request(_) | HttpError::Roots { .. } => Failure::Refused(text),
            HttpError::Connection(_) | HttpError::TimeOut(_) | HttpError::TooLarge(_) => {
                Failure::Away { text, after: None }
            }
        }
    }

    fn judge(&self, answer: &Answer) -> Result<String, Failure> {
        if !answer.is_success() {
            let said = serde_json::from_slice::<Refusal>(&answer.body)
                .map(|refusal| refusal.error)
                .unwrap_or_default();
            return Err(self.refusal(answer.status, &said, answer.retry_after()));
        }
        // The login page of a hotel says 200 too.
        match serde_json::from_slice::<Incoming>(&answer.body) {
            Ok(taken) if !taken.id.is_empty() => Ok(taken.id),
            Ok(_) | Err(_) => Err(Failure::Away {
                text: format!(
                    "ntfy server {}: what answers there is no ntfy server",
                    self.config.server
                ),
                after: None,
            }),
        }
    }

    fn refusal(&self, status: u16, said: &str, after: Option<Duration>) -> Failure {
        let said: String = said.chars().take(200).collect();
        let server = &self.config.server;
        let text = |hint: &str| format!("ntfy server {server} answers {status} {said}; {hint}");
        match status {
            301 | 308 => Failure::Refused(text("it has moved: correct push.ntfy.server")),
            401 => Failure::Refused(text(
                "it does not know us: check push.ntfy.token, or username and password",
            )),
            403 => Failure::Refused(text(
                "publishing on the topic is not allowed: check the rights on push.ntfy.topic",
            )),
            404 | 405 | 410 => Failure::Refused(text("is push.ntfy.server right?")),
            408 | 425 | 429 => Failure::Away {
                text: text("it asks for patience"),
                after,
            },
            400..=499 => Failure::Unfit(text("it refuses the message, which is dropped")),
            _ => Failure::Away {
                text: text("tried again later"),
                after,
            },
        }
    }
}
