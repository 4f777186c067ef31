//! The roles that messages may have.

use crate::rules::{Reject, Rule};

/// Roles that templates of real models know. Any other is likely a role of the data set that needs
/// a mapping; many templates would drop its messages without a word.
pub const KNOWN_ROLES: [&str; 8] = [
    "user",
    "assistant",
    "system",
    "tool",
    "developer",
    "function",
    "ipython",
    "tool_results",
];

/// The reject of a role that nothing maps.
pub(super) fn unknown_role(role: &str) -> Reject {
    let ours = likely(&role.to_lowercase());
    let reason = format!("the role `{role}` is not known; map it, such as --roles {role}={ours}");
    Reject::new(Rule::UnknownRole, reason)
}

/// The role that `role` may stand for.
fn likely(role: &str) -> &'static str {
    match role {
        "model" | "bot" | "ai" | "gpt" | "chatbot" | "agent" | "chatgpt" => "assistant",
        _ => {
            let mut known = KNOWN_ROLES.into_iter();
            known.find(|known| *known == role).unwrap_or("user")
        }
    }
}
