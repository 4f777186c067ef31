//! The encoder: a recipe made ready.

use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};

use super::worker::Worker;
use crate::Result;
use crate::audit;
use crate::chat::{Conversation, Record, Schema};
use crate::recipe::Recipe;
use crate::row::content_rules::ContentRules;
use crate::row::{Refusal, render};
use crate::rules::{Reject, Rule, RuleCounts};
use crate::setup::notes;
use crate::setup::plan::{self, Plan};
use crate::setup::templates::ChatTemplates;
use crate::template::Rendered;
use crate::tokenizer::Tokenizer;
use crate::value::{Arena, Value};

/// Everything that is decided before the first row. Shared between threads.
///
/// ```
/// use std::sync::Arc;
/// use turnmill_core::cancel::Cancel;
/// use turnmill_core::chat::Schema;
/// use turnmill_core::recipe::Recipe;
/// use turnmill_core::run::{Encoder, ShardOptions};
///
/// let recipe = r#"{"tokenizer": "../../python/turnmill/demo/tokenizer"}"#;
/// let encoder = Arc::new(Encoder::new(Recipe::from_json(recipe)?)?);
/// let mut shard = encoder.open_shard(ShardOptions::new(Schema::Text, "texts.jsonl"))?;
///
/// let cancel = Cancel::default();
/// let rows = b"{\"text\": \"to be\"}\n{\"text\": null}\n";
/// let fed = shard.feed_bytes(rows, &cancel)?;
/// assert_eq!((fed.rows, fed.rejected, fed.made), (2, 1, 1));
/// let rest = shard.finish(&cancel)?;
/// assert_eq!(rest.samples[0].num_rows(), 1); // batches are cut every 1,000 samples
/// # Ok::<(), turnmill_core::Error>(())
/// ```
pub struct Encoder {
    pub(super) plan: Plan,
    /// Notes for the user, one sentence each, for the end of a run and the run record.
    notes: Vec<String>,
    pub(super) content: Arc<ContentRules>,
    /// Idle workers between calls; their caches are worth keeping.
    workers: Mutex<Vec<Worker>>,
}

impl Encoder {
    /// Loads what the recipe names, and checks that the parts fit together: the stop set is known,
    /// the turns of the template can be located, and the template ends them in a stop token (or
    /// never, and the recipe allows the eos to be added).
    pub fn new(recipe: Recipe) -> Result<Self> {
        let tokenizer = Tokenizer::load(Path::new(&recipe.tokenizer));
        Self::with_tokenizer(recipe, tokenizer)
    }

    /// Like [`new`](Self::new), with the tokenizer's reference backend, because the fast one gave
    /// other ids. `difference` comes from [`self_check`](Self::self_check).
    pub fn with_reference(recipe: Recipe, difference: &str) -> Result<Self> {
        let reason = format!("the self-check found a difference: {difference}");
        let tokenizer = Tokenizer::load_reference(Path::new(&recipe.tokenizer), &reason);
        let mut encoder = Self::with_tokenizer(recipe, tokenizer)?;
        encoder.notes.push(format!(
            "the fast tokenizer backend is not used, because its ids are not those of the \
             tokenizers library ({difference}); the slow reference backend takes its place"
        ));
        Ok(encoder)
    }

    fn with_tokenizer(recipe: Recipe, tokenizer: Result<Tokenizer>) -> Result<Self> {
        plan::require_tokenizer(&recipe)?;
        let plan = Plan::new(recipe, tokenizer?)?;
        let content = ContentRules::new(&plan.tokenizer, plan.structural.ids())?;
        Ok(Self {
            notes: notes::of(&plan),
            plan,
            content: Arc::new(content),
            workers: Mutex::default(),
        })
    }

    /// The encoder for an input with its own `schema`, `fields` or `roles`, as JSON. Tokenizer and
    /// templates are shared.
    pub fn for_input(&self, keys: &str) -> Result<Self> {
        let mut plan = self.plan.clone();
        plan.recipe = plan.recipe.for_input(keys)?;
        Ok(Self {
            plan,
            notes: self.notes.clone(),
            content: Arc::clone(&self.content),
            workers: Mutex::default(),
        })
    }

    /// The recipe that the encoder was made from.
    pub fn recipe(&self) -> &Recipe {
        &self.plan.recipe
    }

    /// The tokenizer in use.
    pub fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.plan.tokenizer
    }

    /// Ids that the serving side stops on.
    pub fn stop_ids(&self) -> &[u32] {
        self.plan.stop.ids()
    }

    /// Reads a row, as the first step of encoding it.
    pub fn read<'a>(
        &self,
        schema: Schema,
        row: Value<'a>,
        arena: &'a Arena,
    ) -> Result<std::result::Result<Record<'a>, Reject>> {
        let reader = self.plan.reader(schema)?;
        Ok(reader.read(row, arena, &mut RuleCounts::default()))
    }

    /// Renders a conversation, as the second step of encoding it.
    pub fn render<'a>(
        &self,
        conversation: &Conversation<'a>,
        arena: &'a Arena,
    ) -> Result<std::result::Result<Rendered, Reject>> {
        match render::whole(&self.plan, conversation, arena) {
            Ok(rendered) => Ok(Ok(rendered)),
            Err(Refusal::Row(reject)) => Ok(Err(reject)),
            Err(Refusal::Run(error)) => Err(error),
        }
    }

    /// What the plan found and decided, for the run record. The same plan gives the same facts.
    pub fn facts(&self) -> Json {
        let plan = &self.plan;
        let tokenizer = &plan.tokenizer;
        let token = |id: u32| json!({"id": id, "token": tokenizer.id_to_text(id)});
        let named = |name: &str| tokenizer.special_id(name).map(token);
        json!({
            "tokenizer": {
                "path": tokenizer.path(),
                "hash": format!("{:032x}", tokenizer.hash()),
                "backend": tokenizer.backend_name(),
                "backend_reason": tokenizer.backend_reason(),
                "vocab_size": tokenizer.vocab_size(),
            },
            "template": plan.template_facts(),
            "stop": plan.stop.ids().iter().map(|id| token(*id)).collect::<Vec<_>>(),
            "terminator": plan.terminator().map(token),
            "bos": named("bos_token"),
            "eos": named("eos_token"),
            "pad": named("pad_token"),
            "core_version": env!("CARGO_PKG_VERSION"),
            "now": plan.now_text(),
            "notes": self.notes,
            "findings": self.findings(),
        })
    }

    /// Rules that hold for every row: what is wrong with tokenizer, template or stop set.
    fn findings(&self) -> Vec<Json> {
        let plan = &self.plan;
        let template = plan.templates().ok().map(ChatTemplates::plain);
        let setup = audit::setup_findings(&plan.tokenizer, plan.stop.ids(), template);
        // Whether the template rewrites earlier turns is found in each row.
        let setup = setup
            .iter()
            .filter(|(rule, _)| *rule != Rule::NonPrefixTemplate);
        let noted = notes::findings(plan);
        let found = noted.iter().chain(setup);
        let finding = |(rule, note): &(Rule, String)| json!({"rule": rule.name(), "note": note});
        found.map(finding).collect()
    }

    /// An idle worker, or a new one. Never waits: if the process was forked while another thread
    /// held the lock, it stays locked.
    pub(super) fn worker(&self) -> Worker {
        let rested = self.workers.try_lock().ok();
        let rested = rested.and_then(|mut rested| rested.pop());
        rested.unwrap_or_else(|| Worker::new(&self.plan))
    }

    pub(super) fn rest(&self, worker: Worker) {
        if let Ok(mut rested) = self.workers.try_lock() {
            rested.push(worker);
        }
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder")
            .field("tokenizer", &self.plan.tokenizer)
            .finish_non_exhaustive()
    }
}
