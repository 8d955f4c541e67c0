//! The node's power core, fed as the service feeds it.

use std::time::Duration;

use homewatch::model::Timestamp;
use homewatch::power::{Draw, NodePower, PowerSample, Scope, SourceKind, Work};

/// Seconds between two looks.
pub const TICK: u64 = 10;

/// One look after the other at a node.
pub struct Rig {
    pub node: NodePower,
    /// Seconds since the beginning.
    pub now: u64,
}

impl Rig {
    pub const fn new(node: NodePower) -> Self {
        Self { node, now: 0 }
    }

    /// A look at a load (0–1), with a plug that has measured `watts` so many seconds before.
    pub fn look(&mut self, work: &Work, plug: Option<(Scope, f64, u64)>) -> Option<Draw> {
        self.look_at(work, plug, &[])
    }

    pub fn look_at(
        &mut self,
        work: &Work,
        plug: Option<(Scope, f64, u64)>,
        more: &[PowerSample],
    ) -> Option<Draw> {
        self.now += TICK;
        let mut samples: Vec<_> = plug
            .into_iter()
            .map(|(scope, watts, age)| {
                let mut sample = sample(SourceKind::Meter, scope, watts);
                sample.age = Duration::from_secs(age);
                let at = i64::try_from(self.now - age).unwrap();
                sample.at = Timestamp::from_second(at).unwrap();
                sample
            })
            .collect();
        samples.extend_from_slice(more);
        self.node
            .step(Duration::from_secs(self.now), &samples, work)
    }
}

pub fn work(load: f64) -> Work {
    Work {
        usage_pct: Some(load * 100.0),
        ..Work::default()
    }
}

pub fn sample(kind: SourceKind, scope: Scope, watts: f64) -> PowerSample {
    PowerSample {
        source_id: format!("{kind:?}-{}", scope.word()),
        label: format!("{kind:?}"),
        kind,
        scope,
        at: Timestamp::UNIX_EPOCH,
        age: Duration::ZERO,
        power_w: Some(watts),
        energy_kwh: None,
        suspect: None,
    }
}

/// Errors as shares, and whether each was within the band.
#[derive(Default)]
pub struct Score {
    errors: Vec<f64>,
    inside: Vec<bool>,
    /// Widths of bands, as shares of the figure.
    widths: f64,
}

impl Score {
    pub fn note(&mut self, told: f64, truth: f64) {
        self.errors.push((told / truth - 1.0).abs());
    }

    pub fn note_draw(&mut self, draw: &Draw, truth: f64) {
        self.note(draw.power_w, truth);
        let (low, high) = draw.band_w;
        self.inside.push((low..=high).contains(&truth));
        self.widths += (high - low) / draw.power_w;
    }

    pub fn line(&self, name: &str) {
        let count = self.errors.len() as f64;
        let mean = self.errors.iter().sum::<f64>() / count * 100.0;
        let near = self.errors.iter().filter(|error| **error <= 0.1).count() as f64;
        let inside = self.inside.iter().filter(|inside| **inside).count() as f64;
        let covered = match self.inside.len() {
            0 => "     -         -".to_owned(),
            told => {
                let told = told as f64;
                let width = self.widths / told * 50.0;
                format!("{:5.1} %  ± {width:5.1} %", inside / told * 100.0)
            }
        };
        println!(
            "  {name:<58} {mean:6.2} % {:7.1} %   {covered}",
            near / count * 100.0
        );
    }
}

pub fn head(title: &str) {
    println!(
        "\n{title}\n  {:<58} mean err   ≤ 10 %    in band  its width",
        ""
    );
}
