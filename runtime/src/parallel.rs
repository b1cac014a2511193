//! Work on several threads, with results in order or one for each thread.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::{self, ScopedJoinHandle};

use crate::error::Result;

/// Does `work` for every item on several threads, and passes the results to `take` in the order of the items. The first
/// error in that order ends it: work that has started is completed, and nothing else is started or taken.
pub(crate) fn in_order<I: Sync, T: Send>(
    threads: NonZero<usize>,
    items: &[I],
    work: impl Fn(&I) -> Result<T> + Sync,
    mut take: impl FnMut(&I, T) -> Result<()>,
) -> Result<()> {
    let workers = threads.get().min(items.len());
    if workers < 2 {
        return items.iter().try_for_each(|item| take(item, work(item)?));
    }
    let (next, is_done) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let (sender, results) = mpsc::channel();
        for _ in 0..workers {
            let sender = sender.clone();
            let (work, next, is_done) = (&work, &next, &is_done);
            scope.spawn(move || {
                while !is_done.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    if sender.send((index, work(item))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let result = take_in_order(items, &results, &mut take);
        is_done.store(true, Ordering::Relaxed);
        result
    })
}

/// Waits for a thread and returns its result. A panic of the thread becomes a panic here.
pub(crate) fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Passes results to `take` in the order of their items, until the first error.
fn take_in_order<I, T>(
    items: &[I],
    results: &mpsc::Receiver<(usize, Result<T>)>,
    take: &mut impl FnMut(&I, T) -> Result<()>,
) -> Result<()> {
    let mut early = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        while !early.contains_key(&index) {
            // If all threads end before everything is done, one of them panicked, and the scope passes the panic on.
            let Ok((other, result)) = results.recv() else { return Ok(()) };
            early.insert(other, result);
        }
        if let Some(result) = early.remove(&index) {
            take(item, result?)?;
        }
    }
    Ok(())
}

/// Folds the items on several threads, each into a state of its own that `new` creates, and returns these states. The
/// first error in the order of the items is returned, as a single thread would return it.
pub(crate) fn fold_in_parallel<I: Sync, S: Send>(
    threads: NonZero<usize>,
    items: &[I],
    new: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, &I) -> Result<()> + Sync,
) -> Result<Vec<S>> {
    let (next, end) = (AtomicUsize::new(0), AtomicUsize::new(items.len()));
    let fold = || {
        let mut state = new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index).filter(|_| index < end.load(Ordering::Relaxed)) else { return Ok(state) };
            if let Err(error) = work(&mut state, item) {
                // The items before it have been started, and may fail as well.
                end.fetch_min(index, Ordering::Relaxed);
                return Err((index, error));
            }
        }
    };
    let results: Vec<_> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads.get()).map(|_| scope.spawn(fold)).collect();
        let mut results = vec![fold()];
        results.extend(others.into_iter().map(join));
        results
    });
    let (states, errors): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    match errors.into_iter().filter_map(Result::err).min_by_key(|(index, _)| *index) {
        Some((_, error)) => Err(error),
        None => Ok(states.into_iter().filter_map(Result::ok).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    const FOUR: NonZero<usize> = NonZero::new(4).unwrap();

    #[test]
    fn results_are_taken_in_order() {
        let items: Vec<u32> = (0..100).collect();
        let mut taken = Vec::new();
        let work = |item: &u32| {
            thread::sleep(std::time::Duration::from_micros(u64::from(item * 37 % 100)));
            Ok(item * 2)
        };
        let take = |item: &u32, result| {
            assert_eq!(result, item * 2);
            taken.push(*item);
            Ok(())
        };
        in_order(FOUR, &items, work, take).unwrap();
        assert_eq!(taken, items);
    }

    #[test]
    fn nothing_is_taken_after_the_first_error() {
        let items: Vec<u32> = (0..100).collect();
        let mut taken = 0;
        let work = |item: &u32| if *item == 7 { Err(Error::refused("7", "no")) } else { Ok(()) };
        let result = in_order(FOUR, &items, work, |_, ()| {
            taken += 1;
            Ok(())
        });
        assert_eq!((result.unwrap_err().to_string(), taken), ("7: no".into(), 7));
    }

    #[test]
    fn every_item_is_folded_once() {
        let items: Vec<u32> = (0..1_000).collect();
        let push = |state: &mut Vec<u32>, item: &u32| {
            state.push(*item);
            Ok(())
        };
        let mut all = fold_in_parallel(FOUR, &items, Vec::new, push).unwrap().concat();
        all.sort_unstable();
        assert_eq!(all, items);
    }

    #[test]
    fn the_first_error_in_order_is_returned() {
        let items: Vec<u64> = (0..100).collect();
        let work = |(): &mut (), item: &u64| {
            thread::sleep(std::time::Duration::from_micros(20 * (100 - item)));
            if *item >= 7 { Err(Error::refused(item.to_string(), "no")) } else { Ok(()) }
        };
        assert_eq!(fold_in_parallel(FOUR, &items, || (), work).unwrap_err().to_string(), "7: no");
    }
}
