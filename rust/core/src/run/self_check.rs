//! Compares the fast backend with the reference on the first rows of the user's own data.

use std::time::{Duration, Instant};

use super::encoder::Encoder;
use crate::Result;
use crate::row::{self, Draft, RowOutput, Scratch};
use crate::rules::RuleCounts;
use crate::tokenizer::{Backend, Encoding, Input, Tokenizer};
use crate::value::{Arena, Value};

/// Bytes of text to compare: a fraction of a second for the reference.
const SAMPLE_BYTES: usize = 256 << 10;
/// The comparison ends after the text with which it has taken longer than this.
const SAMPLE_TIME: Duration = Duration::from_millis(300);
/// Tokens shown on both sides of a difference.
const SHOWN_TOKENS: usize = 6;

/// The result of comparing the two backends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelfCheck {
    /// Bytes of text whose ids were compared; 0 if the reference is in use anyway.
    pub compared: usize,
    /// The first difference, with the text; `None` if the ids are equal.
    pub difference: Option<String>,
}

impl Encoder {
    /// Compares the fast tokenizer backend with the reference on the first of these rows. Loads the
    /// reference for it, which takes a second; callers cache the verdict by [`Tokenizer::hash`] and
    /// version.
    pub fn self_check(&self, rows: &[Value<'_>]) -> Result<SelfCheck> {
        let plan = &self.plan;
        let mut check = SelfCheck::default();
        if plan.tokenizer.backend_name() == "reference" {
            return Ok(check);
        }
        let reference = Tokenizer::load_reference(plan.tokenizer.path(), "self-check")?;
        let reader = plan.reader(self.inspect_values(rows)?.schema)?;
        let started = Instant::now();
        let arena = Arena::new();
        let (mut scratch, mut draft) = (Scratch::new(plan), Draft::default());
        let (mut output, mut counts) = (RowOutput::default(), RuleCounts::default());
        for (index, value) in rows.iter().enumerate() {
            let Ok(record) = reader.read(*value, &arena, &mut counts) else {
                continue;
            };
            output.clear(false);
            // The draft of a refused row may still have a text; otherwise its text is empty.
            let _ = row::encode(plan, &record, &arena, &mut scratch, &mut draft, &mut output);
            let text = head(&draft.rendered.text, SAMPLE_BYTES);
            let fast = ids(&**plan.tokenizer.backend(), text)?;
            let slow = ids(&**reference.backend(), text)?;
            check.compared += text.len();
            if fast != slow {
                check.difference = Some(difference(index, &fast, &slow, &plan.tokenizer));
            }
            let enough = check.compared > SAMPLE_BYTES || started.elapsed() > SAMPLE_TIME;
            if enough || check.difference.is_some() {
                break;
            }
        }
        Ok(check)
    }
}

/// The first characters of a text, at most this many bytes; a single row may be a whole book.
fn head(text: &str, bytes: usize) -> &str {
    let mut ends = (0..=bytes.min(text.len())).rev();
    let end = ends.find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

fn ids(backend: &dyn Backend, text: &str) -> Result<Vec<u32>> {
    let mut encoding = Encoding::default();
    let input = Input {
        text,
        content: &[],
        cuts: &[],
        marks: &[],
    };
    backend.encode(&mut *backend.scratch(), &input, &mut encoding)?;
    Ok(encoding.ids)
}

/// The first difference between two lists of ids, and the text there.
fn difference(row: usize, fast: &[u32], slow: &[u32], tokenizer: &Tokenizer) -> String {
    let same = fast.iter().zip(slow).take_while(|(a, b)| a == b).count();
    let around = same.saturating_sub(SHOWN_TOKENS)..slow.len().min(same + SHOWN_TOKENS);
    let bytes: Vec<u8> = slow[around]
        .iter()
        .flat_map(|id| tokenizer.id_to_bytes(*id).to_vec())
        .collect();
    let shown = |id: Option<&u32>| id.map_or_else(|| "no id".to_owned(), u32::to_string);
    format!(
        "in row {row} of the sample, token {same}, in the text {:?}: {} instead of {}",
        String::from_utf8_lossy(&bytes),
        shown(fast.get(same)),
        shown(slow.get(same))
    )
}
