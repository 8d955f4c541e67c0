//! Alone in its process, because it looks at the memory of the whole of it.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod embedded;

use embedded::{Broker, config, publish};

#[tokio::test]
async fn a_reader_that_takes_nothing_delays_nobody_and_costs_bounded_memory() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(), dir.path()).await;
    let mut stuck = broker.client("stuck").await;
    stuck.subscribe("#", 2).await;
    let mut reader = broker.client("reader").await;
    reader.subscribe("flood/last", 1).await;
    let mut writer = broker.client("writer").await;
    let before = resident();
    for _ in 0..2000 {
        writer
            .send(&publish("flood/a", &vec![b'x'; 60_000], 0, false))
            .await;
    }
    writer.send(&publish("flood/last", b"end", 1, false)).await;
    writer.packet().await;
    assert!(reader.packet().await.ends_with(b"end"));
    let grown = resident().saturating_sub(before);
    assert!(
        grown < 60 << 20,
        "120 MB went through, {grown} bytes stayed"
    );
    broker.assert_serves().await;
}

fn resident() -> usize {
    let statm = std::fs::read("/proc/self/statm").unwrap();
    let text = String::from_utf8(statm).unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
