//! Several pieces of work at once, as runs of probes are: each in a sandbox of its own, so that none notices another.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// How many are done at once for each processor: programs mostly wait for a port, an answer, or their end.
const PER_PROCESSOR: usize = 2;
/// The most that are done at once.
const MOST_AT_ONCE: usize = 8;

/// Does `work` with each of `items`, begun in their order. What comes of one, and its number, goes to `done` as soon as it is
/// known.
pub(super) fn each<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
    mut done: impl FnMut(usize, R),
) {
    let n_workers = thread::available_parallelism()
        .map_or(1, usize::from)
        .saturating_mul(PER_PROCESSOR)
        .min(MOST_AT_ONCE)
        .min(items.len());
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..n_workers {
            let (next, work, sender) = (&next, &work, sender.clone());
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else {
                        return;
                    };
                    if sender.send((index, work(item))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (index, result) in receiver {
            done(index, result);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_is_done_once() {
        let items: Vec<usize> = (0..100).collect();
        let mut found = vec![0; items.len()];
        each(
            &items,
            |item| item + 1,
            |index, result| found[index] += result,
        );
        let expected: Vec<usize> = (1..=100).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn nothing_is_done_with_nothing() {
        each(&[], |item: &usize| *item, |_, _| panic!("there is nothing"));
    }
}
