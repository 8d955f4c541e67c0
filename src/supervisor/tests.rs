use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

const LIMIT: Duration = Duration::from_secs(2);

fn supervisor() -> (Supervisor, CancellationToken) {
    let token = CancellationToken::new();
    (Supervisor::new(token.clone()), token)
}

#[tokio::test(start_paused = true)]
async fn a_task_that_errs_or_crashes_is_started_anew_ever_more_slowly() {
    let (mut supervisor, token) = supervisor();
    let starts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&starts);
    supervisor.spawn("flaky", Policy::Restart, Stop::Drop, move || {
        let count = counted.fetch_add(1, Ordering::Relaxed);
        async move {
            match count {
                0 => panic!("first"),
                1 => panic!("{}", String::from("second")),
                2 => std::panic::panic_any(3),
                _ => Err(TaskError("no".into())),
            }
        }
    });
    let begin = Instant::now();
    let stopper = token.clone();
    let watched = Arc::clone(&starts);
    supervisor.spawn("watch", Policy::Restart, Stop::Drop, move || {
        let (stopper, watched) = (stopper.clone(), Arc::clone(&watched));
        async move {
            while watched.load(Ordering::Relaxed) < 12 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            stopper.cancel();
            Ok(())
        }
    });
    assert_eq!(supervisor.run(LIMIT).await, Ok(()));
    // 1 + 2 + 4 + … + 256 + 300 (twelve starts are made when the eleventh run has failed).
    let passed = begin.elapsed().as_secs();
    assert!((811..=812).contains(&passed), "{passed}");
}

#[tokio::test(start_paused = true)]
async fn a_long_run_forgives_earlier_failures() {
    let (mut supervisor, token) = supervisor();
    let starts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&starts);
    supervisor.spawn("steady", Policy::Restart, Stop::Drop, move || {
        let count = counted.fetch_add(1, Ordering::Relaxed);
        let token = token.clone();
        async move {
            match count {
                0..5 => {}
                5 => tokio::time::sleep(LONGEST_PAUSE).await,
                _ => token.cancel(),
            }
            Err(TaskError("no".into()))
        }
    });
    let begin = Instant::now();
    assert_eq!(supervisor.run(LIMIT).await, Ok(()));
    assert_eq!(begin.elapsed().as_secs(), 1 + 2 + 4 + 8 + 16 + 300 + 1);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_vital_task_ends_all_with_its_reason() {
    for (crash, want) in [(true, "has crashed: oh"), (false, "disk full")] {
        let (mut supervisor, token) = supervisor();
        supervisor.spawn("store", Policy::Vital, Stop::Await, move || async move {
            assert!(!crash, "oh");
            Err(TaskError("disk full".into()))
        });
        supervisor.spawn("other", Policy::Vital, Stop::Drop, std::future::pending);
        let error = supervisor.run(LIMIT).await.unwrap_err();
        assert_eq!(error.to_string(), format!("store: {want}"));
        assert!(token.is_cancelled());
    }
    let (mut supervisor, _token) = supervisor();
    supervisor.spawn("store", Policy::Vital, Stop::Drop, || async { Ok(()) });
    let error = supervisor.run(LIMIT).await.unwrap_err();
    assert_eq!(error.to_string(), "store: has ended");
}

#[tokio::test(start_paused = true)]
async fn the_stop_waits_for_an_orderly_end_and_drops_what_is_late() {
    for (slow, want) in [(1, None), (3, Some("did not stop within 2s: slow"))] {
        let (mut supervisor, token) = supervisor();
        let ended = Arc::new(AtomicU32::new(0));
        let (seen, own) = (Arc::clone(&ended), token.clone());
        supervisor.spawn("slow", Policy::Vital, Stop::Await, move || {
            let (seen, own) = (Arc::clone(&seen), own.clone());
            async move {
                own.cancelled().await;
                tokio::time::sleep(Duration::from_secs(slow)).await;
                seen.fetch_add(1, Ordering::Relaxed);
                Err(TaskError("a last word".into()))
            }
        });
        // It waits for its restart when the stop comes.
        supervisor.spawn("failing", Policy::Restart, Stop::Drop, || async {
            Err(TaskError("no".into()))
        });
        supervisor.spawn("once", Policy::Restart, Stop::Drop, move || {
            let token = token.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(500)).await;
                token.cancel();
                Ok(())
            }
        });
        assert!(format!("{supervisor:?}").contains("slow"));
        let result = supervisor.run(LIMIT).await;
        assert_eq!(result.err().map(|error| error.to_string()).as_deref(), want);
        assert_eq!(ended.load(Ordering::Relaxed), u32::from(want.is_none()));
    }
}

#[tokio::test(start_paused = true)]
async fn when_every_task_has_done_its_work_the_run_is_over() {
    let (mut supervisor, _token) = supervisor();
    supervisor.spawn("once", Policy::Restart, Stop::Drop, || async { Ok(()) });
    assert_eq!(supervisor.run(LIMIT).await, Ok(()));
}
