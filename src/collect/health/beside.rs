use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use tokio::runtime::Handle;

/// So long a sample waits for one thing: what does not hang takes a few milliseconds.
const WAIT: Duration = Duration::from_millis(200);

/// Something that may hang in the kernel when it is read, as a disk does: it is read on a thread of its
/// own, and while it hangs everything else goes on without it.
///
/// Whoever reads may be a collector on its thread or a task of the runtime: neither is waited on by the
/// other, so the answer comes by a channel of the standard library.
#[derive(Debug)]
pub(super) struct Beside<T, R> {
    place: Place<T, R>,
}

#[derive(Debug)]
enum Place<T, R> {
    Here(T),
    /// It is being read.
    Away(Receiver<(T, R)>),
    /// Reading it has crashed.
    Lost,
}

impl<T: Send + 'static, R: Send + 'static> Beside<T, R> {
    /// With nothing under way.
    pub(super) const fn new(thing: T) -> Self {
        let place = Place::Here(thing);
        Self { place }
    }

    /// What `read` makes of it, or made of it the last time if that took long; `None` while it hangs.
    pub(super) fn read(&mut self, read: impl FnOnce(&mut T) -> R + Send + 'static) -> Option<R> {
        let (answer, wait) = match std::mem::replace(&mut self.place, Place::Lost) {
            Place::Here(mut thing) => {
                // Without a runtime there are no threads to be had.
                let Ok(handle) = Handle::try_current() else {
                    let told = read(&mut thing);
                    self.place = Place::Here(thing);
                    return Some(told);
                };
                let (tell, answer) = sync_channel(1);
                let task = handle.spawn_blocking(move || {
                    let told = read(&mut thing);
                    // Nobody waits for it any more if the collector is gone.
                    drop(tell.send((thing, told)));
                });
                drop(task);
                (answer, WAIT)
            }
            Place::Away(answer) => (answer, Duration::ZERO),
            Place::Lost => return None,
        };
        match answer.recv_timeout(wait) {
            Ok((thing, told)) => {
                self.place = Place::Here(thing);
                Some(told)
            }
            Err(RecvTimeoutError::Timeout) => {
                self.place = Place::Away(answer);
                None
            }
            Err(RecvTimeoutError::Disconnected) => {
                tracing::error!("reading a sensor has crashed; it is not read any more");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn without_a_runtime_it_is_read_at_once() {
        let mut beside = Beside::new(1);
        assert_eq!(beside.read(|one| *one + 1), Some(2));
        assert_eq!(beside.read(|one| *one), Some(1));
    }

    #[tokio::test]
    async fn a_task_of_the_runtime_may_read_it_as_well() {
        let mut beside = Beside::new(1);
        assert_eq!(beside.read(|one| *one + 1), Some(2));
    }

    #[tokio::test]
    async fn what_hangs_is_left_alone_until_it_comes_back() {
        let (go, wait) = mpsc::channel::<()>();
        let all = tokio::task::spawn_blocking(move || {
            let mut beside = Beside::new("thing");
            let hung = beside.read(move |thing| {
                wait.recv().unwrap();
                *thing
            });
            assert_eq!(hung, None);
            assert_eq!(beside.read(|_| "read twice"), None);
            go.send(()).unwrap();
            let told = loop {
                if let Some(told) = beside.read(|_| "read twice") {
                    break told;
                }
            };
            assert_eq!(told, "thing");
            assert_eq!(beside.read(|thing| *thing), Some("thing"));
            // A crash is one thing's own.
            assert_eq!(beside.read(|_| panic!("a bug")), None);
            assert_eq!(beside.read(|thing| *thing), None);
        });
        all.await.unwrap();
    }
}
