//! Over-length policies: which messages of a conversation stay when its sample is too long.
//!
//! Messages are left out whole, so no policy can cut off a terminator or put one after an
//! unfinished answer. What is kept is rendered again, because a template may print the last turn
//! differently from an earlier one.

use std::ops::Range;

use crate::chat::Message;
use crate::recipe::OverLength;

/// Messages that are kept: the leading system messages and one later range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// Number of leading system messages, which are always kept.
    system: usize,
    /// Range of the other messages that are kept.
    pub(super) messages: Range<usize>,
}

impl Kept {
    /// Indices of the kept messages, in order.
    pub(super) fn indices(&self) -> impl Iterator<Item = usize> + use<> {
        (0..self.system).chain(self.messages.clone())
    }
}

/// What may be kept under `policy`, longest first. Every candidate ends in an assistant message,
/// and the first is shorter than the conversation up to its last assistant message.
pub(super) fn candidates(policy: OverLength, messages: &[Message<'_>]) -> Vec<Kept> {
    match policy {
        OverLength::WholeTurns => prefixes(messages),
        OverLength::OldestTurns => suffixes(messages),
        OverLength::Reject | OverLength::Error => Vec::new(),
    }
}

/// The index of the longest of `candidates` that fits in `max_length` tokens.
///
/// `estimate` gives a candidate's length if the first render tells it; `fits` renders and encodes
/// it. The search starts at the estimate and walks to the longest that fits, so a template that
/// prints turns independently of each other costs one or two renders.
pub(super) fn longest<E>(
    candidates: &[Kept],
    max_length: usize,
    mut estimate: impl FnMut(&Kept) -> Option<usize>,
    mut fits: impl FnMut(&Kept) -> Result<bool, E>,
) -> Result<Option<usize>, E> {
    let guess = candidates
        .iter()
        .position(|kept| estimate(kept).is_none_or(|length| length <= max_length))
        .unwrap_or(candidates.len());
    let mut found = None;
    for (index, candidate) in candidates.iter().enumerate().skip(guess) {
        if fits(candidate)? {
            found = Some(index);
            break;
        }
    }
    // The estimate may be too long, because a template may drop text from earlier turns.
    if found == Some(guess) || found.is_none() {
        for index in (0..guess).rev() {
            if !fits(&candidates[index])? {
                break;
            }
            found = Some(index);
        }
    }
    Ok(found)
}

/// What became of a candidate that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tried {
    Fits,
    /// It has this many tokens, more than allowed.
    Long(u32),
    /// The template or the contract refuses it.
    Refused,
}

/// How many longer candidates in a row must not fit before no longer one is tried. One would be
/// enough if no template refused a candidate between two that it prints, and if text without control
/// tokens never became shorter by a token where more of it is left.
const PATIENCE: usize = 8;

/// The index of the first of `count` candidates, longest first, that fits in `most` tokens.
///
/// It is the one that is found by trying one after the other, but takes only a few attempts:
/// `estimate` says where the first may be, and each attempt by how much the estimates are wrong.
pub(super) fn first<E>(
    count: usize,
    most: usize,
    estimate: impl Fn(usize) -> usize,
    mut attempt: impl FnMut(usize) -> Result<Tried, E>,
) -> Result<Option<usize>, E> {
    let likely = |more: usize| (0..count).find(|index| estimate(*index) + more <= most);
    let mut tried = Vec::new();
    let mut next = likely(0).unwrap_or(count);
    let mut found = None;
    while next < count && found.is_none() {
        tried.push(next);
        next = match attempt(next)? {
            Tried::Fits => {
                found = tried.pop();
                next
            }
            Tried::Long(length) => {
                let more = (length as usize).saturating_sub(estimate(next));
                likely(more).unwrap_or(count).max(next + 1)
            }
            Tried::Refused => next + 1,
        };
    }
    let mut misses = 0;
    for index in (0..found.unwrap_or(count)).rev() {
        if misses == PATIENCE {
            break;
        }
        if tried.pop_if(|last| *last == index).is_none() && attempt(index)? == Tried::Fits {
            (found, misses) = (Some(index), 0);
        } else {
            misses += 1;
        }
    }
    Ok(found)
}

fn leading_system(messages: &[Message<'_>]) -> usize {
    let is_system = |message: &&Message<'_>| matches!(message.role, "system" | "developer");
    messages.iter().take_while(is_system).count()
}

fn turn_ends(messages: &[Message<'_>]) -> impl DoubleEndedIterator<Item = usize> {
    let messages = messages.iter().enumerate();
    messages
        .filter(|(_, message)| message.is_turn())
        .map(|(index, _)| index + 1)
}

fn prefixes(messages: &[Message<'_>]) -> Vec<Kept> {
    let system = leading_system(messages);
    turn_ends(messages)
        .rev()
        .skip(1)
        .map(|end| Kept {
            system,
            messages: system..end,
        })
        .collect()
}

/// An exchange is a user message and everything up to the next user message, so a tool result is
/// never separated from its call.
fn suffixes(messages: &[Message<'_>]) -> Vec<Kept> {
    let system = leading_system(messages);
    let Some(end) = turn_ends(messages).next_back() else {
        return Vec::new();
    };
    let starts = (system + 1..end).filter(|index| messages[*index].role == "user");
    starts
        .filter(|start| messages[*start..end].iter().any(Message::is_turn))
        .map(|start| Kept {
            system,
            messages: start..end,
        })
        .collect()
}

/// What may be kept of a prompt, longest first: its last exchanges, up to its end.
pub(super) fn of_prompt(messages: &[Message<'_>]) -> Vec<Kept> {
    let system = leading_system(messages);
    let end = messages.len();
    let starts = (system + 1..end).filter(|index| messages[*index].role == "user");
    let kept = |start| Kept {
        system,
        messages: start..end,
    };
    starts.map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Map;
    use std::convert::Infallible;

    const ROLES: [&str; 9] = [
        "system",
        "user",
        "assistant",
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
        "assistant",
    ];

    fn candidates(policy: OverLength, roles: &[&'static str]) -> Vec<Kept> {
        let message = |role: &&'static str| Message {
            role,
            fields: Map::default(),
            weight: None,
        };
        super::candidates(policy, &roles.iter().map(message).collect::<Vec<_>>())
    }

    fn kept(system: usize, messages: Range<usize>) -> Kept {
        Kept { system, messages }
    }

    #[test]
    fn whole_turns_ends_at_every_assistant_message() {
        let found = candidates(OverLength::WholeTurns, &ROLES);
        assert_eq!(found, [kept(1, 1..7), kept(1, 1..5), kept(1, 1..3)]);
    }

    #[test]
    fn oldest_turns_drops_whole_exchanges_and_keeps_the_system_message() {
        let found = candidates(OverLength::OldestTurns, &ROLES);
        assert_eq!(found, [kept(1, 3..9), kept(1, 7..9)]);
    }

    #[test]
    fn messages_after_the_last_turn_never_stay() {
        let roles = ["user", "assistant", "user", "assistant", "user"];
        assert_eq!(candidates(OverLength::OldestTurns, &roles), [kept(0, 2..4)]);
        assert_eq!(candidates(OverLength::WholeTurns, &roles), [kept(0, 0..2)]);
    }

    #[test]
    fn a_prompt_keeps_its_end() {
        let message = |role: &&'static str| Message {
            role,
            fields: Map::default(),
            weight: None,
        };
        let of = |roles: &[&'static str]| of_prompt(&roles.iter().map(message).collect::<Vec<_>>());
        let roles = ["system", "user", "assistant", "user", "assistant", "tool"];
        assert_eq!(of(&roles), [kept(1, 3..6)]);
        assert_eq!(of(&["user"]), []);
    }

    #[test]
    fn a_conversation_of_one_exchange_has_nothing_to_give_up() {
        for policy in [OverLength::WholeTurns, OverLength::OldestTurns] {
            assert!(candidates(policy, &["system", "user", "assistant"]).is_empty());
        }
    }

    fn search(lengths: &[usize], estimates: &[usize], limit: usize) -> (Option<usize>, usize) {
        let all: Vec<Kept> = (0..lengths.len()).map(|index| kept(0, 0..index)).collect();
        let mut renders = 0;
        let found = longest(
            &all,
            limit,
            |candidate| estimates.get(candidate.messages.end).copied(),
            |candidate| {
                renders += 1;
                Ok::<_, Infallible>(lengths[candidate.messages.end] <= limit)
            },
        );
        (found.unwrap(), renders)
    }

    #[test]
    fn exact_fit_and_one_over() {
        let lengths = [30, 20, 10];
        assert_eq!(search(&lengths, &lengths, 20).0, Some(1));
        assert_eq!(search(&lengths, &lengths, 19).0, Some(2));
        assert_eq!(search(&lengths, &lengths, 10).0, Some(2));
        assert_eq!(search(&lengths, &lengths, 9).0, None);
    }

    /// What trying all finds, and what the search finds, with the number of its attempts.
    fn both(tries: &[Tried], estimates: &[usize], most: usize) -> [(Option<usize>, usize); 2] {
        let all = tries.iter().position(|tried| *tried == Tried::Fits);
        let mut attempts = 0;
        let attempt = |index: usize| {
            attempts += 1;
            Ok::<_, Infallible>(tries[index])
        };
        let found = first(tries.len(), most, |index| estimates[index], attempt).unwrap();
        [(all, tries.len()), (found, attempts)]
    }

    fn tries(lengths: &[usize], most: usize) -> Vec<Tried> {
        let tried = |length: &usize| match *length {
            0 => Tried::Refused,
            length if length <= most => Tried::Fits,
            length => Tried::Long(length as u32),
        };
        lengths.iter().map(tried).collect()
    }

    proptest::proptest! {
        #[test]
        fn the_first_that_fits_is_the_one_that_trying_all_finds(
            steps in proptest::collection::vec((0_usize..40, 0_usize..6, 0_usize..90), 0..40),
            most in 0_usize..800,
        ) {
            // Lengths fall; some candidates are refused, but not many in a row; estimates are wild.
            let mut length = 1;
            let mut lengths: Vec<usize> = steps.iter().rev().map(|(step, _, _)| {
                length += step;
                length
            }).collect();
            lengths.reverse();
            for index in 0..lengths.len() {
                if steps[index].1 == 0 && index % PATIENCE != 0 {
                    lengths[index] = 0;
                }
            }
            let estimates: Vec<usize> = lengths.iter().zip(&steps).map(|(length, (_, _, off))| {
                (length + off).saturating_sub(45)
            }).collect();
            let [all, found] = both(&tries(&lengths, most), &estimates, most);
            proptest::prop_assert_eq!(found.0, all.0);
        }
    }

    #[test]
    fn the_first_that_fits_takes_a_few_attempts() {
        let lengths: Vec<usize> = (1..=10_000).rev().map(|turns| 5_000 + 10 * turns).collect();
        let estimates: Vec<usize> = lengths.iter().map(|length| length - 5_000).collect();
        for most in [4_000, 5_010, 9_000, 90_000, 104_990] {
            let [all, found] = both(&tries(&lengths, most), &estimates, most);
            assert_eq!(found.0, all.0, "{most}");
            assert!(found.1 < 2 * PATIENCE, "{most}: {} attempts", found.1);
        }
    }

    #[test]
    fn a_wrong_estimate_only_costs_renders() {
        let lengths = [50, 40, 30, 20, 10];
        for estimates in [vec![], vec![90, 80, 70, 60, 50], vec![5, 4, 3, 2, 1]] {
            assert_eq!(search(&lengths, &estimates, 30).0, Some(2), "{estimates:?}");
        }
        assert!(search(&lengths, &lengths, 30).1 <= 2);
    }
}
