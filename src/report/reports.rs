use std::sync::{Arc, Mutex, PoisonError};

use jiff::tz::TimeZone;

use super::period::{Frame, Period};
use super::{Document, ENTRIES, ReportError};
use crate::config::Config;
use crate::host::{Clock, Memory};
use crate::model::Timestamp;
use crate::power::DayBook;
use crate::store::Store;

/// What reports are made from.
#[derive(Debug, Clone)]
pub struct Basis {
    /// The history and the records.
    pub store: Store,
    /// What each day's energy went to.
    pub book: DayBook,
    /// What collectors remember.
    pub memory: Memory,
    /// The node's name.
    pub node: String,
    /// Wall-clock time.
    pub clock: Clock,
    /// The configuration.
    pub config: Arc<Config>,
}

/// What one report is made from.
#[derive(Debug)]
pub struct Question<'a> {
    /// The history and the records.
    pub store: &'a Store,
    /// What each day's energy went to.
    pub book: &'a DayBook,
    /// What collectors remember.
    pub memory: &'a Memory,
    /// The configuration.
    pub config: &'a Config,
    /// This node's name.
    pub node: &'a str,
    /// Which other node it is about, if it is.
    pub other: Option<&'a str>,
    /// Now.
    pub now: Timestamp,
    /// What span it is about.
    pub frame: Frame,
}

impl Question<'_> {
    /// A document of this report about the frame, held against the past.
    pub fn document(&self, report: &'static str, title: &str) -> Document {
        let made_at = self.frame.local(self.now);
        let node = self.other.unwrap_or(self.node);
        Document::new(report, title, node, made_at, &self.frame).against(&self.frame)
    }
}

/// What is asked of a report.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// About what span.
    pub period: Period,
    /// About which node; `None` is this one.
    pub node: Option<String>,
}

impl From<Period> for Asked {
    fn from(period: Period) -> Self {
        Self { period, node: None }
    }
}

/// Makes reports. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub struct Reports(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    basis: Mutex<Basis>,
    /// One at a time: a report over a year costs seconds on a small machine, and who asks must
    /// not take the threads that the collectors need.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Basis {
    /// What a service with no configuration at all has, over `store`.
    #[cfg(test)]
    pub(crate) fn plain(store: &Store, clock: Clock) -> Self {
        let config = crate::config::load(&crate::config::Sources {
            // A file that says nothing, rather than that of whoever runs the tests.
            file: Some("/dev/null".into()),
            environment: crate::config::Environment::default(),
            beneath: None,
        });
        Self {
            store: store.clone(),
            book: DayBook::default(),
            memory: Memory::default(),
            node: "nas".to_owned(),
            clock,
            config: Arc::new(config.unwrap()),
        }
    }
}

impl Reports {
    /// Reports from `basis`.
    pub fn new(basis: Basis) -> Self {
        Self(Arc::new(Inner {
            basis: Mutex::new(basis),
            turn: Arc::default(),
        }))
    }

    /// The configuration was read anew.
    pub fn configure(&self, config: Arc<Config>) {
        self.lock().config = config;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Basis> {
        self.0.basis.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What they are made from now.
    pub fn basis(&self) -> Basis {
        self.lock().clone()
    }

    /// Makes the report `name`. Blocks.
    ///
    /// # Errors
    /// There is no such report, period or node; the history cannot be read.
    pub fn make(&self, name: &str, asked: &Asked) -> Result<Document, ReportError> {
        let entry = ENTRIES.iter().find(|entry| entry.name == name);
        let entry = entry.ok_or_else(|| ReportError::Unknown(name.to_owned()))?;
        let basis = self.basis();
        let now = basis.clock.now();
        let frame = asked.period.place(now, &time_zone(&basis.config))?;
        (entry.make)(&Question {
            store: &basis.store,
            book: &basis.book,
            memory: &basis.memory,
            config: &basis.config,
            node: &basis.node,
            other: (asked.node.as_deref()).filter(|other| *other != basis.node),
            now,
            frame,
        })
    }

    /// The same for async code, the document handed to `show` on the thread that made it.
    ///
    /// # Errors
    /// Those of [`Reports::make`].
    pub async fn answer<T: Send + 'static>(
        &self,
        name: &str,
        asked: Asked,
        show: impl FnOnce(&Document) -> T + Send + 'static,
    ) -> Result<T, ReportError> {
        let (reports, name) = (self.clone(), name.to_owned());
        // Waited for here, where it takes no thread: who gives up while waiting costs nothing.
        let turn = Arc::clone(&self.0.turn).lock_owned().await;
        let make = move || {
            let shown = reports.make(&name, &asked).map(|document| show(&document));
            drop(turn);
            shown
        };
        tokio::task::spawn_blocking(make)
            .await
            .map_err(|error| ReportError::Failed(error.to_string()))?
    }
}

/// The zone that days are counted in: the tariff's, else this machine's.
pub fn time_zone(config: &Config) -> TimeZone {
    let tariff = config.power.tariff.as_ref();
    tariff.map_or_else(TimeZone::system, |tariff| tariff.time_zone.clone())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::task::JoinSet;

    use super::*;

    #[test]
    fn however_many_ask_for_reports_threads_are_left_for_the_others() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(2)
            .build()
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::set_to("2026-05-01T12:00:00Z".parse().unwrap());
        let reports = Reports::new(Basis::plain(&Store::open(dir.path()).unwrap(), clock));
        runtime.block_on(async {
            let (release, released) = mpsc::channel::<()>();
            let released = Arc::new(Mutex::new(released));
            let mut asked = JoinSet::new();
            for _ in 0..8 {
                let (reports, released) = (reports.clone(), Arc::clone(&released));
                // As slow as the history of a year on a small machine.
                let show = move |_: &Document| released.lock().unwrap().recv().unwrap();
                asked.spawn(async move { reports.answer("power", Asked::default(), show).await });
            }
            tokio::task::yield_now().await;
            let collector = tokio::task::spawn_blocking(|| 7);
            assert_eq!(collector.await.unwrap(), 7);
            for _ in 0..8 {
                release.send(()).unwrap();
            }
            while let Some(answer) = asked.join_next().await {
                answer.unwrap().unwrap();
            }
        });
    }
}
