//! Ids that a post-processor puts around a text.

use serde_json::Value as Json;

/// Ids before and after a text.
pub type Frame = (Vec<u32>, Vec<u32>);

/// Ids before and after a single text; `None` for a post-processor that is not known.
pub(super) fn frame(post_processor: &Json) -> Option<Frame> {
    if post_processor.is_null() {
        return Some((Vec::new(), Vec::new()));
    }
    let pair = |name: &str| {
        let id = post_processor.get(name)?.get(1)?.as_u64()?;
        u32::try_from(id).ok()
    };
    match post_processor.get("type")?.as_str()? {
        "ByteLevel" => Some((Vec::new(), Vec::new())),
        "BertProcessing" | "RobertaProcessing" => Some((vec![pair("cls")?], vec![pair("sep")?])),
        "TemplateProcessing" => template(post_processor),
        "Sequence" => {
            let (mut before, mut after) = (Vec::new(), Vec::new());
            for part in post_processor.get("processors")?.as_array()? {
                let (prefix, suffix) = frame(part)?;
                before.splice(0..0, prefix);
                after.extend(suffix);
            }
            Some((before, after))
        }
        _ => None,
    }
}

fn template(processor: &Json) -> Option<Frame> {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let mut seen_text = false;
    for item in processor.get("single")?.as_array()? {
        if item.get("Sequence").is_some() {
            seen_text = true;
            continue;
        }
        let name = item.get("SpecialToken")?.get("id")?.as_str()?;
        let ids = processor.get("special_tokens")?.get(name)?.get("ids")?;
        for id in ids.as_array()? {
            let side = if seen_text { &mut after } else { &mut before };
            side.push(u32::try_from(id.as_u64()?).ok()?);
        }
    }
    Some((before, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Frame> {
        frame(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn published_kinds() {
        assert_eq!(of("null"), Some((vec![], vec![])));
        assert_eq!(of(r#"{"type":"ByteLevel"}"#), Some((vec![], vec![])));
        assert_eq!(
            of(r#"{"type":"RobertaProcessing","sep":["</s>",2],"cls":["<s>",0]}"#),
            Some((vec![0], vec![2]))
        );
        let template = r#"{"type":"TemplateProcessing","single":[
            {"SpecialToken":{"id":"b","type_id":0}},{"Sequence":{"id":"A","type_id":0}},
            {"SpecialToken":{"id":"e","type_id":0}}],
            "special_tokens":{"b":{"ids":[7]},"e":{"ids":[8,9]}}}"#;
        assert_eq!(of(template), Some((vec![7], vec![8, 9])));
        let sequence =
            format!(r#"{{"type":"Sequence","processors":[{{"type":"ByteLevel"}},{template}]}}"#);
        assert_eq!(of(&sequence), Some((vec![7], vec![8, 9])));
    }

    #[test]
    fn an_unknown_kind_is_not_guessed() {
        assert_eq!(of(r#"{"type":"Odd"}"#), None);
    }
}
