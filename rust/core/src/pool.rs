//! Our own threads: one pool per process and size, safe under fork.
//!
//! A forked child inherits the memory of its parent's pool but none of its threads, and would wait
//! for them forever. Pools are therefore kept by process id and never dropped: a child leaves its
//! parent's pool alone and makes its own. Rayon's global pool, which other libraries may have
//! started before a fork, is never touched.

use std::iter::Enumerate;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::vec;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::{Error, ErrorKind, Result};

/// The pools of one process, by number of threads; small and scanned.
type Pools = Mutex<Vec<(usize, &'static ThreadPool)>>;

/// The pools of the current process, by its id. Held for a few instructions only, never while a
/// pool starts, so that a fork finds it free.
static CURRENT: Mutex<Option<(u32, &'static Pools)>> = Mutex::new(None);

/// The default number of threads: the cores that this process may use.
pub fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn pools() -> &'static Pools {
    let process = std::process::id();
    let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    match *current {
        Some((owner, pools)) if owner == process => pools,
        _ => {
            let pools: &'static Pools = Box::leak(Box::default());
            *current = Some((process, pools));
            pools
        }
    }
}

fn pool(threads: usize) -> Result<&'static ThreadPool> {
    let mut known = pools().lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, pool)) = known.iter().find(|(size, _)| *size == threads) {
        return Ok(pool);
    }
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("turnmill-{index}"))
        .build()
        .map_err(|error| {
            Error::new(
                ErrorKind::Internal,
                "no-threads",
                format!("cannot start {threads} threads: {error}"),
            )
            .hint("set fewer with --threads")
        })?;
    let pool: &'static ThreadPool = Box::leak(Box::new(pool));
    known.push((threads, pool));
    Ok(pool)
}

/// Applies `work` to every item on `threads` threads and returns the results in the items' order.
/// One thread, or one item, runs on the caller's own thread. The first error in the items' order
/// wins.
pub fn map<T, R>(
    threads: usize,
    items: &[T],
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>>
where
    T: Sync,
    R: Send,
{
    if threads <= 1 || items.len() <= 1 {
        return items.iter().map(work).collect();
    }
    let results: Vec<Result<R>> =
        pool(threads)?.install(|| items.par_iter().with_max_len(1).map(&work).collect());
    results.into_iter().collect()
}

/// Lets up to `threads` workers share the items: each takes the next one as soon as it is free, and
/// keeps its results to itself. Returns what each worker returned; there is at least one. One
/// thread, or one item, runs on the caller's own thread.
///
/// After an error no worker gets another item. As items are taken in their order, all before the
/// one that failed are finished, and the first error in the items' order wins.
pub fn share<T, R>(
    threads: usize,
    items: Vec<T>,
    work: impl Fn(&mut Queue<'_, T>) -> Result<R> + Sync,
) -> Result<Vec<R>>
where
    T: Send,
    R: Send,
{
    let workers = vec![(); threads.min(items.len()).max(1)];
    let items = Mutex::new(items.into_iter().enumerate());
    let stopped = AtomicBool::new(false);
    // Not a pool for each number of workers: pools are never dropped.
    let results = map(threads, &workers, |()| {
        let mut queue = Queue {
            items: &items,
            stopped: &stopped,
            taken: None,
        };
        let result = work(&mut queue);
        if result.is_err() {
            stopped.store(true, Ordering::Relaxed);
        }
        Ok(result.map_err(|error| (queue.taken, error)))
    })?;
    first_error_or_all(results)
}

/// The items that no worker has taken yet, in their order, each with its number.
pub struct Queue<'q, T> {
    items: &'q Mutex<Enumerate<vec::IntoIter<T>>>,
    stopped: &'q AtomicBool,
    /// The number of the item that this worker took last.
    taken: Option<usize>,
}

impl<T> Iterator for Queue<'_, T> {
    type Item = (usize, T);

    fn next(&mut self) -> Option<(usize, T)> {
        if self.stopped.load(Ordering::Relaxed) {
            return None;
        }
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        let (number, item) = items.next()?;
        self.taken = Some(number);
        Some((number, item))
    }
}

fn first_error_or_all<R>(
    results: Vec<std::result::Result<R, (Option<usize>, Error)>>,
) -> Result<Vec<R>> {
    let (mut all, mut errors) = (Vec::with_capacity(results.len()), Vec::new());
    for result in results {
        match result {
            Ok(result) => all.push(result),
            Err(error) => errors.push(error),
        }
    }
    match errors.into_iter().min_by_key(|(item, _)| *item) {
        Some((_, error)) => Err(error),
        None => Ok(all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_items() {
        let items: Vec<u32> = (0..1000).collect();
        let double = |item: &u32| Ok(item * 2);
        let one = map(1, &items, double).unwrap();
        let three = map(3, &items, double).unwrap();
        assert_eq!(one, three);
        assert_eq!(one[999], 1998);
    }

    #[test]
    fn the_first_error_in_order_wins() {
        let items: Vec<u64> = (0..100).collect();
        let work = |item: &u64| {
            if *item % 10 == 7 {
                return Err(Error::new(ErrorKind::Data, "x", "x").at_row(*item));
            }
            Ok(())
        };
        let error = map(4, &items, work).unwrap_err();
        assert_eq!(error.location().row, Some(7));
    }

    #[test]
    fn workers_share_every_item_once_and_in_order() {
        for threads in [1, 3] {
            let items: Vec<usize> = (0..1000).collect();
            let parts = share(threads, items, |queue| Ok(queue.collect::<Vec<_>>())).unwrap();
            assert!((1..=threads).contains(&parts.len()));
            assert!(parts.iter().all(|part| part.is_sorted()));
            let mut all = parts.concat();
            all.sort_unstable();
            assert!(all.into_iter().eq((0..1000).map(|number| (number, number))));
        }
        assert_eq!(
            share(4, Vec::<()>::new(), |queue| Ok(queue.count())).unwrap(),
            [0]
        );
    }

    #[test]
    fn the_first_shared_item_that_fails_wins_and_ends_the_work() {
        // The worker that takes item 7 is held up until another has failed at item 8.
        let (later, earlier) = (AtomicBool::new(false), 7);
        let work = |queue: &mut Queue<'_, u64>| {
            for (number, item) in queue {
                while number == earlier && !later.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                if number >= earlier {
                    later.store(true, Ordering::Relaxed);
                    return Err(Error::new(ErrorKind::Data, "x", "x").at_row(item));
                }
            }
            Ok(())
        };
        let error = share(2, (0..1000).collect(), work).unwrap_err();
        assert_eq!(error.location().row, Some(7));
        let seen = Mutex::new(0);
        let alone = share(1, (0..1000).collect(), |queue: &mut Queue<'_, u64>| {
            queue.try_for_each(|(number, item)| {
                *seen.lock().unwrap() = number;
                match item {
                    9 => Err(Error::new(ErrorKind::Data, "x", "x").at_row(item)),
                    _ => Ok(()),
                }
            })
        });
        assert_eq!(alone.unwrap_err().location().row, Some(9));
        assert_eq!(seen.into_inner().unwrap(), 9);
    }

    #[test]
    fn a_pool_of_a_size_is_made_once() {
        let first: *const ThreadPool = pool(2).unwrap();
        let second: *const ThreadPool = pool(2).unwrap();
        assert_eq!(first, second);
    }
}
