//! Memory of one worker, reused from row to row.

use std::any::Any;

use super::account::Ledger;
use super::render::RenderMemory;
use super::replay::SampleReplayer;
use crate::setup::plan::Plan;
use crate::template::Rendered;

/// Buffers of one worker. Nothing in it outlives the stage that uses it.
pub(crate) struct Scratch {
    /// The encoder's.
    pub(crate) backend: Box<dyn Any + Send>,
    /// What the template makes while it renders.
    pub(crate) memory: RenderMemory,
    /// Renders of shorter conversations, for comparison.
    pub(crate) shorter: Rendered,
    /// Bytes of a render by message.
    pub(crate) ledger: Ledger,
    /// Ids, while terminators are inserted.
    pub(crate) ids: Vec<u32>,
    /// Replays samples, if a check asks for it.
    pub(crate) player: Option<SampleReplayer>,
}

impl Scratch {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            backend: plan.backend.scratch(),
            memory: RenderMemory::default(),
            shorter: Rendered::default(),
            ledger: Ledger::default(),
            ids: Vec::new(),
            player: None,
        }
    }
}
