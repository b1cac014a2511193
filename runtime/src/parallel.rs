//! Work that several threads do and that is taken in order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use crate::error::Result;

/// Does `work` for every item, on as many threads as there are processors, and gives what comes of it to `take` in the
/// order of the items. The first error in that order ends it: what was begun is ended, and nothing more is begun or taken.
pub(crate) fn in_order<I: Sync, T: Send>(
    items: &[I],
    work: impl Fn(&I) -> Result<T> + Sync,
    mut take: impl FnMut(&I, T) -> Result<()>,
) -> Result<()> {
    let workers = thread::available_parallelism().map_or(1, usize::from).min(items.len());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

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
        in_order(&items, work, take).unwrap();
        assert_eq!(taken, items);
    }

    #[test]
    fn nothing_is_taken_behind_the_first_error() {
        let items: Vec<u32> = (0..100).collect();
        let mut taken = 0;
        let work = |item: &u32| if *item == 7 { Err(Error::refused("7", "no")) } else { Ok(()) };
        let done = in_order(&items, work, |_, ()| {
            taken += 1;
            Ok(())
        });
        assert_eq!((done.unwrap_err().to_string(), taken), ("7: no".into(), 7));
    }
}
