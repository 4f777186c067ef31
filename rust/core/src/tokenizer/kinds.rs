//! What lies where a `tokenizer.json` should be, and what to do about it.

use std::path::Path;

use super::files::read_object;
use crate::{Error, ErrorKind};

/// A file that people take for a tokenizer.
struct Kind {
    /// Names of such files, or their last part.
    names: &'static [&'static str],
    what: &'static str,
    cure: Cure,
}

enum Cure {
    /// transformers writes a `tokenizer.json` from it.
    Convert,
    /// It belongs to a model whose directory has the tokenizer.
    Model(&'static str),
    /// It lies beside the tokenizer.
    Beside,
}

/// The first that fits counts.
const KINDS: &[Kind] = &[
    Kind {
        names: &["tekken.json"],
        what: "a Tekken tokenizer of mistral-common",
        cure: Cure::Convert,
    },
    Kind {
        names: &["tokenizer.model", "spiece.model", "sentencepiece.bpe.model"],
        what: "a SentencePiece model",
        cure: Cure::Convert,
    },
    Kind {
        names: &["tiktoken.model"],
        what: "a tiktoken vocabulary",
        cure: Cure::Convert,
    },
    Kind {
        names: &[".tiktoken"],
        what: "a tiktoken vocabulary, which only the model's own code reads",
        cure: Cure::Model(
            "give the directory of a version of the model that has a tokenizer.json; or write one \
             with convert_tiktoken_to_fast of transformers.integrations.tiktoken",
        ),
    },
    Kind {
        names: &["vocab.json", "merges.txt", "vocab.txt"],
        what: "a vocabulary of the older form",
        cure: Cure::Convert,
    },
    Kind {
        names: &["adapter_config.json", "adapter_model.safetensors"],
        what: "an adapter (LoRA) without a tokenizer",
        cure: Cure::Model("give the directory of its base model"),
    },
    Kind {
        names: &[".gguf"],
        what: "a model for llama.cpp (GGUF)",
        cure: Cure::Model(
            "give the directory of the model that it was made from: it has the tokenizer.json, \
             the chat template and the stop tokens",
        ),
    },
    Kind {
        names: &[
            "tokenizer_config.json",
            "added_tokens.json",
            "special_tokens_map.json",
            "generation_config.json",
            "chat_template.json",
            "chat_template.jinja",
            "processor_config.json",
        ],
        what: "a file of settings, without the vocabulary",
        cure: Cure::Beside,
    },
    Kind {
        names: &[".safetensors", ".bin", ".pt", ".pth", "config.json"],
        what: "a model without a tokenizer",
        cure: Cure::Model("get the model's tokenizer.json and tokenizer_config.json too"),
    },
];

impl Kind {
    /// The place of the kind among all.
    fn of(name: &str) -> Option<usize> {
        let lower = name.to_lowercase();
        let is_named = |known: &&str| {
            let ends = known.starts_with('.') && lower.ends_with(*known);
            ends || name == *known
        };
        KINDS
            .iter()
            .position(|kind| kind.names.iter().any(is_named))
    }

    fn hint(&self, directory: &Path) -> String {
        match self.cure {
            Cure::Convert => format!(
                "write a tokenizer.json from it, once: python -c \"from transformers import \
                 AutoTokenizer as T; T.from_pretrained('{0}').save_pretrained('{0}')\"",
                directory.display()
            ),
            Cure::Model(hint) => match base_model(directory) {
                Some(base) => format!("{hint}, {base}"),
                None => hint.to_owned(),
            },
            Cure::Beside => "get the model's tokenizer.json too, and give the directory".to_owned(),
        }
    }
}

/// The model that an adapter in this directory is for.
fn base_model(directory: &Path) -> Option<String> {
    let config = read_object(directory, "adapter_config.json").ok()??;
    let base = config.get("base_model_name_or_path")?.as_str()?;
    (!base.is_empty()).then(|| base.to_owned())
}

/// The error for a directory without a `tokenizer.json`.
pub(super) fn wrong_directory(path: &Path) -> Error {
    let mut names: Vec<String> = std::fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let known = names
        .iter()
        .filter_map(|name| Some((Kind::of(name)?, name)));
    let (what, hint) = match known.min() {
        Some((place, name)) => (
            format!(
                "the directory holds no tokenizer.json: {name} is {}",
                KINDS[place].what
            ),
            KINDS[place].hint(path),
        ),
        None => (
            format!("the directory holds no tokenizer.json ({})", listed(names)),
            "give the directory that the model's files were downloaded to, with --tokenizer"
                .to_owned(),
        ),
    };
    not_found(what).at_path(path).hint(hint)
}

fn listed(mut names: Vec<String>) -> String {
    if names.is_empty() {
        return "it is empty".to_owned();
    }
    names.truncate(12);
    format!("found: {}", names.join(", "))
}

/// The error for a path that does not exist.
pub(super) fn missing(path: &Path) -> Error {
    not_found("there is no such tokenizer")
        .at_path(path)
        .hint("give a directory with tokenizer.json, or that file, with --tokenizer")
}

fn not_found(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Tokenizer, "tokenizer-not-found", what)
}

/// The error for a file that cannot be read as a `tokenizer.json`.
pub(super) fn wrong_file(path: &Path, text: &[u8], cause: &serde_json::Error) -> Error {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let directory = path.parent().unwrap_or(Path::new(""));
    let beside = directory.join("tokenizer.json");
    let invalid = |what: String| Error::new(ErrorKind::Tokenizer, "invalid-tokenizer", what);
    let error = if text.starts_with(b"version https://git-lfs") {
        invalid("the file is a Git LFS pointer, not the tokenizer itself".to_owned())
            .hint("fetch what it points to: git lfs pull, or hf download")
    } else if let Some(kind) = Kind::of(&name).map(|place| &KINDS[place]) {
        let error = invalid(format!("it is {}, not a tokenizer.json", kind.what));
        let is_beside = beside.is_file();
        error.hint(if is_beside {
            format!("give the directory: --tokenizer {}", directory.display())
        } else {
            kind.hint(directory)
        })
    } else {
        invalid(format!("{name} cannot be read as a tokenizer: {cause}"))
            .hint("the file is damaged or of another kind: get it again")
    };
    error.at_path(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_whole_and_endings_are_endings() {
        let what = |name: &str| Kind::of(name).map(|place| KINDS[place].what);
        assert!(what("tekken.json").is_some_and(|what| what.contains("Tekken")));
        assert!(what("qwen.tiktoken").is_some_and(|what| what.contains("own code")));
        assert!(what("Model-Q4_K_M.GGUF").is_some_and(|what| what.contains("GGUF")));
        assert_eq!(what("my-vocab.json"), None);
    }
}
