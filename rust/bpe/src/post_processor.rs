//! Ids that a post-processor puts around a text.

use serde_json::Value as Json;

/// The ids of special tokens before and after a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Affixes {
    /// Before it.
    pub prefix: Vec<u32>,
    /// After it.
    pub suffix: Vec<u32>,
}

impl Affixes {
    /// Of `post_processor` of a `tokenizer.json`, for a single text; `None` for one that is not
    /// known.
    pub fn of(post_processor: &Json) -> Option<Self> {
        if post_processor.is_null() {
            return Some(Self::default());
        }
        let named = |name: &str| {
            let id = post_processor.get(name)?.get(1)?.as_u64()?;
            Some(vec![u32::try_from(id).ok()?])
        };
        match post_processor.get("type")?.as_str()? {
            "ByteLevel" => Some(Self::default()),
            "BertProcessing" | "RobertaProcessing" => Some(Self {
                prefix: named("cls")?,
                suffix: named("sep")?,
            }),
            "TemplateProcessing" => template(post_processor),
            "Sequence" => sequence(post_processor.get("processors")?.as_array()?),
            _ => None,
        }
    }
}

fn sequence(processors: &[Json]) -> Option<Affixes> {
    let mut all = Affixes::default();
    for processor in processors {
        let Affixes { prefix, suffix } = Affixes::of(processor)?;
        all.prefix.splice(0..0, prefix);
        all.suffix.extend(suffix);
    }
    Some(all)
}

fn template(processor: &Json) -> Option<Affixes> {
    let mut affixes = Affixes::default();
    let mut seen_text = false;
    for item in processor.get("single")?.as_array()? {
        if item.get("Sequence").is_some() {
            seen_text = true;
            continue;
        }
        let name = item.get("SpecialToken")?.get("id")?.as_str()?;
        let ids = processor.get("special_tokens")?.get(name)?.get("ids")?;
        let side = if seen_text {
            &mut affixes.suffix
        } else {
            &mut affixes.prefix
        };
        for id in ids.as_array()? {
            side.push(u32::try_from(id.as_u64()?).ok()?);
        }
    }
    Some(affixes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<(Vec<u32>, Vec<u32>)> {
        let affixes = Affixes::of(&serde_json::from_str(text).unwrap())?;
        Some((affixes.prefix, affixes.suffix))
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
