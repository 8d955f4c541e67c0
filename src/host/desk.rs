//! What commands ask of collectors, and what these have to say beside their readings.

use std::collections::{BTreeMap, BTreeSet};
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
    hurried: Notify,
}

#[derive(Debug, Default)]
struct Papers {
    errands: BTreeMap<&'static str, Vec<Errand>>,
    /// The collectors that are to be asked before they are due.
    hurried: BTreeSet<&'static str>,
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

    /// Asks the collector `who`; the answer comes when it has begun or refused.
    pub fn ask(
        &self,
        who: &'static str,
        target: &str,
        text: Option<&str>,
    ) -> oneshot::Receiver<Done> {
        let (answer, done) = oneshot::channel();
        let errand = Errand {
            target: target.to_owned(),
            text: text.map(str::to_owned),
            answer,
        };
        self.lock().errands.entry(who).or_default().push(errand);
        self.hurry(who);
        done
    }

    /// Takes every errand for this collector.
    pub fn take(&self, who: &str) -> Vec<Errand> {
        self.lock().errands.remove(who).unwrap_or_default()
    }

    /// The collector `who` has something to do before it is due.
    pub fn hurry(&self, who: &'static str) {
        self.lock().hurried.insert(who);
        self.0.hurried.notify_one();
    }

    /// The collectors that have something to do before they are due, each once; waits for one.
    pub async fn hurried(&self) -> BTreeSet<&'static str> {
        loop {
            let hurried = std::mem::take(&mut self.lock().hurried);
            if !hurried.is_empty() {
                return hurried;
            }
            self.0.hurried.notified().await;
        }
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
        let done = desk.ask("smart", "disk-a", Some("short"));
        let lost = desk.ask("smart", "disk-b", None);
        assert_eq!(desk.take("other").len(), 0);
        let mut errands = desk.clone().take("smart");
        assert_eq!(errands.len(), 2);
        assert_eq!(errands[0].text.as_deref(), Some("short"));
        drop(lost);
        errands.remove(1).answer(Ok(json!({})));
        errands.remove(0).answer(Err("no".to_owned()));
        assert_eq!(done.await.unwrap(), Err("no".to_owned()));
        assert_eq!(desk.take("smart").len(), 0);
    }

    #[tokio::test]
    async fn who_has_something_to_do_is_hurried_once() {
        let desk = Desk::default();
        let _done = desk.ask("smart", "disk-a", None);
        desk.hurry("smart");
        assert_eq!(desk.hurried().await, BTreeSet::from(["smart"]));
        let later = async { desk.hurry("zfs") };
        let (hurried, ()) = tokio::join!(desk.hurried(), later);
        assert_eq!(hurried, BTreeSet::from(["zfs"]));
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
