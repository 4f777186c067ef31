//! Where every byte of a rendered text came from.

use crate::run::output::Context;
use crate::value::origin::Fragment;

/// Where every byte of a rendered text came from, and what it belonged to when it was written.
///
/// ```
/// use turnmill_jinja::{Arena, Input, Inputs, Map, OriginKind, Template, Value};
///
/// let template = Template::new("{% for r in rows %}- {{ r.name }}\n{% endfor %}")?;
/// let arena = Arena::new();
/// let rows = ["Ada", "Bob"].map(|name| {
///     Map::new(arena.alloc_slice_copy(&[("name", Value::Str(name))]))
/// });
/// let inputs = Inputs {
///     values: &[("rows", Input::records(&rows, &arena))],
///     ..Inputs::default()
/// };
/// let mut text = String::new();
/// let mut provenance = template.render(&arena, &inputs, &mut text)?;
/// assert_eq!(text, "- Ada\n- Bob\n");
///
/// // "Bob" came from row 1; the dash before it is the template's, written for row 1.
/// let [.., dash, bob, _] = provenance.fragments() else { unreachable!() };
/// assert_eq!(bob.origin.kind(), OriginKind::Record { index: 1, field: 1 });
/// assert_eq!(dash.origin.kind(), OriginKind::Template);
/// assert_eq!(provenance.context(dash).record, Some(1));
///
/// text.truncate(4);
/// provenance.truncate(4);
/// assert_eq!(provenance.fragments().last().map(|fragment| fragment.end), Some(4));
/// # Ok::<(), turnmill_jinja::Error>(())
/// ```
#[derive(Debug)]
pub struct Provenance<'r> {
    fragments: &'r mut [Fragment],
    contexts: &'r [Context],
}

impl<'r> Provenance<'r> {
    pub(crate) fn new(fragments: &'r mut [Fragment], contexts: &'r [Context]) -> Self {
        Self {
            fragments,
            contexts,
        }
    }

    /// A partition of the text, in order: neighbours differ in origin or in context.
    #[inline]
    pub fn fragments(&self) -> &[Fragment] {
        self.fragments
    }

    /// What a fragment belonged to when it was written.
    #[inline]
    pub fn context(&self, fragment: &Fragment) -> Context {
        self.contexts[fragment.context as usize]
    }

    /// Drops everything after `end` of the text.
    pub fn truncate(&mut self, end: u32) {
        let fragments = std::mem::take(&mut self.fragments);
        let before = fragments.partition_point(|fragment| fragment.end < end);
        let kept = fragments.len().min(before + 1);
        self.fragments = &mut fragments[..kept];
        if let Some(last) = self.fragments.last_mut() {
            last.end = last.end.min(end);
        }
    }
}
