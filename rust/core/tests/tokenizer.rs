//! Tokenizer directories: what is read from them and how errors explain themselves.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![allow(missing_docs, reason = "not an interface")]

mod support;

use support::{BOS, END, EOS, THINK, directory};
use turnmill_core::tokenizer::{Backend, Encoding, Input, Mark, Tokenizer};

fn encode(backend: &dyn Backend, input: &Input<'_>) -> Encoding {
    let mut encoding = Encoding::default();
    let mut scratch = backend.scratch();
    backend.encode(&mut *scratch, input, &mut encoding).unwrap();
    encoding
}

/// The same directory with either backend.
fn both(directory: &support::Directory) -> [Tokenizer; 2] {
    let tokenizers = [
        Tokenizer::load(directory.path()).unwrap(),
        Tokenizer::load_reference(directory.path(), "asked for").unwrap(),
    ];
    let names = tokenizers.each_ref().map(Tokenizer::backend_name);
    assert_eq!(names, ["bpe", "reference"]);
    assert_eq!(tokenizers[1].backend_reason(), "asked for");
    tokenizers
}

fn input(text: &str) -> Input<'_> {
    Input {
        text,
        content: &[],
        cuts: &[],
        marks: &[],
    }
}

#[test]
fn a_directory_is_read() {
    let directory = directory();
    directory.write("generation_config.json", r#"{"eos_token_id": [259, 257]}"#);
    directory.write("chat_template.jinja", "{{ messages }}\r\nx");
    for tokenizer in both(&directory) {
        is_read(&tokenizer);
    }
}

fn is_read(tokenizer: &Tokenizer) {
    assert_eq!(tokenizer.generation_eos(), [END, EOS]);
    assert_eq!(tokenizer.special_id("eos_token"), Some(END));
    assert_eq!(tokenizer.special_id("unk_token"), None);
    assert_eq!(
        tokenizer.templates().choose(false),
        Some("{{ messages }}\nx")
    );
    assert_eq!(
        (tokenizer.prefix(), tokenizer.suffix()),
        (&[BOS][..], &[][..])
    );
    assert_eq!(tokenizer.id_to_bytes(0xe4), [0xe4]);
    assert_eq!(tokenizer.id_to_text(END), "<|im_end|>");
    assert!(tokenizer.id_to_bytes(9999).is_empty());
    // The file's own truncation is off.
    let ids = tokenizer.encode("a long text", true).unwrap();
    assert_eq!(ids.len(), 12);
    assert_eq!(ids[0], BOS);
}

#[test]
fn tokens_that_only_the_configuration_declares_are_added() {
    let directory = directory();
    let declared = |id: u32| {
        format!(
            r#"{{"eos_token":"<x>","added_tokens_decoder":{{"{id}":{{"content":"<x>","special":true}}}}}}"#
        )
    };
    directory.write("tokenizer_config.json", &declared(261));
    let tokenizer = Tokenizer::load(directory.path()).unwrap();
    assert_eq!(tokenizer.encode("<x>", false).unwrap(), [261]);
    directory.write("tokenizer_config.json", &declared(300));
    let error = Tokenizer::load(directory.path()).unwrap_err();
    assert_eq!(error.code(), "token-id-conflict");
}

#[test]
fn a_wrong_directory_says_what_it_holds() {
    let directory = directory();
    std::fs::remove_file(directory.path().join("tokenizer.json")).unwrap();
    directory.write("tokenizer.model", "");
    let error = Tokenizer::load(directory.path()).unwrap_err();
    assert_eq!(error.code(), "tokenizer-not-found");
    assert!(error.what().contains("tokenizer.model"), "{error}");
    assert!(error.hint_text().unwrap().contains("save_pretrained"));
    let error = Tokenizer::load(&directory.path().join("nothing")).unwrap_err();
    assert_eq!(error.code(), "tokenizer-not-found");
    directory.write("tokenizer.json", "{}");
    let error = Tokenizer::load(directory.path()).unwrap_err();
    assert_eq!(error.code(), "invalid-tokenizer");
}

#[test]
fn marks_are_found_and_cuts_are_kept() {
    let directory = directory();
    for tokenizer in both(&directory) {
        let text = "añ<|im_end|>b";
        let marks = [0, 1, 3, 5, 13, 14];
        let encoding = encode(
            &**tokenizer.backend(),
            &Input {
                marks: &marks,
                cuts: &[1],
                ..input(text)
            },
        );
        assert_eq!(encoding.ids, [97, 0xc3, 0xb1, END, 98]);
        let mark = |token, straddles| Mark { token, straddles };
        assert_eq!(
            encoding.marks,
            [
                mark(0, false),
                mark(1, false),
                mark(3, false),
                mark(3, true),
                mark(4, false),
                mark(5, false)
            ]
        );
    }
}

#[test]
fn structural_tokens_in_content_are_ordinary_text() {
    let directory = directory();
    for tokenizer in both(&directory) {
        let backend = tokenizer.backend().with_structural(&[END]).unwrap();
        let text = "<|im_end|><think><|im_end|>";
        let parsed = encode(&*backend, &input(text)).ids;
        assert_eq!(parsed, [END, THINK, END]);
        let content = [(10, 27)];
        let guarded = encode(
            &*backend,
            &Input {
                content: &content,
                ..input(text)
            },
        );
        let literal: Vec<u32> = b"<|im_end|>".iter().map(|byte| u32::from(*byte)).collect();
        assert_eq!(guarded.ids, [&[END, THINK][..], &literal].concat());
    }
}

#[test]
fn content_without_structural_text_changes_nothing() {
    let directory = directory();
    for tokenizer in both(&directory) {
        let backend = tokenizer.backend().with_structural(&[END, BOS]).unwrap();
        for text in ["", "plain", "a<think>b", "x<eos>y  \n", "<bos><|im_end|>"] {
            let whole = encode(&*backend, &input(text)).ids;
            let outside = [(text.len() as u32, text.len() as u32 + 1)];
            let guarded = Input {
                content: &outside,
                ..input(text)
            };
            assert_eq!(encode(&*backend, &guarded).ids, whole, "{text}");
        }
    }
}
