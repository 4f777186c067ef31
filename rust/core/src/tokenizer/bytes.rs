//! The bytes that each id stands for.

use rustc_hash::FxHashMap;
use serde_json::Value as Json;

use super::AddedToken;
use super::files::TokenizerFile;

/// How a vocabulary spells bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    /// One printable character for each byte, as GPT-2.
    ByteLevel,
    /// `▁` for a space, `<0x0A>` for single bytes where there is a byte fallback.
    Pieces { byte_fallback: bool },
}

/// Bytes by id, flat.
#[derive(Debug)]
pub(super) struct TokenBytes {
    bytes: Vec<u8>,
    /// End of each id's bytes; one more entry than ids.
    ends: Vec<u32>,
}

impl TokenBytes {
    pub(super) fn new(file: &TokenizerFile, added: &[AddedToken]) -> Self {
        let spelling = spelling(file);
        let table = byte_level_table();
        let largest = file.model.vocab.0.iter().map(|(_, id)| *id);
        let largest = largest.chain(added.iter().map(|token| token.id)).max();
        let mut by_id: Vec<&str> = vec![""; largest.map_or(0, |id| id as usize + 1)];
        for (token, id) in &file.model.vocab.0 {
            by_id[*id as usize] = token;
        }
        let mut bytes = Vec::new();
        let mut ends = vec![0];
        for (id, token) in by_id.iter().enumerate() {
            match added.binary_search_by_key(&(id as u32), |token| token.id) {
                Ok(index) => bytes.extend_from_slice(added[index].content.as_bytes()),
                Err(_) => spell(token, spelling, &table, &mut bytes),
            }
            ends.push(bytes.len() as u32);
        }
        Self { bytes, ends }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len() - 1
    }

    pub(super) fn get(&self, id: u32) -> &[u8] {
        let id = id as usize;
        match (self.ends.get(id), self.ends.get(id + 1)) {
            (Some(start), Some(end)) => &self.bytes[*start as usize..*end as usize],
            _ => &[],
        }
    }
}

fn spelling(file: &TokenizerFile) -> Spelling {
    if mentions(&file.pre_tokenizer, "ByteLevel") || mentions(&file.decoder, "ByteLevel") {
        return Spelling::ByteLevel;
    }
    Spelling::Pieces {
        byte_fallback: file.model.byte_fallback,
    }
}

/// Whether the model knows every byte, so that no text is unknown to it.
pub(super) fn knows_every_byte(file: &TokenizerFile) -> bool {
    match spelling(file) {
        Spelling::ByteLevel => true,
        Spelling::Pieces { byte_fallback } => byte_fallback,
    }
}

/// Whether a component, or a sequence of components, contains one of that type.
fn mentions(component: &Json, kind: &str) -> bool {
    match component {
        Json::Object(fields) => {
            fields.get("type").and_then(Json::as_str) == Some(kind)
                || fields.values().any(|value| mentions(value, kind))
        }
        Json::Array(items) => items.iter().any(|item| mentions(item, kind)),
        _ => false,
    }
}

fn spell(token: &str, spelling: Spelling, table: &FxHashMap<char, u8>, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    match spelling {
        Spelling::ByteLevel => {
            for character in token.chars() {
                let Some(byte) = table.get(&character) else {
                    bytes.truncate(start);
                    bytes.extend_from_slice(token.as_bytes());
                    return;
                };
                bytes.push(*byte);
            }
        }
        Spelling::Pieces { byte_fallback } => {
            if byte_fallback && let Some(byte) = fallback_byte(token) {
                bytes.push(byte);
                return;
            }
            bytes.extend_from_slice(token.replace('\u{2581}', " ").as_bytes());
        }
    }
}

/// The byte of a token such as `<0x0A>`.
pub(super) fn fallback_byte(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() != 2 {
        return None;
    }
    u8::from_str_radix(digits, 16).ok()
}

/// GPT-2's characters: printable Latin-1 bytes stand for themselves, the others for U+0100 on, in
/// order of the bytes.
fn byte_level_table() -> FxHashMap<char, u8> {
    let mut next = 0x100;
    (0..=255u8)
        .map(|byte| {
            let printable = matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
            let code = if printable {
                u32::from(byte)
            } else {
                next += 1;
                next - 1
            };
            (char::from_u32(code).unwrap_or_default(), byte)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_level_characters() {
        let table = byte_level_table();
        assert_eq!(table.len(), 256);
        assert_eq!(table[&'Ġ'], b' ');
        assert_eq!(table[&'Ċ'], b'\n');
        let mut bytes = Vec::new();
        spell("ĠhÃ©", Spelling::ByteLevel, &table, &mut bytes);
        assert_eq!(bytes, " hé".as_bytes());
    }

    #[test]
    fn pieces_with_byte_fallback() {
        let table = byte_level_table();
        let pieces = Spelling::Pieces {
            byte_fallback: true,
        };
        let mut bytes = Vec::new();
        spell("<0xE4>", pieces, &table, &mut bytes);
        spell("▁a", pieces, &table, &mut bytes);
        assert_eq!(bytes, b"\xe4 a");
    }
}
