//! The fast backend against the reference, on the first rows of the user's own data.

use super::Encoder;
use super::row::Desk;
use crate::check::RuleCounts;
use crate::tokenizer::{Backend, Encoding, Input, Tokenizer};
use crate::value::{Arena, Value};
use crate::{Result, chat};

/// Text that is compared: a fraction of a second for the reference.
const SAMPLE_BYTES: usize = 256 << 10;

/// The first difference, in words; `None` where every text has the same ids, and where the
/// reference is in use anyway.
pub(super) fn values(encoder: &Encoder, rows: &[Value<'_>]) -> Result<Option<String>> {
    let plan = &encoder.plan;
    if plan.tokenizer.backend_name() == "reference" {
        return Ok(None);
    }
    let reference = Tokenizer::load_reference(plan.tokenizer.path(), "self-check")?;
    let reader = plan.reader(encoder.inspect_values(rows)?)?;
    let arena = Arena::new();
    let mut desk = Desk::new(plan);
    let mut counts = RuleCounts::default();
    let mut compared = 0;
    for (index, row) in rows.iter().enumerate() {
        let Ok(record) = reader.read(*row, &arena, &mut counts) else {
            continue;
        };
        // A row that is rejected later on has its text on the desk nevertheless, or an empty one.
        desk.rendered.clear();
        let _ = match record {
            chat::Record::Conversation(conversation) => {
                desk.conversation(plan, &conversation, &arena)
            }
            chat::Record::Completion { prompt, completion } => {
                desk.completion(plan, prompt, completion)
            }
            chat::Record::Text(text) => desk.document(plan, text),
        };
        let text = &desk.rendered.text;
        let fast = ids(&**plan.tokenizer.backend(), text)?;
        let slow = ids(&**reference.backend(), text)?;
        if fast != slow {
            return Ok(Some(difference(index, &fast, &slow)));
        }
        compared += text.len();
        if compared > SAMPLE_BYTES {
            break;
        }
    }
    Ok(None)
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

fn difference(row: usize, fast: &[u32], slow: &[u32]) -> String {
    let same = fast.iter().zip(slow).take_while(|(a, b)| a == b).count();
    format!(
        "sample row {row}: token {same} is {:?}, the tokenizers library gives {:?}",
        fast.get(same),
        slow.get(same)
    )
}
