use std::pin::Pin;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};

use crate::host::{Exec, ExecError, Host, Output, Remnant};

/// So long a sample waits for one program: less than the shortest tick.
const WAIT: Duration = Duration::from_millis(300);
/// A program that is not here is looked for again after this long: that costs hardly anything.
const MISSING: Duration = Duration::from_mins(1);

/// What a program said, or why it said nothing.
pub(super) type Answer = Result<Output, ExecError>;

/// An outside program that is asked now and then. A slow one is left running and taken in by a
/// later sample; one that hangs is killed, and none is started beside one that cannot be.
pub(super) struct Program {
    exec: Exec,
    argv: Vec<String>,
    every: Duration,
    limit: Duration,
    due: Option<Instant>,
    running: Option<Pin<Box<dyn Future<Output = Answer> + Send>>>,
    /// One that was killed, until it has ended.
    left: Option<Remnant>,
}

impl Program {
    /// `name` with `arguments`, at most every `every`, for at most `limit`.
    pub(super) fn new(
        host: &Host,
        name: &str,
        arguments: &[&str],
        every: Duration,
        limit: Duration,
    ) -> Self {
        let mut argv = host.command(name);
        argv.extend(arguments.iter().map(|&word| word.to_owned()));
        Self {
            exec: host.exec.clone(),
            argv,
            every,
            limit,
            due: None,
            running: None,
            left: None,
        }
    }

    /// To be asked at the next sample, whenever it would be due.
    pub(super) const fn hurry(&mut self) {
        self.due = None;
    }

    /// The answer, if there is a new one.
    pub(super) fn poll(&mut self) -> Option<Answer> {
        // Outside programs need the runtime; without it there is nobody to wait.
        let handle = Handle::try_current().ok()?;
        let now = Instant::now();
        self.left.take_if(|left| !left.is_there());
        if self.left.is_some() {
            return None;
        }
        if self.running.is_none() && self.due.is_none_or(|due| due <= now) {
            let (exec, argv, limit) = (self.exec.clone(), self.argv.clone(), self.limit);
            self.running = Some(Box::pin(async move { exec.run(&argv, limit).await }));
        }
        let running = self.running.as_mut()?;
        let answer = handle
            .block_on(async { timeout(WAIT, running).await })
            .ok()?;
        self.running = None;
        let pause = match &answer {
            Err(ExecError::Absent(_)) => MISSING,
            _ => self.every,
        };
        if let Err(ExecError::TimeOut { left, .. }) = &answer {
            self.left = *left;
        }
        self.due = Some(now + pause);
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Clock;

    fn program(host: &Host, name: &str, argument: &str) -> Program {
        let minute = Duration::from_mins(1);
        Program::new(host, name, &[argument], minute, minute)
    }

    async fn poll(mut program: Program) -> (Option<Answer>, Program) {
        let polled = tokio::task::spawn_blocking(move || (program.poll(), program));
        polled.await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_is_asked_when_it_is_due() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("exec")).unwrap();
        std::fs::write(dir.path().join("exec/x a"), "0\nfine").unwrap();
        let host = Host::captured(dir.path(), Clock::Real);
        let said = |answer: Option<Answer>| answer.map(|answer| answer.unwrap().stdout);
        let (answer, program) = poll(program(&host, "x", "a")).await;
        assert_eq!(said(answer), Some(b"fine".to_vec()));
        let (answer, mut program) = poll(program).await;
        assert_eq!(said(answer), None);
        program.hurry();
        let (answer, program) = poll(program).await;
        assert!(answer.is_some());
        tokio::time::advance(Duration::from_mins(1)).await;
        let (answer, _) = poll(program).await;
        assert!(answer.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_missing_is_looked_for_every_minute() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::captured(dir.path(), Clock::Real);
        let (answer, program) = poll(program(&host, "none", "a")).await;
        assert!(matches!(answer, Some(Err(ExecError::Absent(_)))));
        tokio::time::advance(Duration::from_secs(59)).await;
        let (answer, program) = poll(program).await;
        assert!(answer.is_none());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(poll(program).await.0.is_some());
    }

    #[tokio::test]
    async fn a_slow_one_is_taken_in_later() {
        let dir = tempfile::tempdir().unwrap();
        let go = dir.path().join("go");
        let script = format!(
            "until test -e {}; do sleep 0.01; done; echo done",
            go.display()
        );
        let minute = Duration::from_mins(1);
        let host = Host::real();
        let slow = Program::new(&host, "sh", &["-c", &script], minute, minute);
        let (answer, mut slow) = poll(slow).await;
        assert!(answer.is_none());
        std::fs::write(go, "").unwrap();
        loop {
            let (answer, next) = poll(slow).await;
            slow = next;
            if let Some(answer) = answer {
                assert_eq!(answer.unwrap().stdout, b"done\n");
                break;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn none_is_started_beside_one_that_cannot_be_ended() {
        let minute = Duration::from_mins(1);
        let mut hangs = Program::new(&Host::real(), "true", &[], minute, minute);
        hangs.left = Some(Remnant::of(rustix::process::getpgrp()));
        let (answer, mut hangs) = poll(hangs).await;
        assert!(answer.is_none() && hangs.running.is_none());
        let nobody = rustix::process::Pid::from_raw(i32::MAX).unwrap();
        let (program, limit) = ("true".to_owned(), minute);
        hangs.running = Some(Box::pin(async move {
            Err(ExecError::TimeOut {
                program,
                limit,
                left: Some(Remnant::of(nobody)),
            })
        }));
        hangs.left = None;
        let (answer, hangs) = poll(hangs).await;
        assert!(matches!(answer, Some(Err(ExecError::TimeOut { .. }))));
        assert!(hangs.left.is_some());
        tokio::time::advance(minute).await;
        let (_, hangs) = poll(hangs).await;
        assert!(hangs.left.is_none(), "it has ended");
    }

    #[test]
    fn without_a_runtime_there_is_no_answer() {
        assert!(program(&Host::real(), "true", "").poll().is_none());
    }
}
