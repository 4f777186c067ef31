//! Many texts, on one thread or several → the ids of all, one after the other.

use std::any::Any;
use std::sync::{Arc, Mutex};

use turnmill_bpe::advise_huge;

use super::{FlatOffsets, IdRows, MAX_TEXT_BYTES, Tokenizer};
use crate::cancel::Cancel;
use crate::{Error, ErrorKind, Result, pool};

/// Text of one work item, in bytes: long enough to pay for the hand-over, short enough for Ctrl-C.
const ITEM: usize = 64 * 1024;
/// Bytes of text for each id, rather fewer than most texts have; memory for the ids is asked for
/// accordingly.
const BYTES_PER_ID: usize = 3;

/// Ids of many texts: text `i` has `ids[offsets[i]..offsets[i + 1]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlatIds {
    /// Token ids.
    pub ids: Vec<u32>,
    /// Where each text starts, and the number of ids.
    pub offsets: Vec<i64>,
}

/// Encodes texts whole, with the memory of its threads kept between calls.
pub struct BatchEncoder {
    tokenizer: Arc<Tokenizer>,
    /// One for each thread that ever worked at the same time.
    scratch: Mutex<Vec<Box<dyn Any + Send>>>,
}

impl BatchEncoder {
    /// Makes the memory of one thread, so that the first text need not wait for it.
    pub fn new(tokenizer: Tokenizer) -> Self {
        Self::sharing(Arc::new(tokenizer))
    }

    /// The same for a tokenizer that others use too.
    pub fn sharing(tokenizer: Arc<Tokenizer>) -> Self {
        let scratch = tokenizer.backend().scratch();
        Self {
            tokenizer,
            scratch: Mutex::new(vec![scratch]),
        }
    }

    /// The tokenizer itself.
    pub fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.tokenizer
    }

    /// Ids of one text, on the calling thread; control tokens in it are parsed.
    pub fn encode(&self, text: &str, add_special_tokens: bool) -> Result<Vec<u32>> {
        check_size(text.len())?;
        let mut rows = IdRows::default();
        let mut scratch = self.take_scratch();
        self.append(&mut *scratch, &[text], add_special_tokens, &mut rows)?;
        self.give_scratch(scratch);
        Ok(rows.ids)
    }

    /// Whether these texts take only milliseconds on one thread, so that they are not handed over
    /// to others.
    pub fn is_short(texts: &[&str]) -> bool {
        size(texts) < ITEM
    }

    /// Ids of many texts, which do not depend on the number of threads.
    pub fn encode_batch(
        &self,
        texts: &[&str],
        add_special_tokens: bool,
        threads: usize,
        cancel: &Cancel,
    ) -> Result<FlatIds> {
        check_sizes(texts)?;
        let items = items(texts);
        let share = size(texts) / threads.clamp(1, items.len().max(1));
        let parts = pool::share(threads, items, |queue| {
            let mut part = WorkerRows::with_room(share / BYTES_PER_ID);
            let mut scratch = self.take_scratch();
            for (number, texts) in queue {
                cancel.check()?;
                part.start_item(number);
                self.append(&mut *scratch, texts, add_special_tokens, &mut part.rows)?;
            }
            self.give_scratch(scratch);
            Ok(part)
        })?;
        let IdRows { mut ids, ends } = joined(parts, threads)?;
        ids.shrink_to_fit();
        // The same memory: both are 64 bits wide.
        let offsets = ends.into_iter().map(|end| end as i64).collect();
        Ok(FlatIds { ids, offsets })
    }

    fn append(
        &self,
        scratch: &mut dyn Any,
        texts: &[&str],
        add_special_tokens: bool,
        rows: &mut IdRows,
    ) -> Result<()> {
        let affixes = if add_special_tokens {
            (self.tokenizer.prefix(), self.tokenizer.suffix())
        } else {
            (&[][..], &[][..])
        };
        let backend = self.tokenizer.backend();
        backend.encode_rows(scratch, texts, affixes, rows)
    }

    /// Ids of many texts with their code points, which do not depend on the number of threads.
    pub fn encode_batch_with_offsets(
        &self,
        texts: &[&str],
        add_special_tokens: bool,
        threads: usize,
        cancel: &Cancel,
    ) -> Result<FlatOffsets> {
        check_sizes(texts)?;
        let parts = pool::share(threads, items(texts), |queue| {
            let mut scratch = self.take_scratch();
            let mut parts = Vec::new();
            for (number, texts) in queue {
                cancel.check()?;
                let mut part = FlatOffsets::default();
                part.append(&self.tokenizer, &mut *scratch, texts, add_special_tokens)?;
                parts.push((number, part));
            }
            self.give_scratch(scratch);
            Ok(parts)
        })?;
        let mut parts: Vec<_> = parts.into_iter().flatten().collect();
        parts.sort_unstable_by_key(|(number, _)| *number);
        Ok(FlatOffsets::joined(parts.into_iter().map(|(_, part)| part)))
    }

    /// Never waits for a lock: after a fork, the thread that held it may not exist.
    fn take_scratch(&self) -> Box<dyn Any + Send> {
        let kept = self.scratch.try_lock().ok().and_then(|mut kept| kept.pop());
        kept.unwrap_or_else(|| self.tokenizer.backend().scratch())
    }

    fn give_scratch(&self, scratch: Box<dyn Any + Send>) {
        if let Ok(mut kept) = self.scratch.try_lock() {
            kept.push(scratch);
        }
    }
}

fn check_sizes(texts: &[&str]) -> Result<()> {
    texts
        .iter()
        .zip(0..)
        .try_for_each(|(text, row)| check_size(text.len()).map_err(|error| error.at_row(row)))
}

fn check_size(bytes: usize) -> Result<()> {
    if bytes <= MAX_TEXT_BYTES {
        return Ok(());
    }
    let what = "a text has 2 GiB or more";
    Err(Error::new(ErrorKind::Data, "text-too-long", what).hint("split it into shorter texts"))
}

/// Bytes of the texts, plus one for each: empty texts are work too.
fn size(texts: &[&str]) -> usize {
    texts.iter().map(|text| text.len() + 1).sum()
}

/// Cuts the texts into work items of about [`ITEM`] bytes.
fn items<'t, 's>(texts: &'t [&'s str]) -> Vec<&'t [&'s str]> {
    let mut items = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, text) in texts.iter().enumerate() {
        bytes += size(&[text]);
        if bytes >= ITEM {
            items.push(&texts[start..=index]);
            (start, bytes) = (index + 1, 0);
        }
    }
    if start < texts.len() {
        items.push(&texts[start..]);
    }
    items
}

/// The results of one worker.
struct WorkerRows {
    /// Ends start with a 0.
    rows: IdRows,
    items: Vec<Item>,
}

/// Where the rows of an item start among those of a part.
struct Item {
    number: usize,
    ids: usize,
    ends: usize,
}

impl WorkerRows {
    fn with_room(count: usize) -> Self {
        Self {
            rows: IdRows {
                ids: room(count),
                ends: vec![0],
            },
            items: Vec::new(),
        }
    }

    fn start_item(&mut self, number: usize) {
        self.items.push(Item {
            number,
            ids: self.rows.ids.len(),
            ends: self.rows.ends.len(),
        });
    }

    /// Each item with its ids, the ends of its rows and the number of ids before it.
    fn slices(&self) -> impl Iterator<Item = Slice<'_>> {
        let IdRows { ids, ends } = &self.rows;
        let next = self.items.iter().skip(1).map(|item| (item.ids, item.ends));
        let next = next.chain([(ids.len(), ends.len())]);
        self.items.iter().zip(next).map(|(item, next)| Slice {
            number: item.number,
            ids: &ids[item.ids..next.0],
            ends: &ends[item.ends..next.1],
            before: item.ids,
        })
    }
}

/// Reserves memory for an estimated number of ids. If that fails, the memory grows as needed.
fn room(count: usize) -> Vec<u32> {
    let mut ids = Vec::new();
    let _ = ids.try_reserve_exact(count);
    advise_huge(ids.spare_capacity_mut());
    ids
}

/// The rows of one item.
struct Slice<'p> {
    number: usize,
    ids: &'p [u32],
    ends: &'p [usize],
    before: usize,
}

/// All rows in the order of the items; ends start with a 0.
fn joined(mut parts: Vec<WorkerRows>, threads: usize) -> Result<IdRows> {
    if parts.len() == 1
        && let Some(part) = parts.pop()
    {
        return Ok(part.rows);
    }
    let mut slices: Vec<Slice<'_>> = parts.iter().flat_map(WorkerRows::slices).collect();
    slices.sort_unstable_by_key(|slice| slice.number);
    let count = |length: fn(&Slice<'_>) -> usize| slices.iter().map(length).sum::<usize>();
    let mut rows = IdRows {
        ids: vec![0; count(|slice| slice.ids.len())],
        ends: vec![0; 1 + count(|slice| slice.ends.len())],
    };
    advise_huge(&mut rows.ids);
    pool::share(threads, copies(slices, &mut rows), |queue| {
        queue.for_each(|(_, copy)| copy.run());
        Ok(())
    })?;
    Ok(rows)
}

/// One item on its way to its place among all.
struct Copy<'p, 'r> {
    from: Slice<'p>,
    ids: &'r mut [u32],
    ends: &'r mut [usize],
    before: usize,
}

fn copies<'p, 'r>(slices: Vec<Slice<'p>>, rows: &'r mut IdRows) -> Vec<Copy<'p, 'r>> {
    let (mut ids, mut ends) = (&mut rows.ids[..], &mut rows.ends[1..]);
    let mut before = 0;
    let mut copies = Vec::with_capacity(slices.len());
    for from in slices {
        let (own_ids, own_ends);
        (own_ids, ids) = ids.split_at_mut(from.ids.len());
        (own_ends, ends) = ends.split_at_mut(from.ends.len());
        let start = before;
        before += from.ids.len();
        copies.push(Copy {
            from,
            ids: own_ids,
            ends: own_ends,
            before: start,
        });
    }
    copies
}

impl Copy<'_, '_> {
    fn run(self) {
        self.ids.copy_from_slice(self.from.ids);
        for (to, end) in self.ends.iter_mut().zip(self.from.ends) {
            *to = self.before + (end - self.from.before);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Backend, Encoding, Input};
    use super::*;

    fn tokenizer() -> Tokenizer {
        let folder = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../python/turnmill/demo/tokenizer"
        );
        Tokenizer::load(Path::new(folder)).unwrap()
    }

    fn encode(encoder: &BatchEncoder, texts: &[&str], threads: usize) -> Result<FlatIds> {
        encoder.encode_batch(texts, false, threads, &Cancel::default())
    }

    /// A backend for tests: one id for each text, its length. A text of digits fails at the row of
    /// that number.
    struct Lengths;

    impl Backend for Lengths {
        fn scratch(&self) -> Box<dyn Any + Send> {
            Box::new(())
        }

        fn with_structural(&self, _: &[u32]) -> Result<Arc<dyn Backend>> {
            Ok(Arc::new(Self))
        }

        fn encode(
            &self,
            _: &mut dyn Any,
            input: &Input<'_>,
            encoding: &mut Encoding,
        ) -> Result<()> {
            if let Ok(row) = input.text.parse() {
                return Err(Error::new(ErrorKind::Data, "x", "x").at_row(row));
            }
            encoding.ids = vec![input.text.len() as u32];
            Ok(())
        }

        fn encode_with_ranges(
            &self,
            scratch: &mut dyn Any,
            text: &str,
            ids: &mut Vec<u32>,
            ranges: &mut Vec<(u32, u32)>,
        ) -> Result<()> {
            let mut encoding = Encoding::default();
            self.encode(
                scratch,
                &crate::tokenizer::backend::whole(text),
                &mut encoding,
            )?;
            *ids = encoding.ids;
            *ranges = vec![(0, text.len() as u32)];
            Ok(())
        }
    }

    fn lengths() -> BatchEncoder {
        let mut tokenizer = tokenizer();
        tokenizer.backend = Arc::new(Lengths);
        tokenizer.affixes.prefix = vec![7];
        BatchEncoder::new(tokenizer)
    }

    #[test]
    fn rows_are_the_texts_one_by_one_on_any_number_of_threads() {
        let encoder = BatchEncoder::new(tokenizer());
        let long = "to be or not to be ".repeat(5000);
        let parts = (0..3000).map(|n| &long[n % 7..n * n % 2000 + 7]);
        let texts: Vec<&str> = parts.chain(["", &long, "", ""]).collect();
        let one = encode(&encoder, &texts, 1).unwrap();
        assert_eq!(one.offsets.len(), texts.len() + 1);
        assert!(items(&texts).len() > 20);
        for (text, row) in texts.iter().zip(one.offsets.windows(2)) {
            let row = &one.ids[row[0] as usize..row[1] as usize];
            assert_eq!(encoder.encode(text, false).unwrap(), row);
        }
        for threads in [2, 3, 64] {
            assert_eq!(encode(&encoder, &texts, threads).unwrap(), one);
        }
    }

    #[test]
    fn a_batch_without_ids_has_its_offsets() {
        let encoder = BatchEncoder::new(tokenizer());
        for (texts, offsets) in [(&[][..], &[0][..]), (&["", ""], &[0, 0, 0])] {
            let flat = encode(&encoder, texts, 2).unwrap();
            assert_eq!((flat.ids.len(), &flat.offsets[..]), (0, offsets));
        }
    }

    #[test]
    fn special_tokens_frame_every_text() {
        let long = "x".repeat(ITEM);
        let texts = [&long, "a", &long, ""];
        let encoder = lengths();
        let encode = |threads| encoder.encode_batch(&texts, true, threads, &Cancel::default());
        let expected = FlatIds {
            ids: vec![7, ITEM as u32, 7, 1, 7, ITEM as u32, 7, 0],
            offsets: vec![0, 2, 4, 6, 8],
        };
        assert_eq!(encode(1).unwrap(), expected);
        assert_eq!(encode(2).unwrap(), expected);
    }

    #[test]
    fn the_first_error_in_the_order_of_the_texts_wins() {
        let long = "x".repeat(ITEM);
        let mut texts = vec![&*long; 40];
        (texts[11], texts[12], texts[30]) = ("11", "12", "30");
        let encoder = lengths();
        for threads in [1, 2, 3] {
            for _ in 0..20 {
                let error = encode(&encoder, &texts, threads).unwrap_err();
                assert_eq!(error.location().row, Some(11));
            }
        }
    }

    #[test]
    fn a_text_has_31_bits_for_its_places() {
        assert!(check_size((1 << 31) - 1).is_ok());
        let error = check_size(1 << 31).unwrap_err();
        assert_eq!(error.code(), "text-too-long");
    }

    #[test]
    fn a_cancelled_batch_ends_before_its_first_text() {
        let cancel = Cancel::default();
        cancel.cancel();
        let encoder = lengths();
        for threads in [1, 2] {
            let error = encoder.encode_batch(&["1"], false, threads, &cancel);
            assert_eq!(error.unwrap_err().kind(), ErrorKind::Cancelled);
        }
    }
}
