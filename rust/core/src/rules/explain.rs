//! Cause and cure of every rule: one text for `--explain` and for `docs/rules.md`.

use super::Rule;

/// Why a rule fires, and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// How data gets that way, and what it does to the model.
    pub cause: &'static str,
    /// What to do about it.
    pub cure: &'static str,
}

macro_rules! explanations {
    ($($rule:ident: $cause:literal, $cure:literal;)*) => {
        impl Rule {
            /// Why it fires, and what to do.
            pub fn explain(self) -> Explanation {
                match self {
                    $(Self::$rule => Explanation { cause: $cause, cure: $cure },)*
                }
            }
        }
    };
}

explanations! {
    InvalidJson:
        "The line was cut, written by hand, or is not JSON at all.",
        "Repair the line named in the evidence; files are split at line feeds only.";
    LoneSurrogate:
        "A character outside the basic plane was cut in half, often by truncating UTF-16 text. \
         Tokenizers raise on it or replace it silently.",
        "Repair the text at its source; the row is left out until then.";
    DuplicateKey:
        "An object was written by concatenation and names a key twice.",
        "Nothing, if the last value is the right one; else repair the source.";
    SchemaMismatch:
        "The record lacks the keys of its schema, or they have other types.",
        "Name the schema with --schema, or map odd names with fields and roles.";
    UnknownRole:
        "A role is spelt in a way that no schema knows, such as `client`.",
        "Map it in the recipe: roles = { client = \"user\" }.";
    RoleOrder:
        "Two messages of one role follow each other, or a system message stands inside.",
        "Merge or drop them if your server never sends such prompts.";
    NullContent:
        "A content is null or missing. Some templates print the word `None`, which is then trained.",
        "Drop the message or give it text; an assistant message with tool calls needs none.";
    NonStringContent:
        "A content is a number, a boolean or an object; Python's formatting would train its repr.",
        "Write the content as a string.";
    TypeCoercedContent:
        "The reader of the file guessed a type: dates become timestamps, integers become floats.",
        "Read the JSON with turnmill itself, or give the column the type string.";
    NoAssistantTurn:
        "The row has only prompts.",
        "Nothing can be trained on it: leave it out.";
    EmptyAssistantTurn:
        "An assistant message has no text, so the model learns to stop at once.",
        "Leave such rows out unless that is what you want.";
    TurnWithoutPrompt:
        "A long conversation was split and the piece starts with an answer.",
        "Nothing: the answer is kept as context and not trained.";
    TrailingNonAssistantTurn:
        "The conversation ends with a message that nobody answered.",
        "Nothing: what follows the last answer is left out.";
    WhitespaceOnlyInput:
        "An input field holds only spaces, which are rendered into the prompt.",
        "Empty the field.";
    AlreadyRendered:
        "The text was rendered before; rendering it again doubles every marker.",
        "Use the raw messages, or the schema text for finished documents.";
    TemplateError:
        "The template raises on this conversation, exactly as transformers does.",
        "Read the reason; role_order = trim helps where a template refuses a leading answer.";
    TurnLost:
        "The template leaves assistant messages out without saying so.",
        "Use the model's current template, or one that prints every turn.";
    ReasoningDropped:
        "Templates of reasoning models leave earlier reasoning out of the history.",
        "Choose history = expand (every turn as inference sees it) or last-turn.";
    ReasoningMalformed:
        "A think marker has no partner, so a parser will swallow or invent text.",
        "Repair the pair of markers in the data.";
    ReasoningInline:
        "The reasoning stands between think markers inside the content.",
        "Nothing where the template prints contents as they are; else move it to reasoning_content.";
    HistoryRewritten:
        "The template prints an earlier turn otherwise once later messages follow.",
        "history = expand gives the tokens of inference for every turn, at a price in tokens.";
    ArrowNullDropped:
        "Arrow structs hold every field of the union, null where a message has none.",
        "Nothing: fields that no message had are not shown to the template.";
    SpecialTokenInContent:
        "A message quotes a control token. It is encoded as plain text, so it controls nothing.",
        "Nothing; special_in_content = parse gives the behaviour of transformers.";
    ControlTokenInContent:
        "Text of a message was parsed into a control token: a user can end or open turns with it, \
         and the model learns that they may.",
        "Tokenize contents without parsing control tokens, as turnmill does by default.";
    ForeignTerminatorText:
        "An answer ends in the stop token of another model, as plain text; the model learns to print it.",
        "Strip such endings from the data.";
    TemplateMarkerInContent:
        "A content holds text that the template prints around messages.",
        "Look at the rows: often they were rendered before, or scraped from prompts.";
    MissingTerminator:
        "The stop token was never appended: an answer not wrapped in its format, eos dropped by a \
         tokenizer flag, a template that prints none. The model never learns to stop; the loss looks healthy.",
        "Rebuild the data with the terminator of the serving side: `turnmill prepare` refuses to write such rows.";
    TerminatorMasked:
        "The stop token is in the ids but has label -100: a mask that ends one token early, or a \
         collator that masks by pad id. It trains exactly as much as a missing one: nothing.",
        "Include the terminator in the labels; use a pad token that is no stop token.";
    TruncatedTerminator:
        "The row was cut at the maximum length and lost its end. The longest answers teach never to stop.",
        "Raise the limit, or drop such rows: max_length with over_length = whole-turns or reject.";
    UnsetTerminator:
        "Neither generation_config.json nor the tokenizer names a stop token, or it is the unknown token.",
        "Give the stop tokens of your server with --stop.";
    EosFlagIgnored:
        "add_eos_token is set, but this tokenizer's files do not act on it.",
        "Append the id yourself, or let `turnmill prepare` do it.";
    PadEqualsTerminator:
        "pad_token = eos_token. A collator that sets labels to -100 wherever the id is the pad id \
         masks every real terminator too.",
        "Use a pad token of its own, or check the first batch with turnmill.check_batch.";
    WrongTerminator:
        "Turns end in a control token that the server does not stop on, such as <|im_end|> on a base \
         model whose eos is <|endoftext|>.",
        "Serve with that token in the stop set (--stop shows what changes), or train the server's token.";
    OtherTerminator:
        "The data was rendered by another template, or a trainer put the eos in place of the template's \
         own end. The server stops on both, but in a conversation that goes on it sends the template's.",
        "Render with the model's own template, so that history looks as the model learned to end it.";
    DuplicateTerminator:
        "A trainer or script appended eos to rows that the template had already ended.",
        "Append it in one place only.";
    PrematureTerminator:
        "A stop token stands inside an answer, often literal text that was parsed.",
        "Tokenize contents without parsing control tokens.";
    TerminatorNotAtomic:
        "The terminator's text is not in the vocabulary and falls into several pieces, which no server stops on.",
        "Use a stop token of the vocabulary, or add it as a special token and train its embedding.";
    UntrainedTerminatorEmbedding:
        "A base model never saw this token; with frozen embeddings it cannot learn to print it.",
        "Train embed_tokens and lm_head too, or use a template whose terminator the base model knows.";
    TrailingTokensTrained:
        "The newline or other text after the terminator has labels. The server never gets that far.",
        "Harmless, but those labels are wasted; end the labels at the terminator.";
    TerminatorCut:
        "The template prints a second stop token after the first.",
        "Nothing: the model stops at the first one.";
    DoubleBos:
        "The template prints BOS and the tokenizer adds another.",
        "Tokenize rendered text with add_special_tokens = False.";
    MissingBos:
        "The server's prompts start with BOS, the training rows do not.",
        "Render with the model's template, or prepend BOS where the server does.";
    PromptParity:
        "The tokens before a turn are not those of the inference prompt: the model answers prompts it never saw.",
        "Render training and inference with one template and one tokenizer.";
    AllLabelsMasked:
        "The prompt fills the whole window, or the response marker was not found. A batch of such rows gives NaN.",
        "Leave these rows out, or raise the limit.";
    PromptInLoss:
        "User or system text has labels: a wrong mask, or no labels at all where a trainer copies the ids.",
        "Train assistant turns only; give labels, not a bare mask.";
    HeaderInLoss:
        "The role header or an empty think block is trained, though the server sends it.",
        "Harmless in small amounts; start the labels after the generation prompt.";
    MaskOffByOne:
        "The mask was counted in other tokens than the ids, or labels were shifted before a trainer that shifts.",
        "Labels stand at the place of their token: labels[i] == input_ids[i] or -100.";
    LabelMismatch:
        "A label differs from the id at its place, so the model learns other text than the row shows.",
        "labels[i] must be input_ids[i] or -100.";
    OtherIgnoreLabel:
        "The tool that wrote the labels marks untrained tokens by another value, such as -1. Trainers \
         of PyTorch ignore -100 only: they crash on the others, or train them.",
        "Rewrite them as -100, or tell your loss; --ignore-label VALUE says that you know.";
    UntrainedAssistantTurn:
        "Only the last turn, or only the first, was found by the mask.",
        "Fine if the policy says so; else build the mask from spans, not by search.";
    NoGenerationMarkers:
        "The template has no {% generation %} tags, so the mask of transformers is all zero (or all one).",
        "Use a template with the tags, or let turnmill infer the spans.";
    ResponseMarkerNotFound:
        "The marker is tokenized otherwise in context than alone, so a search for its ids finds nothing.",
        "Build labels from spans; turnmill never searches for markers.";
    GenerationPromptInSample:
        "The row was rendered with add_generation_prompt = True and ends in an empty assistant header.",
        "Render training data with add_generation_prompt = False.";
    BoundaryMerge:
        "The answer starts with characters that merge with the end of the header into one token.",
        "boundary = apart tokenizes prompt and answer apart, as inference sees them.";
    PrefixSpaceDrift:
        "Tokenizers of the SentencePiece kind put a space before a text that stands alone.",
        "Tokenize the row as one text.";
    SpecialTokenStrip:
        "A control token is flagged lstrip or rstrip and swallows the whitespace beside it.",
        "Nothing, as long as the server tokenizes the same way.";
    RoundtripMismatch:
        "The tokenizer normalizes: decoding gives other characters than went in.",
        "Nothing, if the model was trained with this tokenizer.";
    NonPrefixTemplate:
        "Rendering more messages changes the text of earlier ones, so training and inference differ.",
        "See history-rewritten: history = expand or last-turn.";
    NondeterministicTemplate:
        "The template prints a date or random text.",
        "Fix the date with now = \"…\" in the recipe.";
    StaleCache:
        "A cache was found by file name and not by content, template, tokenizer and options.",
        "Delete the cache and build it again; turnmill's run record holds the hash of everything.";
    CacheKeyCollision:
        "Two inputs fell on one cache entry, so one was trained twice and the other never.",
        "Delete the cache and give the inputs different names.";
    PackingBoundary:
        "Several documents share a row and nothing says where one ends: they attend to each other.",
        "Keep seq_lengths or position_ids that start anew, and use a collator that reads them.";
    PackingSplitTurn:
        "Packing cut a turn at the end of a row; its second half has no prompt.",
        "Pack whole samples (first fit), never wrapped.";
    OverlongSample:
        "The row is longer than the limit; a trainer will cut its end, terminator included.",
        "Set max_length where the data is made, with a policy that keeps whole turns.";
    EosInserted:
        "The template never ends a turn, so the eos id was put after each trained one.",
        "Nothing: the served model stops on it; serve with the stop set in out/serving.";
    TurnsLeftOut:
        "The conversation is longer than max_length; whole turns left so that the rest ends properly.",
        "Raise max_length if too much of the data leaves.";
    NulByte:
        "The text holds a NUL character; some readers cut the text there.",
        "Remove it.";
    Crlf:
        "The text has Windows line ends, which tokenize otherwise than line feeds.",
        "Convert them unless the model should learn them.";
    ReplacementChar:
        "Bytes were decoded with the wrong encoding; the original characters are lost.",
        "Read the source again with the right encoding.";
    TrailingWhitespace:
        "An answer ends in spaces or line feeds before its terminator.",
        "Strip it unless the model should learn it.";
    TokenIdOutOfRange:
        "The data was made with another tokenizer, or an image placeholder was left in.",
        "Check with the tokenizer that made the data.";
    LengthMismatch:
        "Rows were cut in one column and not in another, such as seq_lengths after truncation.",
        "Build the data again; a trainer would crash or train the wrong places.";
    BrokenInput:
        "A compressed or columnar file ends too early or is damaged.",
        "Replace the file.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_explained_in_sentences() {
        for rule in Rule::ALL {
            let Explanation { cause, cure } = rule.explain();
            assert!(cause.ends_with('.') && cure.ends_with('.'), "{rule}");
        }
    }
}
