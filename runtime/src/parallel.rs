//! Work that several threads do: taken in order, or shared out.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::{self, ScopedJoinHandle};

use crate::error::Result;

/// Does `work` for every item, on so many threads, and gives what comes of it to `take` in the
/// order of the items. The first error in that order ends it: what was begun is ended, and nothing more is begun or taken.
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
    let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let (sender, done) = mpsc::channel();
        for _ in 0..workers {
            let sender = sender.clone();
            let (work, next, is_over) = (&work, &next, &is_over);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(place) else { break };
                    if sender.send((place, work(item))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut each = |place: usize| {
            while !early.contains_key(&place) {
                // When all threads are gone before everything is done, one of them panicked, which the scope tells.
                let Ok((other, result)) = done.recv() else { return Ok(()) };
                early.insert(other, result);
            }
            early.remove(&place).map_or(Ok(()), |result| take(&items[place], result?))
        };
        let all = (0..items.len()).try_for_each(&mut each);
        is_over.store(true, Ordering::Relaxed);
        all
    })
}

/// Waits for a thread and returns its result. A panic of the thread becomes a panic here.
pub(crate) fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Shares the items out among so many threads. Each does `work` for one after the other, on what `new` made for it; all of
/// these are returned. The first error in the order of the items ends it, as it would end one thread.
pub(crate) fn shared_out<I: Sync, S: Send>(
    threads: NonZero<usize>,
    items: &[I],
    new: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, &I) -> Result<()> + Sync,
) -> Result<Vec<S>> {
    let (next, end) = (AtomicUsize::new(0), AtomicUsize::new(items.len()));
    let share = || {
        let mut done = new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(place).filter(|_| place < end.load(Ordering::Relaxed)) else { return Ok(done) };
            if let Err(error) = work(&mut done, item) {
                // What stands in front of it was begun, and may fail as well.
                end.fetch_min(place, Ordering::Relaxed);
                return Err((place, error));
            }
        }
    };
    let all: Vec<_> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads.get()).map(|_| scope.spawn(share)).collect();
        let mut all = vec![share()];
        all.extend(others.into_iter().map(join));
        all
    });
    let (done, failed): (Vec<_>, Vec<_>) = all.into_iter().partition(Result::is_ok);
    match failed.into_iter().filter_map(Result::err).min_by_key(|(place, _)| *place) {
        Some((_, error)) => Err(error),
        None => Ok(done.into_iter().filter_map(Result::ok).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    const FOUR: NonZero<usize> = NonZero::new(4).unwrap();

    #[test]
    fn what_comes_of_it_is_taken_in_order() {
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
    fn nothing_is_taken_behind_the_first_error() {
        let items: Vec<u32> = (0..100).collect();
        let mut taken = 0;
        let work = |item: &u32| if *item == 7 { Err(Error::refused("7", "no")) } else { Ok(()) };
        let done = in_order(FOUR, &items, work, |_, ()| {
            taken += 1;
            Ok(())
        });
        assert_eq!((done.unwrap_err().to_string(), taken), ("7: no".into(), 7));
    }

    #[test]
    fn every_item_is_in_one_share() {
        let items: Vec<u32> = (0..1_000).collect();
        let take = |share: &mut Vec<u32>, item: &u32| {
            share.push(*item);
            Ok(())
        };
        let mut all = shared_out(FOUR, &items, Vec::new, take).unwrap().concat();
        all.sort_unstable();
        assert_eq!(all, items);
    }

    #[test]
    fn the_first_error_in_order_is_told() {
        let items: Vec<u64> = (0..100).collect();
        let work = |(): &mut (), item: &u64| {
            thread::sleep(std::time::Duration::from_micros(20 * (100 - item)));
            if *item >= 7 { Err(Error::refused(item.to_string(), "no")) } else { Ok(()) }
        };
        assert_eq!(shared_out(FOUR, &items, || (), work).unwrap_err().to_string(), "7: no");
    }
}
