use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// So long a sample waits for one thing: what does not hang takes a few milliseconds.
const WAIT: Duration = Duration::from_millis(200);

/// Something that may hang in the kernel when it is read, as a disk does: it is read on a thread of its
/// own, and while it hangs everything else goes on without it.
#[derive(Debug)]
pub(super) struct Beside<T, R> {
    place: Place<T, R>,
}

#[derive(Debug)]
enum Place<T, R> {
    Here(T),
    /// It is being read.
    Away(JoinHandle<(T, R)>),
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
        // Without a runtime there are no threads to be had.
        let handle = Handle::try_current().ok();
        let (mut task, handle) = match (std::mem::replace(&mut self.place, Place::Lost), handle) {
            (Place::Here(mut thing), None) => {
                let told = read(&mut thing);
                self.place = Place::Here(thing);
                return Some(told);
            }
            (Place::Here(mut thing), Some(handle)) => {
                let task = handle.spawn_blocking(move || {
                    let told = read(&mut thing);
                    (thing, told)
                });
                (task, handle)
            }
            (Place::Away(task), Some(handle)) if task.is_finished() => (task, handle),
            (away, _) => {
                self.place = away;
                return None;
            }
        };
        match handle.block_on(async { timeout(WAIT, &mut task).await }) {
            Ok(Ok((thing, told))) => {
                self.place = Place::Here(thing);
                Some(told)
            }
            Ok(Err(error)) => {
                tracing::error!("a sensor's thread has ended: {error}");
                None
            }
            Err(_) => {
                self.place = Place::Away(task);
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
