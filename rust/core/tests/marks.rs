//! Where marked places lie among the tokens: the fast backend without offsets, the reference by the
//! offsets of the `tokenizers` library, over normalizers that change bytes.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![allow(missing_docs, reason = "not an interface")]

mod support;

use serde_json::{Value, json};
use support::{byte_characters, directory, tokenizer_json};
use turnmill_core::tokenizer::{Backend, Encoding, Input, Tokenizer};

const ROUNDS: usize = 300;

const BITS: [&str; 34] = [
    "a",
    "b",
    "ab",
    "the",
    " ",
    "  ",
    "\n",
    " the",
    "é",
    "e\u{301}",
    "e",
    "\u{301}",
    "\u{323}",
    "\u{212b}",
    "\u{1e9b}\u{323}",
    "\u{1100}",
    "\u{1161}",
    "\u{11a8}",
    "한",
    "中",
    "文",
    "中文",
    "ﬁ",
    "▁",
    "▁▁",
    "😀",
    "\u{200d}",
    "<|im_end|>",
    "<|im",
    "<think>",
    "<eos>",
    "1",
    "'s",
    "\u{958}",
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

/// Adds tokens to a model: each word from its first sign on, one sign at a time.
fn add_words(model: &mut Value, words: &[Vec<String>]) {
    for word in words {
        let mut whole = word[0].clone();
        for sign in &word[1..] {
            let product = format!("{whole}{sign}");
            let vocab = model["vocab"].as_object_mut().unwrap();
            if !vocab.contains_key(&product) {
                vocab.insert(product.clone(), json!(vocab.len()));
                let rule = json!([whole, sign]);
                model["merges"].as_array_mut().unwrap().push(rule);
            }
            whole = product;
        }
    }
}

/// Of bytes.
fn byte_level(normalizer: Value, prefix: bool) -> Value {
    let mut content = tokenizer_json();
    content["normalizer"] = normalizer;
    content["pre_tokenizer"]["add_prefix_space"] = json!(prefix);
    content["pre_tokenizer"]["use_regex"] = json!(prefix);
    let letters = byte_characters();
    let words = [
        "the", " the", "ab", "é", "中文", "e\u{301}", "😀", "  ", "가a", "a\u{323}",
    ];
    let spelled = |word: &str| {
        word.bytes()
            .map(|byte| letters[usize::from(byte)].clone())
            .collect()
    };
    let words: Vec<Vec<String>> = words.iter().map(|word| spelled(word)).collect();
    add_words(&mut content["model"], &words);
    content
}

/// Of characters, with bytes for those that the vocabulary does not have.
fn of_characters(normalizer: Value, pre_tokenizer: Value) -> Value {
    let mut content = tokenizer_json();
    content["normalizer"] = normalizer;
    content["pre_tokenizer"] = pre_tokenizer;
    let bytes = (0..256).map(|byte| format!("<0x{byte:02X}>"));
    let signs = "▁abtheé中文1's<|im_nd>\u{301}".chars().map(String::from);
    let mut vocab = serde_json::Map::new();
    for token in bytes.chain(signs) {
        let id = vocab.len();
        vocab.entry(token).or_insert_with(|| json!(id));
    }
    content["model"]["vocab"] = Value::Object(vocab);
    content["model"]["byte_fallback"] = json!(true);
    content["model"]["unk_token"] = json!("a");
    let words = ["▁the", "▁▁", "ab", "中文", "▁a", "e\u{301}"];
    let words: Vec<Vec<String>> = words
        .iter()
        .map(|word| word.chars().map(String::from).collect())
        .collect();
    add_words(&mut content["model"], &words);
    content
}

fn shapes() -> Vec<Value> {
    let mark = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
    let prepend = json!({"type": "Prepend", "prepend": "▁"});
    let both = json!({"type": "Sequence", "normalizers": [prepend, mark]});
    let metaspace = |scheme: &str, split: bool| json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split});
    let nfc = json!({"type": "NFC"});
    let mut shapes = vec![
        byte_level(Value::Null, false),
        byte_level(Value::Null, true),
        byte_level(nfc.clone(), false),
        byte_level(nfc, true),
        of_characters(mark, Value::Null),
        of_characters(both, Value::Null),
        of_characters(Value::Null, metaspace("first", false)),
        of_characters(Value::Null, metaspace("always", true)),
        of_characters(Value::Null, metaspace("never", true)),
    ];
    // The same with every added token searched in the normalized text.
    for shape in shapes.clone() {
        let mut normalized = shape;
        for token in normalized["added_tokens"].as_array_mut().unwrap() {
            token["normalized"] = json!(true);
        }
        shapes.push(normalized);
    }
    shapes
}

fn encode(backend: &dyn Backend, input: &Input<'_>) -> Encoding {
    let mut encoding = Encoding::default();
    let mut scratch = backend.scratch();
    backend.encode(&mut *scratch, input, &mut encoding).unwrap();
    encoding
}

fn compare(shape: &Value, chance: &mut Chance) {
    let directory = directory();
    directory.write("tokenizer.json", &shape.to_string());
    let fast = Tokenizer::load(directory.path()).unwrap();
    let reference = Tokenizer::load_reference(directory.path(), "asked for").unwrap();
    assert_eq!(fast.backend_name(), "bpe", "{}", fast.backend_reason());
    let end = fast.token_to_id("<|im_end|>").unwrap();
    let backends = [fast, reference].map(|one| one.backend().with_structural(&[end]).unwrap());
    for _ in 0..ROUNDS {
        let count = chance.below(12);
        let text: String = (0..count).map(|_| BITS[chance.below(BITS.len())]).collect();
        let marks = chance.places(&text, 2);
        let cuts = chance.places(&text, 9);
        let ends = chance.places(&text, 4);
        let content: Vec<(u32, u32)> = ends
            .chunks_exact(2)
            .map(|range| (range[0], range[1]))
            .collect();
        let input = Input {
            text: &text,
            content: &content,
            cuts: &cuts,
            marks: &marks,
        };
        let [fast, reference] = backends
            .each_ref()
            .map(|backend| encode(&**backend, &input));
        assert_eq!(fast.ids, reference.ids, "{text:?} {cuts:?} {content:?}");
        assert_eq!(
            fast.marks, reference.marks,
            "{text:?} {input:?} {:?}",
            fast.ids
        );
    }
}

#[test]
fn marks_lie_where_the_offsets_of_the_reference_say() {
    let chance = &mut Chance(88_172_645_463_325_252);
    for shape in shapes() {
        compare(&shape, chance);
    }
}
