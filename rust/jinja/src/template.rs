//! A compiled template.

use crate::compile::compile;
use crate::compile::program::Program;
use crate::data::Arena;
use crate::error::{Error, Result};
use crate::inputs::Inputs;
use crate::provenance::Provenance;
use crate::run::interpret::run;

/// The bytes of the longest source that is compiled. A template of short tags takes eighty times the
/// memory of its source, and chat templates have some tens of kilobytes at most.
const MOST_SOURCE: usize = 1 << 20;

/// A compiled template. It can be shared between threads.
///
/// ```
/// use turnmill_jinja::{Arena, Input, Inputs, Map, Template, Value};
///
/// let source = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{{ eos }}";
/// let template = Template::new(source)?;
/// assert_eq!(template.variables(), ["eos", "messages"]);
///
/// let mut arena = Arena::new();
/// let mut text = String::new();
/// for content in ["Hi", "Bye"] {
///     arena.reset();
///     let message = [("role", Value::Str("user")), ("content", Value::Str(content))];
///     let inputs = Inputs {
///         values: &[("messages", Input::records(&[Map::new(&message)], &arena))],
///         constants: &[("eos".to_owned(), "</s>".to_owned())],
///         ..Inputs::default()
///     };
///     template.render(&arena, &inputs, &mut text)?;
///     assert_eq!(text, format!("<user>{content}</s>"));
/// }
/// # Ok::<(), turnmill_jinja::Error>(())
/// ```
#[derive(Debug)]
pub struct Template(Program);

impl Template {
    /// Compiles a template.
    ///
    /// ```
    /// let error = turnmill_jinja::Template::new("{% for m in %}").unwrap_err();
    /// assert_eq!(error.line(), Some(1));
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Syntax`](crate::ErrorKind::Syntax) with the line, where jinja2 raises
    /// `TemplateSyntaxError`, and for a source of more than 1 MiB.
    pub fn new(source: &str) -> Result<Self> {
        if source.len() > MOST_SOURCE {
            let length = source.len();
            let what = format!("the template has {length} bytes, {MOST_SOURCE} are allowed");
            return Err(Error::syntax(what, 1));
        }
        compile(source).map(Self)
    }

    /// Renders into `text`, which is cleared first; its memory is reused.
    ///
    /// The values of the render are made in `arena`, which is the caller's to reset.
    ///
    /// # Errors
    /// [`ErrorKind::Raised`](crate::ErrorKind::Raised) where Python raises, and
    /// [`ErrorKind::Budget`](crate::ErrorKind::Budget) beyond a limit, with the line. `text` is
    /// empty then.
    pub fn render<'r>(
        &'r self,
        arena: &'r Arena,
        inputs: &Inputs<'r>,
        text: &mut String,
    ) -> Result<Provenance<'r>> {
        let buffer = std::mem::take(text);
        let (output, result) = run(&self.0, *inputs, buffer, arena);
        *text = output.text;
        match result {
            Ok(()) => Ok(Provenance::new(
                output.fragments.into_bump_slice_mut(),
                output.contexts.into_bump_slice(),
            )),
            Err(error) => {
                text.clear();
                Err(error)
            }
        }
    }

    /// Text that the template itself can print: the text outside its tags, and its string
    /// constants, sorted.
    ///
    /// ```
    /// let template = turnmill_jinja::Template::new("<s>{{ '[INST]' if x }}")?;
    /// assert_eq!(template.literals(), ["<s>", "[INST]"]);
    /// # Ok::<(), turnmill_jinja::Error>(())
    /// ```
    pub fn literals(&self) -> &[String] {
        &self.0.literals
    }

    /// Names that the template looks up among what a render is given, sorted.
    pub fn variables(&self) -> &[String] {
        &self.0.variables
    }

    /// Whether the template has `{% generation %}` blocks.
    ///
    /// ```
    /// let template = turnmill_jinja::Template::new("{% generation %}x{% endgeneration %}")?;
    /// assert!(template.has_generation());
    /// # Ok::<(), turnmill_jinja::Error>(())
    /// ```
    pub fn has_generation(&self) -> bool {
        self.0.has_generation
    }
}
