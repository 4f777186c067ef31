//! Data against the model that will be served.

use xxhash_rust::xxh3::xxh3_128;

use super::report::Report;
use crate::rules::Rule;
use crate::setup::Served;
use crate::tokenizer::Tokenizer;

/// Compares what ends turns, and the template of the data, with those of the server.
pub(crate) fn compare(
    report: &mut Report,
    tokenizer: &Tokenizer,
    server: &Served,
    template: Option<&str>,
) {
    let ends = report.terminators.iter().map(|(id, _)| *id as u32);
    let missing: Vec<u32> = ends.filter(|id| !server.stop.contains(id)).collect();
    if !missing.is_empty() {
        let note = format!(
            "turns end in {} {missing:?}, the server stops on {:?} only",
            tokenizer.ids_to_texts(&missing).join(", "),
            server.stop
        );
        report.findings.add_to_all(Rule::WrongTerminator, note);
    }
    if let (Some(ours), Some(theirs)) = (template, server.template.as_deref())
        && ours != theirs
    {
        let note = format!(
            "the server has another chat template: hash {}, the data's is {}",
            short_hash(theirs),
            short_hash(ours)
        );
        report.findings.add_to_all(Rule::PromptParity, note);
    }
}

/// The start of the hash that the run record has.
fn short_hash(source: &str) -> String {
    format!("{:032x}", xxh3_128(source.as_bytes()))[..12].to_owned()
}
