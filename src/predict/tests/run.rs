use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{at, reading};
use crate::bus::{Bus, Event, State, SubjectState};
use crate::host::Memory;
use crate::model::{Batch, Outcome, Reading, Value};
use crate::predict::{Board, run};

struct House {
    bus: Bus,
    memory: Memory,
    board: Board,
    cancel: CancellationToken,
    task: JoinSet<()>,
    day: f64,
}

impl House {
    async fn new(memory: Memory) -> Self {
        Self::since(20_000.0, memory).await
    }

    async fn since(day: f64, memory: Memory) -> Self {
        let (bus, _) = Bus::new(State::new(Duration::from_mins(5)));
        let (board, cancel) = (Board::default(), CancellationToken::new());
        let mut task = JoinSet::new();
        let run = run(bus.clone(), memory.clone(), board.clone(), cancel.clone());
        task.spawn(run);
        // Until it listens.
        tokio::time::sleep(Duration::from_secs(1)).await;
        Self {
            bus,
            memory,
            board,
            cancel,
            task,
            day,
        }
    }

    /// A minute's tick.
    async fn tick(&mut self, readings: Vec<Reading>) {
        self.day += 1.0 / 1_440.0;
        let outcome = |collector, readings| Outcome {
            collector,
            result: Ok(readings),
        };
        self.bus.publish(Batch {
            at: at(self.day),
            outcomes: vec![outcome("cpu", Vec::new()), outcome("hwmon", readings)],
        });
        tokio::time::sleep(Duration::from_mins(1)).await;
    }

    fn subject(&self, id: &str) -> Option<SubjectState> {
        self.bus.state().subject(&format!("health/{id}"))
    }

    fn number(&self, id: &str, key: &str) -> Option<f64> {
        let state = self.subject(id)?;
        let mut values = state.values.iter();
        values.find(|(metric, _)| metric.key == key)?.1.as_number()
    }

    async fn stop(mut self) -> Memory {
        self.cancel.cancel();
        self.task.join_next().await.unwrap().unwrap();
        self.memory
    }
}

fn fan(rpm: f64, drive: f64) -> Vec<Reading> {
    vec![reading("fan-a", [("fan_rpm", rpm), ("pwm_pct", drive)])]
}

#[tokio::test(start_paused = true)]
async fn what_is_foreseen_is_published_and_what_is_not_leaves_a_quiet_summary() {
    let mut house = House::new(Memory::default()).await;
    house.bus.emit(Event::HomeAssistantBirth { edge: "test" });
    house.tick(fan(600.0, 30.0)).await;
    assert!(
        house.subject("predictions").is_none(),
        "it looks round first"
    );
    assert!(house.board.read().at.is_none());
    for _ in 0..60 {
        house.tick(fan(600.0, 30.0)).await;
    }
    let summary = |house: &House| {
        ["foreseen", "failure_near", "watched", "learning"]
            .map(|key| house.number("predictions", key).unwrap_or(-1.0).to_string())
    };
    assert_eq!(summary(&house), ["0", "0", "1", "1"]);
    for _ in 0..30 {
        house.tick(fan(0.0, 60.0)).await;
    }
    assert_eq!(summary(&house), ["1", "1", "1", "0"]);
    let stalled = house.subject("prediction-fan-fan-a").unwrap();
    assert!(stalled.available);
    assert_eq!(stalled.subject.label, "Ageing of fan-a");
    let detail = stalled.detail.unwrap();
    assert_eq!(
        (&detail["kind"], &detail["about"]),
        (&"fan".into(), &"health/fan-a".into())
    );
    assert!(detail["advice"].as_str().unwrap().contains("replace"));
    let outlook = stalled
        .values
        .iter()
        .find(|(metric, _)| metric.key == "outlook");
    assert_eq!(outlook.unwrap().1, Value::from("near"));
    assert_eq!(house.number("prediction-fan-fan-a", "days_left"), Some(0.0));
    let posted = house.board.read();
    assert_eq!(posted.predictions[0].subject, "health/fan-a");
    assert!(posted.at.is_some() && posted.outlooks.is_empty());
    let kept = crate::predict::posted(&house.memory);
    assert_eq!(
        kept.predictions, posted.predictions,
        "reports read it there"
    );
    let known = crate::predict::known(&house.memory);
    assert_eq!(known["health/fan-a"].label, "fan-a");
    // It is known at once after a restart.
    let day = house.day;
    let memory = house.stop().await;
    let mut house = House::since(day, memory).await;
    for _ in 0..6 {
        house.tick(fan(0.0, 60.0)).await;
    }
    assert!(house.subject("prediction-fan-fan-a").unwrap().available);
    // It turns again: withdrawn half a day later, and gone after another day.
    for _ in 0..13 * 60 {
        house.tick(fan(1_200.0, 60.0)).await;
    }
    assert_eq!(
        summary(&house)[..2],
        ["0", "0"],
        "what is withdrawn does not count"
    );
    for _ in 0..24 * 60 {
        house.tick(fan(1_200.0, 60.0)).await;
    }
    let gone = house.subject("prediction-fan-fan-a").unwrap();
    assert!(!gone.available, "it is told no more");
    assert!(house.subject("predictions").unwrap().available);
    house.stop().await;
}
