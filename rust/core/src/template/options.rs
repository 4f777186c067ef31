//! What a template is compiled with: special tokens, the date it sees, limits.

/// A point in local time, as `datetime.now()` would give it: what `strftime_now` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// Year, 1 to 9999.
    pub year: i32,
    /// Month, 1 to 12.
    pub month: u32,
    /// Day of the month, from 1.
    pub day: u32,
    /// Hour, 0 to 23.
    pub hour: u32,
    /// Minute, 0 to 59.
    pub minute: u32,
    /// Second, 0 to 59.
    pub second: u32,
    /// Microsecond, 0 to 999,999.
    pub microsecond: u32,
}

impl Default for LocalTime {
    /// A fixed date, so that a render never depends on the clock by accident.
    fn default() -> Self {
        Self {
            year: 2024,
            month: 1,
            day: 1,
            hour: 0,
            minute: 0,
            second: 0,
            microsecond: 0,
        }
    }
}

/// Limits of one render. A template is a stranger's code: beyond a limit the render is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Statements, loop turns and what else takes as long: 64 bytes read, a value compared.
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

impl Limits {
    /// What a probe of a few short messages may take.
    pub(super) const PROBE: Self = Self {
        steps: 1_000_000,
        output: 1 << 24,
        depth: 200,
        memory: 1 << 26,
    };

    /// No more than `other` in anything.
    pub(super) fn at_most(self, other: Self) -> Self {
        Self {
            steps: self.steps.min(other.steps),
            output: self.output.min(other.output),
            depth: self.depth.min(other.depth),
            memory: self.memory.min(other.memory),
        }
    }
}

/// Where the spans of the turns come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpanSource {
    /// The template's `{% generation %}` tags where it has them, else inferred.
    #[default]
    Auto,
    /// The tags; a template without them has no spans.
    Tags,
    /// Inferred, tags or not.
    Inferred,
}

/// What a template is compiled with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Variables every render sees unless the row sets them: `bos_token`, `eos_token` and the
    /// other special tokens that are set, with their text.
    pub special_tokens: Vec<(String, String)>,
    /// The date that `strftime_now` prints.
    pub now: LocalTime,
    /// Limits of one render.
    pub limits: Limits,
    /// Where spans come from.
    pub spans: SpanSource,
}
