//! The memory that a render makes its values in, and the budget of the render.
//!
//! A template is a stranger's code. Everything that can grow or take long is paid for here: steps,
//! bytes of a string, bytes in all, stack. What cannot return an error where it notices leaves a
//! note that the next step finds.

use std::cell::Cell;
use std::ops::Deref;

use super::super::options::Limits;
use super::raise::{Raise, Raised};
use crate::value::Arena;

/// The stack that one render may take. Threads have 2 MB.
const MAX_STACK: usize = 1 << 20;

/// Bytes that are read or copied in the time of one step, about.
const BYTES_PER_STEP: usize = 64;

/// A limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Steps,
    Text,
    Memory,
    Depth,
}

/// The arena of a row while one render runs on it.
pub(crate) struct Heap<'r> {
    arena: &'r Arena,
    limits: Limits,
    steps: Cell<u64>,
    memory_at_start: usize,
    stack_at_start: usize,
    reached: Cell<Option<Limit>>,
}

impl Deref for Heap<'_> {
    type Target = Arena;

    fn deref(&self) -> &Arena {
        self.arena
    }
}

impl<'r> Heap<'r> {
    /// The budget of a render that begins here.
    pub(crate) fn new(arena: &'r Arena, limits: Limits) -> Self {
        Self {
            arena,
            limits,
            steps: Cell::new(0),
            memory_at_start: arena.allocated_bytes(),
            stack_at_start: stack_address(),
            reached: Cell::new(None),
        }
    }

    /// Pays for one step; an error once any limit was reached.
    pub(crate) fn step(&self) -> Raised<()> {
        self.spend(1);
        self.weigh();
        self.check()
    }

    fn weigh(&self) {
        let used = self.arena.allocated_bytes();
        if used.saturating_sub(self.memory_at_start) > self.limits.memory {
            self.note(Limit::Memory);
        }
    }

    /// Pays for reading `bytes`, and for a step.
    pub(crate) fn step_over(&self, bytes: usize) -> Raised<()> {
        self.spend(bytes / BYTES_PER_STEP);
        self.step()
    }

    /// Pays for `steps`.
    pub(crate) fn spend(&self, steps: usize) {
        let spent = self.steps.get() + steps as u64;
        self.steps.set(spent);
        if spent > self.limits.steps {
            self.note(Limit::Steps);
        }
    }

    /// Whether `bytes` may be added to a string or list that has `have`.
    pub(crate) fn admits(&self, have: usize, bytes: usize) -> bool {
        let fits = have
            .checked_add(bytes)
            .is_some_and(|sum| sum <= self.limits.output);
        if !fits {
            self.note(Limit::Text);
        }
        fits
    }

    /// How many items of `size` bytes are too many for one list.
    pub(crate) fn room_for(&self, size: usize) -> usize {
        self.limits.output / size.max(1) + 1
    }

    /// Refuses what would take more than the limit of one string.
    pub(crate) fn check_length(&self, bytes: usize) -> Raised<()> {
        self.admits(0, bytes);
        self.check()
    }

    /// Whether a value may be descended into: the budget lasts and the stack has room.
    pub(crate) fn descends(&self) -> bool {
        self.spend(1);
        self.weigh();
        if self.stack_at_start.abs_diff(stack_address()) > MAX_STACK {
            self.note(Limit::Depth);
        }
        self.reached.get().is_none()
    }

    /// Refuses to go deeper on the stack than a render may.
    pub(crate) fn check_stack(&self) -> Raised<()> {
        if self.descends() {
            return Ok(());
        }
        self.check()
    }

    /// `text` so many times, or nothing if that is beyond the limit.
    pub(crate) fn repeat(&self, text: &str, count: usize) -> String {
        let is_small = text
            .len()
            .checked_mul(count)
            .is_some_and(|bytes| self.admits(0, bytes));
        if is_small {
            return text.repeat(count);
        }
        self.note(Limit::Text);
        String::new()
    }

    fn note(&self, limit: Limit) {
        if self.reached.get().is_none() {
            self.reached.set(Some(limit));
        }
    }

    /// An error once any limit was reached.
    pub(crate) fn check(&self) -> Raised<()> {
        let Limits {
            steps,
            output,
            memory,
            ..
        } = self.limits;
        let what = match self.reached.get() {
            None => return Ok(()),
            Some(Limit::Steps) => format!("the template takes more than {steps} steps"),
            Some(Limit::Text) => {
                format!("the template builds a string or list of more than {output} bytes")
            }
            Some(Limit::Memory) => format!("the template needs more than {memory} bytes"),
            Some(Limit::Depth) => "the template's calls or values are nested too deeply".to_owned(),
        };
        Err(Raise::budget(what))
    }
}

/// About where the stack ends.
#[inline(never)]
fn stack_address() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(&here).addr()
}
