//! A number for each code point, made when a text has a character of its block.

use std::sync::OnceLock;

/// Code points of a block.
const BLOCK: usize = 1 << 8;
const BLOCKS: usize = 0x11_0000 / BLOCK;

/// The numbers of all code points.
#[derive(Debug)]
pub(super) struct Codes {
    blocks: Box<[OnceLock<Box<[u32; BLOCK]>>]>,
}

impl Codes {
    /// Knows no number yet.
    pub(super) fn new() -> Self {
        Self {
            blocks: (0..BLOCKS).map(|_| OnceLock::new()).collect(),
        }
    }

    /// The number of a character, which is `number` of it; always ask for the same.
    #[inline]
    pub(super) fn get(&self, c: char, number: impl Fn(char) -> u32) -> u32 {
        let (block, place) = (c as usize / BLOCK, c as usize % BLOCK);
        self.blocks[block].get_or_init(|| made(block, number))[place]
    }
}

#[cold]
fn made(block: usize, number: impl Fn(char) -> u32) -> Box<[u32; BLOCK]> {
    let c = |place: usize| char::from_u32((block * BLOCK + place) as u32);
    Box::new(std::array::from_fn(|place| c(place).map_or(0, &number)))
}
