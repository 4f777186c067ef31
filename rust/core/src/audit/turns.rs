//! The rules on the turns of one document. The turns are those that the row knows; else runs of
//! trained labels, cut at role headers if the template is known.

use std::ops::Range;

use super::options::Asked;
use super::row::TokenRow;
use super::scan;
use super::segment::Segment;
use super::tally::Tally;
use super::token_classes::TokenClasses;
use crate::row::contract::TrainedTurn;
use crate::rules::{Evidence, Rule, is_trained};

/// The rules on one document of a row.
pub(super) struct Turns<'a, 'b> {
    classes: &'a TokenClasses,
    asked: Asked,
    row: &'a TokenRow<'a>,
    tally: &'b mut Tally,
    document: u32,
    range: Range<usize>,
    all_trained: bool,
    turn: u32,
    message: Option<u32>,
    /// The labels of the turn before were shifted. A label on the next header is part of the same
    /// finding.
    shifted: bool,
    prompt_reported: bool,
}

impl<'a, 'b> Turns<'a, 'b> {
    /// The rules on document `index` of a row.
    pub(super) fn new(
        (classes, asked): (&'a TokenClasses, Asked),
        row: &'a TokenRow<'a>,
        index: usize,
        tally: &'b mut Tally,
    ) -> Self {
        let range = row.documents[index].clone();
        let all_trained = row.turns().is_none()
            && !scan::any(&row.labels[range.clone()], |label| !is_trained(label));
        Self {
            classes,
            asked,
            row,
            tally,
            document: index as u32,
            range,
            all_trained,
            turn: 0,
            message: None,
            shifted: false,
            prompt_reported: false,
        }
    }

    /// Applies the rules.
    pub(super) fn check(mut self) {
        self.check_start();
        let trained = scan::any(&self.row.labels[self.range.clone()], is_trained);
        if !trained {
            self.add(Rule::AllLabelsMasked, self.range.end.saturating_sub(1), "");
            return;
        }
        self.check_inner_bos();
        self.check_aliens();
        let mut after_turn = false;
        let segments = self.segments();
        let answers = segments.iter();
        let answers = answers.filter(|segment| segment.assistant != Some(false));
        self.tally.several |= answers.count() > 1;
        for segment in segments {
            self.message = segment.message;
            if segment.system && after_turn {
                let note = "a system message after an answer: rows that were packed and lost their \
                            boundaries look like this";
                self.add(Rule::RoleOrder, segment.range.start, note);
            }
            after_turn = segment.assistant == Some(true);
            if let Some(turn) = segment.known {
                self.check_known(turn);
                continue;
            }
            match segment.assistant {
                Some(true) => self.check_assistant(&segment),
                Some(false) => self.check_other(&segment),
                None => self.check_runs(&segment),
            }
        }
        let known = self.row.turns().map(<[_]>::len);
        self.tally.turns += known.map_or(u64::from(self.turn), |turns| turns as u64);
    }

    /// Whether this is the last document of the row.
    fn is_last(&self) -> bool {
        self.document as usize + 1 == self.row.documents.len()
    }

    fn evidence(&self, at: usize, note: &str) -> Evidence {
        Evidence {
            document: self.document,
            turn: Some(self.turn),
            message: self.message,
            ..self.row.evidence(at, note)
        }
    }

    /// Adds a finding, unless the row has counted the rule itself.
    fn add(&mut self, rule: Rule, at: usize, note: &str) {
        if self.row.has_counted(rule) {
            return;
        }
        let full = self.tally.findings.is_full(rule);
        let evidence = if full {
            Evidence::default()
        } else {
            self.evidence(at, note)
        };
        self.tally.findings.add(rule, self.row.number, || evidence);
    }

    fn check_start(&mut self) {
        let (known, start) = (self.classes, self.range.start);
        let begins = |at: usize| at < self.range.end && known.begins(self.row.ids[at]);
        let (first, second) = (begins(start), begins(start + 1));
        if first && second {
            self.add(Rule::DoubleBos, start, "");
        }
        if !first && known.expects_bos() {
            self.add(Rule::MissingBos, start, "");
        }
        // A document's first token is predicted from the last one of the document before it.
        let seam = self.document > 0 && !self.all_trained && self.row.trains(start);
        if seam {
            self.add(
                Rule::PackingBoundary,
                start,
                "the label of a document's first token is trained",
            );
        }
    }

    /// Judges BOS inside a document: after a stop token another document starts; elsewhere it is
    /// content.
    fn check_inner_bos(&mut self) {
        let known = self.classes;
        let bos_stops = known.bos().is_some_and(|bos| known.stops(bos as i32));
        // The template may print a BOS before every message, or one token may be BOS and stop token.
        if known.repeats_bos() || bos_stops {
            return;
        }
        for mark in self.row.marks_in(&(self.range.start + 2..self.range.end)) {
            let at = *mark as usize;
            if !known.begins(self.row.ids[at]) {
                continue;
            }
            let before =
                (self.range.start..at).rfind(|place| !known.is_space(self.row.ids[*place]));
            if before.is_some_and(|place| known.stops(self.row.ids[place])) {
                self.add(
                    Rule::PackingBoundary,
                    at,
                    "a document starts here and nothing marks it",
                );
            } else {
                self.add(
                    Rule::ControlTokenInContent,
                    at,
                    "there is a BOS token inside the text",
                );
            }
        }
    }

    /// A control token that the template never prints came from the text of a message.
    fn check_aliens(&mut self) {
        let marks = self.row.marks_in(&self.range).iter();
        let mut places = marks.map(|mark| *mark as usize);
        if let Some(at) = places.find(|at| self.classes.is_alien(self.row.ids[*at])) {
            let note = "the template never prints this control token; it came from a message";
            self.add(Rule::ControlTokenInContent, at, note);
        }
    }

    /// The messages of the document; one segment of unknown role if no header is found.
    fn segments(&self) -> Vec<Segment> {
        match self.row.turns() {
            // The row has judged what is between its turns as text.
            Some(turns) => turns.iter().map(|turn| Segment::known(*turn)).collect(),
            None => self.found_segments(),
        }
    }

    fn found_segments(&self) -> Vec<Segment> {
        let mut segments: Vec<Segment> = Vec::new();
        if self.classes.knows_headers() {
            for mark in self.row.marks_in(&self.range) {
                let at = *mark as usize;
                if segments.last().is_some_and(|before| at < before.content) {
                    continue;
                }
                segments.extend(self.segment_at(at, segments.len() as u32));
            }
        }
        let Some(first) = segments.first().map(|segment| segment.range.start) else {
            return vec![Segment::whole(self.range.clone(), None)];
        };
        let starts: Vec<usize> = segments
            .iter()
            .skip(1)
            .map(|next| next.range.start)
            .collect();
        for (segment, end) in segments.iter_mut().zip(starts) {
            segment.range.end = end;
        }
        self.join_channels(&mut segments);
        if first > self.range.start {
            segments.insert(0, Segment::whole(self.range.start..first, Some(false)));
        }
        segments
    }

    /// Joins what is one turn although a header stands inside, as between the channels of gpt-oss:
    /// the header is trained, and what is before it ends in no stop token.
    fn join_channels(&self, segments: &mut Vec<Segment>) {
        let goes_on = |start: usize| {
            let before = (self.range.start..start).rfind(|at| !self.is_space(*at));
            let ends = before.is_some_and(|at| self.row.trains(at) && !self.stops(at));
            ends && self.row.trains(start)
        };
        segments.dedup_by(|next, turn| {
            let answers = [&turn.assistant, &next.assistant] == [&Some(true); 2];
            let joins = answers && goes_on(next.range.start);
            if joins {
                turn.range.end = next.range.end;
            }
            joins
        });
    }

    fn segment_at(&self, at: usize, message: u32) -> Option<Segment> {
        let header = self.classes.header_at(&self.row.ids[at..self.range.end])?;
        let end = at + header.ids.len();
        let rest = &self.row.ids[end..self.range.end];
        let space = match &header.tail[..] {
            tail if rest.starts_with(tail) => tail.len(),
            _ => usize::from(rest.first().is_some_and(|id| self.classes.is_space(*id))),
        };
        Some(Segment {
            range: at..self.range.end,
            header_end: end,
            content: end + space,
            assistant: Some(header.assistant),
            system: header.system,
            message: Some(message),
            known: None,
        })
    }

    /// Trained runs that touch `range`, in full length.
    fn runs(&self, range: &Range<usize>) -> Vec<Range<usize>> {
        let mut runs = Vec::new();
        let labels = &self.row.labels[..range.end];
        let mut at = range.start;
        while let Some(skipped) = scan::find(&labels[at..], is_trained) {
            let start = at + skipped;
            let length = scan::find(&labels[start..], |label| !is_trained(label));
            at = length.map_or(range.end, |length| start + length);
            runs.push(start..at);
        }
        runs
    }

    /// Judges the ids of a turn that the row knows. Where it begins and ends, and what is trained of
    /// it, was judged when the row was encoded.
    fn check_known(&mut self, turn: TrainedTurn) {
        let sample = self.row.sample;
        let number = sample.and_then(|sample| sample.turn_of(turn.message));
        self.turn = number.unwrap_or_default();
        let range = turn.start as usize..turn.end as usize;
        if self.classes.drifts(self.row.ids[range.start]) {
            self.add(Rule::PrefixSpaceDrift, range.start, "");
        }
        self.check_run(&range, &range);
    }

    fn check_runs(&mut self, segment: &Segment) {
        let runs = self.runs(&segment.range);
        self.tally.several |= runs.len() > 1;
        for run in runs {
            self.check_run(&run, &self.range.clone());
            self.turn += 1;
        }
    }

    fn report_prompt(&mut self, at: usize) {
        if !self.prompt_reported {
            self.prompt_reported = true;
            self.add(Rule::PromptInLoss, at, "");
        }
    }

    fn check_other(&mut self, segment: &Segment) {
        let start = segment.range.start;
        // The marker that opens this message may be the stop token of the turn before it.
        let owned = self.classes.stops(self.row.ids[start]) || self.shifted;
        let first = start + usize::from(owned);
        self.shifted = false;
        let stray = (first..segment.range.end).find(|at| self.row.trains(*at));
        if let Some(at) = stray.filter(|_| !self.asked.outside) {
            self.report_prompt(at);
        }
        if segment.message.is_none() {
            // The template's own words on its format may stand before the first message.
            return;
        }
        for mark in self.row.marks_in(&(segment.content..segment.range.end)) {
            let at = *mark as usize;
            let next = self.next_text(at + 1, segment.range.end);
            let inside = next.is_some_and(|next| !self.opens(next) && !self.stops(next));
            if self.stops(at) && inside {
                self.add(
                    Rule::ControlTokenInContent,
                    at,
                    "there is a stop token inside a message that is not the assistant's",
                );
            }
        }
    }

    fn check_assistant(&mut self, segment: &Segment) {
        self.shifted = false;
        let end = segment.range.end;
        let marker_stops = end < self.range.end && self.stops(end);
        let reach = segment.range.start..end + usize::from(marker_stops);
        let runs = self.runs(&reach);
        // The opening marker may be the trained stop token of the message before.
        let own = |run: &&Range<usize>| run.end > segment.range.start + 1 || !self.stops(run.start);
        let runs: Vec<Range<usize>> = runs.iter().filter(own).cloned().collect();
        let (Some(first), Some(last)) = (runs.first(), runs.last()) else {
            self.check_untrained(segment);
            return;
        };
        if self.is_shifted(segment, &(first.start..last.end), runs.len()) {
            self.turn += 1;
            return;
        }
        self.check_header(segment, first.start);
        if self
            .classes
            .drifts(self.row.ids[segment.content.min(self.range.end - 1)])
        {
            self.add(Rule::PrefixSpaceDrift, segment.content, "");
        }
        let mut start = segment.content.max(first.start);
        for run in &runs {
            // What follows a trained stop token without being trained is not the model's: the
            // result of a tool, in templates that print it inside the turn that called it.
            if run.end == last.end || self.ends_in_stop(run) {
                self.check_run(&(start..run.end), &reach);
                self.turn += 1;
                start = run.end;
            }
        }
    }

    /// Whether the last token of a run that is not whitespace is a stop token.
    fn ends_in_stop(&self, run: &Range<usize>) -> bool {
        let texts = |at: &usize| !self.classes.is_space(self.row.ids[*at]);
        run.clone().rfind(texts).is_some_and(|at| self.stops(at))
    }

    /// Checks that the whitespace after a header is what the template prints, as the server does.
    /// It is not trained.
    fn check_header(&mut self, segment: &Segment, trained: usize) {
        let end = segment.header_end;
        let (header, rest) =
            self.row.ids[segment.range.start..].split_at(end - segment.range.start);
        let exact = self
            .classes
            .tails(header)
            .any(|tail| rest.starts_with(tail));
        if trained < end || (exact && trained < segment.content) {
            self.add(Rule::HeaderInLoss, trained, "");
        }
        let Some(id) = rest.first().copied().filter(|_| !exact && trained >= end) else {
            return;
        };
        let merges = self.classes.is_space(id) || self.classes.leads(id);
        if self.row.trains(end) && merges {
            self.add(Rule::BoundaryMerge, end, "");
        } else {
            let note = "the template prints other whitespace between the header and the answer";
            self.add(Rule::PromptParity, end, note);
        }
    }

    fn check_untrained(&mut self, segment: &Segment) {
        let empty = self.next_text(segment.content, segment.range.end).is_none();
        // The end of one tool's result may look like the start of an answer before the next.
        if empty && segment.range.end < self.range.end {
            return;
        }
        if empty {
            if !self.classes.ends_in_prompt() {
                self.add(Rule::GenerationPromptInSample, self.range.end - 1, "");
            }
        } else if !self.asked.untrained {
            self.add(Rule::UntrainedAssistantTurn, segment.content, "");
        }
    }

    /// Compares the labels of a turn with its tokens, from the first after the header through the
    /// first stop token.
    fn is_shifted(&mut self, segment: &Segment, run: &Range<usize>, runs: usize) -> bool {
        let start = segment.content;
        let marks = self.row.marks_in(&(start..self.range.end)).iter();
        let Some(stop) = marks.map(|mark| *mark as usize).find(|at| self.stops(*at)) else {
            return false;
        };
        let rest = &self.row.labels[run.end..self.range.end];
        let end = scan::find(rest, |label| !is_trained(label));
        let run_end = end.map_or(self.range.end, |length| run.end + length);
        let late = run.start == start + 1;
        let plain = late && !self.classes.is_space(self.row.ids[start]) && !self.opens(start);
        let note = if runs != 1 || stop < start + 1 {
            return false;
        } else if plain && run_end == stop + 2 {
            "the labels are one token late"
        } else if plain && run_end == stop + 1 {
            "the first token of the turn is not trained"
        } else if run.start + 1 == start && run_end == stop {
            "the labels are one token early"
        } else {
            return false;
        };
        self.shifted = run_end > stop + 1;
        self.add(Rule::MaskOffByOne, run.start, note);
        true
    }

    fn stops(&self, at: usize) -> bool {
        self.row
            .ids
            .get(at)
            .is_some_and(|id| self.classes.stops(*id))
    }

    /// Whether a message, a document, or a control token that structures one starts here.
    fn opens(&self, at: usize) -> bool {
        let ids = &self.row.ids[at..];
        ids.first().is_some_and(|id| self.classes.structures(*id))
            || self.classes.header_at(ids).is_some()
    }

    fn is_space(&self, at: usize) -> bool {
        self.classes.is_space(self.row.ids[at])
    }

    /// The first token from `at` that is not whitespace.
    fn next_text(&self, at: usize, end: usize) -> Option<usize> {
        (at..end).find(|place| !self.is_space(*place))
    }

    /// Judges the end of one trained run inside `reach`.
    fn check_run(&mut self, run: &Range<usize>, reach: &Range<usize>) {
        let mut stopped: Option<usize> = None;
        for mark in self.row.marks_in(run) {
            let at = *mark as usize;
            if !self.stops(at) {
                continue;
            }
            let again = stopped.is_some_and(|stop| self.next_text(stop + 1, at + 1) == Some(at));
            if again && self.row.trains(at) {
                self.add(Rule::DuplicateTerminator, at, "");
            } else if self.row.trains(at) {
                self.check_inner_stop(at, run);
            }
            stopped = Some(at);
        }
        let ended = stopped.filter(|stop| self.next_text(stop + 1, run.end).is_none());
        match ended {
            Some(stop) if self.row.trains(stop) => self.check_ended(stop, run, reach),
            Some(stop) => self.add(Rule::TerminatorMasked, stop, ""),
            None => self.check_open(run, reach),
        }
    }

    /// Judges a trained stop token that may be followed by more trained text.
    fn check_inner_stop(&mut self, at: usize, run: &Range<usize>) {
        let Some(next) = self.next_text(at + 1, run.end) else {
            return;
        };
        if self.stops(next) {
            return;
        }
        if self.opens(next) {
            self.report_prompt(next);
        } else if self.all_trained {
            self.add(
                Rule::PackingBoundary,
                next,
                "several documents, and nothing marks where they start",
            );
        } else {
            self.add(Rule::PrematureTerminator, at, "");
        }
    }

    fn check_ended(&mut self, stop: usize, run: &Range<usize>, reach: &Range<usize>) {
        self.tally.ends.add_ended();
        self.tally.add_terminator(self.row.ids[stop], 1);
        if self.message.is_some() && self.classes.is_unprinted_stop(self.row.ids[stop]) {
            self.add(Rule::OtherTerminator, stop, "");
        }
        if self.next_text(run.start, stop).is_none() {
            self.add(Rule::EmptyAssistantTurn, stop, "");
        }
        if stop + 1 < run.end {
            self.add(Rule::TrailingTokensTrained, stop + 1, "");
        }
        if run.end == stop + 1
            && self
                .next_text(run.end, reach.end)
                .is_some_and(|at| self.stops(at))
        {
            self.add(Rule::TerminatorCut, stop + 1, "");
        }
    }

    /// Judges a trained run that does not end in a stop token.
    fn check_open(&mut self, run: &Range<usize>, reach: &Range<usize>) {
        let next = self.next_text(run.end, self.range.end);
        if let Some(stop) = next.filter(|at| self.stops(*at)) {
            self.tally.ends.add_ended();
            self.add(Rule::TerminatorMasked, stop, "");
            return;
        }
        let texts = |at: &usize| !self.classes.is_space(self.row.ids[*at]);
        let last = run.clone().rfind(texts).unwrap_or(run.end - 1);
        if self.is_foreign(last) {
            self.add(Rule::WrongTerminator, last, "");
            return;
        }
        let known = self.classes.knows_headers() && run.end < reach.end;
        if let Some(at) = next.filter(|at| known && *at < reach.end && self.is_foreign(*at)) {
            self.add(Rule::WrongTerminator, at, "");
        } else if run.end == self.range.end && self.is_last() {
            let evidence = self.evidence(last, "");
            self.tally
                .set_open(evidence, self.row.length() as u32, self.row.packed);
        } else {
            self.add(Rule::MissingTerminator, last, "");
        }
    }

    /// Whether the token is a control token, but neither a stop token nor the start of a message.
    fn is_foreign(&self, at: usize) -> bool {
        let ids = &self.row.ids[at..];
        self.classes.structures(ids[0]) && self.classes.header_at(ids).is_none()
    }
}
