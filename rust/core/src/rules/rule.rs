//! The table of rules: name, severity, meaning, cause and cure of each.
//!
//! The names come from 95 documented incidents in public fine-tuning projects; `docs/rules.md`
//! explains each with its cause and cure.

use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a number.
    Info,
    /// Likely harm, or training and inference differ.
    Warning,
    /// Breaks the promise: in a run, the row is rejected.
    Error,
}

impl Severity {
    /// The word used in messages and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! rules {
    ($($variant:ident $name:literal $severity:ident
        means $meaning:literal
        cause $cause:literal
        cure $cure:literal
        $(hint $hint:literal)?;)*) => {
        /// A rule, known to users by its kebab-case name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Rule {
            $(#[doc = $meaning] $variant,)*
        }

        impl Rule {
            /// Every rule, in the order in which reports list them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name, such as `missing-terminator`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The severity.
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// One sentence on what the rule finds.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// How data gets that way, and what it does to the model.
            pub fn cause(self) -> &'static str {
                match self { $(Self::$variant => $cause,)* }
            }

            /// What to do about it.
            pub fn cure(self) -> &'static str {
                match self { $(Self::$variant => $cure,)* }
            }

            /// What to say where a run rejects many rows by this rule, if there is more to say than the cure.
            pub fn hint(self) -> Option<&'static str> {
                match self {
                    $($(Self::$variant => Some($hint),)?)*
                    _ => None,
                }
            }
        }
    };
}

rules! {
    InvalidJson "invalid-json" Error
        means "The line is not JSON as Python's json.loads reads it"
        cause "The line was cut, written by hand, or is not JSON at all."
        cure "Repair the line named in the evidence; files are split at line feeds only."
        hint "each line must be one JSON object";
    LoneSurrogate "lone-surrogate" Error
        means "A string holds half of a surrogate pair, which no tokenizer can encode"
        cause "A character outside the basic plane was cut in half, often by truncating UTF-16 \
               text. Tokenizers raise on it or replace it silently."
        cure "Repair the text at its source; the row is left out until then.";
    DuplicateKey "duplicate-key" Info
        means "An object names a key twice; the last value counts, as in json.loads"
        cause "An object was written by concatenation and names a key twice."
        cure "Nothing, if the last value is the right one; else repair the source.";
    DuplicateConversation "duplicate-conversation" Info
        means "The same conversation stands in the data before"
        cause "A conversation was collected twice, often from two sources. The model sees it twice \
               as often, and a copy in the validation data makes its loss look better than it is."
        cure "Leave repeated conversations out: dedup = \"exact\".";
    NotDrawn "not-drawn" Info
        means "The input's weight or cap takes fewer rows, and this one was not drawn"
        cause "The input has more rows than its weight or cap takes. Those that are written are \
               drawn by the hash of their conversation and the seed."
        cure "Nothing, or a larger weight or cap of the input.";
    SchemaMismatch "schema-mismatch" Error
        means "The record does not have the shape of its schema"
        cause "The record lacks the keys of its schema, or they have other types."
        cure "Name the schema with --schema, or map odd names with fields and roles."
        hint "name the shape with --schema, or odd field names with --fields theirs=ours";
    JudgedRow "judged-row" Error
        means "The row judges its answer (`label`, `chosen` and `rejected`, `rating`, `score`)"
        cause "The data set says which answers are good and which are bad, for training on \
               preferences. Schemas of conversations would train all of them as good ones."
        cure "Read pairs with schema = preference, and labels with schema = kto. To train good answers \
              alone, leave the bad ones out, then name the columns that judge with ignore."
        hint "leave the bad answers out, then name the columns that judge with --ignore";
    AnswerInParts "answer-in-parts" Error
        means "Of an answer that is judged, something in the middle is not trained"
        cause "The answer is several messages, some of tools or the user, or the recipe leaves reasoning \
               out (reasoning = mask). Columns of ids alone cannot say so: trainers would train all of it."
        cure "Write columns with labels: chosen_input_ids, chosen_labels, rejected_input_ids, \
              rejected_labels, or input_ids, labels, label."
        hint "name columns with labels: --columns chosen_input_ids,chosen_labels,rejected_input_ids,rejected_labels";
    EqualAnswers "equal-answers" Warning
        means "The chosen and the rejected answer of a pair are the same"
        cause "The two were drawn from one model, or differ only in what the template does not print."
        cure "Leave the pair out: it teaches nothing.";
    ColumnUnread "column-unread" Info
        means "A column that says something elsewhere (`tools`, `system`, `images`) is not read by \
               this schema"
        cause "The schema of the rows does not know the column, wire = keep leaves it unread, or it \
               holds variables that the template does not read."
        cure "Name it in fields if it holds a field of the schema, or in ignore if it says nothing; \
              else the data loses it.";
    WeightUnwritten "weight-unwritten" Warning
        means "The data gives a weight that is neither 0 nor 1, and the output has no column for it"
        cause "A row or message has a weight, such as 0.5, and the recipe's columns lack `weights`: \
               it is trained with the weight 1."
        cure "Add weights to columns, and use a trainer that reads the column.";
    UnknownRole "unknown-role" Error
        means "A message has a role that no mapping names"
        cause "A role is spelt in a way that no schema knows, such as `client`."
        cure "Map it in the recipe: roles = { client = \"user\" }."
        hint "name the roles with --roles, such as --roles client=user,counselor=assistant";
    RoleOrder "role-order" Warning
        means "The order of roles is one that inference never produces"
        cause "Two messages of one role follow each other, or a system message stands inside."
        cure "Merge or drop them if your server never sends such prompts.";
    NullContent "null-content" Error
        means "A message has no content where text is needed"
        cause "A content is null or missing. Some templates print the word `None`, which is then \
               trained."
        cure "Drop the message or give it text; an assistant message with tool calls needs none.";
    NonStringContent "non-string-content" Error
        means "A content is a number, a boolean or an object where text is needed"
        cause "A content is a number, a boolean or an object; Python's formatting would train its \
               repr."
        cure "Write the content as a string.";
    TypeCoercedContent "type-coerced-content" Error
        means "A content was changed by the reader of the file, such as a date"
        cause "The reader of the file guessed a type: dates become timestamps, integers become \
               floats."
        cure "Read the JSON with turnmill itself, or give the column the type string.";
    NoAssistantTurn "no-assistant-turn" Error
        means "The row has no assistant message, so nothing can be trained"
        cause "The row has only prompts."
        cure "Nothing can be trained on it: leave it out."
        hint "name the assistant's role with --roles, such as --roles bot=assistant";
    EmptyAssistantTurn "empty-assistant-turn" Warning
        means "An assistant message has no text: it trains to stop at once"
        cause "An assistant message has no text, so the model learns to stop at once."
        cure "Leave such rows out unless that is what you want.";
    NoPrompt "no-prompt" Error
        means "A row that should be a prompt holds nothing to answer"
        cause "The row is empty, or begins with an answer and ends with it."
        cure "Leave such rows out.";
    TurnWithoutPrompt "turn-without-prompt" Info
        means "The row starts with an assistant message, which is kept as context, untrained"
        cause "A long conversation was split and the piece starts with an answer."
        cure "Nothing: the answer is kept as context and not trained.";
    TrailingNonAssistantTurn "trailing-non-assistant-turn" Info
        means "Messages after the last assistant turn were left out"
        cause "The conversation ends with a message that nobody answered."
        cure "Nothing: what follows the last answer is left out.";
    WhitespaceOnlyInput "whitespace-only-input" Info
        means "An input or prompt consists of whitespace"
        cause "An input field holds only spaces, which are rendered into the prompt."
        cure "Empty the field.";
    ArgumentsParsed "arguments-parsed" Info
        means "Arguments of a tool call came as JSON text, under another name or not at all, and \
               became an object"
        cause "The logs of APIs hold the arguments of a call as JSON text, and some name them \
               `parameters`, `input` or `args`. Templates encode such text a second time or raise on \
               it; the engines that serve models parse it before they render."
        cure "Nothing; wire = keep gives the template the text, as transformers does.";
    ArgumentsNotJson "arguments-not-json" Warning
        means "Arguments of a tool call are text that is not JSON; they stay text"
        cause "The model wrote arguments that are not JSON, or the text was cut."
        cure "Look at the call: templates print such text in quotes, and the model learns that.";
    ToolCallsParsed "tool-calls-parsed" Info
        means "Tool calls came as JSON text, or one without a list, and became a list"
        cause "A table column can hold the calls of a message only as JSON text."
        cure "Nothing; wire = keep gives the template the text, as transformers does.";
    EmptyToolCalls "empty-tool-calls" Info
        means "A message had an empty list of tool calls, or an empty text, and now has none"
        cause "Tools write an empty list where a message calls nothing; some templates take it for a \
               call."
        cure "Nothing; wire = keep leaves the list in the message.";
    MessagesParsed "messages-parsed" Info
        means "The messages of the row came as text (JSON, or `Human:` and `Assistant:`) and became a list"
        cause "The column of a table, such as Parquet, is text: the program that wrote it encoded the \
               messages; or the row is from a data set such as HH-RLHF."
        cure "Nothing; wire = keep leaves the text, and such rows cannot be read.";
    ToolsParsed "tools-parsed" Info
        means "A tool, or its parameters, came as JSON text and became an object, or one tool without \
               a list became a list"
        cause "Parameters of different tools fit no one table column but as JSON text."
        cure "Nothing; wire = keep gives the template the text, as transformers does.";
    FunctionCallRead "function-call-read" Info
        means "An old `function_call`, `functions` or role `function` was read as tool calls, tools \
               or a tool's result"
        cause "The row is in the form that OpenAI's API had before tools. Templates know the present \
               form only and leave the old keys out."
        cure "Nothing; wire = keep leaves the old keys to the template.";
    BlocksRead "blocks-read" Info
        means "Blocks of Anthropic's API or of the Responses API (`tool_use`, `thinking`, \
               `input_text`) were read as calls, results, reasoning, tools and text"
        cause "The row is of an API that keeps calls, results, reasoning or text in blocks of its \
               own. No template knows them there."
        cure "Nothing; wire = keep leaves the blocks to the template.";
    ResultAsValue "result-as-value" Warning
        means "A tool's result is an object or a list, which every template prints in its own way"
        cause "The content of the tool's message is a value and no text. Some templates print it as \
               JSON, others as Python would, `{'a': 1}`; a server gets text from its clients."
        cure "Write the result as the text that your server will get.";
    ContentAdded "content-added" Info
        means "A message with tool calls had no content and got an empty one"
        cause "APIs leave out the content of a message that only calls tools, and many templates \
               raise on it."
        cure "Nothing; wire = keep leaves the message without a content.";
    ContentAsParts "content-as-parts" Info
        means "The template prints only lists of parts, so a text became a list of one part"
        cause "The template is that of a model that sees images: it walks over parts and prints \
               nothing of a plain text."
        cure "Nothing; wire = keep leaves the text, and the template prints no turn.";
    DeveloperAsSystem "developer-as-system" Info
        means "The template prints no developer message, so it became the system message"
        cause "The row is of an API that calls the system message `developer`."
        cure "Nothing; wire = keep leaves the role, and the template drops the message or refuses \
              it.";
    SystemAdded "system-added" Info
        means "The row's own system text became the first message"
        cause "The data set keeps the system text in a column of its own."
        cure "Nothing; wire = keep leaves the column unread.";
    DefaultSystemAdded "default-system-added" Info
        means "The conversation had no system message, so the recipe's `system` became its first"
        cause "The recipe names a system text for conversations that have none."
        cure "Nothing.";
    SystemLeftOut "system-left-out" Warning
        means "The row has a system text of its own beside a system message, or without messages; it \
               is not in the sample"
        cause "The messages begin with a system message of another text, or the row has no messages \
               that a system message could lead."
        cure "Look at both texts, and drop the one that is not meant.";
    TurnsJoined "turns-joined" Info
        means "An assistant's text and calls came as two messages and became one turn"
        cause "Some data sets give the text and the calls of one turn as two messages, so that the \
               first would end before its calls."
        cure "Nothing; wire = keep leaves them apart.";
    WithoutTemplate "without-template" Info
        means "Prompt and completion are texts, so no chat template stands around them"
        cause "The schema `prompt-completion` joins texts as they are. A chat model that is trained \
               so never sees the markers that its server sends."
        cure "For a chat model use --schema alpaca with --fields \
              prompt=instruction,completion=output, or give lists of messages; nothing where the \
              server sends plain text.";
    UnfinishedTurn "unfinished-turn" Error
        means "An answer is only begun or was cut, so its end would be trained in the middle"
        cause "`prefix` or `partial` tells an API to go on with the message, or `finish_reason`, \
               `stop_reason` or `status` says that the limit of its length cut the answer."
        cure "Leave the row out, write the whole answer, or give the message the weight 0.";
    AlreadyRendered "already-rendered" Error
        means "The text holds a chat template's markers: it was rendered before"
        cause "The text was rendered before; rendering it again doubles every marker."
        cure "Use the raw messages, or the schema text for finished documents."
        hint "give the conversations rather than text that a template has rendered";
    TemplateError "template-error" Error
        means "The template refuses this conversation, as transformers does"
        cause "The template raises on this conversation, exactly as transformers does."
        cure "Read the reason; role_order = trim helps where a template refuses a leading answer."
        hint "the template refuses such rows: change them, or choose another --template";
    TurnLost "turn-lost" Error
        means "The template does not print an assistant turn, or a part of what it says"
        cause "The template leaves assistant messages, or their tool calls, out without saying so."
        cure "Use the model's current template, or one that prints every turn."
        hint "the template leaves turns out: try another --template";
    MessageLost "message-lost" Error
        means "The template does not print the text of a message, or prints only a part of it"
        cause "The template has no place for a message of this role, or for this order of roles: \
               an instruction or a tool's result is in the data and not in the text, and the model \
               is trained on answers to something that it does not see."
        cure "Use a template that prints it, or leave such rows out."
        hint "the template leaves messages out: try another --template";
    ToolsLost "tools-lost" Warning
        means "The template does not print the tools or the documents of the row"
        cause "The template knows no tools or no documents, or prints tools only where a user speaks \
               last: the model learns calls without having seen what it can call, and answers without \
               their sources."
        cure "Use the model's template for them, or keep it where they are not to be learned.";
    FieldLost "field-lost" Info
        means "The template does not print a field of a message that says something, such as its name"
        cause "Most templates print no names and no refusals. Few print the id by which a tool's \
               result names its call; it says something where results come in another order than \
               their calls. Of an image, a sound or a film the text has a placeholder only."
        cure "Nothing, where the model need not see it; else write it into the content.";
    ReasoningDropped "reasoning-dropped" Warning
        means "The template leaves out reasoning of the row"
        cause "Templates of reasoning models leave earlier reasoning out of the history."
        cure "Choose history = expand (every turn as inference sees it) or last-turn. If the reasoning of \
              a last turn is left out too, the template prints none there: use another template."
        hint "decide with --history expand, last-turn or as-rendered";
    ReasoningMalformed "reasoning-malformed" Warning
        means "A think marker has no partner"
        cause "A think marker has no partner, so a parser will swallow or invent text."
        cure "Repair the pair of markers in the data.";
    ReasoningInline "reasoning-inline" Info
        means "Reasoning is inside the content, not in its own field"
        cause "The reasoning is between think markers inside the content."
        cure "Nothing if the template prints content as it is; else move the reasoning to \
              reasoning_content.";
    HistoryRewritten "history-rewritten" Info
        means "The template renders an earlier turn differently from inference"
        cause "The template prints an earlier turn differently once later messages follow."
        cure "history = expand gives every turn the tokens of inference, at the cost of more \
              tokens.";
    ArrowNullDropped "arrow-null-dropped" Info
        means "Null fields that an Arrow struct adds were dropped"
        cause "Arrow structs hold every field of the union, null where a message has none."
        cure "Nothing: fields that no message had are not shown to the template.";
    SpecialTokenInContent "special-token-in-content" Info
        means "Content holds the text of a control token, encoded as ordinary text"
        cause "A message quotes a control token. It is encoded as plain text, so it controls \
               nothing."
        cure "Nothing; special_in_content = parse gives the behaviour of transformers.";
    ControlTokenInContent "control-token-in-content" Error
        means "Content became a control token"
        cause "Text of a message was parsed into a control token: a user can end or open turns \
               with it, and the model learns that they may."
        cure "Tokenize contents without parsing control tokens, as turnmill does by default."
        hint "encode such text as text with --special-in-content text";
    ForeignTerminatorText "foreign-terminator-text" Warning
        means "Content ends in the text of another model's stop token"
        cause "An answer ends in the stop token of another model, as plain text; the model learns \
               to print it."
        cure "Strip such endings from the data.";
    TemplateMarkerInContent "template-marker-in-content" Warning
        means "Content holds text that the template prints around messages"
        cause "A content holds text that the template prints around messages."
        cure "Look at the rows: often they were rendered before, or scraped from prompts.";
    MissingTerminator "missing-terminator" Error
        means "A trained turn does not end in a stop token"
        cause "The stop token was never appended: an answer not wrapped in its format, eos dropped \
               by a tokenizer flag, a template that prints none. The model never learns to stop; \
               the loss looks healthy."
        cure "Rebuild the data with the terminator of the serving side: `turnmill prepare` refuses \
              to write such rows."
        hint "give the token that ends turns with --stop, or use --eos ensure";
    TerminatorMasked "terminator-masked" Error
        means "The stop token of a turn is there, but its label is -100"
        cause "The stop token is in the ids but has label -100: a mask that ends one token early, \
               or a collator that masks by pad id. It trains exactly as much as a missing one: \
               nothing."
        cure "Include the terminator in the labels; use a pad token that is not a stop token.";
    TruncatedTerminator "truncated-terminator" Error
        means "The row was cut at the limit and lost its stop token"
        cause "The row was cut at the maximum length and lost its end. The longest answers teach \
               never to stop."
        cure "Raise the limit, or drop such rows: max_length with over_length = whole-turns or \
              reject.";
    UnsetTerminator "unset-terminator" Error
        means "No stop token is known, or it is the unknown token"
        cause "Neither generation_config.json nor the tokenizer names a stop token, or it is the \
               unknown token."
        cure "Give the stop tokens of your server with --stop.";
    EosFlagIgnored "eos-flag-ignored" Error
        means "The tokenizer ignores its flag to add a stop token"
        cause "add_eos_token is set, but this tokenizer's files do not act on it."
        cure "Append the id yourself, or let `turnmill prepare` do it.";
    PadEqualsTerminator "pad-equals-terminator" Warning
        means "The pad token ends turns: collators that mask by id unlearn it"
        cause "pad_token = eos_token. A collator that sets labels to -100 wherever the id is the \
               pad id masks every real terminator too."
        cure "Use a separate pad token, or check the first batch with turnmill.check_batch.";
    WrongTerminator "wrong-terminator" Error
        means "The turn ends in a token that the serving side does not stop on"
        cause "Turns end in a control token that the server does not stop on, such as <|im_end|> \
               on a base model whose eos is <|endoftext|>."
        cure "Serve with that token in the stop set (--stop shows what changes), or train the \
              server's token."
        hint "give the token that ends turns with --stop";
    OtherTerminator "other-terminator" Warning
        means "The turn ends in a stop token, but not in the one that the template prints"
        cause "The data was rendered by another template, or a trainer put the eos in place of \
               the template's own end. The server stops on both, but when the conversation \
               continues it sends the template's."
        cure "Render with the model's own template, so that history looks as the model learned to \
              end it.";
    DuplicateTerminator "duplicate-terminator" Error
        means "Two stop tokens follow each other"
        cause "A trainer or script appended eos to rows that the template had already ended."
        cure "Append it in one place only.";
    PrematureTerminator "premature-terminator" Error
        means "There is a stop token inside a trained turn"
        cause "There is a stop token inside an answer, often literal text that was parsed."
        cure "Tokenize contents without parsing control tokens.";
    TerminatorNotAtomic "terminator-not-atomic" Error
        means "The terminator's text is several tokens"
        cause "The terminator's text is not in the vocabulary and falls into several pieces, which \
               no server stops on."
        cure "Use a stop token of the vocabulary, or add it as a special token and train its \
              embedding.";
    UntrainedTerminatorEmbedding "untrained-terminator-embedding" Warning
        means "The base model never learned the terminator's embedding"
        cause "A base model never saw this token; with frozen embeddings it cannot learn to print \
               it."
        cure "Train embed_tokens and lm_head too, or use a template whose terminator the base \
              model knows.";
    TrailingTokensTrained "trailing-tokens-trained" Info
        means "Tokens after the terminator are trained"
        cause "The newline or other text after the terminator has labels. The server never gets \
               that far."
        cure "Harmless, but those labels are wasted; end the labels at the terminator.";
    TerminatorCut "terminator-cut" Info
        means "Tokens that the template prints after the first stop token are not trained"
        cause "The template prints a second stop token after the first."
        cure "Nothing: the model stops at the first one.";
    EosInserted "eos-inserted" Info
        means "The template never ends a turn, so the eos was inserted after it"
        cause "The template never ends a turn, so the eos id was put after each trained one."
        cure "Nothing: the served model stops on it; serve with the stop set in out/serving.";
    DoubleBos "double-bos" Error
        means "The sequence starts with two beginning-of-sequence tokens"
        cause "The template prints BOS and the tokenizer adds another."
        cure "Tokenize rendered text with add_special_tokens = False.";
    MissingBos "missing-bos" Warning
        means "The sequence lacks the beginning-of-sequence token that inference sends"
        cause "The server's prompts start with BOS, the training rows do not."
        cure "Render with the model's template, or prepend BOS where the server does.";
    PromptParity "prompt-parity" Error
        means "The tokens before a turn differ from the inference prompt's"
        cause "The tokens before a turn are not those of the inference prompt: the model answers \
               prompts it never saw."
        cure "Render training and inference with one template and one tokenizer.";
    AllLabelsMasked "all-labels-masked" Error
        means "The row has no trained token"
        cause "The prompt fills the whole window, or the response marker was not found. A batch of \
               such rows gives NaN."
        cure "Leave these rows out, or raise the limit.";
    PromptInLoss "prompt-in-loss" Error
        means "Text outside assistant turns is trained"
        cause "User or system text has labels: a wrong mask, or no labels at all where a trainer \
               copies the ids."
        cure "Train assistant turns only; give labels, not a bare mask.";
    HeaderInLoss "header-in-loss" Info
        means "A role header or an empty think block is trained"
        cause "The role header or an empty think block is trained, though the server sends it."
        cure "Harmless in small amounts; start the labels after the generation prompt.";
    MaskOffByOne "mask-off-by-one" Error
        means "The labels are shifted against the turn by one token"
        cause "The mask was made for other tokens than the ids, or labels were shifted for a \
               trainer that shifts them itself."
        cure "A label belongs at the position of its token: labels[i] == input_ids[i] or -100.";
    LabelMismatch "label-mismatch" Error
        means "A trained label is not the token at its position"
        cause "A label differs from the id at its position, so the model learns text that the \
               row does not show."
        cure "labels[i] must be input_ids[i] or -100.";
    OtherIgnoreLabel "other-ignore-label" Warning
        means "Untrained labels are not -100, the one value that trainers ignore"
        cause "The tool that wrote the labels marks untrained tokens by another value, such as -1. \
               Trainers of PyTorch ignore -100 only: they crash on the others, or train them."
        cure "Rewrite them as -100, or configure your loss; --ignore-label VALUE accepts the \
              value.";
    UntrainedAssistantTurn "untrained-assistant-turn" Warning
        means "An assistant turn is not trained although the policy trains it"
        cause "Only the last turn, or only the first, was found by the mask."
        cure "Fine if the policy says so; else build the mask from spans, not by search.";
    NoGenerationMarkers "no-generation-markers" Error
        means "The mask is all zero or all one: the template marks no turns"
        cause "The template has no {% generation %} tags, so the mask of transformers is all zero \
               (or all one)."
        cure "Use a template with the tags, or let turnmill infer the spans.";
    ResponseMarkerNotFound "response-marker-not-found" Error
        means "The response marker's tokens do not occur in the row"
        cause "The marker is tokenized differently in context than alone, so a search for its \
               ids finds nothing."
        cure "Build labels from spans; turnmill never searches for markers.";
    GenerationPromptInSample "generation-prompt-in-sample" Error
        means "The row ends in an empty assistant header"
        cause "The row was rendered with add_generation_prompt = True and ends in an empty \
               assistant header."
        cure "Render training data with add_generation_prompt = False.";
    BoundaryMerge "boundary-merge" Warning
        means "One token covers the end of the prompt and the start of the answer"
        cause "The answer starts with characters that merge with the end of the header into one \
               token."
        cure "boundary = apart tokenizes prompt and answer separately, as inference sees them.";
    PrefixSpaceDrift "prefix-space-drift" Warning
        means "The answer alone is tokenized with a space that is not in the row"
        cause "SentencePiece tokenizers put a space before a text that is encoded by itself."
        cure "Tokenize the row as one text.";
    SpecialTokenStrip "special-token-strip" Warning
        means "A special token swallows whitespace beside it"
        cause "A control token is flagged lstrip or rstrip and swallows the whitespace beside it."
        cure "Nothing, as long as the server tokenizes the same way.";
    RoundtripMismatch "roundtrip-mismatch" Info
        means "Decoding does not give the rendered text back"
        cause "The tokenizer normalizes: decoding gives other characters than went in."
        cure "Nothing, if the model was trained with this tokenizer.";
    NonPrefixTemplate "non-prefix-template" Warning
        means "Rendering more messages changes the text of earlier ones"
        cause "Rendering more messages changes the text of earlier ones, so training and inference \
               differ."
        cure "See history-rewritten: history = expand or last-turn.";
    NondeterministicTemplate "nondeterministic-template" Warning
        means "Two renders of one conversation differ, by the date or by chance"
        cause "The template prints a date or random text."
        cure "Fix the date with now = \"…\" in the recipe.";
    StaleCache "stale-cache" Error
        means "Stored data was made with another recipe, template or tokenizer"
        cause "A cache was found by file name and not by content, template, tokenizer and options."
        cure "Delete the cache and build it again; turnmill's run record holds the hash of \
              everything.";
    CacheKeyCollision "cache-key-collision" Error
        means "Two inputs share one cache entry"
        cause "Two inputs got the same cache entry, so one was trained twice and the other never."
        cure "Delete the cache and give the inputs different names.";
    PackingBoundary "packing-boundary" Error
        means "A packed row lacks document boundaries"
        cause "Several documents share a row and nothing says where one ends: they attend to each \
               other."
        cure "Keep seq_lengths or position_ids that restart, and use a collator that reads them.";
    PackingSplitTurn "packing-split-turn" Warning
        means "A turn is split over two packed rows"
        cause "Packing cut a turn at the end of a row; its second half has no prompt."
        cure "Pack whole samples (first fit), never wrapped.";
    TurnsLeftOut "turns-left-out" Info
        means "Whole turns were left out so that the sample fits `max_length`"
        cause "The conversation is longer than max_length; whole turns were left out so that the \
               rest ends properly."
        cure "Raise max_length if too much of the data is left out.";
    OverlongSample "overlong-sample" Error
        means "The sample is longer than the length limit"
        cause "The row is longer than the limit; a trainer will cut its end, terminator included."
        cure "Set max_length where the data is made, with a policy that keeps whole turns."
        hint "raise --max-length";
    NulByte "nul-byte" Info
        means "The text holds a NUL character"
        cause "The text holds a NUL character; some readers cut the text there."
        cure "Remove it.";
    Crlf "crlf" Info
        means "The text has Windows line ends"
        cause "The text has Windows line ends, which are tokenized differently from line feeds."
        cure "Convert them unless the model should learn them.";
    ReplacementChar "replacement-char" Info
        means "The text holds U+FFFD, the mark of a broken decoding"
        cause "Bytes were decoded with the wrong encoding; the original characters are lost."
        cure "Read the source again with the right encoding.";
    TrailingWhitespace "trailing-whitespace" Info
        means "An assistant message ends in whitespace"
        cause "An answer ends in spaces or line feeds before its terminator."
        cure "Strip it unless the model should learn it.";
    TokenIdOutOfRange "token-id-out-of-range" Error
        means "An id is negative or not in the vocabulary"
        cause "The data was made with another tokenizer, or an image placeholder was left in."
        cure "Check with the tokenizer that made the data.";
    LengthMismatch "length-mismatch" Error
        means "Columns of one row have different lengths"
        cause "Rows were cut in one column and not in another, such as seq_lengths after \
               truncation."
        cure "Build the data again; a trainer would crash or train the wrong places.";
    BrokenInput "broken-input" Error
        means "A file is missing, or the rest of it cannot be read"
        cause "A compressed or columnar file ends too early or is damaged, or a file of an output \
               was removed."
        cure "Replace the file; for an output, run the same prepare again.";
}

impl Rule {
    /// The rule of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.name() == name)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_rule() {
        for rule in Rule::ALL {
            assert_eq!(Rule::from_name(rule.name()), Some(*rule));
        }
    }
    #[test]
    fn every_rule_is_explained_in_sentences() {
        for rule in Rule::ALL {
            assert!(rule.cause().ends_with('.'), "{rule}");
            assert!(rule.cure().ends_with('.'), "{rule}");
        }
    }
}
