//! The memory that a render makes its values in, and the budget of the render.
//!
//! A template is untrusted code. Everything that can grow or take long is charged here: steps,
//! bytes of a string, bytes in total, stack. Code that cannot return an error where it notices an
//! excess leaves a note, and the next step returns the error.

use std::cell::Cell;
use std::ops::Deref;

use crate::data::Arena;
use crate::error::{Error, Result};

/// The stack that one render may take. Threads have 2 MB.
const MAX_STACK: usize = 1 << 20;

/// About how many bytes are read or copied in the time of one step.
const BYTES_PER_STEP: usize = 64;

/// About how many names are compared in the time of one step.
const NAMES_PER_STEP: usize = 16;

/// Memory is measured once in this many steps, and whenever at least [`LARGE`] is requested.
const STEPS_BETWEEN_WEIGHINGS: u64 = 64;

/// A large request, in bytes. With the steps between measurements, memory can exceed the limit by 4
/// MB and one string or list.
const LARGE: usize = 1 << 16;

/// Limits of one render. A template is untrusted code; beyond a limit the render fails.
///
/// ```
/// use turnmill_jinja::{Arena, ErrorKind, Inputs, Limits, Template};
///
/// let inputs = Inputs {
///     limits: Limits { output: 1000, ..Limits::default() },
///     ..Inputs::default()
/// };
/// let template = Template::new("{{ 'a' * 1000000000 }}")?;
/// let error = template.render(&Arena::new(), &inputs, &mut String::new()).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Budget);
/// # Ok::<(), turnmill_jinja::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Statements, passes of loops, and anything else that takes as long: 64 bytes read, a value
    /// compared.
    pub steps: u64,
    /// Bytes of rendered text, and of any string or list made on the way.
    pub output: usize,
    /// Calls inside calls.
    pub depth: u32,
    /// Bytes of memory of the values a render makes.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 50_000_000,
            output: 1 << 27,
            depth: 200,
            memory: 1 << 29,
        }
    }
}

/// A limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Steps,
    Text,
    Memory,
    Depth,
}

/// The arena of a row while one render runs on it.
pub(crate) struct RunArena<'r> {
    arena: &'r Arena,
    limits: Limits,
    /// The caller's classes of the keys of records; here because every value that is taken out of
    /// a record asks for one, and has the arena.
    field_class: fn(&str) -> u8,
    steps: Cell<u64>,
    /// The step at which limits are checked next.
    due: Cell<u64>,
    memory_at_start: usize,
    stack_at_start: usize,
    reached: Cell<Option<Limit>>,
}

impl Deref for RunArena<'_> {
    type Target = Arena;

    fn deref(&self) -> &Arena {
        self.arena
    }
}

impl<'r> RunArena<'r> {
    /// The budget of a render that begins here.
    pub(crate) fn new(arena: &'r Arena, limits: Limits, field_class: fn(&str) -> u8) -> Self {
        Self {
            arena,
            limits,
            field_class,
            steps: Cell::new(0),
            due: Cell::new(0),
            memory_at_start: arena.allocated_bytes(),
            stack_at_start: stack_address(),
            reached: Cell::new(None),
        }
    }

    /// The class of a key of a record.
    pub(crate) fn field_class(&self, key: &str) -> u8 {
        (self.field_class)(key)
    }

    /// Pays for one step; an error once any limit was reached.
    pub(crate) fn step(&self) -> Result<()> {
        self.spend(1);
        self.check()
    }

    /// Checks the limits.
    #[cold]
    fn weigh(&self) {
        let spent = self.steps.get();
        if spent > self.limits.steps {
            self.note(Limit::Steps);
        }
        let used = self.arena.allocated_bytes();
        if used.saturating_sub(self.memory_at_start) > self.limits.memory {
            self.note(Limit::Memory);
        }
        let next = spent + STEPS_BETWEEN_WEIGHINGS;
        self.due.set(next.min(self.limits.steps + 1));
    }

    /// Pays for reading `bytes`, and for a step.
    pub(crate) fn step_over(&self, bytes: usize) -> Result<()> {
        self.spend(bytes / BYTES_PER_STEP);
        self.step()
    }

    /// Pays for `steps`.
    pub(crate) fn spend(&self, steps: usize) {
        let spent = self.steps.get() + steps as u64;
        self.steps.set(spent);
        if spent >= self.due.get() {
            self.weigh();
        }
    }

    /// Pays for finding a name among `names`.
    pub(crate) fn spend_on_names(&self, names: usize) {
        if names >= NAMES_PER_STEP {
            self.spend(names / NAMES_PER_STEP);
        }
    }

    /// Whether `bytes` may be added to a string or list that has `have`.
    pub(crate) fn admits(&self, have: usize, bytes: usize) -> bool {
        let fits = have
            .checked_add(bytes)
            .is_some_and(|sum| sum <= self.limits.output);
        if !fits {
            self.note(Limit::Text);
        } else if have + bytes >= LARGE {
            self.weigh();
        }
        fits
    }

    /// How many items of `size` bytes are too many for one list.
    pub(crate) fn room_for(&self, size: usize) -> usize {
        self.limits.output / size.max(1) + 1
    }

    /// Refuses requests beyond the limit of one string.
    pub(crate) fn check_length(&self, bytes: usize) -> Result<()> {
        self.admits(0, bytes);
        self.check()
    }

    /// Whether a value may be descended into: the budget lasts and the stack has room.
    pub(crate) fn descends(&self) -> bool {
        self.spend(1);
        if self.stack_at_start.abs_diff(stack_address()) > MAX_STACK {
            self.note(Limit::Depth);
        }
        self.reached.get().is_none()
    }

    /// Refuses to go deeper on the stack than a render may.
    pub(crate) fn check_stack(&self) -> Result<()> {
        if self.descends() {
            return Ok(());
        }
        self.check()
    }

    /// `text` repeated, or nothing if that is beyond the limit.
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

    /// A copy of a string.
    pub(crate) fn alloc_str(&self, text: &str) -> &'r mut str {
        self.admits(0, text.len());
        self.arena.alloc_str(text)
    }

    /// A copy of a slice.
    pub(crate) fn alloc_slice_copy<T: Copy>(&self, items: &[T]) -> &'r mut [T] {
        self.admits(0, size_of_val(items));
        self.arena.alloc_slice_copy(items)
    }

    /// A slice of the items of an iterator.
    pub(crate) fn alloc_slice_fill_iter<T>(
        &self,
        items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
    ) -> &'r mut [T] {
        let items = items.into_iter();
        self.admits(0, items.len() * size_of::<T>());
        self.arena.alloc_slice_fill_iter(items)
    }

    fn note(&self, limit: Limit) {
        if self.reached.get().is_none() {
            self.reached.set(Some(limit));
        }
    }

    /// An error once any limit was reached.
    pub(crate) fn check(&self) -> Result<()> {
        match self.reached.get() {
            None => Ok(()),
            Some(limit) => Err(self.beyond(limit)),
        }
    }

    #[cold]
    fn beyond(&self, limit: Limit) -> Error {
        let Limits {
            steps,
            output,
            memory,
            ..
        } = self.limits;
        Error::budget(match limit {
            Limit::Steps => format!("the template takes more than {steps} steps"),
            Limit::Text => {
                format!("the template builds a string or list of more than {output} bytes")
            }
            Limit::Memory => format!("the template needs more than {memory} bytes"),
            Limit::Depth => "the template's calls or values are nested too deeply".to_owned(),
        })
    }
}

/// The approximate end of the stack.
#[inline(never)]
fn stack_address() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(&here).addr()
}
