//! Models, normalizers and pre-tokenizers in many combinations: ids, and the tokens of marked bytes,
//! are those of the `tokenizers` library.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![allow(missing_docs, reason = "not an interface")]

use serde_json::{Value, json};
use tokenizers::{NormalizedString, Normalizer, Tokenizer};
use turnmill_bpe::{Encoder, Encoding, IdRows, Input, Mark};

const ROUNDS: usize = 150;

/// What normalizers, pre-tokenizers and models treat differently.
const BITS: [&str; 62] = [
    "a",
    "b",
    "ab",
    "abc",
    "the",
    "The",
    "THE",
    "ing",
    "playing",
    "un",
    "x",
    "z",
    "zz",
    " ",
    "  ",
    "   ",
    "\n",
    "\r\n",
    "\r",
    "\t",
    "\0",
    "\u{1}",
    "\u{7f}",
    "\u{ad}",
    "\u{a0}",
    "\u{3000}",
    "\u{200b}",
    "\u{feff}",
    "\u{fffd}",
    "é",
    "É",
    "e\u{301}",
    "\u{301}",
    "\u{323}",
    "ﬁ",
    "½",
    "Å",
    "\u{212b}",
    "İ",
    "ß",
    "\u{1e9b}\u{323}",
    "\u{1100}\u{1161}",
    "한",
    "中",
    "文",
    "中文",
    "。",
    "、",
    "の",
    "ガ",
    "\u{ff76}\u{ff9e}",
    "▁",
    "▁▁",
    "😀",
    "👩\u{200d}👧",
    "ำ",
    ".",
    ",",
    "!?",
    "-",
    "1",
    "23",
];

/// Numbers that look like chance.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }

    /// Some places of a text between characters, in order.
    fn places(&mut self, text: &str, one_in: usize) -> Vec<u32> {
        let places = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        let chosen: Vec<_> = places.filter(|_| self.below(one_in) == 0).collect();
        chosen.into_iter().map(|at| at as u32).collect()
    }
}

/// Pieces with scores that make ties and detours.
fn unigram(byte_fallback: bool, sign: bool) -> Value {
    let mut vocab = vec![json!(["<unk>", 0.0]), json!(["<s>", 0.0])];
    let mut add = |text: &str, score: f64| vocab.push(json!([text, score]));
    let signed = [
        "▁",
        "▁a",
        "▁the",
        "▁The",
        "▁ab",
        "▁un",
        "▁中",
        "▁playing",
        "▁x",
        "▁1",
    ];
    let plain = [
        "a", "b", "ab", "abc", "c", "t", "h", "e", "the", "he", "T", "H", "E", "i", "n", "g",
        "ing", "u", "un", "p", "l", "y", "lay", "é", "e\u{301}", "中", "文", "中文", "の", "fi",
        "f", ".", ",", "!", "-", "1", "2", "3", "23", "▁▁", "1⁄2", "👩",
    ];
    let signed = signed.iter().filter(|_| sign);
    for (number, text) in signed.chain(&plain).enumerate() {
        add(
            text,
            -2.0 - (number * 7 % 13) as f64 / 2.0 - 1.0 / 3.0 * (number % 4) as f64,
        );
    }
    if byte_fallback {
        for byte in 0..=255 {
            add(&format!("<0x{byte:02X}>"), -9.0);
        }
    }
    json!({"type": "Unigram", "unk_id": 0, "vocab": vocab, "byte_fallback": byte_fallback})
}

fn word_piece(most: usize) -> Value {
    let tokens = [
        "[UNK]", "a", "b", "##b", "##c", "##a", "ab", "the", "The", "##ing", "play", "##i", "##n",
        "un", "##the", "x", "##x", "z", "é", "e", "##e", "中", "文", "##文", ".", ",", "!", "?",
        "-", "1", "2", "##3", "##23", "####", "#", "fi", "▁", "##▁", "ss", "##́", "。",
    ];
    let vocab: serde_json::Map<_, _> = tokens
        .iter()
        .zip(0..)
        .map(|(&t, id)| (t.into(), json!(id)))
        .collect();
    json!({"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": most, "vocab": vocab})
}

/// BPE on characters with signs for spaces, or on bytes, without some of its letters.
fn bpe(letters: &[&str], words: &[&[&str]], more: &Value) -> Value {
    let mut vocab = serde_json::Map::new();
    let mut merges = Vec::new();
    for letter in letters {
        let id = vocab.len();
        vocab.entry(*letter).or_insert_with(|| json!(id));
    }
    for word in words {
        let mut whole = word[0].to_owned();
        for letter in &word[1..] {
            let product = format!("{whole}{letter}");
            if !vocab.contains_key(&product) {
                merges.push(json!([whole, letter]));
                vocab.insert(product.clone(), json!(vocab.len()));
            }
            whole = product;
        }
    }
    let mut model = json!({"type": "BPE", "vocab": vocab, "merges": merges});
    for (key, value) in more.as_object().unwrap() {
        model[key] = value.clone();
    }
    model
}

fn characters(more: &Value, bytes: std::ops::Range<usize>) -> Value {
    let bytes: Vec<String> = bytes.map(|byte| format!("<0x{byte:02X}>")).collect();
    let letters = [
        "<unk>", "▁", "a", "b", "c", "t", "h", "e", "i", "n", "g", "中", "文", ".", "1",
    ];
    let letters: Vec<&str> = letters
        .into_iter()
        .chain(bytes.iter().map(String::as_str))
        .collect();
    let words: [&[&str]; 6] = [
        &["a", "b", "c"],
        &["▁", "t", "h", "e"],
        &["中", "文"],
        &["▁", "a"],
        &["a", "a"],
        &["b", "a"],
    ];
    bpe(&letters, &words, more)
}

/// The letters of all bytes but some: of `z`, tab, and the leads of `é` and of `😀`.
fn bytes(more: &Value) -> Value {
    let mut next = 256;
    let letters: Vec<String> = (0..=255_u8)
        .filter_map(|byte| {
            let printable = matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..);
            let letter = if printable {
                char::from(byte)
            } else {
                next += 1;
                char::from_u32(next - 1).unwrap()
            };
            (!matches!(byte, b'z' | b'\t' | 0xC3 | 0xF0)).then(|| letter.to_string())
        })
        .collect();
    let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
    let words: [&[&str]; 6] = [
        &["t", "h", "e"],
        &["Ġ", "t"],
        &["a", "b", "a"],
        &["ä", "¸", "Ń"],
        &["a", "a"],
        &["æ", "ĸ"],
    ];
    bpe(&letters, &words, more)
}

fn replace(pattern: &Value, content: &str) -> Value {
    json!({"type": "Replace", "pattern": pattern, "content": content})
}

fn metaspace(scheme: &str, split: bool) -> Value {
    json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split})
}

fn bert(clean: bool, accents: &Value, lower: bool) -> Value {
    json!({"type": "BertNormalizer", "clean_text": clean, "handle_chinese_chars": clean,
        "strip_accents": accents, "lowercase": lower})
}

fn sequence(key: &str, stages: &[Value]) -> Value {
    match stages {
        [] => Value::Null,
        [one] => one.clone(),
        _ => json!({"type": "Sequence", key: stages}),
    }
}

fn normalizers() -> Vec<Vec<Value>> {
    let kind = |name: &str| json!({"type": name});
    let strip = |left, right| json!({"type": "Strip", "strip_left": left, "strip_right": right});
    let spaces = || replace(&json!({"Regex": " {2,}"}), "▁");
    vec![
        vec![],
        vec![kind("NFKC")],
        vec![kind("NFKD"), kind("StripAccents"), kind("Lowercase")],
        vec![kind("Nmt"), kind("NFKC"), spaces()],
        vec![kind("NFC"), kind("Lowercase"), strip(true, true)],
        vec![strip(false, true), spaces()],
        vec![strip(true, false), kind("NFD")],
        vec![
            replace(&json!({"String": "ab"}), "中"),
            json!({"type": "Prepend", "prepend": "x"}),
        ],
        vec![replace(&json!({"Regex": r"\s+"}), " ")],
        vec![bert(true, &Value::Null, true)],
        vec![bert(true, &json!(false), false)],
        vec![bert(false, &json!(true), false)],
    ]
}

fn tokenizer(model: &Value, normalizers: &[Value], pre_tokenizers: &[Value]) -> Value {
    let token = |id: usize, content: &str, flags: [bool; 3]| {
        json!({"id": id, "content": content, "lstrip": flags[0], "rstrip": flags[1],
            "normalized": flags[2], "single_word": false, "special": true})
    };
    json!({"version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [token(900, "<s>", [false; 3]), token(901, "aB", [false, true, true])],
        "normalizer": sequence("normalizers", normalizers),
        "pre_tokenizer": sequence("pretokenizers", pre_tokenizers),
        "post_processor": null, "decoder": null, "model": model})
}

/// The token of each mark by the offsets of the library.
fn find_marks(offsets: &[(usize, usize)], marks: &[u32]) -> Vec<Mark> {
    let mut token = 0;
    let find = |&mark: &u32| {
        while token < offsets.len() && offsets[token].1 <= mark as usize {
            token += 1;
        }
        let straddles = token < offsets.len() && offsets[token].0 < mark as usize;
        let token = token as u32;
        Mark { token, straddles }
    };
    marks.iter().map(find).collect()
}

/// Compares on random texts; added tokens of which the normalizer leaves nothing are left out.
fn compare(file: &Value, name: &str, chance: &mut Chance) {
    let json = file.to_string();
    let encoder = Encoder::new(json.as_bytes(), &[]).unwrap();
    assert_eq!(encoder.model_name(), name);
    let reference: Tokenizer = json.parse().unwrap();
    let mut scratch = encoder.scratch();
    let mut texts = Vec::new();
    for _ in 0..ROUNDS {
        let count = chance.below(14);
        let mut text: String = (0..count).map(|_| BITS[chance.below(BITS.len())]).collect();
        if chance.below(3) == 0 {
            text.insert_str(0, ["<s>", "aB ", "<s> "][chance.below(3)]);
        }
        let marks = chance.places(&text, 2);
        let input = Input {
            text: &text,
            content: &[],
            cuts: &[],
            marks: &marks,
        };
        let mut encoding = Encoding::default();
        encoder.encode(&mut scratch, &input, &mut encoding).unwrap();
        let expected = reference.encode(text.as_str(), false).unwrap();
        let what = || {
            format!(
                "{text:?} {:?} {:?}",
                file["normalizer"], file["pre_tokenizer"]
            )
        };
        assert_eq!(encoding.ids, expected.get_ids(), "{}", what());
        let expected = find_marks(expected.get_offsets(), &marks);
        assert_eq!(
            encoding.marks,
            expected,
            "{} {marks:?} {:?}",
            what(),
            encoding.ids
        );
        texts.push(text);
    }
    let (mut rows, mut ids) = (IdRows::default(), Vec::new());
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    encoder
        .encode_rows(&mut scratch, &texts, (&[], &[]), &mut rows)
        .unwrap();
    for encoding in reference.encode_batch_fast(texts, false).unwrap() {
        ids.extend_from_slice(encoding.get_ids());
    }
    assert_eq!(rows.ids, ids);
}

#[test]
fn unigram_is_the_library_s() {
    let chance = &mut Chance(88_172_645_463_325_252);
    let white = || json!({"type": "WhitespaceSplit"});
    for byte_fallback in [false, true] {
        for normalizers in normalizers() {
            for pre_tokenizers in [
                vec![metaspace("always", true)],
                vec![metaspace("first", true)],
                vec![metaspace("never", false)],
                vec![white(), metaspace("always", true)],
                vec![json!({"type": "Whitespace"})],
                vec![white()],
                vec![],
            ] {
                let model = unigram(byte_fallback, true);
                compare(
                    &tokenizer(&model, &normalizers, &pre_tokenizers),
                    "unigram",
                    chance,
                );
            }
        }
        let model = unigram(byte_fallback, false);
        compare(
            &tokenizer(&model, &[], &[metaspace("always", true)]),
            "unigram",
            chance,
        );
    }
}

#[test]
fn word_piece_is_the_library_s() {
    let chance = &mut Chance(362_436_069);
    for normalizers in normalizers() {
        for pre_tokenizer in ["BertPreTokenizer", "Whitespace", "WhitespaceSplit"] {
            for most in [100, 3] {
                let pre_tokenizer = json!({"type": pre_tokenizer});
                let file = tokenizer(&word_piece(most), &normalizers, &[pre_tokenizer]);
                compare(&file, "wordpiece", chance);
            }
        }
    }
}

#[test]
fn bpe_after_any_normalizer_is_the_library_s() {
    let chance = &mut Chance(521_288_629);
    let byte_level = |regex: bool| {
        json!({"type": "ByteLevel", "add_prefix_space": regex, "trim_offsets": true,
            "use_regex": regex})
    };
    let sign = replace(&json!({"String": " "}), "▁");
    for mut normalizers in normalizers() {
        for regex in [false, true] {
            let model = bytes(&json!({}));
            compare(
                &tokenizer(&model, &normalizers, &[byte_level(regex)]),
                "bpe",
                chance,
            );
        }
        let whole = characters(
            &json!({"byte_fallback": true, "unk_token": "<unk>"}),
            0..256,
        );
        for scheme in ["always", "first", "never"] {
            let file = tokenizer(
                &whole,
                &normalizers,
                &[metaspace(scheme, scheme == "first")],
            );
            compare(&file, "bpe", chance);
        }
        normalizers.push(sign.clone());
        compare(&tokenizer(&whole, &normalizers, &[]), "bpe", chance);
    }
}

#[test]
fn what_a_vocabulary_lacks_is_unknown_as_in_the_library() {
    let chance = &mut Chance(885_412);
    let byte_level = |regex: bool| {
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
            "use_regex": regex})
    };
    let sign = replace(&json!({"String": " "}), "▁");
    for fuse in [false, true] {
        let unknown = |mut more: Value| {
            (more["unk_token"], more["fuse_unk"]) = (json!("<unk>"), json!(fuse));
            more
        };
        let unknown_letter = |letter: &str| bytes(&json!({"unk_token": letter, "fuse_unk": fuse}));
        // The last merges with what stands beside it.
        for model in [bytes(&json!({})), unknown_letter("x"), unknown_letter("a")] {
            for regex in [false, true] {
                compare(&tokenizer(&model, &[], &[byte_level(regex)]), "bpe", chance);
            }
        }
        for model in [
            characters(&unknown(json!({"byte_fallback": true})), 0x80..0xE5),
            characters(&unknown(json!({"byte_fallback": true})), 0..0xF0),
            characters(&unknown(json!({"byte_fallback": false})), 0..256),
        ] {
            compare(
                &tokenizer(&model, std::slice::from_ref(&sign), &[]),
                "bpe",
                chance,
            );
            let split = metaspace("always", true);
            compare(&tokenizer(&model, &[], &[split]), "bpe", chance);
        }
    }
}

#[test]
fn every_character_is_normalized_as_in_the_library() {
    let model = word_piece(100);
    for normalizers in normalizers().into_iter().skip(1) {
        let file = tokenizer(&model, &normalizers, &[json!({"type": "BertPreTokenizer"})]);
        let encoder = Encoder::new(file.to_string().as_bytes(), &[]).unwrap();
        let reference: Tokenizer = file.to_string().parse().unwrap();
        let mut scratch = encoder.scratch();
        let mut encoding = Encoding::default();
        for c in ('\0'..='\u{3400}')
            .chain('\u{a960}'..='\u{abff}')
            .chain('\u{f900}'..='\u{1f000}')
        {
            let text = format!("a{c}b");
            let input = Input {
                text: &text,
                content: &[],
                cuts: &[],
                marks: &[1],
            };
            encoder.encode(&mut scratch, &input, &mut encoding).unwrap();
            let expected = reference.encode(text.as_str(), false).unwrap();
            assert_eq!(encoding.ids, expected.get_ids(), "{text:?}");
            assert_eq!(
                encoding.marks,
                find_marks(expected.get_offsets(), &[1]),
                "{text:?}"
            );
        }
        let mut text = NormalizedString::from("x");
        reference
            .get_normalizer()
            .unwrap()
            .normalize(&mut text)
            .unwrap();
        assert!(!text.is_empty());
    }
}
