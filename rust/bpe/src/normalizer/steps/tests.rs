//! Text and alignment are those of the reference's normalizers.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::json;
use tokenizers::normalizers::Precompiled;
use tokenizers::tokenizer::normalizer::Range;
use tokenizers::{NormalizedString, Normalizer};

use super::*;

/// The text and the origins that the reference gives.
fn reference(all: &[NormalizerWrapper], text: &str) -> (String, Origins) {
    let mut normalized = NormalizedString::from(text);
    for step in all {
        step.normalize(&mut normalized).unwrap();
    }
    let origin = |at| normalized.convert_offsets(Range::Normalized(at..=at));
    let origins = (0..normalized.len()).map(|at| origin(at).unwrap());
    let origins = origins.map(|range| (range.start as u32, range.end as u32));
    (normalized.get().to_owned(), origins.collect())
}

/// Steps of ours, and the reference's.
struct Both {
    stages: Vec<Value>,
    ours: Steps,
    theirs: Vec<NormalizerWrapper>,
}

impl Both {
    fn new(stages: Vec<Value>) -> Self {
        Self {
            ours: Steps::new(&stages.iter().collect::<Vec<_>>()).unwrap(),
            theirs: stages
                .iter()
                .map(|stage| serde_json::from_value(stage.clone()).unwrap())
                .collect(),
            stages,
        }
    }

    fn compare(&self, text: &str) {
        let expected = reference(&self.theirs, text);
        let kinds: Vec<_> = self.stages.iter().map(|stage| &stage["type"]).collect();
        assert_eq!(self.ours.apply(text), expected.0, "{kinds:?} {text:?}");
        assert_eq!(self.ours.origins(text), expected.1, "{kinds:?} {text:?}");
        let aligned = self.ours.aligned(text);
        assert_eq!(
            (aligned.text, aligned.origins),
            expected,
            "{kinds:?} {text:?}"
        );
        assert!(!self.ours.keep(text) || self.ours.apply(text) == text);
    }
}

/// A map of the kind that SentencePiece compiles: each node of the tree of bytes has a block.
fn charsmap(rules: &[(&str, &str)]) -> Value {
    let mut texts = Vec::new();
    let mut nodes: Vec<(BTreeMap<u8, usize>, Option<usize>)> = vec![Default::default()];
    for (from, to) in rules {
        let mut node = 0;
        for byte in from.bytes() {
            let next = nodes.len();
            node = *nodes[node].0.entry(byte).or_insert(next);
            nodes.resize_with(nodes.len().max(node + 1), Default::default);
        }
        nodes[node].1 = Some(texts.len());
        texts.extend_from_slice(to.as_bytes());
        texts.push(0);
    }
    let base = |node: usize| (node + 1) << 8;
    let mut units = vec![0_u32; base(nodes.len())];
    units[0] = (base(0) << 10) as u32;
    for (number, (children, value)) in nodes.iter().enumerate() {
        if let Some(value) = value {
            units[base(number)] = *value as u32 | 1 << 31;
        }
        for (&byte, &child) in children {
            let place = base(number) | usize::from(byte);
            let leaf = usize::from(nodes[child].1.is_some()) << 8;
            units[place] = ((place ^ base(child)) << 10 | leaf | usize::from(byte)) as u32;
        }
    }
    let mut bytes = (4 * units.len() as u32).to_le_bytes().to_vec();
    bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
    bytes.extend(texts);
    let map = Precompiled::from(&bytes).unwrap();
    serde_json::to_value(NormalizerWrapper::Precompiled(map)).unwrap()
}

/// Steps that change each other's work.
fn kinds() -> Vec<Both> {
    let kind = |name: &str| json!({"type": name});
    let regex = |pattern: &str, content: &str| json!({"type": "Replace", "pattern": {"Regex": pattern}, "content": content});
    let string = |pattern: &str, content: &str| json!({"type": "Replace", "pattern": {"String": pattern}, "content": content});
    let strip = |left, right| json!({"type": "Strip", "strip_left": left, "strip_right": right});
    let bert = |clean, accents: Value, lower| {
        json!({"type": "BertNormalizer", "clean_text": clean, "handle_chinese_chars": clean,
            "strip_accents": accents, "lowercase": lower})
    };
    let map = || {
        charsmap(&[
            ("ﬁ", "fi"),
            ("™", "TM"),
            ("\u{1}", ""),
            ("\n", " "),
            ("\r\n", "¶"),
            ("\t", ""),
            ("A", "a"),
            ("e\u{301}", "é"),
            ("a", "a"),
            ("\u{e33}", "\u{e4d}\u{e32}"),
            ("한", "\u{1112}\u{1161}\u{11ab}"),
            ("👩", "W"),
            ("\u{200d}", ""),
            ("é", "e\u{301}"),
            ("，", ","),
            ("\u{301}", "\u{300}\u{300}"),
            ("中文", "x"),
            ("\u{600}", ""),
            ("क", "ka"),
        ])
    };
    let prepend = || json!({"type": "Prepend", "prepend": "x▁é"});
    [
        vec![kind("NFC")],
        vec![kind("NFD")],
        vec![kind("NFKC")],
        vec![kind("NFKD")],
        vec![kind("Lowercase")],
        vec![kind("StripAccents")],
        vec![kind("Nmt")],
        vec![map()],
        vec![map(), map()],
        vec![kind("Nmt"), map(), regex(" {2,}", "▁")],
        vec![map(), strip(false, true), regex(" {2,}", " ")],
        vec![kind("NFKD"), kind("StripAccents"), kind("Lowercase")],
        vec![kind("NFD"), map(), kind("NFC")],
        vec![kind("Nmt"), regex(" {2,}", "▁"), kind("Lowercase")],
        vec![regex(" {2,}", ""), kind("Nmt")],
        vec![kind("Lowercase"), string("aa", "A"), kind("Lowercase")],
        vec![string("é", "e\u{301}"), string(" ", "中文"), kind("NFC")],
        vec![strip(true, true), kind("Nmt")],
        vec![kind("Nmt"), strip(true, false)],
        vec![kind("NFKC"), kind("Lowercase"), regex(r"\s+", " ")],
        vec![prepend(), kind("NFD")],
        vec![strip(true, true), prepend(), map()],
        vec![bert(true, Value::Null, true)],
        vec![bert(true, json!(false), false)],
        vec![
            bert(false, json!(true), false),
            bert(true, Value::Null, true),
        ],
    ]
    .into_iter()
    .map(Both::new)
    .collect()
}

/// What stands alone, what joins, and what becomes nothing, one or more.
const SIGNS: [&str; 48] = [
    " ",
    "a",
    "A",
    "\t",
    "\r",
    "\n",
    "\0",
    "\u{1}",
    "é",
    "e",
    "\u{301}",
    "\u{323}",
    "中",
    "文",
    "ﬁ",
    ".",
    "™",
    "，",
    "İ",
    "ß",
    "Σ",
    "▁",
    "\u{a0}",
    "\u{3000}",
    "\u{ad}",
    "\u{feff}",
    "\u{fffd}",
    "\u{200d}",
    "👩",
    "👧",
    "\u{fe0f}",
    "\u{1f1e9}",
    "\u{1f1ea}",
    "\u{600}",
    "क",
    "\u{94d}",
    "\u{903}",
    "\u{e01}",
    "\u{e33}",
    "\u{1100}",
    "\u{1161}",
    "\u{11ab}",
    "한",
    "가",
    "\u{1e9b}",
    "\u{212b}",
    "\u{2f80b}",
    "\u{1d15f}",
];

#[test]
fn every_text_of_two_signs_and_some_of_more() {
    let mut state = 1_u32;
    let mut chance = |most: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 12) as usize % most
    };
    let pairs = SIGNS
        .iter()
        .flat_map(|one| SIGNS.map(|other| format!("{one}{other}")));
    let mut texts: Vec<String> = pairs.collect();
    for _ in 0..3000 {
        let count = chance(12);
        // Some texts have few kinds of signs.
        let (kinds, first) = (1 + chance(SIGNS.len()), chance(SIGNS.len()));
        let sign = |_| SIGNS[(first + chance(kinds)) % SIGNS.len()];
        texts.push((0..count).map(sign).collect());
    }
    for both in kinds() {
        for text in &texts {
            both.compare(text);
        }
    }
}

/// Where characters are that some step changes or joins with others; the rest are sampled.
const CHANGING: [RangeInclusive<char>; 5] = [
    '\0'..='\u{3400}',
    '\u{a000}'..='\u{ac40}',
    '\u{d7a0}'..='\u{1fb00}',
    '\u{2f7f0}'..='\u{2fa20}',
    '\u{e0000}'..='\u{e0200}',
];

#[test]
fn every_character() {
    let sampled = ('\0'..=char::MAX).step_by(97);
    let all: Vec<char> = CHANGING.into_iter().flatten().chain(sampled).collect();
    for both in kinds() {
        for some in all.chunks(64) {
            let alone: String = some.iter().flat_map(|&c| ['x', c]).collect();
            let beside: String = some.iter().collect();
            both.compare(&alone);
            both.compare(&beside);
        }
    }
}

#[test]
fn what_is_not_known_is_refused() {
    let refused = |stage: Value| Steps::new(&[&stage]).is_err();
    assert!(refused(json!({"type": "ByteLevel"})));
    assert!(refused(json!({"type": "Prepend", "prepend": ""})));
    let pattern = json!({"Regex": "a+"});
    assert!(refused(
        json!({"type": "Replace", "pattern": pattern, "content": ""})
    ));
    assert!(refused(json!({"type": "Odd"})));
}
