//! How a post-processor trims the offsets of tokens.

use serde_json::Value as Json;

/// A post-processor that takes spaces off the offsets of tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trimming {
    /// The first token has a space of its own making.
    adds_space: bool,
}

impl Trimming {
    /// Of `post_processor` of a `tokenizer.json`.
    pub(super) fn of(processor: &Json) -> Option<Self> {
        let on = |name: &str| processor.get(name).and_then(Json::as_bool).unwrap_or(true);
        match processor.get("type")?.as_str()? {
            "ByteLevel" | "RobertaProcessing" if on("trim_offsets") => Some(Self {
                adds_space: on("add_prefix_space"),
            }),
            "Sequence" => {
                let parts = processor.get("processors")?.as_array()?;
                parts.iter().find_map(Self::of)
            }
            _ => None,
        }
    }

    /// Trims the range of each id; `spaces` counts those at the start and the end of a token.
    pub(super) fn trim(
        self,
        ids: &[u32],
        ranges: &mut [(u32, u32)],
        spaces: impl Fn(u32) -> (u32, u32),
    ) {
        for (index, (&id, range)) in ids.iter().zip(ranges).enumerate() {
            let (mut leading, trailing) = spaces(id);
            let is_first = index == 0 || range.0 == 0;
            if is_first && self.adds_space {
                leading = leading.saturating_sub(1);
            }
            range.0 = (range.0 + leading).min(range.1);
            if range.1 >= trailing {
                range.1 = (range.1 - trailing).max(range.0);
            }
        }
    }
}
