//! What commands ask of collectors, and what these have to say beside their readings.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::{Notify, oneshot};

/// What came of an errand: its detail, or why not.
pub type Done = Result<Value, String>;

/// Collectors know no bus; what they are asked to do lies here until they sample. Cheap to clone;
/// all clones are the same desk.
#[derive(Debug, Clone, Default)]
pub struct Desk(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    papers: Mutex<Papers>,
    told: Notify,
}

#[derive(Debug, Default)]
struct Papers {
    errands: BTreeMap<&'static str, Vec<Errand>>,
    happened: Vec<(&'static str, Value)>,
    /// Whether nothing speaks against work that can wait, such as self-tests.
    is_calm: bool,
}

/// Something to be done.
#[derive(Debug)]
pub struct Errand {
    /// To what.
    pub target: String,
    /// How, as it was said.
    pub text: Option<String>,
    answer: oneshot::Sender<Done>,
}

impl Errand {
    /// Tells what came of it. Who asked may have gone.
    pub fn answer(self, done: Done) {
        drop(self.answer.send(done));
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Papers> {
        self.0.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for `what`; the answer comes when whoever does it has begun or refused.
    pub fn ask(
        &self,
        what: &'static str,
        target: &str,
        text: Option<&str>,
    ) -> oneshot::Receiver<Done> {
        let (answer, done) = oneshot::channel();
        let errand = Errand {
            target: target.to_owned(),
            text: text.map(str::to_owned),
            answer,
        };
        self.lock().errands.entry(what).or_default().push(errand);
        done
    }

    /// Takes every errand of this kind.
    pub fn take(&self, what: &str) -> Vec<Errand> {
        self.lock().errands.remove(what).unwrap_or_default()
    }

    /// Tells that something happened once: `event/<kind>`.
    pub fn tell(&self, kind: &'static str, detail: Value) {
        self.lock().happened.push((kind, detail));
        self.0.told.notify_one();
    }

    /// What has happened since the last call; waits for something to.
    pub async fn told(&self) -> Vec<(&'static str, Value)> {
        loop {
            let happened = std::mem::take(&mut self.lock().happened);
            if !happened.is_empty() {
                return happened;
            }
            self.0.told.notified().await;
        }
    }

    /// Says whether work that can wait may be done now; not before this is known.
    pub fn set_calm(&self, is_calm: bool) {
        self.lock().is_calm = is_calm;
    }

    /// Whether work that can wait may be done now.
    pub fn is_calm(&self) -> bool {
        self.lock().is_calm
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn errands_reach_whoever_does_them_and_answers_whoever_asked() {
        let desk = Desk::default();
        let done = desk.ask("selftest", "disk-a", Some("short"));
        let lost = desk.ask("selftest", "disk-b", None);
        assert_eq!(desk.take("other").len(), 0);
        let mut errands = desk.clone().take("selftest");
        assert_eq!(errands.len(), 2);
        assert_eq!(errands[0].text.as_deref(), Some("short"));
        drop(lost);
        errands.remove(1).answer(Ok(json!({})));
        errands.remove(0).answer(Err("no".to_owned()));
        assert_eq!(done.await.unwrap(), Err("no".to_owned()));
        assert_eq!(desk.take("selftest").len(), 0);
    }

    #[tokio::test]
    async fn what_happened_is_told_once_and_calm_is_said_by_somebody() {
        let desk = Desk::default();
        assert!(!desk.is_calm());
        desk.set_calm(true);
        assert!(desk.is_calm());
        let teller = async { desk.tell("selftest", json!({"disk": "a"})) };
        let (told, ()) = tokio::join!(desk.told(), teller);
        assert_eq!(told, [("selftest", json!({"disk": "a"}))]);
    }
}
