//! The published split patterns, as they stand in `tokenizer.json`.

use serde_json::Value;

use super::grammar::{CasedWords, Grammar, Words};
use crate::definition::{flag, kind};

/// The pattern of a plain isolating `Split`, with escapes for line ends that stand for themselves.
pub(super) fn pattern(stage: &Value) -> Option<String> {
    let behavior = stage["behavior"].as_str()?;
    let plain = kind(stage) == "Split"
        && behavior.eq_ignore_ascii_case("isolated")
        && !flag(stage, "invert", false);
    let pattern = stage["pattern"]["Regex"].as_str().filter(|_| plain)?;
    Some(pattern.replace('\r', r"\r").replace('\n', r"\n"))
}

/// GPT-2's own.
pub(super) const GPT2: &str =
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const CONTRACTIONS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const WHITE: &str = r"\s*[\r\n]+|\s+(?!\S)|\s+";

/// The scanner of a pattern, if it is known.
pub(super) fn grammar(pattern: &str) -> Option<Grammar> {
    if pattern == GPT2 {
        return Some(Grammar::Gpt2);
    }
    let both = [false, true];
    let words = both
        .into_iter()
        .flat_map(|marks| [1, 3].map(|digits| Words { marks, digits }));
    let mut cased = Vec::new();
    for contractions in both {
        for slash in both {
            for han in both {
                let of = |digits| CasedWords {
                    contractions,
                    digits,
                    slash,
                    han,
                };
                cased.extend([1, 3].map(of));
            }
        }
    }
    words
        .map(|words| (words_pattern(words), Grammar::Words(words)))
        .chain(
            cased
                .into_iter()
                .map(|words| (cased_pattern(words), Grammar::CasedWords(words))),
        )
        .find_map(|(known, grammar)| (known == pattern).then_some(grammar))
}

fn digits_pattern(digits: usize) -> &'static str {
    if digits == 1 { r"\p{N}" } else { r"\p{N}{1,3}" }
}

fn words_pattern(words: Words) -> String {
    let (letters, marks) = if words.marks {
        (r"[\p{L}\p{M}]", r"\p{M}")
    } else {
        (r"\p{L}", "")
    };
    let digits = digits_pattern(words.digits);
    format!(
        r"{CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?{letters}+|{digits}| ?[^\s\p{{L}}{marks}\p{{N}}]+[\r\n]*|{WHITE}"
    )
}

fn cased_pattern(words: CasedWords) -> String {
    let without = if words.han { r"&&[^\p{Han}]" } else { "" };
    let upper = format!(r"[\p{{Lu}}\p{{Lt}}\p{{Lm}}\p{{Lo}}\p{{M}}{without}]");
    let lower = format!(r"[\p{{Ll}}\p{{Lm}}\p{{Lo}}\p{{M}}{without}]");
    let han = if words.han { r"[\p{Han}]+|" } else { "" };
    let contractions = if words.contractions {
        format!("{CONTRACTIONS}?")
    } else {
        String::new()
    };
    let prefix = r"[^\r\n\p{L}\p{N}]?";
    let digits = digits_pattern(words.digits);
    let after = if words.slash { r"[\r\n/]*" } else { r"[\r\n]*" };
    format!(
        r"{han}{prefix}{upper}*{lower}+{contractions}|{prefix}{upper}+{lower}*{contractions}|{digits}| ?[^\s\p{{L}}\p{{N}}]+{after}|{WHITE}"
    )
}

const DEEPSEEK: [&str; 3] = [
    r"\p{N}{1,3}",
    "[一-龥\u{3040}-ゟ゠-ヿ]+",
    r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##,
];

/// DeepSeek's three splits, one after the other.
pub(super) fn deepseek(stages: &[&Value; 3]) -> Option<Grammar> {
    let same = |(stage, known): (&&Value, &str)| pattern(stage).is_some_and(|p| p == known);
    stages
        .iter()
        .zip(DEEPSEEK)
        .all(same)
        .then_some(Grammar::DeepSeek)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_patterns_are_known() {
        let llama3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
        assert_eq!(
            grammar(llama3),
            Some(Grammar::Words(Words {
                marks: false,
                digits: 3
            }))
        );
        let tekken = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
        let words = CasedWords {
            contractions: false,
            digits: 1,
            slash: true,
            han: false,
        };
        assert_eq!(grammar(tekken), Some(Grammar::CasedWords(words)));
        assert_eq!(grammar(r"\w+|\W"), None);
    }
}
