//! The built-in chat templates, for tokenizers that carry none.
//!
//! Each was written for turnmill and renders byte for byte what its reference renders;
//! `tests/parity/test_builtin_templates.py` compares them through transformers. Their `{%
//! generation %}` tags open where the generation prompt ends and close after the terminator.

/// A chat template that needs no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Builtin {
    /// The name a recipe uses, such as `llama-3`.
    pub name: &'static str,
    /// The Jinja source.
    pub source: &'static str,
    /// Texts of the tokens that may end a turn; empty if turns end with the tokenizer's own eos.
    pub stop_tokens: &'static [&'static str],
    /// What it is byte-equal to.
    pub reference: &'static str,
}

macro_rules! builtins {
    ($($name:literal $stop:tt $reference:literal;)*) => {
        /// Every built-in template, in the order in which lists show them.
        pub const ALL: &[Builtin] = &[$(Builtin {
            name: $name,
            source: include_str!(concat!("builtin/", $name, ".jinja")),
            stop_tokens: &$stop,
            reference: $reference,
        },)*];
    };
}

builtins! {
    "chatml" ["<|im_end|>"] "ChatML as in the documentation of transformers";
    "llama-2" [] "meta-llama/Llama-2-7b-chat-hf";
    "llama-3" ["<|eot_id|>"] "meta-llama/Meta-Llama-3-8B-Instruct";
    "llama-3.1" ["<|eot_id|>", "<|eom_id|>"] "meta-llama/Llama-3.1-8B-Instruct";
    "mistral-v3" [] "mistralai/Mistral-7B-Instruct-v0.3";
    "gemma-2" ["<end_of_turn>"] "google/gemma-2-2b-it";
    "gemma-3" ["<end_of_turn>"] "google/gemma-3-4b-it";
    "qwen2.5" ["<|im_end|>"] "Qwen/Qwen2.5-7B-Instruct";
    "qwen3" ["<|im_end|>"] "Qwen/Qwen3-0.6B";
    "deepseek-v3" ["<｜end▁of▁sentence｜>"] "deepseek-ai/DeepSeek-V3";
    "phi-3" ["<|end|>"] "microsoft/Phi-3-mini-4k-instruct";
    "phi-4" ["<|im_end|>"] "microsoft/phi-4";
    "zephyr" [] "HuggingFaceH4/zephyr-7b-beta";
    "vicuna" [] "FastChat's vicuna_v1.1 conversation (Vicuna 1.1 to 1.5)";
    "alpaca" [] "Stanford Alpaca's prompt without an input, followed by the output and eos";
}

/// The built-in template of exactly that name.
pub fn find(name: &str) -> Option<&'static Builtin> {
    ALL.iter().find(|builtin| builtin.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_template() {
        for builtin in ALL {
            assert_eq!(find(builtin.name), Some(builtin));
        }
        assert_eq!(find("qwen"), None);
    }

    #[test]
    fn every_template_marks_its_turns_once_or_more() {
        for builtin in ALL {
            let opened = builtin.source.matches("{% generation %}").count()
                + builtin.source.matches("{%- generation %}").count();
            let closed = builtin.source.matches("endgeneration").count();
            assert!(opened > 0 && opened == closed, "{}", builtin.name);
        }
    }

    #[test]
    fn a_stop_token_stands_in_its_template() {
        for builtin in ALL {
            for stop in builtin.stop_tokens {
                assert!(builtin.source.contains(stop), "{} {stop}", builtin.name);
            }
            if builtin.stop_tokens.is_empty() {
                assert!(builtin.source.contains("eos_token"), "{}", builtin.name);
            }
        }
    }
}
