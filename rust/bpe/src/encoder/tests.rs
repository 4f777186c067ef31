//! The encoder as a whole: texts of all kinds, alone and among others.

use serde_json::json;

use super::*;
use crate::model::bpe::vocabulary;
use crate::{Encoding, Input};

/// Of `▁`, twenty letters and bytes; `ab` is the only merge.
fn encoder() -> Encoder {
    encoder_with(&[])
}

fn encoder_with(added: &[AddedToken]) -> Encoder {
    let bytes = (0..256).map(|byte| format!("<0x{byte:02X}>"));
    let letters = ('a'..='t').map(String::from);
    let tokens = bytes
        .chain(letters)
        .chain(["▁".to_owned(), "ab".to_owned()]);
    let vocab: serde_json::Map<_, _> = tokens.zip((0..).map(|id| json!(id))).collect();
    let mark = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
    let model = json!({"type": "BPE", "byte_fallback": true, "vocab": vocab,
        "merges": ["a b"]});
    let file = json!({"normalizer": mark, "model": model}).to_string();
    Encoder::new(file.as_bytes(), added).unwrap()
}

#[test]
fn a_hostile_text_changes_no_ids_and_leaves_no_memory_behind() {
    let encoder = encoder();
    let mut scratch = encoder.scratch();
    let mut ids = |text: &str| {
        let mut rows = IdRows::default();
        encoder
            .encode_rows(&mut scratch, &[text], (&[], &[]), &mut rows)
            .unwrap();
        assert_eq!(rows.ends, [rows.ids.len()]);
        rows.ids
    };
    let plain = "abba cab 的 abracadabra";
    let before = ids(plain);
    assert_eq!(ids(&"ab".repeat(1 << 20)).len(), 1 << 20);
    let unlike: Vec<String> = (0..200_000).map(|n| format!("{n:x}▁的")).collect();
    ids(&unlike.concat());
    assert_eq!(ids(plain), before);
    assert!(
        scratch.pieces.bytes() < 24 << 20,
        "{}",
        scratch.pieces.bytes()
    );
    assert!(scratch.normalized.capacity() <= KEPT_BYTES);
    assert!(scratch.rewritten.capacity() <= KEPT_BYTES);
}

/// Of bytes, and of rules that join neighbours in some words.
fn byte_level() -> serde_json::Value {
    let letters: Vec<char> = vocabulary::letters();
    let mut vocab: Vec<String> = letters.iter().map(ToString::to_string).collect();
    let mut merges = Vec::new();
    let words = "Ġthe Ġself assert ĠĠĠĠ ing ä¸Ń æĸĩ Ġ==";
    for word in words.split(' ') {
        let mut left = String::new();
        for letter in word.chars() {
            let product = format!("{left}{letter}");
            if !left.is_empty() && !vocab.contains(&product) {
                merges.push(format!("{left} {letter}"));
                vocab.push(product.clone());
            }
            left = product;
        }
    }
    merges.push("ä¸Ń æĸĩ".to_owned());
    vocab.push("ä¸Ńæĸĩ".to_owned());
    let vocab: serde_json::Map<_, _> = vocab.into_iter().zip((0..).map(|id| json!(id))).collect();
    let pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    let split = json!({"type": "Split", "behavior": "Isolated",
        "invert": false, "pattern": {"Regex": pattern}});
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": false,
        "trim_offsets": true, "use_regex": false});
    json!({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, bytes]},
        "model": {"type": "BPE", "vocab": vocab, "merges": merges}})
}

#[test]
fn every_processor_gives_the_same_ids() {
    let file = byte_level().to_string();
    let mut texts = vec![String::new()];
    for length in [1, 2, 14, 15, 16, 17, 30, 31, 32, 33, 63, 64, 65] {
        for bits in [
            "a", "the", "self", " ", "=", "assert_", "ing", "中文", "中", "é", "7",
        ] {
            let word: String = bits.chars().cycle().take(length).collect();
            texts.push(format!("{word} the {word}\n    {word}.{word}"));
        }
    }
    texts.extend(texts.clone().into_iter().rev());
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let ids = |processor| {
        let mut encoder = Encoder::new(file.as_bytes(), &[]).unwrap();
        let shared = Arc::get_mut(&mut encoder.shared).unwrap();
        shared.pieces.run_on(processor);
        let (mut rows, mut scratch) = (IdRows::default(), encoder.scratch());
        encoder
            .encode_rows(&mut scratch, &texts, (&[], &[]), &mut rows)
            .unwrap();
        (rows.ids, rows.ends)
    };
    let portable = ids(Processor::Portable);
    let reference: tokenizers::Tokenizer = file.parse().unwrap();
    let expected = reference.encode_batch_fast(texts.clone(), false).unwrap();
    let expected: Vec<u32> = expected
        .iter()
        .flat_map(tokenizers::Encoding::get_ids)
        .copied()
        .collect();
    assert!(portable.0 == expected);
    for processor in Processor::known() {
        assert!(ids(processor) == portable, "{processor:?}");
    }
}

fn token(content: &str, normalized: bool) -> AddedToken {
    AddedToken {
        id: 0,
        content: content.to_owned(),
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized,
        special: true,
    }
}

fn encoded(encoder: &Encoder, text: &str, marks: &[u32]) -> Encoding {
    let (content, cuts) = (&[][..], &[][..]);
    let mut encoding = Encoding::default();
    let input = Input {
        text,
        content,
        cuts,
        marks,
    };
    let mut scratch = encoder.scratch();
    encoder.encode(&mut scratch, &input, &mut encoding).unwrap();
    encoding
}

#[test]
fn added_tokens_and_signs_for_spaces_are_found_wherever_they_stand() {
    let sets: [&[AddedToken]; 4] = [
        &[token("<x>", false), token("[y]", true)],
        &[token("<", false)],
        &[token("a▁", true), token("<x>", false)],
        &["<x>", "[y]", "(z)", "{w}"].map(|content| token(content, false)),
    ];
    for tokens in sets {
        let encoder = encoder_with(tokens);
        let what = ["", "<x>", "<", "[y]", "a ", "a▁", "{w}", "中", "<\0"];
        let mut texts = Vec::new();
        for (before, after) in [0, 1, 60, 61, 62, 63, 64, 65, 130].map(|n| (n, 130 - n)) {
            let fill = |count| "abba".chars().cycle().take(count).collect::<String>();
            let at_both = |what| [fill(before) + what, what.to_owned() + &fill(after)];
            texts.extend(what.into_iter().flat_map(at_both));
            texts.extend(what.map(|what| fill(before) + what + &fill(after)));
        }
        let (mut rows, mut expected) = (IdRows::default(), IdRows::default());
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut scratch = encoder.scratch();
        encoder
            .encode_rows(&mut scratch, &texts, (&[1], &[2]), &mut rows)
            .unwrap();
        for text in texts {
            expected.ids.push(1);
            expected.ids.extend(encoded(&encoder, text, &[]).ids);
            expected.ids.push(2);
            expected.ends.push(expected.ids.len());
        }
        assert!(rows.ids == expected.ids && rows.ends == expected.ends);
    }
}

#[test]
fn a_mark_is_found_alone_as_among_others() {
    let encoder = encoder_with(&[token("<x>", false)]);
    let text = "abc<x>dba<x>cab 的<x>";
    let marks: Vec<u32> = (0..=text.len() as u32).collect();
    let all = encoded(&encoder, text, &marks);
    for (mark, found) in marks.iter().zip(&all.marks) {
        let alone = encoded(&encoder, text, &[*mark]);
        assert_eq!(alone.ids, all.ids);
        assert_eq!(alone.marks, [*found], "{mark}");
    }
}
