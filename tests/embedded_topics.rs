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
async fn topics_that_are_used_once_leave_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(), dir.path()).await;
    let mut writer = broker.client("writer").await;
    let mut number = 0;
    let mut sizes = Vec::new();
    // The first rounds fill what is bounded.
    for _ in 0..6 {
        for _ in 0..50 {
            let many: Vec<u8> = (0..1_000)
                .flat_map(|_| {
                    number += 1;
                    publish(&format!("reading/{number}"), b"1", 0, false)
                })
                .collect();
            writer.send(&many).await;
        }
        writer.send(&publish("last", b"end", 1, false)).await;
        writer.packet().await;
        sizes.push(resident());
    }
    let grown = sizes[5].saturating_sub(sizes[1]);
    assert!(
        grown < 10 << 20,
        "200000 topics left {grown} bytes: {sizes:?}"
    );
}

fn resident() -> usize {
    let statm = std::fs::read("/proc/self/statm").unwrap();
    let text = String::from_utf8(statm).unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
