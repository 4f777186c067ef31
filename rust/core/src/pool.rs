//! Our own threads: one pool per process and size, safe under fork.
//!
//! A forked child inherits the memory of its parent's pool but none of its threads, and would wait
//! for them for ever. Pools are therefore kept by process id and never dropped: a child leaves its
//! parent's pool alone and makes its own. Rayon's global pool, which other libraries may have
//! started before a fork, is never touched.

use std::sync::Mutex;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::{Error, ErrorKind, Result};

/// The pools of one process, by number of threads; small and scanned.
type Pools = Mutex<Vec<(usize, &'static ThreadPool)>>;

/// The pools of the current process, by its id. Held for a few instructions only, never while a
/// pool starts, so that a fork finds it free.
static CURRENT: Mutex<Option<(u32, &'static Pools)>> = Mutex::new(None);

/// Number of threads when the caller does not say: the cores this process may use.
pub fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn pools() -> &'static Pools {
    let process = std::process::id();
    let mut current = CURRENT
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
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
    let mut known = pools()
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
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
    fn a_pool_of_a_size_is_made_once() {
        let first: *const ThreadPool = pool(2).unwrap();
        let second: *const ThreadPool = pool(2).unwrap();
        assert_eq!(first, second);
    }
}
